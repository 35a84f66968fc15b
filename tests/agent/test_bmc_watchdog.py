"""The BMC's watchdog: stopped and told at the start of a boot, and never taken for stopped without an answer."""

from __future__ import annotations

from pathlib import Path

import pytest

from agent.contract import wire
from agent.host import shell
from agent.parsing import ParseError
from agent.probes.bmc import ipmitool, watchdog

RECORDED = Path(__file__).parents[1] / "recorded/ipmitool"
RUNS = (RECORDED / "watchdog-os-load-running.txt").read_text()
STOPPED = (RECORDED / "watchdog-stopped.txt").read_text()
OLD = (RECORDED / "watchdog-1.8.18.txt").read_text()
LOG = (
    "   1 | 11/28/2026 | 08:15:02 | Fan #0x04 | Lower Critical going low  | Asserted\n"
    "   2 | 11/28/2026 | 08:15:02 | Watchdog2 #0x03 | Hard reset | Asserted\n"
)


class Bmc:
    """Answers of ipmitool, one after the other, and what was asked."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *answers: str | None) -> None:
        self.asked: list[str] = []
        self.said: list[tuple[str, str]] = []
        self._answers = iter(answers)
        monkeypatch.setattr(ipmitool, "has_bmc", lambda root: True)
        monkeypatch.setattr(ipmitool, "run", self._run)

    def _run(self, *words: str, timeout_s: float = 0) -> shell.Completed:
        self.asked.append(" ".join(words))
        text = next(self._answers)
        failed = "Get Watchdog Timer command failed: Invalid command"
        return shell.Completed(list(words), 1 if text is None else 0, text or "", failed if text is None else "", 0.1)

    def stop(self) -> wire.BmcWatchdog | None:
        return watchdog.stop(lambda level, text: self.said.append((level, text)))


def test_a_running_timer_is_stopped_and_told(monkeypatch: pytest.MonkeyPatch) -> None:
    bmc = Bmc(monkeypatch, RUNS, LOG, "Watchdog Timer Shutoff successful -- timer stopped\n", STOPPED)
    seen = bmc.stop()
    assert seen == wire.BmcWatchdog(
        "OS Load", "Hard Reset", True, True, 214.5, ["OS Load"], ['11/28/2026 08:15:02 "Watchdog2 #0x03: Hard reset"']
    )
    assert bmc.asked == ["mc watchdog get", "sel elist", "mc watchdog off", "mc watchdog get"]
    (told,) = bmc.said
    assert told == ("warning", "the BMC's watchdog was running (OS Load; Hard Reset; 214.5 s left) and was stopped")


@pytest.mark.parametrize("after", [RUNS, None, "garbled\n"])
def test_a_timer_of_which_nobody_read_that_it_stands_still_is_not_called_stopped(
    after: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    bmc = Bmc(monkeypatch, RUNS, LOG, "", after)
    seen = bmc.stop()
    assert seen is not None and seen.was_running and not seen.stopped
    assert "error" in [level for level, _ in bmc.said]


def test_a_timer_that_stands_still_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    bmc = Bmc(monkeypatch, STOPPED)
    seen = bmc.stop()
    assert seen is not None and not seen.was_running and not seen.expired
    assert (bmc.asked, bmc.said) == (["mc watchdog get"], [])


def test_a_bmc_without_such_a_timer_is_no_trouble(monkeypatch: pytest.MonkeyPatch) -> None:
    bmc = Bmc(monkeypatch, None)
    assert bmc.stop() is None
    assert [level for level, _ in bmc.said] == ["info"]


def test_without_a_bmc_nothing_is_asked(tmp_path: Path) -> None:
    assert watchdog.stop(lambda level, text: None, tmp_path) is None


def test_the_words_of_an_older_ipmitool_are_read() -> None:
    assert watchdog.parse(OLD) == wire.BmcWatchdog(
        "BIOS FRB2", "Power Cycle", was_running=True, left_s=359.0, expired=["BIOS FRB2", "SMS/OS"]
    )


@pytest.mark.parametrize("text", ["", "Watchdog Timer Use:     OS Load (0x43)\n", RUNS.replace("Started", "Begun")])
def test_a_text_that_does_not_say_whether_it_runs_is_refused(text: str) -> None:
    with pytest.raises(ParseError):
        watchdog.parse(text)
