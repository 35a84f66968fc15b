"""Temperatures, fans, power and clocks, read directly from sysfs: `sensors` is slow and stops at a failing chip. Every
function takes the root of the file system and returns data. A missing sensor gives nothing."""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from agent.contract import wire
from agent.host import sysfs
from agent.host.stop import StopFlag
from agent.sensors import cpu_packages
from agent.sensors.chip import Chip, Part, number

# NVMe drives without a limit report 65261.85 and -273.15 C (seen on Proxmox hosts); no part lives beyond these
LOWEST_C, HIGHEST_C = -40.0, 200.0
CLOCKS_READ = 8
FAN_FAULT_RPM = 100_000
_PACKAGE = ("cpu", "power")


@dataclass(frozen=True)
class Temperature:
    """One temperature input. `critical_c` is the chip's own critical limit, None without a plausible one."""

    component_kind: str
    component: str
    label: str
    value_c: float
    critical_c: float | None


def chips(root: Path) -> list[Chip]:
    paths = sorted((root / "sys/class/hwmon").glob("hwmon*"), key=lambda path: int(path.name[5:] or 0))
    return [Chip(path) for path in paths]


def processors(root: Path) -> list[Chip]:
    """The chips that never keep their reader waiting."""
    return [chip for chip in chips(root) if chip.is_of_processor]


def temperatures(root: Path, of: Iterable[Chip] | None = None) -> list[Temperature]:
    """Every input of every chip with a plausible reading; `of` are the host's chips, if the caller has them."""
    return [one for chip in (chips(root) if of is None else of) for one in _chip_temperatures(chip)]


def hottest(found: Iterable[Temperature]) -> list[Temperature]:
    """The hottest input of each part: one series per CPU package, disk, DIMM, port and board sensor."""
    by_part: dict[Part, Temperature] = {}
    for one in found:
        part = Part(one.component_kind, one.component)
        if part not in by_part or one.value_c > by_part[part].value_c:
            by_part[part] = one
    return list(by_part.values())


def measurements(
    root: Path, found: Iterable[Temperature], now: float, of: Iterable[Chip] | None = None
) -> list[wire.Measurement]:
    """One sample of the chips `of`, or of all chips of the host: the temperatures `found`, fans and power. Power from
    RAPL is separate, since it needs two readings."""
    sample = [wire.Measurement(now, t.component_kind, t.component, "temp", t.value_c, "C") for t in hottest(found)]
    read = list(chips(root) if of is None else of)
    if any(_fan_stems(chip) for chip in read):
        sample += fans(read, now, chips(root))
    for chip in read:
        sample += _power(chip, now)
    return sample


def clock(root: Path, now: float) -> list[wire.Measurement]:
    mhz = mean_clock_mhz(root)
    return [] if mhz is None else [wire.Measurement(now, "system", "system", "clock", mhz, "MHz")]


