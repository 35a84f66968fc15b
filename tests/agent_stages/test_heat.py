"""Curves under load, and what is concluded from them."""

from __future__ import annotations

import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest

from agent.contract import wire
from agent.exercises import fans, temperature_curve
from agent.exercises.fans import Fans
from agent.exercises.heat import Heat
from agent.exercises.temperature_curve import Point
from agent.host.stop import StopFlag
from agent.probes.bmc import ipmitool
from agent.stage import StageMemory
from agent.stages.burn import stage as burn
from agent.stages.cpu_stress import stage as cpu_stress
from runs.profiles import load as profiles
from tests.agent_stages.contexts import context

PASSED, FAILED, NOT_TESTED = wire.Outcome.PASSED, wire.Outcome.FAILED, wire.Outcome.NOT_TESTED


def rising(c_min: float, minutes: int = 10, watts: float | None = None) -> list[Point]:
    return [Point(2.0 * n, 50.0 + c_min * 2.0 * n / 60, watts) for n in range(30 * minutes + 1)]


def put(root: Path, path: str, text: object) -> None:
    target = root / path
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(f"{text}\n")


def cpu(root: Path, package: int = 0, temp_c: float = 60.0, **files: object) -> None:
    """A package with one core: its temperature, and files of its core."""
    chip = f"sys/class/hwmon/hwmon{package}"
    (root / f"sys/devices/platform/coretemp.{package}").mkdir(parents=True)
    for name, text in (("name", "coretemp"), ("temp1_input", int(temp_c * 1000)), ("temp1_crit", 100_000)):
        put(root, f"{chip}/{name}", text)
    (root / chip / "device").symlink_to(root / f"sys/devices/platform/coretemp.{package}")
    put(root, f"sys/devices/system/cpu/cpu{package}/topology/physical_package_id", package)
    for name, text in files.items():
        put(root, f"sys/devices/system/cpu/cpu{package}/{name.replace('__', '/')}", text)


def sampled(root: Path, times: int = 1) -> Heat:
    heat = Heat(root)
    for _ in range(times):
        heat.sample()
    return heat


def test_the_plateau_is_the_last_quarter() -> None:
    points = [Point(float(n), 40.0 if n < 75 else 80.0, 10.0 if n < 75 else 90.0) for n in range(100)]
    assert temperature_curve.plateau_c(points) == pytest.approx(80.0, abs=0.5)
    assert temperature_curve.plateau_w(points) == pytest.approx(90.0, abs=1)


@pytest.mark.parametrize("c_min", [-0.3, 0.0, 0.4, 2.0])
def test_the_slope_is_degrees_a_minute(c_min: float) -> None:
    assert temperature_curve.slope_c_min(rising(c_min), 300) == pytest.approx(c_min)


def test_a_curve_that_is_too_short_has_no_slope() -> None:
    assert temperature_curve.slope_c_min(rising(2.0, minutes=4), 300) is None
    assert temperature_curve.slope_c_min([], 300) is None


def test_thermal_resistance_is_degrees_per_watt_above_rest() -> None:
    load = [Point(float(n), 70.0, 120.0) for n in range(10)]
    assert temperature_curve.resistance_c_per_w(Point(0, 40.0, 20.0), load, 20.0) == pytest.approx(0.3)
    assert temperature_curve.resistance_c_per_w(Point(0, 40.0, 100.0), load, 20.0) == pytest.approx(1.5)


@pytest.mark.parametrize(
    ("rest_w", "warm", "words"),
    [
        (101.0, "", "not known: 19 W more than at rest, and at least 20 W are needed"),
        (None, "", "not known: nothing reports the power"),
        (20.0, "it was at work", "not known: it was at work"),
    ],
)
def test_a_thermal_resistance_that_is_not_known_says_why(
    tmp_path: Path, rest_w: float | None, warm: str, words: str
) -> None:
    cpu(tmp_path)
    heat = Heat(tmp_path, warm)
    heat.rest_for(0.0, StopFlag())
    heat.sample()
    heat.rest = {name: Point(0, 40.0, rest_w) for name in heat.rest}
    heat.curves["CPU0"] = [Point(2.0 * n, 70.0, 120.0) for n in range(100)]
    made, numbers = heat.resistance(20.0)
    assert [(one.outcome, one.component, one.reason) for one in made] == [(NOT_TESTED, "CPU0", words)]
    assert numbers == {}


