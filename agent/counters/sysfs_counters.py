"""The error counters that the kernel keeps: memory, PCIe, machine checks, throttling, network ports.

Each source takes Names and returns {(counter, component kind, component): count}. What isn't there is
left out: no memory controller in EDAC means "not tested", never zero.
"""

from __future__ import annotations

import contextlib
import re
from pathlib import Path

from agent.counters.component_names import Names
from agent.counters.counting import Counts
from agent.counters.port_states import NO_LINK, ON_USB
from agent.host import identity, shell, sysfs
from agent.parsing import count
from agent.probes.drives import disks
from agent.probes.network import fec, infiniband, nics

POLL_MACHINE_CHECKS_S = 10
# Rows of AER's files that are counted apart (Documentation/ABI/testing/sysfs-bus-pci-devices-aer). Of the corrected
# errors: packets that arrived damaged; others may come with each change of the link's power state (ASPM). Of the
# others: requests that the device does not support or that access control refused, which are no damage.
_AER_APART = {
    "correctable": ("aer.damaged", frozenset({"BadTLP", "BadDLLP", "Rollover"})),
    "nonfatal": ("aer.refused", frozenset({"UnsupReq", "ACSViol"})),
}
# By the port's `carrier`, which can't be read while the port is off.
_HAS_NO_LINK = {"1": 0, "0": 1}
NIC_ERRORS = (
    "tx_errors",
    "rx_crc_errors",
    "rx_frame_errors",
    "tx_carrier_errors",
    "collisions",
)
# Counters of `ethtool -S` for bits that were lost on the wire. Each driver has its own names: `port.illegal_bytes`,
# `mac.rx_frame_check_sequence_errors`, `rx_jbr_frames`. What FEC corrected is not lost: at 25 Gbit/s and above it
# corrects some all the time (IEEE 802.3, clause 108). Nor are frames lost here whose check sum inside the payload is
# wrong (RoCE, FCoE), or that a switch marked as bad before (stomped).
_NOT_LOST = r"(?!.*(?<!un)corrected)(?!.*(?:icrc|roce|fcoe|stomp|match_crc))"
WIRE_ERRORS = re.compile(
    rf"^{_NOT_LOST}.*(?:crc|fcs|frame_check|check_?sequence|symbol|align|code_err|illegal_bytes|jabber|jbr|bit_err|"
    r"pcs_err|fec_uncorrect|(?:local|remote)_fault)",
    re.IGNORECASE,
)
_LOST_BY_FEC = re.compile(r"fec_uncorrect", re.IGNORECASE)
# A driver with one of these says which frames were damaged on the wire.
_DAMAGED = re.compile(r"crc|fcs|frame_check|check_?sequence", re.IGNORECASE)


def poll_machine_checks_often(root: Path) -> None:
    """Have the kernel collect corrected machine checks more often, and now. The default is every 300 s, which is longer
    than a quick stage.

    Writing one core's file sets all cores and collects what the banks hold (mce_restart in mce/core.c), but only if the
    value changes; so it alternates. It is also called at the end of a stage, so that no error is left to the next
    stage, or to nobody after the last.
    """
    with contextlib.suppress(OSError):
        path = root / "sys/devices/system/machinecheck/machinecheck0/check_interval"
        now = path.read_text().strip()
        path.write_text(str(POLL_MACHINE_CHECKS_S - 1 if now == str(POLL_MACHINE_CHECKS_S) else POLL_MACHINE_CHECKS_S))


def gone(names: Names) -> Counts:
    """1 for each part of the inventory that the kernel no longer has. A part may disappear after the stage that tests
    it. A drive's name may then be another drive's, which must not be read in its place."""
    inventory = names.inventory
    if inventory is None:
        return {}
    present = {mac for _, mac in identity.physical_nics(names.root)}
    counts: Counts = {}
    for disk in (disk for disk in inventory.disks if disk.bus != "usb"):
        key = ("gone", "disk", disk.serial or disk.name)
        # Two disks may have the same serial number.
        block = names.root / "sys/block" / disk.name
        counts[key] = max(counts.get(key, 0), int(not block.exists() or disks.is_another(disk, block)))
    for nic in inventory.nics:
        counts["gone", "nic", nic.mac.lower()] = int(nic.mac.lower() not in present)
    for gpu in inventory.gpus:
        counts["gone", "gpu", gpu.uuid or gpu.pci] = _is_gone(names.root / "sys/bus/pci/devices" / gpu.pci)
    for port in inventory.infiniband:
        counts["gone", "infiniband", port.guid or port.name] = _is_gone(infiniband.folder(port.name, names.root))
    for card in inventory.adapters:
        counts["gone", "adapter", card.serial or card.slot] = _is_gone(names.root / "sys/bus/pci/devices" / card.slot)
    return counts


