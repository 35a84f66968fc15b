"""Sensors on a tree of files as sysfs has them."""

from __future__ import annotations

import builtins
import io
import threading
from pathlib import Path
from typing import Any

import pytest

from agent.contract import wire
from agent.sensors import readings
from agent.sensors.critical_limit import CriticalTemperature
from agent.sensors.sidecar import Sidecar


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path


def chip(root: Path, number: int, device: str, **files: object) -> Path:
    """A hwmon chip with its device; a file's name with dots for slashes."""
    behind = root / "sys/devices" / device
    behind.mkdir(parents=True, exist_ok=True)
    path = root / f"sys/class/hwmon/hwmon{number}"
    path.mkdir(parents=True)
    (path / "device").symlink_to(behind)
    for name, value in files.items():
        (path / name).write_text(f"{value}\n")
    return path


def coretemp(root: Path, value_c: float, number: int = 0, package: int = 0) -> Path:
    return chip(
        root,
        number,
        f"platform/coretemp.{package}",
        name="coretemp",
        temp1_input=int(value_c * 1000),
        temp1_label=f"Package id {package}",
        temp1_crit=100_000,
        temp2_input=int(value_c * 1000) - 3000,
        temp2_label="Core 0",
        temp2_crit=100_000,
    )


def numbers(root: Path) -> dict[tuple[str, str], float]:
    found = readings.measurements(root, readings.temperatures(root), now=1.0) + readings.clock(root, now=1.0)
    return {(one.component, one.name): one.value for one in found}


def test_a_cpu_is_its_package_and_its_hottest_input(root: Path) -> None:
    coretemp(root, 61.0)
    coretemp(root, 55.0, number=1, package=1)
    assert numbers(root) == {("CPU0", "temp"): 61.0, ("CPU1", "temp"): 55.0}


def test_an_amd_package_is_told_by_its_pci_device(root: Path) -> None:
    chip(root, 0, "pci0000:00/0000:00:19.3", name="k10temp", temp1_input=50_000, temp1_label="Tctl")
    assert numbers(root) == {("CPU1", "temp"): 50.0}


def test_a_disk_goes_by_its_serial(root: Path) -> None:
    chip(root, 0, "nvme/nvme0", name="nvme", temp1_input=38_850, temp1_max=65_261_850, temp1_min=-273_150)
    (root / "sys/devices/nvme/nvme0/serial").write_text("S4NVME0001      \n")
    drive = chip(root, 1, "host0/target0:0:0/0:0:0:0", name="drivetemp", temp1_input=31_000)
    (drive.resolve() / "device").resolve().joinpath("vpd_pg80").write_bytes(b"\x00\x80\x00\x09SATA-0001")
    assert numbers(root) == {("S4NVME0001", "temp"): 38.85, ("SATA-0001", "temp"): 31.0}


def test_a_port_goes_by_its_mac_and_a_board_sensor_by_its_label(root: Path) -> None:
    chip(root, 0, "pci/0000:04:00.0", name="igb", temp1_input=44_000)
    (root / "sys/devices/pci/0000:04:00.0/net/eth0").mkdir(parents=True)
    (root / "sys/devices/pci/0000:04:00.0/net/eth0/address").write_text("52:54:00:AA:BB:CC\n")
    chip(root, 1, "platform/nct6775", name="nct6775", temp1_input=35_000, temp1_label="SYSTIN")
    assert numbers(root) == {("52:54:00:aa:bb:cc", "temp"): 44.0, ("nct6775 SYSTIN", "temp"): 35.0}


@pytest.mark.parametrize("value", ["65261850", "-273150", "", "garbage", "255000"])
def test_a_sentinel_is_no_temperature(root: Path, value: str) -> None:
    chip(root, 0, "platform/x", name="nct6775", temp1_input=value, temp2_input=35_000, temp2_label="B")
    assert numbers(root) == {("nct6775 B", "temp"): 35.0}


def test_a_broken_sensor_is_left_out(root: Path) -> None:
    chip(root, 0, "platform/x", name="nct6775", temp1_input=35_000, temp1_fault=1)
    assert numbers(root) == {}


def test_fans_power_and_clock_are_measured(root: Path) -> None:
    chip(root, 0, "platform/x", name="nct6775", fan1_input=1200, fan2_input=0, fan2_label="CPU fan")
    chip(root, 1, "ACPI/power_meter", name="power_meter", power1_average=213_000_000)
    for cpu, khz in enumerate((2_000_000, 3_000_000)):
        folder = root / f"sys/devices/system/cpu/cpu{cpu}/cpufreq"
        folder.mkdir(parents=True)
        (folder / "scaling_cur_freq").write_text(str(khz))
    assert numbers(root) == {
        ("nct6775 fan1", "fan"): 1200.0,
        ("CPU fan", "fan"): 0.0,
        ("power_meter", "power"): 213.0,
        ("system", "clock"): 2500.0,
    }