def test_only_the_first_load_of_a_run_begins_at_rest(tmp_path: Path) -> None:
    """A second attempt, or one that an agent starts over, finds the heatsink warm: its rest would be no rest."""
    first = context("CPUStress", tmp_path)
    assert cpu_stress._warm(first) == ""
    assert "not the run's first" in cpu_stress._warm(first)
    again = replace(first, order=replace(first.order, attempt=2), memory=StageMemory(tmp_path, "CPUStress", 2))
    assert "not the run's first" in cpu_stress._warm(again)


def test_a_day_long_curve_stays_small_and_keeps_its_newest_part_whole() -> None:
    points: list[Point] = []
    for n in range(20_000):
        temperature_curve.add(points, Point(2.0 * n, 50.0))
    assert len(points) <= temperature_curve.MOST_POINTS
    assert points[0].at_s == 0
    assert [point.at_s for point in points[-150:]] == [2.0 * n for n in range(19_850, 20_000)]


def test_a_cpu_that_does_not_tell_its_temperature_is_not_covered_by_the_other(tmp_path: Path) -> None:
    cpu(tmp_path)
    heat = sampled(tmp_path)
    assert heat.temperature(5, 95, sockets=1)[0].outcome is PASSED
    check, found = heat.temperature(5, 95, sockets=2)
    assert (check.outcome, check.reason, found) == (NOT_TESTED, "1 of 2 CPUs here tell their temperature", [])


def test_a_cpu_near_its_own_limit_fails_whatever_the_other_sensors_do(tmp_path: Path) -> None:
    cpu(tmp_path, temp_c=96.0)
    check, found = sampled(tmp_path).temperature(5, 95, sockets=2)
    assert check.outcome is FAILED
    assert [(one.code, one.component, one.limit) for one in found] == [("thermal.hot", "CPU0", 95.0)]


# Seconds and degrees of a curve: from when on the CPU had this temperature.
BOOST = [(0, 60.0), (5, 97.0), (30, 78.0)]
LATE = [(0, 60.0), (30, 80.0), (530, 96.0)]
EARLY = [(0, 60.0), (30, 96.0), (300, 80.0)]
GLITCH = [(0, 60.0), (30, 70.0), (300, 127.0), (302, 70.0)]
# As a controller holds its set point, in k10temp's steps.
REGULATED = [(at_s, (94.875, 95.125, 95.25, 95.0)[at_s % 4]) for at_s in range(0, 130)]


def heated(root: Path, monkeypatch: pytest.MonkeyPatch, curve: list[tuple[int, float]], for_s: int) -> Heat:
    """Sampled every 2 s for so long."""
    heat, clock = Heat(root), [0.0]
    monkeypatch.setattr("agent.exercises.heat.time.monotonic", lambda: clock[0])
    heat._began_s = 0.0
    for at_s in range(0, for_s + 1, 2):
        clock[0] = float(at_s)
        celsius = [degrees for since_s, degrees in curve if since_s <= at_s][-1]
        put(root, "sys/class/hwmon/hwmon0/temp1_input", int(celsius * 1000))
        heat.sample()
    return heat


@pytest.mark.parametrize(
    ("curve", "for_s", "outcome"),
    [
        (BOOST, 120, PASSED),
        (BOOST, 600, PASSED),
        (GLITCH, 600, PASSED),
        (LATE, 600, FAILED),
        (EARLY, 600, FAILED),
        ([(0, 60.0), (60, 96.0)], 90, FAILED),
    ],
)
def test_a_cpu_is_judged_by_the_heat_that_it_held_and_not_by_its_boost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, curve: list[tuple[int, float]], for_s: int, outcome: wire.Outcome
) -> None:
    """In its boost period a processor takes more power than it may keep, and the fans follow later."""
    cpu(tmp_path)
    assert heated(tmp_path, monkeypatch, curve, for_s).temperature(5, 96, 1)[0].outcome is outcome


def test_the_hottest_minute_of_a_day_long_curve_is_not_thinned_out() -> None:
    held = temperature_curve.Held()
    for n in range(20_000):
        held.add(Point(2.0 * n, 90.0 if 3600 <= 2 * n <= 3700 else 70.0))
    assert held.highest_c == 90.0


