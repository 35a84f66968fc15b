"""From a machine that nobody knows, without BMC, ECC memory and sensors, to a run that passes: by pages alone, and from
a terminal alone. Nobody writes YAML."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import expect

from tests.e2e.waiting import until
from tests.rack.rack import Rack
from tests.walk.conftest import DESKTOP
from tests.walk.machines import HOST, MAC_AS_TYPED, machine, profiles

pytestmark = [pytest.mark.rack, pytest.mark.browser, pytest.mark.slow]
ROOT = Path(__file__).resolve().parents[2]


def bare() -> Any:
    return machine(bmc={"present": False})


def test_by_pages_alone(desk: Callable[..., Any]) -> None:
    with desk(bare(), profiles()) as at:
        who = at.operator(DESKTOP)
        who.add_first_host(HOST, MAC_AS_TYPED, "short")
        first = at.rack.run = who.start(HOST, "short", "Disks are only read.")
        who.watch_until("Completed")
        expect(who.page.locator("#summary .verdict")).to_contain_text("Incomplete")
        expect(who.page.locator("#lacking")).to_contain_text("CPU temperature")
        who.adopt(first)
        expect(who.page.locator("#lacking li")).to_have_count(0)
        until("the machine is off", lambda: not at.rack.vm.is_on, 120)
        at.rack.run = who.start(HOST, "short", "Disks are only read.")
        who.watch_until("Completed")
        expect(who.page.locator("#summary .verdict")).to_contain_text("Passed")


def test_from_a_terminal_alone() -> None:
    with Rack(bare(), profiles=profiles()) as rack:
        assert "To vet it" in said(rack, "host", "add", HOST, "--mac", MAC_AS_TYPED, "--profile", "short")
        advice = said(rack, "vet", HOST, ends_with=2)
        assert f"host expect {HOST} --adopt --has-no-untested" in advice, advice
        until("the machine is off", lambda: not rack.vm.is_on, 120)
        said(rack, "host", "expect", HOST, "--adopt", "--has-no-untested")
        said(rack, "vet", HOST)


def said(rack: Rack, *words: str, ends_with: int = 0) -> str:
    """What the command printed, after it ended with this status."""
    done = subprocess.run(
        [sys.executable, "manage.py", *words],
        cwd=ROOT, env=rack.orchestrator.env, capture_output=True, text=True, timeout=600,
    )  # fmt: skip
    assert done.returncode == ends_with, done.stdout + done.stderr
    return done.stdout + done.stderr