def test_a_sample_opens_no_file_for_each_pair_of_inputs(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cores = {
        f"temp{n}_{what}": value for n in range(2, 34) for what, value in (("input", 40_000), ("label", f"Core {n}"))
    }
    package = {"name": "coretemp", "temp1_input": 50_000, "temp1_label": "Package id 0", "temp1_crit": 100_000}
    chip(root, 0, "platform/coretemp.0", **package, **cores)
    opened: list[str] = []
    really = io.open

    def noted(path: object, *more: Any, **named: Any) -> Any:
        opened.append(str(path))
        return really(path, *more, **named)

    monkeypatch.setattr(io, "open", noted)
    monkeypatch.setattr(builtins, "open", noted)
    found = readings.temperatures(root)
    monkeypatch.undo()
    assert [one.component for one in found] == ["CPU0"] * 33
    # Each input and label, the chip's name and one limit; the labels once more for the package's number.
    assert len(opened) <= 33 * 3 + 2
    assert all(Path(path).exists() for path in opened)


def test_a_host_without_sensors_measures_nothing(root: Path) -> None:
    assert readings.temperatures(root) == [] and numbers(root) == {}


def nodes(root: Path, temperatures_c: list[int], packages: int) -> None:
    """AMD's dies, each with a device, and the CPUs of the packages that they are in."""
    for number, value_c in enumerate(temperatures_c):
        device = f"pci0000:00/0000:00:{0x18 + number:x}.3"
        chip(root, number, device, name="k10temp", temp1_input=value_c * 1000, temp1_label="Tctl")
    for package in range(packages):
        path = root / f"sys/devices/system/cpu/cpu{package}/topology"
        path.mkdir(parents=True)
        (path / "physical_package_id").write_text(f"{package}\n")


def test_the_dies_of_one_amd_package_are_one_cpu(root: Path) -> None:
    nodes(root, [40, 41, 66, 42, 50, 51, 52, 53], packages=2)
    assert numbers(root) == {("CPU0", "temp"): 66.0, ("CPU1", "temp"): 53.0}


def test_the_dies_of_a_single_amd_package_are_one_cpu(root: Path) -> None:
    nodes(root, [40, 41, 42, 43], packages=1)
    assert numbers(root) == {("CPU0", "temp"): 43.0}


def test_amd_packages_of_one_node_each_are_two(root: Path) -> None:
    nodes(root, [40, 41], packages=2)
    assert numbers(root) == {("CPU0", "temp"): 40.0, ("CPU1", "temp"): 41.0}


def test_the_dies_of_one_intel_package_are_one_cpu(root: Path) -> None:
    for die, (package, value_c) in enumerate(((0, 50.0), (0, 71.0), (1, 52.0), (1, 53.0))):
        path = coretemp(root, value_c, number=die, package=die)
        (path / "temp1_label").write_text(f"Package id {package}\n")
    assert numbers(root) == {("CPU0", "temp"): 71.0, ("CPU1", "temp"): 53.0}


def zone(root: Path, name: str, energy_uj: int, label: str) -> Path:
    path = root / "sys/class/powercap" / name
    path.mkdir(parents=True, exist_ok=True)
    (path / "name").write_text(label)
    (path / "energy_uj").write_text(str(energy_uj))
    (path / "max_energy_range_uj").write_text("262143328850")
    return path


def test_power_is_energy_over_time_also_when_the_counter_wraps(root: Path) -> None:
    package = zone(root, "intel-rapl:0", 262_143_328_850 - 10_000_000, "package-0")
    dram = zone(root, "intel-rapl:0:0", 1_000_000, "dram")
    rapl = readings.Rapl(root)
    assert rapl.measurements(1.0, monotonic_s=100.0) == []
    (package / "energy_uj").write_text("110000000")
    (dram / "energy_uj").write_text("5000000")
    found = {(m.component, m.name): m.value for m in rapl.measurements(3.0, monotonic_s=102.0)}
    assert found == {("CPU0", "power"): pytest.approx(60.0), ("CPU0", "power_dram"): pytest.approx(2.0)}


def test_the_power_of_a_packages_dies_is_one(root: Path) -> None:
    labels = ["package-0-die-0", "package-0-die-1", "package-1-die-0", "package-1-die-1"]
    zones = [zone(root, f"intel-rapl:{number}", 0, label) for number, label in enumerate(labels)]
    dram = zone(root, "intel-rapl:3:0", 0, "dram")
    rapl = readings.Rapl(root)
    assert rapl.measurements(1.0, monotonic_s=100.0) == []
    for path in [*zones, dram]:
        (path / "energy_uj").write_text("50000000")
    found = {(m.component, m.name): m.value for m in rapl.measurements(2.0, monotonic_s=101.0)}
    assert found == {("CPU0", "power"): 100.0, ("CPU1", "power"): 100.0, ("CPU1", "power_dram"): 50.0}


def test_a_critical_temperature_needs_two_samples_in_a_row(root: Path) -> None:
    limit = CriticalTemperature({"temp_critical_margin_c": 5.0})
    package = coretemp(root, 96.0)
    assert limit.look(readings.temperatures(root)) == []
    found = limit.look(readings.temperatures(root))
    assert [(f.code, f.component, f.value, f.limit) for f in found] == [("thermal.critical", "CPU0", 96.0, 95.0)]
    assert found[0].message == "CPU0: 96 C (Package id 0), limit 95 C: the load was stopped"
    (package / "temp1_input").write_text("94000")
    assert limit.look(readings.temperatures(root)) == []
    (package / "temp1_input").write_text("96000")
    assert limit.look(readings.temperatures(root)) == []


def test_a_sensor_without_a_critical_limit_stops_nothing(root: Path) -> None:
    limit = CriticalTemperature({})
    chip(root, 0, "platform/x", name="nct6775", temp1_input=120_000)
    assert [limit.look(readings.temperatures(root)) for _ in range(3)] == [[], [], []]


def stopped_by(root: Path, **limits: float) -> list[str]:
    """What the load was stopped for in two samples."""
    limit = CriticalTemperature(limits)
    limit.look(readings.temperatures(root))
    return [finding.component for finding in limit.look(readings.temperatures(root))]


def test_a_cpu_that_names_no_critical_limit_has_the_profiles(root: Path) -> None:
    chip(root, 0, "pci0000:00/0000:00:18.3", name="k10temp", temp1_input=99_000, temp1_label="Tctl")
    assert stopped_by(root, cpu_temp_max_c=98) == ["CPU0"]
    assert stopped_by(root, cpu_temp_max_c=100) == []


@pytest.mark.parametrize("critical", [0, -1000, 20_800])
def test_a_critical_limit_that_nobody_set_stops_no_load(root: Path, critical: int) -> None:
    chip(root, 0, "virtual/thermal_zone0", name="acpitz", temp1_input=27_800, temp1_crit=critical)
    assert stopped_by(root) == []


def test_the_control_value_of_an_amd_processor_is_not_its_heat(root: Path) -> None:
    chip(root, 0, "pci0000:00/0000:00:18.3", name="k10temp", temp1_input=98_000, temp1_label="Tctl",
         temp2_input=71_000, temp2_label="Tdie", temp3_input=68_000, temp3_label="Tccd1")  # fmt: skip
    assert numbers(root) == {("CPU0", "temp"): 71.0}
    assert stopped_by(root, cpu_temp_max_c=95.0) == []


def test_the_hot_spots_of_an_nvme_drive_are_not_its_temperature(root: Path) -> None:
    chip(root, 0, "nvme/nvme0", name="nvme", temp1_input=62_850, temp1_label="Composite", temp1_crit=84_850,
         temp2_input=50_850, temp2_label="Sensor 1", temp3_input=92_850, temp3_label="Sensor 2")  # fmt: skip
    assert stopped_by(root, disk_temp_max_c=75.0) == []
    measured = readings.measurements(root, readings.temperatures(root), 1.0)
    assert [one.value for one in measured if one.name == "temp"] == [62.85]


def test_a_board_input_that_leads_nowhere_stops_no_load_and_acpis_zone_does(root: Path) -> None:
    chip(root, 0, "platform/x", name="nct6775", temp1_input=127_000, temp1_label="AUXTIN0", temp1_crit=100_000)
    assert stopped_by(root) == []
    chip(root, 1, "virtual/thermal_zone0", name="acpitz", temp1_input=104_000, temp1_crit=105_000)
    assert stopped_by(root) == ["acpitz"]


def test_the_sidecar_stops_the_load_before_it_measures(root: Path) -> None:
    coretemp(root, 99.0)
    happened: list[str] = []
    sidecar = Sidecar(
        root,
        CriticalTemperature({}),
        measure=lambda one: happened.append(one.name),
        too_hot=lambda finding: happened.append(finding.code),
        say=lambda level, text: happened.append(text),
    )
    sidecar.sample()
    sidecar.sample()
    assert happened == ["temp", "thermal.critical", "temp"]


def test_the_sidecar_ends_when_told(root: Path) -> None:
    seen: list[wire.Measurement] = []
    coretemp(root, 40.0)
    sidecar = Sidecar(
        root,
        CriticalTemperature({}),
        seen.append,
        lambda f: None,
        lambda *said: None,
        slow=(lambda: [],),
        interval_s=0.01,
    )
    sidecar.start()
    sidecar.finish()


def test_a_look_that_fails_is_told_once_and_the_limit_stays_watched(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    coretemp(root, 99.0)
    said: list[str] = []
    hot = threading.Event()
    sidecar = Sidecar(
        root,
        CriticalTemperature({}),
        measure=lambda one: None,
        too_hot=lambda finding: hot.set(),
        say=lambda level, text: said.append(text),
        interval_s=0.01,
    )
    reads = iter(range(1_000_000))
    temperatures = readings.temperatures

    def unsteady(*given: Any) -> list:
        if next(reads) < 3:
            raise ValueError("a chip went away")
        return temperatures(*given)

    monkeypatch.setattr(readings, "temperatures", unsteady)
    sidecar.start()
    assert hot.wait(10)
    sidecar.finish()
    assert said == ["the sensors could not be read: ValueError: a chip went away"]
