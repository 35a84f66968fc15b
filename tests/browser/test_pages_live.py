"""A page that is left open keeps telling the truth."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db.models import F
from django.utils import timezone
from playwright.sync_api import Page, expect

from hosts import bounds
from runs.machine import State
from runs.models import Run, StageRun
from tests import factories, rows
from tests.runs.webprocess import WebProcess

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

# How many pixels of a chart are rather blue: its first line, in the light scheme; axes, grid and stages are grey.
BLUE_PIXELS = """(canvas) => {
  const rgba = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
  return rgba.filter((v, i) => i % 4 === 0 && rgba[i + 3] > 100 && rgba[i + 2] - v > 80).length;
}"""


def _open(page: Page, run: Run) -> None:
    page.goto(run.get_absolute_url())
    page.wait_for_selector("#connection[data-state=live]")


def test_a_change_of_state_shows_without_reloading(page: Page) -> None:
    run = factories.in_storage()
    _open(page, run)
    page.evaluate("window.untouched = true")
    Run.objects.filter(pk=run.pk).update(state=State.NETWORK)
    StageRun.objects.filter(run=run, name="Storage").update(outcome="passed")
    factories.be_in(run, State.NETWORK)
    factories.tell(run, "stage_done", state_before="Storage", state_after="Network")
    expect(page.locator("#summary h1")).to_contain_text("Network")
    expect(page.locator("#stages .now b")).to_have_text("Network")
    assert page.evaluate("window.untouched") is True


def test_progress_and_log_follow(page: Page) -> None:
    run = factories.in_storage()
    _open(page, run)
    progress = [{"item": factories.DISK, "percent": 91.0, "doing": "surface read", "eta_s": 4.0}]
    StageRun.objects.filter(run=run, name="Storage").update(progress=progress)
    Run.objects.filter(pk=run.pk).update(progress_seq=run.progress_seq + 1)
    expect(page.locator("#stages .item")).to_contain_text("91")
    factories.say(Run.objects.get(pk=run.pk), ("info", "Storage", "the line that came last"))
    expect(page.locator("#log .log")).to_contain_text("the line that came last")
    scrolled = "(log) => log.scrollHeight - log.scrollTop - log.clientHeight"
    assert page.locator("#log .log").evaluate(scrolled) < 3


def test_unfolded_history_gets_each_new_row_once_and_folded_history_when_it_is_unfolded(page: Page) -> None:
    run = factories.in_storage()
    _open(page, run)
    rows_of = page.locator("#history-rows tbody tr")
    page.click("#history-rows summary")
    known = rows_of.count()
    factories.tell(run, "note", "while it is unfolded")
    expect(rows_of.first).to_contain_text("while it is unfolded")
    page.click("#history-rows summary")
    factories.tell(run, "note", "while it is folded")
    expect(page.locator("#history")).to_contain_text("while it is folded")
    page.click("#history-rows summary")
    expect(rows_of.first).to_contain_text("while it is folded")
    expect(rows_of.nth(1)).to_contain_text("while it is unfolded")
    expect(rows_of).to_have_count(known + 2)


def test_a_history_of_more_events_than_a_page_shows_keeps_its_length(page: Page) -> None:
    run = factories.in_storage()
    for number in range(bounds.SHOWN_EVENTS.most):
        factories.tell(run, "note", f"note number {number};")
    _open(page, run)
    rows_of = page.locator("#history-rows tbody tr")
    page.click("#history-rows summary")
    expect(rows_of).to_have_count(bounds.SHOWN_EVENTS.most)
    oldest = rows_of.last.inner_text()
    factories.tell(run, "note", "one more")
    expect(rows_of.first).to_contain_text("one more")
    expect(rows_of).to_have_count(bounds.SHOWN_EVENTS.most)
    assert rows_of.last.inner_text() != oldest


def test_the_dashboard_moves_a_host_up_when_it_needs_somebody(page: Page) -> None:
    run = factories.in_smart()
    page.goto("/")
    page.wait_for_selector("#connection[data-state=live]")
    expect(page.locator("#group-running")).to_be_visible()
    Run.objects.filter(pk=run.pk).update(state=State.FAILED, verdict="failed")
    factories.tell(run, "stage_failed", state_before="SMART", state_after="Failed")
    expect(page.locator("#group-attention")).to_contain_text("1")
    expect(page.locator(".tile")).to_have_count(1)


def test_a_page_left_open_through_a_restart_says_so_and_catches_up(page: Page, web: WebProcess) -> None:
    run = factories.in_smart()
    _open(page, run)
    assert web.stop() == 0
    expect(page.locator("#connection")).to_have_text("reconnecting…")
    Run.objects.filter(pk=run.pk).update(state=State.CANCELLED)
    factories.tell(run, "cancel", state_before="SMART", state_after="Cancelled")
    web.start()
    expect(page.locator("#summary h1")).to_contain_text("Cancelled")
    expect(page.locator("#connection")).to_have_text("live")


def test_a_confirmation_opens_in_place_and_cancels(page: Page) -> None:
    run = factories.in_storage()
    _open(page, run)
    page.click("text=Cancel run")
    expect(page.locator("dialog h1")).to_have_text("Cancel this run?")
    page.click("dialog >> text=Back")
    expect(page.locator("dialog")).not_to_be_visible()
    page.click("text=Cancel run")
    page.click("dialog button.danger")
    page.wait_for_url(f"**{run.get_absolute_url()}")
    expect(page.locator(".notice").first).to_contain_text("is cancelled")
    assert Run.objects.get(pk=run.pk).state == State.CANCELLED


def test_charts_are_drawn_with_units(page: Page) -> None:
    run = factories.in_storage()
    _open(page, run)
    expect(page.locator("#charts figure")).to_have_count(4)
    expect(page.locator("#charts figcaption").first).to_contain_text("Processor temperature in °C")
    expect(page.locator("#charts figcaption .limit").first).to_have_text("Processor at most 98 °C")
    expect(page.get_by_role("img", name="Processor temperature; CPU0 now 7")).to_be_visible()
    assert page.locator("#charts canvas").count() == 4


def _stretches(page: Page) -> set[tuple[int, int]]:
    """From where to where the charts' time axes go, in seconds since the epoch."""
    page.wait_for_selector("#charts .uplot[data-to]")
    return {
        (int(box["from"]), int(box["to"]))
        for box in page.eval_on_selector_all(".uplot", "all => all.map((one) => ({...one.dataset}))")
    }


