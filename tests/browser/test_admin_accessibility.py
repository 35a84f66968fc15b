"""The inventory's pages: axe-core finds nothing serious on them, and on a phone nothing has to be pushed sideways but
what lies in a box of its own."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Page

from runs.models import Run
from tests import factories
from tests.browser import axe

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

# What reaches beyond the window's right edge although no box around it scrolls or cuts it off.
TOO_WIDE = """() => {
  const boxed = (one) => one && one !== document.body
    && (["auto", "scroll", "hidden", "clip"].includes(getComputedStyle(one).overflowX) || boxed(one.parentElement));
  return [...document.body.querySelectorAll("*")]
    .filter((one) => one.getBoundingClientRect().right > innerWidth + 1 && !boxed(one.parentElement))
    .map((one) => `${one.tagName.toLowerCase()}#${one.id}.${one.className} ${one.textContent.trim().slice(0, 30)}`)
    .slice(0, 3);
}"""


def _pages(run: Run) -> Iterator[str]:
    yield "/admin/"
    for name, pk in (("hosts/host", run.host_id), ("runs/run", run.pk)):
        yield f"/admin/{name}/"
        yield f"/admin/{name}/{pk}/change/"
        yield f"/admin/{name}/{pk}/history/"
    yield "/admin/hosts/host/add/"
    yield "/admin/hosts/host/import/"
    yield "/admin/hosts/host/export/"
    yield f"/admin/hosts/host/{run.host_id}/delete/"
    yield "/admin/notifications/delivery/"
    yield "/admin/auth/user/"
    yield "/admin/password_change/"
    yield "/admin/axes/accessattempt/"


@pytest.fixture
def run(transactional_db: None) -> Run:
    """A held one, among others; its host has a spec and what was found to hold against it."""
    for scene in factories.ALL_SCENES:
        scene()
    return factories.held_by_spec()


@pytest.mark.parametrize("width", [1280, 390])
def test_no_page_has_a_serious_fault_or_is_wider_than_its_window(page: Page, run: Run, width: int) -> None:
    page.context.add_init_script(path=axe.SCRIPT)
    page.set_viewport_size({"width": width, "height": 844})
    found: list[str] = []
    for address in _pages(run):
        page.goto(address)
        found += axe.faults_in_light_and_dark(page)
        found += [f"{address}: too wide: {what}" for what in page.evaluate(TOO_WIDE)]
        if page.evaluate("document.documentElement.scrollWidth > innerWidth"):
            found.append(f"{address}: scrolls sideways")
    assert found == []


def test_the_admin_s_own_login_has_none_either(page: Page) -> None:
    page.context.add_init_script(path=axe.SCRIPT)
    page.context.clear_cookies()
    page.goto("/admin/")
    page.wait_for_selector("[name=password]")
    assert axe.faults(page) == []