def test_a_boost_period_or_two_readings_are_no_minute() -> None:
    short, sparse = temperature_curve.Held(), temperature_curve.Held()
    for n in range(70):
        short.add(Point(2.0 * n, 90.0))
        sparse.add(Point(100.0 * n, 90.0))
    assert (short.highest_c, sparse.highest_c) == (None, None)


def test_a_processor_that_is_built_to_run_at_95_degrees_may_do_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ryzen 7000 and EPYC 4004 report no critical limit, so the profile's counts."""
    cpu(tmp_path)
    (tmp_path / "sys/class/hwmon/hwmon0/temp1_crit").unlink()
    limit_c = float(profiles.load("quick")["stages"]["CPUStress"]["limits"]["temp_max_c"])
    heat = heated(tmp_path, monkeypatch, REGULATED, 120)
    assert heat.temperature(5, limit_c, 1)[0].outcome is PASSED
    hotter = heated(tmp_path, monkeypatch, [(0, 97.0)], 120)
    assert hotter.temperature(5, limit_c, 1)[0].outcome is FAILED


@pytest.mark.parametrize(
    ("base", "khz", "outcome"),
    [
        ({"cpufreq__base_frequency": 3_000_000}, 2_900_000, PASSED),
        ({"cpufreq__base_frequency": 3_000_000}, 800_000, FAILED),
        ({"acpi_cppc__nominal_freq": 3000}, 800_000, FAILED),
        ({}, 800_000, NOT_TESTED),
    ],
)
def test_a_cpu_that_is_held_down_is_slow_and_not_cool(
    tmp_path: Path, base: dict[str, object], khz: int, outcome: wire.Outcome
) -> None:
    cpu(tmp_path, cpufreq__scaling_cur_freq=khz, **base)
    check, found = sampled(tmp_path, 3).clock(0.8)
    assert check.outcome is outcome
    assert [(one.code, one.component, one.value) for one in found] == (
        [("cpu.slow_clock", "CPU0", 800)] if outcome is FAILED else []
    )


def test_the_clock_of_one_cpu_says_nothing_about_another(tmp_path: Path) -> None:
    cpu(tmp_path, cpufreq__scaling_cur_freq=3_000_000, cpufreq__base_frequency=3_000_000)
    cpu(tmp_path, 1, cpufreq__base_frequency=3_000_000)
    check, _ = sampled(tmp_path, 3).clock(0.8)
    assert check.outcome is NOT_TESTED and "CPU1" in check.reason


def test_a_critical_limit_that_no_cpu_has_is_not_used(tmp_path: Path) -> None:
    cpu(tmp_path)
    put(tmp_path, "sys/class/hwmon/hwmon0/temp1_crit", 20_800)
    assert sampled(tmp_path).temperature(5, 95, 1)[0].outcome is PASSED
    assert sampled(tmp_path).temperature(5, 55, 1)[0].outcome is FAILED


def test_a_cpu_that_still_gets_hotter_is_a_warning(tmp_path: Path) -> None:
    cpu(tmp_path)
    heat = sampled(tmp_path)
    heat.curves["CPU0"] = rising(0.8)
    check, found = heat.plateau(300, 0.5)
    assert check.outcome is PASSED
    assert [(one.code, one.severity) for one in found] == [("thermal.rising", wire.Severity.WARNING)]
    assert heat.plateau(300, 1.0)[1] == []
    assert heat.plateau(300, None)[0].outcome is NOT_TESTED
    assert heat.plateau(3600, 0.5)[0].outcome is NOT_TESTED


def test_the_numbers_and_the_curve_are_kept(tmp_path: Path) -> None:
    cpu(tmp_path)
    heat = sampled(tmp_path)
    heat.rest["CPU0"] = Point(0, 40.0, 20.0)
    heat.curves["CPU0"] = [Point(2.0 * n, 70.0, 120.0) for n in range(100)]
    assert heat.numbers(60) == {
        "peak_temp_c.CPU0": 60.0,
        "idle_temp_c.CPU0": 40.0,
        "plateau_temp_c.CPU0": 70.0,
        "temp_slope_c_min.CPU0": 0.0,
        "power_load_w.CPU0": 120.0,
    }
    assert heat.resistance(20.0)[1] == {"thermal_resistance_c_w.CPU0": 0.3}
    lines = heat.evidence()["heat.csv"].splitlines()
    assert lines[:2] == ["seconds,part,celsius,watts", "0,CPU0,70.0,120.0"]


