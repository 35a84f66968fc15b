"""axe-core finds nothing serious on any page, light or dark, on a desktop or on a phone; the keyboard reaches all."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect

from runs.models import Run
from runs.reports import document as report_document
from runs.reports import write as report
from tests import factories
from tests.browser import axe

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


def _settled(page: Page, address: str) -> None:
    page.goto(address)
    if page.locator("main[data-live]").count():
        page.wait_for_selector("#connection[data-state=live]")
    if page.locator("#charts").count():
        page.wait_for_selector("#charts[data-state]")


def _pages() -> Iterator[str]:
    """Every kind of page, in every situation."""
    runs = {scene: scene() for scene in factories.ALL_SCENES}
    yield "/"
    yield "/?show=attention&q=nothing"
    for run in runs.values():
        if run is not None:
            yield run.get_absolute_url()
    yield runs[factories.held].host.get_absolute_url()
    yield runs[factories.passed].host.get_absolute_url()
    yield f"{runs[factories.in_storage].get_absolute_url()}log/"
    yield f"{runs[factories.in_storage].get_absolute_url()}cancel/"
    yield f"{runs[factories.held_by_wipe_probe].get_absolute_url()}override/"
    yield f"{runs[factories.held_by_spec].get_absolute_url()}adopt/"
    yield "/setup/"
    yield f"{runs[factories.held_by_spec].get_absolute_url()}spec/"
    yield f"{runs[factories.held].get_absolute_url()}retry/"
    yield f"{runs[factories.passed].get_absolute_url()}cancel/"
    yield "/nothing/"


@pytest.mark.parametrize("width", [1280, 360])
def test_no_page_has_a_serious_fault(page: Page, width: int) -> None:
    page.context.add_init_script(path=axe.SCRIPT)
    page.set_viewport_size({"width": width, "height": 900})
    faults: list[str] = []
    for address in _pages():
        _settled(page, address)
        faults += axe.faults_in_light_and_dark(page)
    assert faults == []


def test_an_empty_installation_and_its_login_have_none_either(page: Page) -> None:
    page.context.add_init_script(path=axe.SCRIPT)
    _settled(page, "/")
    faults = axe.faults(page)
    page.click("text=Log out")
    page.wait_for_url("**/login/*")
    assert faults + axe.faults(page) == []


def test_an_open_confirmation_has_none_either(page: Page) -> None:
    page.context.add_init_script(path=axe.SCRIPT)
    _settled(page, factories.in_storage().get_absolute_url())
    page.click("text=Cancel run")
    expect(page.locator("dialog h1")).to_be_visible()
    assert axe.faults(page) == []


def test_a_report_has_none_either_and_fits_a_phone(page: Page) -> None:
    """Looked at without its sandbox, in which axe-core could not run."""
    run = factories.held_by_wipe_probe()
    run.stage_runs.filter(name="SMART").update(evidence={"smartctl": "=== START ===", "nvme": "{}"})
    page.context.add_init_script(path=axe.SCRIPT)
    copy = page.context.new_page()
    copy.set_viewport_size({"width": 390, "height": 844})
    copy.set_content(report.to_html(report_document.document(Run.objects.get(pk=run.pk))))
    assert axe.faults(copy) == []
    assert copy.evaluate("document.documentElement.scrollWidth") <= 390


def test_a_run_can_be_cancelled_with_the_keyboard_alone(page: Page) -> None:
    run = factories.in_storage()
    _settled(page, run.get_absolute_url())
    page.keyboard.press("Tab")
    expect(page.locator(".skip")).to_be_focused()
    page.keyboard.press("Enter")
    for _ in range(20):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.textContent.trim()") == "Cancel run":
            break
    page.keyboard.press("Enter")
    expect(page.locator("dialog h1")).to_have_text("Cancel this run?")
    page.keyboard.press("Escape")
    expect(page.locator("dialog")).not_to_be_visible()
    expect(page.locator("#summary .actions a")).to_be_focused()


def test_an_update_leaves_the_keyboard_where_it_was(page: Page) -> None:
    run = factories.in_storage()
    _settled(page, run.get_absolute_url())
    page.locator("#summary .actions a").focus()
    run.repair = "the other one replaced"
    run.save()
    factories.tell(run, "note")
    expect(page.locator("#summary")).to_contain_text("the other one replaced")
    expect(page.locator("#summary .actions a")).to_be_focused()
