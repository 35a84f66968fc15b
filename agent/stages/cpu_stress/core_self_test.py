"""Intel's In-Field Scan: tests that a CPU has built in, started for one core at a time through sysfs. Only those are
run that need no file from Intel: the test of the arrays (caches, register files, buffers)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from agent import findings
from agent.host import sysfs
from agent.host.stop import StopFlag
from agent.reports import checks
from agent.reports.partial_report import PartialReport
from agent.stages.cpu_stress.same_results import core_name

CHECK = "core_self_test"
# Linux: Documentation/ABI/testing/sysfs-platform-intel-ifs
DEVICES = "sys/devices/virtual/misc"
# Only a test that loads an image has these.
_IMAGE = ("image_version", "current_batch")
_PASSED, _FAILED = "pass", "fail"


def run(packages: Mapping[int, Sequence[int]], stop: StopFlag, root: Path = Path("/")) -> PartialReport:
    """A check for each test that the kernel offers. `packages` has one processor of each core: its threads are tested
    with it. Without such a test the report is empty."""
    report = PartialReport()
    for device in sorted((root / DEVICES).glob("intel_ifs_*")):
        if any((device / name).exists() for name in _IMAGE):
            image = sysfs.text(device / "image_version") or "none"
            why = f"it needs a test image of the maker for this CPU; loaded is {image}"
            report.checks.append(checks.not_tested(CHECK, device.name, reason=why))
        else:
            _test(device, packages, stop, report)
    return report


def _test(device: Path, packages: Mapping[int, Sequence[int]], stop: StopFlag, report: PartialReport) -> None:
    package_of = {core: package for package, members in packages.items() for core in members}
    untested, found = [], []
    for core in package_of:
        if stop.is_set():
            untested.append(f"core {core}: stopped")
            break
        outcome, details = _one(device, core)
        name = core_name(core, package_of)
        if outcome == _FAILED:
            message = f"{name}: the CPU's own test {device.name} failed, details {details}"
            found.append(findings.make("cpu.self_test_failed", "cpu", name, message, value=details))
        elif outcome != _PASSED:
            untested.append(f"core {core}: {outcome}, details {details}")
    report.findings += found
    if found:
        report.checks.append(checks.judged(CHECK, found, device.name))
    elif untested or not package_of:
        report.checks.append(checks.not_tested(CHECK, device.name, reason="; ".join(untested[:3]) or "no core"))
    else:
        report.checks.append(checks.passed(CHECK, device.name, reason=f"{len(package_of)} cores"))


def _one(device: Path, core: int) -> tuple[str, str]:
    """The kernel's word for how the test of a core ended, and its details."""
    try:
        (device / "run_test").write_text(f"{core}\n")
    except OSError as error:
        return f"it could not be started ({error.strerror})", "none"
    return sysfs.text(device / "status") or "no status", sysfs.text(device / "details") or "none"
