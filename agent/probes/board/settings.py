"""What the setup of the board and of cards sets, as the running kernel sees it: a new board or an empty battery resets
it. Nothing is switched on to read it. What was not read is None."""

from __future__ import annotations

import re
from pathlib import Path

from agent.contract import wire
from agent.host import kernel_records, sysfs
from agent.parsing import clean
from agent.probes.board import boot_entries, lscpu

_CPU = "sys/devices/system/cpu"
_TABLES = "sys/firmware/acpi/tables"
# Intel's and AMD's IOMMU, TPM 2.0 and 1.2: firmware leaves the table out if the setup switches the device off.
_OF_IOMMU, _OF_TPM = ("DMAR", "IVRS"), {"TPM2": "2.0", "TCPA": "1.2"}
_TPM_VERSIONS = {"1": "1.2", "2": "2.0"}
# `x86/cpu: VMX (outside TXT) disabled by BIOS` (feat_ctl.c), `SVM disabled (by BIOS) in MSR_VM_CR` (amd.c). The kernel
# then takes the flag out of /proc/cpuinfo.
_LOCKED = re.compile(rb"\b(VMX|SVM)\b[^\n]*\bdisabled \(?by BIOS")
_MOST_LOG_BYTES = 4 * 1024 * 1024
_MOST_DEVICES, _MOST_STATES, _MOST_LIMITS = 256, 16, 16
_NAME_CHARS = 32
# The kernel's waiting loop, which is no state of the processor.
_NO_STATE = "POLL"


def read(root: Path = Path("/")) -> wire.Settings:
    """Everything, with None for what this kernel or this machine does not tell."""
    virtualization, tables = _virtualization(root), _tables(root)
    iommu = None if tables is None else any(name in tables for name in _OF_IOMMU)
    is_uefi = _is_uefi(root)
    return wire.Settings(
        virtualization=virtualization,
        virtualization_locked=_is_locked(root) if virtualization is False else None,
        iommu=iommu,
        iommu_groups=_iommu_groups(root, iommu),
        sriov=_sriov(root),
        boot_mode=None if is_uefi is None else "uefi" if is_uefi else "bios",
        secure_boot=boot_entries.secure_boot(root) if is_uefi else None if is_uefi is None else False,
        smt={"1": True, "0": False}.get(sysfs.text(root / _CPU / "smt/active")),
        numa_nodes=len(list((root / "sys/devices/system/node").glob("node[0-9]*"))) or None,
        c_states=_c_states(root),
        power_limits=_power_limits(root),
        boot_order=boot_entries.order(root) if is_uefi else None if is_uefi is None else [],
        tpm=_tpm(root, tables),
    )


def evidence(settings: wire.Settings) -> str:
    """One line for each value, in the order of the contract."""
    return "\n".join(f"{name}: {'not read' if value is None else value}" for name, value in vars(settings).items())


def _virtualization(root: Path) -> bool | None:
    """Whether the processors can run guests. None if the kernel lists no flags."""
    flags = re.search(r"(?m)^flags\s*:(.*)$", lscpu.read_cpuinfo(root))
    return None if flags is None else not {"vmx", "svm"}.isdisjoint(flags[1].split())


def _is_locked(root: Path) -> bool | None:
    """Whether the kernel's log says that the firmware locked it. None if it does not, which proves nothing: the log may
    have lost its beginning."""
    return True if _LOCKED.search(_log(root / kernel_records.KMSG)) else None


def _log(path: Path) -> bytes:
    """The kernel's log until now, within a bound."""
    log = b""
    for record in kernel_records.until_now(path):
        log += record
        if len(log) >= _MOST_LOG_BYTES:
            break
    return log


def _tables(root: Path) -> set[str] | None:
    """The ACPI tables by name. None if none was listed: a machine without ACPI has none of them, but tells nothing."""
    try:
        names = {entry.name for entry in (root / _TABLES).iterdir()}
    except OSError:
        return None
    return names or None


def _iommu_groups(root: Path, iommu: bool | None) -> int | None:
    """How many groups of devices can be passed through. None if there is an IOMMU that this kernel does not use."""
    try:
        groups = sum(1 for _ in (root / "sys/kernel/iommu_groups").iterdir())
    except OSError:
        return None
    return groups or (0 if iommu is False else None)


def _sriov(root: Path) -> list[wire.VirtualFunctions] | None:
    devices = root / "sys/bus/pci/devices"
    if not devices.is_dir():
        return None
    found = []
    for device in sorted(devices.iterdir()):
        most = sysfs.integer(device / "sriov_totalvfs")
        if most is None and (device / "sriov_totalvfs").exists():
            return None  # a list that is not whole would say that this device offers none
        if most:
            found.append(wire.VirtualFunctions(device.name, most, sysfs.integer(device / "sriov_numvfs")))
    return found[:_MOST_DEVICES]


def _is_uefi(root: Path) -> bool | None:
    """Whether the running system was started by UEFI."""
    firmware = root / "sys/firmware"
    return (firmware / "efi").is_dir() if firmware.is_dir() else None


def _c_states(root: Path) -> list[str] | None:
    """The idle states of the first processor, the lightest one first."""
    if not (root / _CPU / "cpuidle").is_dir():
        return None
    states = sorted((root / _CPU / "cpu0/cpuidle").glob("state[0-9]*"), key=lambda state: (len(state.name), state.name))
    names = [clean(sysfs.text(state / "name"))[:_NAME_CHARS] for state in states[:_MOST_STATES]]
    return [name for name in names if name and name != _NO_STATE]


def _power_limits(root: Path) -> list[wire.PowerLimit] | None:
    """The limits of each package and of the platform. None without any: AMD's are not readable here."""
    found = []
    for zone in sorted((root / "sys/class/powercap").glob("intel-rapl:[0-9]*")):
        if zone.name.count(":") == 1:
            found += _limits_of(zone, clean(sysfs.text(zone / "name"))[:_NAME_CHARS])
    return found[:_MOST_LIMITS] or None


def _limits_of(zone: Path, name: str) -> list[wire.PowerLimit]:
    found = []
    for limit in sorted(zone.glob("constraint_[0-9]*_power_limit_uw")):
        number = limit.name.split("_")[1]
        words, microwatts = clean(sysfs.text(zone / f"constraint_{number}_name")), sysfs.integer(limit)
        if name and words and microwatts:
            found.append(wire.PowerLimit(name, words[:_NAME_CHARS], float(round(microwatts / 1e6))))
    return found


def _tpm(root: Path, tables: set[str] | None) -> str | None:
    """Its version, by the kernel's driver or else by the firmware's table: the image may have no driver for it."""
    for device in sorted((root / "sys/class/tpm").glob("tpm[0-9]*")):
        if version := _TPM_VERSIONS.get(sysfs.text(device / "tpm_version_major")):
            return version
    listed = [version for name, version in _OF_TPM.items() if name in (tables or ())]
    return listed[0] if listed else None if tables is None else "none"