def test_it_samples_from_the_first_moment_to_the_end_of_the_block(tmp_path: Path) -> None:
    """A reading that ends after the block does not count, so the block waits for the first."""
    cpu(tmp_path)
    with Heat(tmp_path).watching() as heat:
        assert _is_watched()
        deadline = time.monotonic() + 30
        while not heat.peaks and time.monotonic() < deadline:
            time.sleep(0.01)
    assert heat.peaks and heat.curves["CPU0"]
    assert not any(thread.name == "heat" for thread in threading.enumerate())


def test_burn_watches_the_heat_for_as_long_as_the_cores_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Memory's last check takes minutes more on a large host, and the processors cool down meanwhile."""
    cpu(tmp_path)
    heat, at_work = Heat(tmp_path), []
    monkeypatch.setattr(burn.cpu_load, "run", lambda *_: at_work.append(_is_watched()))
    burn._cores(context("Burn", tmp_path, params={"waves_s": 0}), heat, 1.0)
    assert (at_work, _is_watched()) == ([True], False)


def _is_watched() -> bool:
    return any(thread.name == "heat" for thread in threading.enumerate())


# --- fans ------------------------------------------------------------------------------------------------------------


def judged(names: list[str], before: Fans, after: Fans) -> tuple[list[wire.Outcome], list[tuple[str, str]]]:
    made, found = fans.judge(names, before, after)
    return [check.outcome for check in made], [(one.code, one.component) for one in found]


@pytest.mark.parametrize("name", ["PSU1 FAN", "PS2 Fan", "psu fan", "amdgpu fan1", "amdgpu fan1 (0000:03:00.0 fan1)"])
@pytest.mark.parametrize("is_expected", [True, False])
def test_a_fan_that_may_stand_while_it_is_cool_is_a_warning(name: str, is_expected: bool) -> None:
    made, found = fans.judge([name] if is_expected else [], Fans({name: 340.0}), Fans({name: 0.0}))
    assert [check.outcome for check in made] == [PASSED]
    assert [(one.code, one.severity) for one in found] == [("fan.stopped", wire.Severity.WARNING)]


@pytest.mark.parametrize("status", ["lcr", "lnr", "cr"])
def test_a_supplys_fan_that_stands_below_the_bmcs_limit_has_failed(status: str) -> None:
    after = Fans({}, ipmitool.parse_sdr(f"PSU1 FAN | 41h | {status} | 10.1 | 0 RPM\n"))
    assert judged(["PSU1 FAN"], Fans({"PSU1 FAN": 4000.0}), after) == ([FAILED], [("fan.stopped", "PSU1 FAN")])


def test_two_cards_of_one_kind_have_a_fan_each(tmp_path: Path) -> None:
    for number, rpm in enumerate((0, 1800)):
        put(tmp_path, f"sys/devices/pci0000:00/0000:0{3 + number}:00.0/uevent", "")
        chip = f"sys/class/hwmon/hwmon{number}"
        put(tmp_path, f"{chip}/name", "emc2305")
        put(tmp_path, f"{chip}/fan1_input", rpm)
        (tmp_path / chip / "device").symlink_to(f"../../../devices/pci0000:00/0000:0{3 + number}:00.0")
    put(tmp_path, "sys/class/hwmon/hwmon2/name", "nct6775")
    put(tmp_path, "sys/class/hwmon/hwmon2/fan1_input", 900)
    dead, sound = "emc2305 fan1 (0000:03:00.0 fan1)", "emc2305 fan1 (0000:04:00.0 fan1)"
    seen = fans.look(tmp_path)
    assert seen.rpm == {dead: 0.0, sound: 1800.0, "nct6775 fan1": 900.0}
    made, found = fans.judge([], Fans({dead: 1700.0, sound: 1800.0}), seen)
    assert [check.outcome for check in made] == [FAILED, PASSED]
    assert [(one.code, one.component) for one in found] == [("fan.stopped", dead)]
    # One that gives no reading for a moment takes no name from the other.
    put(tmp_path, "sys/class/hwmon/hwmon0/fan1_input", "")
    assert fans.look(tmp_path).rpm == {sound: 1800.0, "nct6775 fan1": 900.0}


