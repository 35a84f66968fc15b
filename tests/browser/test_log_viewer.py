"""The log on the run's page: it follows, waits when told to, finds, and holds a few thousand lines however many there
are."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, Route, expect

from runs.files import logs as logfiles
from runs.models import Run
from tests import factories

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

TO_THE_END = "(log) => log.scrollHeight - log.scrollTop - log.clientHeight"
ROWS = "#log-lines [data-start] > div"


def _open(page: Page, lines: int) -> Run:
    run = factories.in_smart()
    factories.say(run, *[("info", "SMART", f"line {n}") for n in range(lines)])
    page.goto(run.get_absolute_url())
    page.wait_for_selector("#connection[data-state=live]")
    return run


def _say(run: Run, *lines: tuple[str, str, str]) -> None:
    factories.say(Run.objects.get(pk=run.pk), *lines)


def test_a_pause_leaves_the_lines_and_going_on_catches_up(page: Page) -> None:
    run = _open(page, 300)
    page.click("text=Pause")
    _say(run, ("info", "SMART", "said during the pause"))
    expect(page.locator("[data-log-state]")).to_have_text("Paused: new lines came since.")
    expect(page.locator("#log-lines")).not_to_contain_text("said during the pause")
    page.click("text=Go on")
    expect(page.locator("#log-lines")).to_contain_text("said during the pause")
    assert page.locator("#log-lines").evaluate(TO_THE_END) < 3


def test_who_scrolled_up_stays_there_and_is_told_of_new_lines(page: Page) -> None:
    run = _open(page, 300)
    page.locator("#log-lines").evaluate("(log) => { log.scrollTop = 100; }")
    _say(run, ("info", "SMART", "said meanwhile"))
    expect(page.locator("[data-log-state]")).to_have_text("New lines below.")
    assert page.locator("#log-lines").evaluate("(log) => log.scrollTop") == 100
    page.click("text=To the newest line")
    expect(page.locator("[data-log-state]")).to_have_text("")
    assert page.locator("#log-lines").evaluate(TO_THE_END) < 3


def test_who_scrolls_up_while_lines_are_under_way_stays_there(page: Page) -> None:
    """The page asks for lines once by itself when its stream is open, and then for each event: the first is held up."""
    held: list[Route] = []
    page.route("**/log/lines/**", lambda route: held.append(route), times=1)
    with page.expect_request("**/log/lines/**"):
        run = _open(page, 300)
        _say(run, ("info", "SMART", "said meanwhile"))
    page.locator("#log-lines").evaluate("(log) => { log.scrollTop = 100; }")
    held[0].continue_()
    expect(page.locator("[data-log-state]")).to_have_text("New lines below.")
    assert page.locator("#log-lines").evaluate("(log) => log.scrollTop") == 100


def test_level_and_search_narrow_what_is_there_and_what_comes(page: Page) -> None:
    run = _open(page, 300)
    _say(run, ("error", "SMART", "sda: gone"), ("error", "SMART", "sdb: gone"))
    page.select_option("#log select", "error")
    expect(page.locator(ROWS)).to_have_count(2)
    page.fill("#log [type=search]", "SDA")
    page.press("#log [type=search]", "Enter")
    expect(page.locator(ROWS)).to_have_count(1)
    _say(run, ("info", "SMART", "sda: only told"), ("error", "SMART", "sda: gone again"))
    expect(page.locator(ROWS)).to_have_count(2)
    expect(page.locator(ROWS).last).to_contain_text("gone again")


def test_earlier_lines_come_before_those_there_are(page: Page) -> None:
    _open(page, 500)
    expect(page.locator(ROWS)).to_have_count(200)
    page.click("text=Earlier lines")
    expect(page.locator(ROWS)).to_have_count(400)
    page.click("text=Earlier lines")
    expect(page.locator("text=Earlier lines")).not_to_be_visible()
    texts = page.locator(ROWS).all_text_contents()
    numbers = [int(text.split()[-1]) for text in texts if " line " in text]
    assert numbers == list(range(500))


def test_a_million_lines_leave_a_page_of_a_few_hundred(page: Page) -> None:
    run = factories.in_smart()
    line = logfiles.format_line(1_000_000, "info", "Memory", "pass 1: 15872 MiB walked, 0 errors")
    run.log_bytes = logfiles.append(run.pk, run.log_bytes, (line * 1_000_000).encode())
    run.save()
    page.goto(run.get_absolute_url())
    page.wait_for_selector("#connection[data-state=live]")
    expect(page.locator(ROWS)).to_have_count(200)
    run.log_bytes = logfiles.append(run.pk, run.log_bytes, (line * 100_000).encode())
    run.save()
    _say(run, ("error", "Memory", "and one more"))
    expect(page.locator("#log-lines")).to_contain_text("and one more")
    expect(page.locator(ROWS)).to_have_count(200)  # the oldest goes after the new one has come
