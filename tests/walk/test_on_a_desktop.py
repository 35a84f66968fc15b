"""The operator's walk on a desktop: from an empty installation to two runs side by side."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from playwright.sync_api import expect

from tests.e2e.waiting import until
from tests.rack import disks, ssh
from tests.walk import watching
from tests.walk.conftest import DESKTOP, Desk
from tests.walk.machines import (
    HOST,
    LONGER,
    LVM_DISK,
    MAC,
    MAC_AS_TYPED,
    WORN,
    machine,
    profiles,
    spec_before_the_repair,
)
from tests.walk.operators import HELD, Operator

pytestmark = [pytest.mark.rack, pytest.mark.browser, pytest.mark.slow]
CUT_S = 60
BACK_MS = 10_000


def test_from_an_empty_installation_to_two_runs_side_by_side(desk: Callable[..., Any], tmp_path: Path) -> None:
    with desk(machine(), profiles(**LONGER)) as at:
        who = at.operator(DESKTOP)
        spec = yaml.safe_dump(spec_before_the_repair(at.rack.machine), sort_keys=False)
        who.add_first_host(HOST, MAC_AS_TYPED, "short", spec)
        who.open(f"/hosts/{HOST}/")
        expect(who.page.locator("#host")).to_contain_text(MAC)

        first = vet_with_the_network_cut(at, who)
        adopt_the_new_module(who, first)

        untouched = disks.digests(at.rack.machine, at.rack.vm.bay)
        second = come_to_the_hold(at, who)
        log_in_as_the_hold_says(at, who, second, tmp_path)
        who.override(second, "NVME-0001")
        who.expect_override_refused("NVME-0001")
        who.override(second, LVM_DISK.lower())
        who.expect_override_refused(LVM_DISK.lower())
        assert disks.digests(at.rack.machine, at.rack.vm.bay) == untouched
        let_it_be_written(at, who, second, untouched)

        who.compare(HOST)
        expect(who.page.locator("main")).to_contain_text(f"What changed from run {first} to run {second}")
        expect(who.page.locator("main")).to_contain_text("The same parts, serial numbers and firmware.")
        expect(who.page.locator(".sides")).to_contain_text("short-write")


def vet_with_the_network_cut(at: Desk, who: Operator) -> int:
    """A run that is watched from its start to its end, with a minute in its middle without a network."""
    run = at.rack.run = who.start(HOST, "short", "Disks are only read.", repair="DIMM_B1 replaced")
    watching.begin(who.page)
    expect(who.state).to_have_text("CPU", timeout=300_000)
    expect(who.page.locator("#stages .now .item").first).to_be_visible()
    before = watching.seen(who.page)
    assert before.rungs == sorted(before.rungs) and len(before.rungs) > 2, before
    assert {"Booting", "Disk health"} <= set(before.states), before

    cut_the_network(at, who)

    who.watch_until("Completed")
    expect(who.page.locator("#summary .verdict")).to_contain_text("Passed")
    assert watching.seen(who.page).connection[:3] == ["live", "reconnecting…", "live"]
    return run


def cut_the_network(at: Desk, who: Operator) -> None:
    """The page says so all the while, keeps what it knew, and is right again by itself."""
    at.door.shut()
    cut_at = time.monotonic()
    shown = who.state.inner_text()
    expect(who.page.locator("#connection")).to_have_text("reconnecting…", timeout=15_000)
    until("a minute is over", lambda: time.monotonic() > cut_at + CUT_S and at.state_in_words() != shown, 300)
    expect(who.page.locator("#connection")).to_have_text("reconnecting…", timeout=1)
    expect(who.state).to_have_text(shown, timeout=1)
    at.door.open()
    opened_at = time.monotonic()
    expect(who.page.locator("#connection")).to_have_text("live", timeout=BACK_MS)
    until("the page is right again", lambda: who.state.inner_text() == at.state_in_words(), BACK_MS / 1000, 0.2)
    assert time.monotonic() - opened_at < BACK_MS / 1000


def adopt_the_new_module(who: Operator, run: int) -> None:
    """The difference that the repair made is what is expected from now on."""
    expect(who.page.locator("#diff")).to_contain_text("D-WORN")
    who.adopt(run, WORN)
    expect(who.page.locator("#diff").get_by_text("adopted")).to_be_visible()
    who.open(f"/runs/{run}/spec/")
    expect(who.page.locator("main")).to_contain_text("What was adopted")
    who.open(f"/runs/{run}/report.html")
    expect(who.page.locator(".verdict")).to_contain_text("Passed")


def come_to_the_hold(at: Desk, who: Operator) -> int:
    """A run that may write, refused by what is on the disk; found again from the hosts."""
    who.allow_writing(HOST, LVM_DISK)
    run = at.rack.run = who.start(HOST, "short-write", f"Everything on disk {LVM_DISK}")
    who.watch_until(HELD)
    who.open_from_the_hosts(HOST)
    assert who.page.url.endswith(f"/runs/{run}/")
    expect(who.page.locator("#hold")).to_contain_text("The wipe probe refused to write on 1 disk")
    expect(who.page.locator("#hold .refusal")).to_contain_text("LVM")
    return run


def log_in_as_the_hold_says(at: Desk, who: Operator, run: int, folder: Path) -> None:
    """With the key, address and host key that the page gives, and the key only once."""
    hold = who.page.locator("#hold")
    command = hold.locator("pre.command").first
    expect(command).to_contain_text(f"ssh -i vetting-run-{run}.key")
    way = re.search(r"-p (\d+) root@(\S+)", command.inner_text())
    expect(hold).to_contain_text("SHA256:")
    host_key = hold.locator("#host-key pre").text_content() or ""
    key = who.download_key(folder)
    assert way is not None and key.name == f"vetting-run-{run}.key"
    session = {"address": way[2], "port": int(way[1]), "host_key": host_key}
    login = ssh.prepare(at.rack.namespace, folder / "ssh", session, key.read_text())
    until("the key logs in", lambda: not login.trouble(), 60)
    who.open(f"/runs/{run}/")
    expect(hold).to_contain_text("The private key was downloaded")
    expect(hold.get_by_role("button", name="Download key")).to_have_count(0)


def let_it_be_written(at: Desk, who: Operator, run: int, before: list[str]) -> None:
    """With the right serial number the run goes on by itself, and is watched to its end."""
    who.override(run, LVM_DISK)
    expect(who.page.locator(".notice.success")).to_contain_text(LVM_DISK)
    watching.begin(who.page)
    who.moves_on_from(HELD)
    who.watch_until("Completed")
    seen = watching.seen(who.page)
    assert "Burn" in seen.states and seen.progress, seen
    assert disks.touched(at.rack.machine, before, disks.digests(at.rack.machine, at.rack.vm.bay)) == {LVM_DISK}