def test_two_fans_of_one_label_on_one_chip_are_two(tmp_path: Path) -> None:
    put(tmp_path, "sys/class/hwmon/hwmon0/name", "nct6775")
    for number, rpm in ((1, 0), (2, 900)):
        put(tmp_path, f"sys/class/hwmon/hwmon0/fan{number}_input", rpm)
        put(tmp_path, f"sys/class/hwmon/hwmon0/fan{number}_label", "CPU fan")
    assert fans.look(tmp_path).rpm == {"CPU fan (hwmon0 fan1)": 0.0, "CPU fan (hwmon0 fan2)": 900.0}


@pytest.mark.parametrize(
    ("rows", "told"),
    [
        ("FAN | 41h | ok | 29.1 | 900 RPM\nFAN | 42h | ok | 29.2 | 0 RPM\n", {"FAN": 900.0, "FAN 42h": 0.0}),
        # The speed and the state of one fan.
        ("FAN | 41h | ok | 29.1 | 900 RPM\nFAN | 42h | ok | 29.1 | \n", {"FAN": 900.0}),
        ("FAN | 41h | ns | 29.1 | No Reading\nFAN | 42h | ok | 29.1 | 900 RPM\n", {"FAN": 900.0}),
        ("FAN | 42h | ok | 29.1 | Device Absent\nFAN | 41h | ns | 29.1 | No Reading\n", {"FAN": None}),
    ],
)
def test_a_second_sensor_of_the_same_name_hides_no_fan(rows: str, told: dict[str, float | None]) -> None:
    assert Fans({}, ipmitool.parse_sdr(rows)).rpm == told


def test_a_state_is_not_hidden_by_a_speed_of_the_same_name() -> None:
    rows = "FAN | 41h | ok | 29.1 | 900 RPM\nFAN | 42h | ok | 29.1 | Transition to Critical from less severe\n"
    for text in (rows, "".join(reversed(rows.splitlines(keepends=True)))):
        turning = Fans({}, ipmitool.parse_sdr(text))
        made, found = fans.judge([], turning, turning)
        assert sorted(check.outcome for check in made) == [FAILED, PASSED]
        assert [one.code for one in found] == ["fan.stopped"]


def test_a_fan_that_stands_still_under_load_is_blamed() -> None:
    before, after = Fans({"FAN1": 3000.0, "FAN2": 2900.0}), Fans({"FAN1": 5000.0, "FAN2": 0.0})
    assert judged(["FAN1", "FAN2"], before, after) == ([PASSED, FAILED], [("fan.stopped", "FAN2")])


def test_an_empty_header_is_no_fan_unless_it_is_expected() -> None:
    still = Fans({"FAN1": 3000.0, "FAN3": 0.0})
    assert judged([], still, still) == ([PASSED], [])
    assert judged(["FAN3"], still, still) == ([FAILED], [("fan.stopped", "FAN3")])


def test_a_fan_without_a_reading_is_not_tested() -> None:
    assert judged(["FAN1"], Fans({}), Fans({"FAN1": None})) == ([NOT_TESTED], [])
    assert judged(["FAN1"], Fans({}), Fans({})) == ([NOT_TESTED], [])
    assert judged([], Fans({}), Fans({})) == ([NOT_TESTED], [])


def test_a_fan_below_the_bmcs_own_limit_is_blamed() -> None:
    after = Fans({}, ipmitool.parse_sdr("FAN1 | 41h | lcr | 29.1 | 400 RPM\n"))
    assert judged(["FAN1"], Fans({"FAN1": 400.0}), after) == ([FAILED], [("sensor.fan_low", "FAN1")])


def test_the_fans_of_the_boards_chips_are_read(tmp_path: Path) -> None:
    for name, text in (("name", "nct6775"), ("fan1_input", 1200), ("fan2_input", 0), ("fan2_label", "CPU fan")):
        put(tmp_path, f"sys/class/hwmon/hwmon0/{name}", text)
    assert fans.look(tmp_path).rpm == {"nct6775 fan1": 1200.0, "CPU fan": 0.0}