def _measure_once(run: Run, ago_s: float, name: str = "power", component: str = "PSU1", unit: str = "W") -> None:
    at = timezone.now() - timedelta(seconds=ago_s)
    rows.measured(run, 230.0, at=at, component_kind="psu", component=component, name=name, unit=unit)


def test_all_charts_have_the_time_axis_of_the_run_whatever_each_of_them_measured(page: Page) -> None:
    run = factories.in_storage()
    _measure_once(run, 200, "throughput", "eno1", "Mbit/s")
    _open(page, run)
    expect(page.locator("#charts figure")).to_have_count(5)
    ((begin, end),) = _stretches(page)
    assert abs(begin - run.stage_runs.exclude(go_at=None).earliest("go_at").go_at.timestamp()) < 4
    assert abs(end - timezone.now().timestamp()) < 60


def test_a_chart_of_one_value_has_that_axis_too_and_a_dot(page: Page) -> None:
    run = factories.started(State.SMART, minutes=2)
    _measure_once(run, 60)
    _open(page, run)
    expect(page.locator("#charts figure")).to_have_count(1)
    ((begin, end),) = _stretches(page)
    assert run.started_at is not None and abs(begin - run.started_at.timestamp()) < 4
    assert 110 < end - begin < 200
    assert page.locator("#charts canvas").evaluate(BLUE_PIXELS) > 6


def test_a_stretch_that_is_chosen_is_that_of_all_charts_and_so_is_a_box_drawn_in_one(page: Page) -> None:
    run = factories.started(State.STORAGE, minutes=90)
    factories.measure(run, 60)
    _open(page, run)
    page.wait_for_selector("#charts[data-stretch='']")
    page.click("text=15 min")
    page.wait_for_selector("#charts[data-stretch='900']")
    ((begin, end),) = _stretches(page)
    assert 890 <= end - begin <= 960
    over = page.locator("#charts .u-over").first
    over.scroll_into_view_if_needed()
    box = over.bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + box["width"] / 4, box["y"] + 40)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + 60, steps=4)
    page.mouse.up()
    ((left, right),) = _stretches(page)
    assert abs((right - left) * 4 - (end - begin)) < 30 and begin < left < right < end
    page.mouse.dblclick(box["x"] + box["width"] / 2, box["y"] + 60)
    assert _stretches(page) == {(begin, end)}


def test_new_measurements_join_the_curves_that_are_drawn(page: Page) -> None:
    run = factories.in_storage()
    _open(page, run)
    page.wait_for_selector("#charts[data-state=drawn]")
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url) if "series.json" in request.url else None)
    rows.measured(run, 96.5, at=timezone.now() + timedelta(seconds=1))
    curve = page.get_by_role("img", name="CPU0 now 96.5 °C, at most 96.5 °C; CPU1 now 7")
    for _ in range(20):  # an agent's batches go on; a busy machine may miss the first after a page is opened
        if curve.is_visible():
            break
        Run.objects.filter(pk=run.pk).update(sensor_seq=F("sensor_seq") + 1)
        page.wait_for_timeout(1_000)
    expect(curve).to_be_visible()
    assert asked and all("since=" in address for address in asked)


def test_no_page_is_wider_than_a_phone(page: Page) -> None:
    run = factories.held()
    page.set_viewport_size({"width": 360, "height": 740})
    for address in ("/", run.get_absolute_url(), run.host.get_absolute_url()):
        page.goto(address)
        assert page.evaluate("document.documentElement.scrollWidth") <= 360


def test_pages_work_without_javascript(page: Page, web: WebProcess) -> None:
    run = factories.in_storage()
    browser = page.context.browser
    assert browser is not None
    plain = browser.new_context(java_script_enabled=False, base_url=web.url, storage_state=page.context.storage_state())
    bare = plain.new_page()
    bare.goto(run.get_absolute_url())
    bare.click("text=Cancel run")
    expect(bare.locator("h1")).to_have_text("Cancel this run?")
    bare.click("button.danger")
    expect(bare.locator("#summary h1")).to_contain_text("Cancelled")
    plain.close()
