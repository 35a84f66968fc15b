"""What the agent says of the BMC's watchdog at a claim: told in the history, and named beside a reset."""

from __future__ import annotations

from dataclasses import replace

import pytest

from agent.contract import wire
from runs import bmc_watchdog
from runs.models import Run
from tests.talker import Talker

HARD_RESET = '11/30/2026 08:15:02 "Watchdog2 #0x03: Hard reset"'
RAN = wire.BmcWatchdog("OS Load", "Hard Reset", was_running=True, stopped=True, left_s=214.5)
EXPIRED = replace(RAN, expired=["OS Load"], logged=[HARD_RESET])


def resets(talker: Talker, run: Run, before: wire.BmcWatchdog | None, after: wire.BmcWatchdog | None) -> str:
    """Why the stage failed: the host boots with `before`, then again, with `after`, in the middle of a stage."""
    talker.watchdog = before
    talker.boot_and_claim()
    talker.boot_id, talker.watchdog = "boot-2", after
    talker.boot_and_claim()
    finding = run.stage_runs.get().findings.get(code="system.lost")
    assert finding.severity == "critical"
    return finding.message


def test_a_timer_that_was_stopped_is_in_the_history(talker: Talker, run: Run) -> None:
    talker.watchdog = RAN
    talker.boot_and_claim()
    (event,) = run.events.filter(kind=bmc_watchdog.RAN)
    assert event.text.endswith("(OS Load; Hard Reset; 214.5 s were left); it was stopped")


def test_a_timer_that_could_not_be_stopped_is_told_too(talker: Talker, run: Run) -> None:
    talker.watchdog = replace(RAN, stopped=False)
    talker.boot_and_claim()
    assert "could not be stopped" in run.events.get(kind=bmc_watchdog.RAN).text


def test_a_reset_by_it_is_named_beside_the_host_that_was_lost(talker: Talker, run: Run) -> None:
    why = resets(talker, run, RAN, EXPIRED)
    assert "the BMC's watchdog (OS Load) has run out since the last boot" in why and HARD_RESET in why
    assert run.events.filter(kind=bmc_watchdog.EXPIRED).exists()


@pytest.mark.parametrize(
    ("before", "after"),
    [(RAN, RAN), (EXPIRED, EXPIRED), (None, EXPIRED), (RAN, None)],
    ids=["did not run out", "ran out long ago", "not known before", "no answer now"],
)
def test_another_reset_is_not_blamed_on_it(
    before: wire.BmcWatchdog | None, after: wire.BmcWatchdog | None, talker: Talker, run: Run
) -> None:
    assert "watchdog" not in resets(talker, run, before, after)


def test_a_flag_that_was_set_before_counts_with_a_new_entry_of_the_log(talker: Talker, run: Run) -> None:
    again = '11/30/2026 09:00:00 "Watchdog2 #0x03: Hard reset"'
    why = resets(talker, run, EXPIRED, replace(EXPIRED, logged=[HARD_RESET, again]))
    assert again in why and HARD_RESET not in why