def _is_gone(path: Path) -> int:
    return int(not path.exists())


def edac(names: Names) -> Counts:
    """Corrected and uncorrected errors per DIMM. Errors that the controller can't attribute belong to the system."""
    counts: Counts = {}
    for controller in sorted((names.root / "sys/devices/system/edac/mc").glob("mc[0-9]*")):
        # Two controllers may give their modules the same names.
        for key, value in (_of_dimms(controller, names) or _of_rows(controller, names)).items():
            _add(counts, key, value)
        for kind, word in (("edac.ce", "ce_noinfo_count"), ("edac.ue", "ue_noinfo_count")):
            _add(counts, (kind, "system", "system"), sysfs.integer(controller / word))
    return counts


def _of_dimms(controller: Path, names: Names) -> Counts:
    counts: Counts = {}
    for dimm in sorted([*controller.glob("dimm[0-9]*"), *controller.glob("rank[0-9]*")]):
        part = names.part("dimm", sysfs.text(dimm / "dimm_label") or f"{controller.name} {dimm.name}")
        _add(counts, ("edac.ce", part.kind, part.name), sysfs.integer(dimm / "dimm_ce_count"))
        _add(counts, ("edac.ue", part.kind, part.name), sysfs.integer(dimm / "dimm_ue_count"))
    return counts


def _of_rows(controller: Path, names: Names) -> Counts:
    """Older drivers: corrected errors per channel of a row, uncorrected ones per row."""
    counts: Counts = {}
    for row in sorted(controller.glob("csrow[0-9]*")):
        for channel in sorted(row.glob("ch[0-9]*_ce_count")):
            stem = channel.name.removesuffix("_ce_count")
            label = sysfs.text(row / f"{stem}_dimm_label") or f"{controller.name} {row.name} {stem}"
            part = names.part("dimm", label)
            _add(counts, ("edac.ce", part.kind, part.name), sysfs.integer(channel))
            _add(counts, ("edac.ue", part.kind, part.name), sysfs.integer(row / "ue_count"))
    return counts


def aer(names: Names) -> Counts:
    """Errors of PCIe Advanced Error Reporting per device. Those of a bridge belong to the system, with its address."""
    counts: Counts = {}
    for device in sorted((names.root / "sys/bus/pci/devices").glob("*")):
        for severity in ("correctable", "nonfatal", "fatal"):
            part = names.part("pci", device.name)
            for counter, value in parse_aer(severity, sysfs.text(device / f"aer_dev_{severity}")).items():
                counts[(f"{counter}.{device.name}", part.kind, part.name)] = value
    return counts


def parse_aer(severity: str, text: str) -> dict[str, int]:
    """Counter → errors. The file has a row for each kind of error and ends with `TOTAL_ERR_COR 3`. Without that line it
    was not read."""
    parted = (line.rpartition(" ") for line in text.splitlines())
    rows = {word: value for word, _, number in parted if (value := count(number.strip())) is not None}
    totals = [value for word, value in rows.items() if word.startswith("TOTAL_ERR")]
    if not totals:
        return {}
    if severity not in _AER_APART:
        return {f"aer.{severity}": totals[0]}
    counter, words = _AER_APART[severity]
    apart = sum(value for word, value in rows.items() if word in words)
    others = sum(value for word, value in rows.items() if word not in words and not word.startswith("TOTAL_ERR"))
    # An error of several kinds is in several rows, and in the total once.
    return {counter: apart, f"aer.{severity}": others if apart or others else totals[0]}


def throttling(names: Names) -> Counts:
    """Throttling per package. Every core of a package repeats the package's count; the cores' own counts are summed."""
    counts: Counts = {}
    for cpu in sorted((names.root / "sys/devices/system/cpu").glob("cpu[0-9]*")):
        part = names.part("cpu", cpu.name[3:])
        core = sysfs.integer(cpu / "thermal_throttle/core_throttle_count")
        package = sysfs.integer(cpu / "thermal_throttle/package_throttle_count")
        _add(counts, ("throttle.core", part.kind, part.name), core)
        if package is not None:
            key = ("throttle.package", part.kind, part.name)
            counts[key] = max(counts.get(key, 0), package)
    return counts


