"""A temperature or clock counts for a load only if it was read during that load, up to its end."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from pathlib import Path

import pytest

from agent.contract import wire
from agent.exercises.heat import Heat
from agent.exercises.temperature_curve import Coverage
from agent.host.stop import StopFlag
from agent.sensors import readings
from tests.agent_stages.test_heat import cpu, put

PASSED, FAILED, NOT_TESTED = wire.Outcome.PASSED, wire.Outcome.FAILED, wire.Outcome.NOT_TESTED
CORE = {"cpufreq__scaling_cur_freq": 3_000_000, "cpufreq__base_frequency": 3_000_000}


def watched(root: Path, monkeypatch: pytest.MonkeyPatch, read_at_s: Iterable[int], load_s: int) -> Heat:
    """The heat of a load of `load_s`, of which only these moments were read."""
    clock = [0.0]
    monkeypatch.setattr("agent.exercises.heat.time.monotonic", lambda: clock[0])
    monkeypatch.setattr(Heat, "_watch", lambda *_: None)
    heat = Heat(root)
    heat.rest_for(0.0, StopFlag())
    with heat.watching():
        for at_s in read_at_s:
            clock[0] = float(at_s)
            heat.sample()
        clock[0] = float(load_s)
    return heat


@pytest.mark.parametrize(
    ("read_at_s", "load_s", "outcome"),
    [
        (range(0, 121, 2), 120, PASSED),
        (range(0, 100, 2), 120, PASSED),
        ([0], 1, PASSED),
        ([*range(0, 30, 2), *range(80, 601, 2)], 600, PASSED),
        ([0], 120, NOT_TESTED),
        ([0, 2], 10, NOT_TESTED),
        (range(0, 60, 2), 120, NOT_TESTED),
        (range(0, 300, 2), 28_800, NOT_TESTED),
        (range(0, 28_760, 20), 28_800, NOT_TESTED),
        ([*range(0, 20, 2), *range(100, 121, 2)], 120, NOT_TESTED),
    ],
)
def test_a_cpu_passes_on_readings_of_the_whole_load(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, read_at_s: Iterable[int], load_s: int, outcome: wire.Outcome
) -> None:
    cpu(tmp_path, **CORE)
    heat = watched(tmp_path, monkeypatch, read_at_s, load_s)
    assert heat.temperature(5, 95, 1)[0].outcome is outcome
    assert heat.clock(0.8)[0].outcome is outcome
    told = {"plateau_temp_c.CPU0", "clock_load_mhz.CPU0"} & heat.numbers().keys()
    assert len(told) == (2 if outcome is PASSED else 0), "no later run is compared with it"


def test_what_was_not_read_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cpu(tmp_path, **CORE)
    heat = watched(tmp_path, monkeypatch, [0], 600)
    lack = "not read in the last 600 s of 600 s of load"
    assert heat.temperature(5, 95, 1)[0].reason == f"CPU0 was {lack}"
    assert heat.clock(0.8)[0].reason == f"the clock of CPU0 was {lack}"
    assert heat.resistance(20.0)[0][0].reason == f"not known: {lack}"
    assert heat.plateau(300, 0.5)[0].reason == "no curve of 300 s"


def test_a_cpu_of_which_only_the_boost_was_read_is_not_blamed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cpu(tmp_path, temp_c=97.0)
    check, found = watched(tmp_path, monkeypatch, range(0, 20, 2), 120).temperature(5, 95, 1)
    assert (check.outcome, found) == (NOT_TESTED, [])


def test_an_idle_clock_is_not_the_one_under_load(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cpu(tmp_path, cpufreq__scaling_cur_freq=800_000, cpufreq__base_frequency=3_000_000)
    check, found = watched(tmp_path, monkeypatch, [0], 120).clock(0.8)
    assert (check.outcome, found) == (NOT_TESTED, [])


def test_a_cpu_that_held_too_hot_a_minute_has_failed_whatever_was_read_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cpu(tmp_path, temp_c=97.0)
    check, found = watched(tmp_path, monkeypatch, range(0, 300, 2), 3600).temperature(5, 95, 1)
    assert (check.outcome, [one.code for one in found]) == (FAILED, ["thermal.hot"])


def test_the_slope_of_one_cpu_says_nothing_about_another(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cpu(tmp_path)
    cpu(tmp_path, 1)
    heat = watched(tmp_path, monkeypatch, range(0, 601, 2), 600)
    assert heat.plateau(300, 0.5)[0].outcome is PASSED
    heat.curves["CPU1"] = heat.curves["CPU1"][-10:]
    check, _ = heat.plateau(300, 0.5)
    assert (check.outcome, check.reason) == (NOT_TESTED, "no curve of 300 s of CPU1")


@pytest.mark.parametrize("stuck", ["temperatures", "clock"])
def test_a_reading_that_ends_after_the_load_is_none_of_the_load(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stuck: str
) -> None:
    """It began with the load, so it would be the first of the curve, and shows a CPU that is cool again."""
    cpu(tmp_path, **CORE)
    heat, asked, answers = Heat(tmp_path), threading.Event(), threading.Event()

    def slow(real: object) -> object:
        def read(*given: object) -> object:
            asked.set()
            answers.wait(20)
            return real(*given)  # type: ignore[operator]

        return read

    place, name = (readings, "temperatures") if stuck == "temperatures" else (heat._cores, "mhz")
    monkeypatch.setattr(place, name, slow(getattr(place, name)))
    monkeypatch.setattr("agent.exercises.heat._SAMPLE_S", 0.05)
    with heat.watching():
        (thread,) = (one for one in threading.enumerate() if one.name == "heat")
        assert asked.wait(20)
    answers.set()
    thread.join(20)
    check = heat.temperature(5, 95, 1)[0] if stuck == "temperatures" else heat.clock(0.8)[0]
    assert check.outcome is NOT_TESTED


def test_a_drive_is_not_asked_while_the_cpus_are_judged(tmp_path: Path) -> None:
    """Its answer may take minutes, and only CPUs are judged here. The side-car watches it."""
    cpu(tmp_path)
    for name, text in (("name", "drivetemp"), ("temp1_input", 40_000)):
        put(tmp_path, f"sys/class/hwmon/hwmon7/{name}", text)
    heat = Heat(tmp_path)
    heat.rest_for(0.0, StopFlag())
    heat.sample()
    assert set(heat.curves) == set(heat.peaks) == set(heat.rest) == {"CPU0"}


def test_a_hiccup_of_a_long_load_is_none_that_counts() -> None:
    read = Coverage()
    for at_s in (*range(0, 1000, 2), *range(1300, 36_000, 2)):
        read.add(float(at_s))
    assert read.lack(36_000.0) == ""
