"""A host's history as an operator walks through it: comparing runs, adopting a spec. On a desk and on a phone."""

from __future__ import annotations

import copy

import pytest
from playwright.sync_api import Page, expect

from agent.contract import codec
from hosts.models import Host
from runs.models import Run
from tests import factories, rows
from tests.browser import axe
from tests.runs.test_lacking import a_first_run
from tests.talker import INVENTORY

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
DESK, PHONE = {"width": 1280, "height": 900}, {"width": 390, "height": 844}
sizes = pytest.mark.parametrize("size", [DESK, PHONE], ids=["desk", "phone"])


def narrower_than_its_window(page: Page) -> bool:
    return page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")


@pytest.fixture
def host(transactional_db: None) -> Host:
    """Three runs; a DIMM was replaced before the last, and its disk became slower."""
    host = rows.a_host(expected={"cpu": {"cores": 2}})
    after = copy.deepcopy(codec.encode(INVENTORY))
    after["memory"]["dimms"][0]["serial"] = "D-0002"
    for inventory, speed in ((codec.encode(INVENTORY), 500.0), (codec.encode(INVENTORY), 505.0), (after, 300.0)):
        rows.a_stage(rows.a_run(host, inventory=inventory), "Storage", numbers={"seq_read_mb_s.SATA-0001": speed})
    return host


@sizes
def test_two_runs_are_compared_from_the_hosts_page(host: Host, page: Page, size: dict[str, int]) -> None:
    page.context.add_init_script(path=axe.SCRIPT)
    page.set_viewport_size(size)
    page.goto(host.get_absolute_url())
    expect(page.locator("#trends")).to_contain_text("41 % worse")
    assert narrower_than_its_window(page)
    page.get_by_role("button", name="Compare").click()
    expect(page.locator("main")).to_contain_text("3072 MB serial D-0002")
    expect(page.locator(".sides")).to_contain_text("41 % worse")
    assert narrower_than_its_window(page)
    assert axe.faults(page) == []


@sizes
def test_one_difference_is_adopted_from_the_page_with_all_parts(
    transactional_db: None, page: Page, size: dict[str, int]
) -> None:
    run = factories.held_by_spec()
    page.set_viewport_size(size)
    page.goto(run.get_absolute_url())
    page.get_by_role("link", name="All parts side by side").click()
    assert narrower_than_its_window(page)
    page.get_by_role("link", name="Adopt disks[SATA-0001]", exact=True).click()
    page.get_by_role("button", name="Adopt", exact=True).click()
    page.wait_for_url(f"**{run.get_absolute_url()}")
    serials = {disk["serial"] for disk in Host.objects.get(pk=run.host_id).expected["disks"]}
    assert "SATA-0001" in serials and Run.objects.get(pk=run.pk).events.filter(kind="adopted").count() == 1


@sizes
def test_a_first_run_is_adopted_with_what_the_host_does_not_have(
    transactional_db: None, page: Page, size: dict[str, int]
) -> None:
    page.context.add_init_script(path=axe.SCRIPT)
    run = a_first_run()
    page.set_viewport_size(size)
    page.goto(run.get_absolute_url())
    expect(page.locator("#lacking li")).to_have_count(3)
    assert narrower_than_its_window(page) and axe.faults(page) == []
    page.locator("#lacking li", has_text="CPU temperature").get_by_role("link").click()
    expect(page.locator("dialog input:checked")).to_have_count(1)
    assert axe.faults(page) == []
    page.locator("dialog").get_by_role("link", name="Back").click()
    page.get_by_role("link", name="Adopt what was found").click()
    page.locator("dialog summary", has_text="Memory modules: 1").click()
    expect(page.locator("dialog")).to_contain_text("DIMM_A1")
    page.locator("dialog label", has_text="counters of CPU throttling").locator("input").uncheck()
    assert axe.faults(page) == []
    page.get_by_role("button", name="Adopt all").click()
    expect(page.locator("#lacking li")).to_have_count(1)
    assert set(Host.objects.get(pk=run.host_id).expected["not_expected"]) == {"bmc", "gpu", "thermal"}