def machine_checks(names: Names) -> Counts:
    """The MCE line of /proc/interrupts: machine check exceptions per logical CPU, summed per package. Its columns are
    the online CPUs, as the first line lists them."""
    counts: Counts = {}
    lines = sysfs.text(names.root / "proc/interrupts").splitlines()
    cpus = [word.removeprefix("CPU") for word in lines[0].split()] if lines else []
    for line in lines[1:]:
        word, _, rest = line.strip().partition(":")
        if word == "MCE":
            for number, said in zip(cpus, rest.split(), strict=False):
                part = names.part("cpu", number)
                _add(counts, ("mce.exceptions", part.kind, part.name), count(said))
    return counts


def ports(names: Names) -> Counts:
    """Errors of every physical port, how often its link was lost, and whether it has one and is on USB."""
    counts: Counts = {}
    for name, mac in identity.physical_nics(names.root):
        port = names.root / "sys/class/net" / name
        _join(counts, kernel_errors_of(name, mac, names.root))
        _add(counts, (NO_LINK, "nic", mac), _HAS_NO_LINK.get(sysfs.text(port / "carrier")))
        _add(counts, (ON_USB, "nic", mac), 1 if nics.is_on_usb(port) else None)
    return counts


def kernel_errors_of(name: str, mac: str, root: Path) -> Counts:
    """Errors of one port, and how often its link was lost."""
    counts: Counts = {}
    port = root / "sys/class/net" / name
    for error in NIC_ERRORS:
        _add(counts, (f"nic.{error}", "nic", mac), sysfs.integer(port / "statistics" / error))
    _add(counts, ("nic.link_down", "nic", mac), sysfs.integer(port / "carrier_down_count"))
    return counts


def driver_errors(names: Names) -> Counts:
    """Further error counters of the drivers, as `ethtool -S` prints them; and the sum of all errors, `rx_errors`, of a
    driver that does not say which frames were damaged. Other drivers put into that sum what is no fault of the link:
    wrong check sums inside the payload (ice, be2net), lengths, full buffers (bnx2x)."""
    counts: Counts = {}
    for name, mac in identity.physical_nics(names.root):
        _join(counts, driver_errors_of(name, mac, names.root))
    return counts


def driver_errors_of(name: str, mac: str, root: Path) -> Counts:
    """As `driver_errors`, of one port."""
    counts: Counts = {}
    text = shell.run(["ethtool", "-S", name], 5).stdout
    found = parse_driver_errors(text)
    for counter, value in found.items():
        _add(counts, (f"nic.{counter}", "nic", mac), value)
    if not any(_LOST_BY_FEC.search(counter) for counter in found):
        _add(counts, ("nic.fec_uncorrectable_blocks", "nic", mac), fec.parse(fec.run(name).stdout).uncorrectable)
    if not tells_damaged_frames(text):
        total = sysfs.integer(root / "sys/class/net" / name / "statistics/rx_errors")
        _add(counts, ("nic.rx_errors", "nic", mac), total)
    return counts


def parse_driver_errors(text: str) -> dict[str, int]:
    """The lines of `ethtool -S` that count lost bits. Per-queue lines repeat the same errors and are left out. The
    card's own sum of errors counts if nothing else tells damaged frames (r8169)."""
    rows = _statistics(text)
    found = {name: value for name, value in rows.items() if WIRE_ERRORS.search(name) and name not in NIC_ERRORS}
    if "rx_errors" in rows and not tells_damaged_frames(text):
        found["rx_errors_of_card"] = rows["rx_errors"]
    return found


def tells_damaged_frames(text: str) -> bool:
    """Whether this output of `ethtool -S` has a counter of its own for frames that were damaged on the wire."""
    return any(WIRE_ERRORS.search(name) and _DAMAGED.search(name) for name in _statistics(text))


def _statistics(text: str) -> dict[str, int]:
    rows = (line.strip().partition(":") for line in text.splitlines())
    values = {name.strip().replace(" ", "_"): count(value.strip()) for name, _, value in rows}
    return {name: value for name, value in values.items() if value is not None}


def _join(counts: Counts, more: Counts) -> None:
    for key, value in more.items():
        _add(counts, key, value)


def _add(counts: Counts, key: tuple[str, str, str], value: int | None) -> None:
    if value is not None:
        counts[key] = counts.get(key, 0) + value
