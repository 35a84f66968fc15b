"""The operator's walk on a phone: one browser looks, and another without JavaScript does all that is done."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import expect

from tests.e2e.waiting import until
from tests.walk import watching
from tests.walk.conftest import PHONE, Desk
from tests.walk.machines import HOST, LVM_DISK, MAC_AS_TYPED, corrupt, profiles
from tests.walk.operators import HELD, Operator

pytestmark = [pytest.mark.rack, pytest.mark.browser, pytest.mark.slow]


def test_all_is_done_with_plain_forms_while_another_page_watches(desk: Callable[..., Any], tmp_path: Path) -> None:
    with desk(corrupt(), profiles()) as at:
        watcher, doer = at.operator(PHONE), at.operator(PHONE, scripts=False)
        watcher.add_first_host(HOST, MAC_AS_TYPED, "short")

        first = vet_what_nobody_knows(at, watcher, doer)
        second = come_to_the_hold(at, watcher, doer)
        override_and_release(watcher, doer, second, tmp_path)
        until("the machine powers itself off", lambda: not at.rack.vm.is_on, 120)
        start_and_cancel(watcher, doer)

        watcher.compare(HOST)
        assert watcher.fits_its_window()
        expect(watcher.page.locator("main")).to_contain_text(f"What changed from run {first} to run {second}")
        expect(watcher.page.locator("main")).to_contain_text("new critical")


def vet_what_nobody_knows(at: Desk, watcher: Operator, doer: Operator) -> int:
    """Without an expected spec: the run ends incomplete, and what it found becomes what is expected."""
    run = at.rack.run = doer.start(HOST, "short", "Disks are only read.")
    watcher.open_from_the_hosts(HOST)
    watching.begin(watcher.page)
    watcher.watch_until("Completed")
    seen = watching.seen(watcher.page)
    assert seen.rungs == sorted(seen.rungs) and len(seen.rungs) > 2, seen
    assert {"Disk health", "CPU", "Memory", "Storage", "Network", "Burn"} <= set(seen.states), seen
    assert seen.progress and seen.connection[-1] == "live", seen
    expect(watcher.page.locator("#summary .verdict")).to_contain_text("Incomplete")
    assert watcher.fits_its_window()
    doer.adopt(run)
    expect(watcher.page.locator("#history")).to_contain_text("Adopted everything that was found")
    return run


def come_to_the_hold(at: Desk, watcher: Operator, doer: Operator) -> int:
    watcher.allow_writing(HOST, LVM_DISK)
    run = at.rack.run = doer.start(HOST, "short-write", f"Everything on disk {LVM_DISK}")
    watcher.open_from_the_hosts(HOST)
    watcher.watch_until(HELD)
    expect(watcher.page.locator("#hold .refusal")).to_contain_text("LVM")
    expect(watcher.page.locator("#hold pre.command").first).to_contain_text("ssh -i")
    assert watcher.fits_its_window()
    return run


def override_and_release(watcher: Operator, doer: Operator, run: int, folder: Path) -> None:
    """The wrong serial number is refused to both, the right one taken; the second hold is released."""
    watcher.override(run, "SATA-0001")
    watcher.expect_override_refused("SATA-0001")
    doer.override(run, "SATA-0001")
    doer.expect_override_refused("SATA-0001")
    watcher.open(f"/runs/{run}/")
    watching.begin(watcher.page)
    doer.override(run, LVM_DISK)
    expect(doer.page.locator(".notice.success")).to_contain_text(LVM_DISK)
    watcher.moves_on_from(HELD)
    watcher.watch_until(HELD)
    expect(watcher.page.locator("#findings")).to_contain_text("other data came back than was written")
    doer.open(f"/runs/{run}/")
    assert doer.download_key(folder).read_text().startswith("-----BEGIN OPENSSH PRIVATE KEY-----")
    doer.ask_for("Release host")
    doer.confirm()
    expect(doer.state).to_have_text("Released")
    watcher.moves_on_from(HELD)
    watcher.watch_until("Released")
    assert "Released" in watching.seen(watcher.page).states


def start_and_cancel(watcher: Operator, doer: Operator) -> None:
    """In the middle of its boot."""
    run = doer.start(HOST, "short", "Disks are only read.")
    watcher.open_from_the_hosts(HOST)
    expect(watcher.state).to_have_text("Booting", timeout=180_000)
    doer.open(f"/runs/{run}/")
    doer.ask_for("Cancel run")
    doer.confirm()
    expect(doer.page.locator(".notice.success")).to_contain_text("is cancelled")
    watcher.watch_until("Cancelled")
