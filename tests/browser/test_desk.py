"""What an operator does at the desk, from the failing run to the released host; and what the page says of itself."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from django.utils import timezone
from playwright.sync_api import Page, expect

from runs.machine import State
from runs.models import Run
from tests import factories
from tests.runs.webprocess import WebProcess

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

HOSTILE = "<b>bold</b><script>window.owned=1</script>\u202egnp.exe\u05d0\u05d1\u05d2 \x1b[31mred"


def _open(page: Page, run: Run) -> None:
    page.goto(run.get_absolute_url())
    page.wait_for_selector("#connection[data-state=live]")


def test_an_empty_installation_leads_to_the_first_run(page: Page) -> None:
    page.goto("/")
    page.click("text=Add the first host")
    page.fill("[name=name]", "pve-first")
    page.fill("[name=macs-0-mac]", "52-54-00-AA-BB-CC")
    page.click("[name=_save]")
    page.wait_for_url("**/hosts/pve-first/")
    page.wait_for_selector("#connection[data-state=live]")
    page.click("text=Start vetting >> nth=-1")
    expect(page.locator("h1")).to_have_text("Start vetting pve-first?")
    expect(page.locator(".will")).to_contain_text("Disks are only read.")
    page.click("text=Start vetting >> nth=-1")
    expect(page.locator("#summary h1")).to_contain_text("Queued")
    assert Run.objects.get().host.name == "pve-first"


def test_a_tab_in_the_background_gives_its_stream_back_and_catches_up_when_it_is_looked_at(page: Page) -> None:
    run = factories.in_smart()
    streams: list[str] = []
    page.on("request", lambda request: streams.append(request.url) if "/events/" in request.url else None)
    page.clock.install()
    _open(page, run)
    assert len(streams) == 1
    _look(page, away=True)
    page.clock.fast_forward(25_000)
    Run.objects.filter(pk=run.pk).update(state=State.COMPLETED, verdict="passed")
    factories.tell(run, "reported", state_before="Reporting", state_after="Completed")
    page.clock.fast_forward(70_000)
    expect(page).to_have_title(f"✓ {run.host.name}: Completed · Vetting")
    assert len(streams) == 1
    _look(page, away=False)
    page.clock.resume()
    expect(page.locator("#summary h1")).to_contain_text("Completed")
    expect(page.locator("#connection")).to_have_text("live")
    assert len(streams) == 2


def _look(page: Page, *, away: bool) -> None:
    """As if another tab were put before this one, or taken away."""
    page.evaluate(
        "(away) => { Object.defineProperty(document, 'hidden', {get: () => away, configurable: true});"
        " document.dispatchEvent(new Event('visibilitychange')); }",
        away,
    )


def test_a_command_is_copied_over_plain_http_where_the_browser_has_no_clipboard(page: Page) -> None:
    page.add_init_script("Object.defineProperty(Navigator.prototype, 'clipboard', {get: () => undefined})")
    run = factories.held()
    _open(page, run)
    button = page.locator("#hold .copyable", has_text="SHA256:").locator("button")
    button.click()
    expect(button).to_have_text("Copied")
    page.goto("/")
    search = page.locator("[name=q]")
    search.press("Control+v")
    expect(search).to_have_value(re.compile("^SHA256:.{43}$"))


def test_an_override_wants_the_serial_of_that_disk(page: Page) -> None:
    run = factories.held_by_wipe_probe()
    _open(page, run)
    page.click("text=Override wipe probe")
    expect(page.locator("dialog")).to_contain_text("ZFS member of pool rpool")
    page.fill("dialog [name=typed]", "another serial")
    page.click("dialog button.danger")
    expect(page.get_by_role("alert")).to_have_text(
        "“another serial” is not this disk's serial number. Nothing was overridden."
    )
    assert not run.overrides.exists()
    page.fill("[name=typed]", factories.DISK)
    page.click("button.danger")
    expect(page.locator(".notice.success")).to_contain_text(factories.DISK)
    expect(page.locator("#hold .refusal")).to_contain_text("overridden")
    assert run.overrides.get().serial == factories.DISK


def test_a_hold_is_used_and_released_without_javascript(page: Page, web: WebProcess) -> None:
    run = factories.held_by_wipe_probe()
    browser = page.context.browser
    assert browser is not None
    plain = browser.new_context(java_script_enabled=False, base_url=web.url, storage_state=page.context.storage_state())
    bare = plain.new_page()
    bare.goto(run.get_absolute_url())
    bare.click("text=New key")  # the first was sealed under the secret key of another process
    with bare.expect_download() as download:
        bare.click("text=Download key")
    assert download.value.suggested_filename == f"vetting-run-{run.pk}.key"
    bare.goto(run.get_absolute_url())
    bare.click("text=Override wipe probe")
    bare.fill("[name=typed]", factories.DISK)
    bare.click("button.danger")
    assert run.overrides.get().serial == factories.DISK
    bare.click("text=Release host")
    bare.click("button.danger")
    expect(bare.locator("#summary h1")).to_contain_text("Released")
    bare.goto("/?q=pve")
    expect(bare.locator(".tile")).to_have_count(1)
    bare.goto(f"{run.get_absolute_url()}log/?level=error")
    expect(bare.locator("#log-lines")).to_contain_text("No such line")
    plain.close()


def test_a_page_whose_network_is_cut_says_so_and_is_right_again_by_itself(page: Page) -> None:
    run = factories.in_smart()
    _open(page, run)
    page.context.set_offline(True)
    expect(page.locator("#connection")).to_have_text("reconnecting…")
    Run.objects.filter(pk=run.pk).update(state=State.CANCELLED)
    factories.tell(run, "cancel", state_before="SMART", state_after="Cancelled")
    page.context.set_offline(False)
    expect(page.locator("#connection")).to_have_text("live")
    expect(page.locator("#summary h1")).to_contain_text("Cancelled")


def test_a_worker_that_stops_is_told_on_the_open_page_and_taken_back_when_it_works_again(page: Page) -> None:
    _open(page, factories.in_smart())
    expect(page.locator("#worker-warning")).to_be_hidden()
    factories.worker_at_work(timezone.now() - timedelta(minutes=2))
    expect(page.locator("#worker-warning")).to_contain_text("The worker is not running")
    factories.worker_at_work(timezone.now() + timedelta(hours=1))
    expect(page.locator("#worker-warning")).to_be_hidden()


def test_the_title_of_the_tab_tells_how_it_stands(page: Page) -> None:
    run = factories.in_smart()
    _open(page, run)
    expect(page).to_have_title(f"… {run.host.name}: Disk health · Vetting")
    Run.objects.filter(pk=run.pk).update(state=State.COMPLETED, verdict="passed")
    factories.tell(run, "reported", state_before="Reporting", state_after="Completed")
    expect(page).to_have_title(f"✓ {run.host.name}: Completed · Vetting")


def test_hostile_strings_are_text_on_every_page_and_in_every_update(page: Page) -> None:
    run = factories.in_storage()
    run.repair = HOSTILE
    run.save()
    stage = run.stage_runs.get(name="SMART")
    factories.FindingFactory(stage_run=stage, component=HOSTILE, message=HOSTILE, value=HOSTILE, unit="<b>")
    factories.say(run, ("error", HOSTILE, HOSTILE))
    factories.tell(run, "note", HOSTILE, who=HOSTILE)
    run.stage_runs.filter(name="Storage").update(progress=[{"item": HOSTILE, "percent": 5.0, "doing": HOSTILE}])
    Run.objects.filter(pk=run.pk).update(progress_seq=99)
    admin = f"/admin/runs/run/{run.pk}/change/"
    for address in ("/", run.get_absolute_url(), f"{run.get_absolute_url()}log/", run.host.get_absolute_url(), admin):
        page.goto(address)
        expect(page.locator("body")).to_contain_text("<b>bold</b>")
        assert page.evaluate("window.owned") is None
        assert page.locator("b:text-is('bold')").count() == 0
    _open(page, run)
    factories.say(Run.objects.get(pk=run.pk), ("error", "SMART", f"live {HOSTILE}"))
    expect(page.locator("#log-lines")).to_contain_text("live <b>bold</b>")
    assert page.evaluate("window.owned") is None