def mean_clock_mhz(root: Path) -> float | None:
    """Mean of a few cores across the machine. Only a few, since reading a core's clock interrupts that core."""
    cores = _clock_files(root)
    picked = cores[:: max(1, len(cores) // CLOCKS_READ)]
    values = [khz for path in picked if (khz := number(path)) is not None]
    return sum(values) / len(values) / 1000 if values else None


def _clock_files(root: Path) -> list[str]:
    """The clock files of all cores that have one. Searching by a pattern would take ten times as long on a host with a
    hundred cores."""
    folder = os.fspath(root / "sys/devices/system/cpu")
    names = os.listdir(folder) if os.path.isdir(folder) else []
    cores = (
        f"{folder}/{name}/cpufreq/scaling_cur_freq"
        for name in sorted(names)
        if name[:3] == "cpu" and name[3:4].isdigit()
    )
    return [path for path in cores if os.path.exists(path)]


class Clocks:
    """The clocks of a few cores of each package. The cores are chosen once: a large machine has hundreds."""

    def __init__(self, root: Path) -> None:
        self._picked = {
            name: cores[:: max(1, len(cores) // CLOCKS_READ)] for name, cores in _cores_by_package(root).items()
        }

    @property
    def packages(self) -> frozenset[str]:
        return frozenset(self._picked)

    def mhz(self) -> dict[str, float]:
        """CPU package → the mean clock of its cores. A package without a reading is left out."""
        found = {
            name: [khz / 1000 for core in cores if (khz := _number(core / "cpufreq/scaling_cur_freq")) is not None]
            for name, cores in self._picked.items()
        }
        return {name: sum(values) / len(values) for name, values in found.items() if values}


def base_clocks_mhz(root: Path) -> dict[str, float]:
    """CPU package → the clock that its maker promises with all cores under load, for its slowest kind of core: from
    intel_pstate (kHz), or from ACPI's nominal performance (MHz)."""
    found: dict[str, float] = {}
    for name, cores in _cores_by_package(root).items():
        bases = [base for core in cores if (base := _base_clock_mhz(core)) is not None]
        if bases:
            found[name] = min(bases)
    return found


def _base_clock_mhz(core: Path) -> float | None:
    khz = _number(core / "cpufreq/base_frequency")
    return khz / 1000 if khz else _number(core / "acpi_cppc/nominal_freq") or None


def _cores_by_package(root: Path) -> dict[str, list[Path]]:
    found: dict[str, list[Path]] = {}
    for core in sorted((root / "sys/devices/system/cpu").glob("cpu[0-9]*"), key=lambda path: int(path.name[3:])):
        package = sysfs.text(core / "topology/physical_package_id")
        found.setdefault(f"CPU{package if package.isdigit() else 0}", []).append(core)
    return found


class Rapl:
    """Power from RAPL's energy counters (root only; they wrap at `max_energy_range_uj`)."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._before: dict[Path, tuple[float, float]] = {}

    def measurements(self, now: float, monotonic_s: float) -> list[wire.Measurement]:
        """Mean power since the last call, the dies of one package together. The first call gives nothing."""
        found: dict[tuple[Part, str], float] = {}
        for zone in sorted((self.root / "sys/class/powercap").glob("intel-rapl:*")):
            watts = self._watts(zone, monotonic_s)
            if watts is not None:
                key = _zone(sysfs.text(zone / "name"), zone)
                found[key] = found.get(key, 0.0) + watts
        return [wire.Measurement(now, part.kind, part.name, name, watts, "W") for (part, name), watts in found.items()]

    def _watts(self, zone: Path, monotonic_s: float) -> float | None:
        energy_uj = _number(zone / "energy_uj")
        if energy_uj is None:
            return None
        before = self._before.get(zone)
        self._before[zone] = (energy_uj, monotonic_s)
        if before is None or monotonic_s <= before[1]:
            return None
        used_uj = energy_uj - before[0]
        if used_uj < 0:
            used_uj += _number(zone / "max_energy_range_uj") or 0
        return used_uj / 1e6 / (monotonic_s - before[1]) if used_uj >= 0 else None


class Meter:
    """The power of all CPUs together, averaged over a time of the caller's choice. None if RAPL does not give it."""

    def __init__(self, root: Path = Path("/")) -> None:
        self._rapl = Rapl(root)
        self.watts_since()

    def watts_since(self) -> float | None:
        """Mean watts since the last call."""
        now = time.monotonic()
        found = [one.value for one in self._rapl.measurements(now, now) if (one.component_kind, one.name) == _PACKAGE]
        return sum(found) if found else None

    def watts_over(self, seconds: float, stop: StopFlag) -> float | None:
        self.watts_since()
        stop.wait(seconds)
        return self.watts_since()


def _zone(name: str, zone: Path) -> tuple[Part, str]:
    """`package-0` is CPU0; its sub-zones (`intel-rapl:0:0`) are named core, uncore or dram."""
    if name == "psys":
        return Part("system", "system"), "power"
    part = Part("cpu", f"CPU{cpu_packages.of_zone(zone)}")
    return part, "power" if name.startswith("package") else f"power_{name or 'zone'}"


def _chip_temperatures(chip: Chip) -> Iterator[Temperature]:
    """The chip's temperatures, with two exceptions.

    For an NVMe drive only the composite temperature (temp1), since the drive's limits are for it. Hot spots of the
    controller, in temp2 and above, often have 80 to 95 C. [NVM Express base specification, SMART log page; the kernel's
    nvme driver] For an AMD processor with a die temperature (Tdie), the control value (Tctl) is left out: to drive the
    fans, it is 10 to 27 C higher on some models. [the kernel's k10temp driver]
    """
    labels = {name: chip.text(name) for name in chip.named("temp", "_label")}
    has_die = "Tdie" in labels.values()
    for source in chip.named("temp1_input" if chip.driver == "nvme" else "temp", "_input"):
        stem = source.removesuffix("_input")
        value_c = _celsius(chip.number(source))
        if value_c is None or chip.text(f"{stem}_fault") == "1":
            continue
        label = labels.get(f"{stem}_label", "")
        if label == "Tctl" and has_die:
            continue
        part = chip.part(label)
        yield Temperature(part.kind, part.name, label or stem, value_c, _celsius(chip.number(f"{stem}_crit")))


def fans(read: Iterable[Chip], at: float, host: Iterable[Chip]) -> list[wire.Measurement]:
    """The fans of the chips `read`. A fan at 0 rpm may be an empty header. The orchestrator judges it, since it knows
    what is expected. Fans that would have the same name (two cards of one kind) have that of their device behind it;
    `host` are all chips that may have such a fan."""
    times = Counter(_fan_name(chip, stem) for chip in host for stem in _fan_stems(chip))
    found = []
    for chip, stem in [(one, stem) for one in read for stem in _fan_stems(one)]:
        rpm, name = chip.number(f"{stem}_input"), _fan_name(chip, stem)
        if rpm is not None and 0 <= rpm < FAN_FAULT_RPM:
            whole = f"{name} ({chip.device} {stem})" if times[name] > 1 else name
            found.append(wire.Measurement(at, "fan", whole, "fan", rpm, "rpm"))
    return found


def _fan_stems(chip: Chip) -> list[str]:
    return [source.removesuffix("_input") for source in chip.named("fan", "_input")]


def _fan_name(chip: Chip, stem: str) -> str:
    return chip.text(f"{stem}_label") or f"{chip.driver} {stem}"


def _power(chip: Chip, at: float) -> list[wire.Measurement]:
    found = []
    for stem in ("power1", "power2"):
        microwatts = chip.number(f"{stem}_average")
        if microwatts is None:
            microwatts = chip.number(f"{stem}_input")
        if microwatts is not None and microwatts >= 0:
            part = chip.part(chip.text(f"{stem}_label"))
            found.append(wire.Measurement(at, part.kind, part.name, "power", microwatts / 1e6, "W"))
    return found


def _celsius(millidegrees: float | None) -> float | None:
    if millidegrees is None or not LOWEST_C < millidegrees / 1000 < HIGHEST_C:
        return None
    return millidegrees / 1000


def _number(path: Path) -> float | None:
    return number(os.fspath(path))
