"""What each key of an expected spec means, for the help beside the editor. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from hosts.expectations import BUSES, NOT_EXPECTED


@dataclass(frozen=True)
class Key:
    path: str
    kind: str
    words: str


_TEXT, _NUMBER, _LIST, _VERSIONS = "text", "number", "list", "versions by name"
_SWITCH = "on or off"

KEYS: Sequence[Key] = (
    Key("system.manufacturer", _TEXT, "who made the machine, as its firmware says it"),
    Key("system.product", _TEXT, "its model"),
    Key("system.serial", _TEXT, "a different one means another board or chassis: a warning (replaced)"),
    Key("system.uuid", _TEXT, "DMI UUID; a different one means another board: a warning (replaced)"),
    Key("cpu.sockets", _NUMBER, "fewer processors are critical, each missing one named"),
    Key("cpu.cores", _NUMBER, "cores of all processors together; fewer are critical"),
    Key("cpu.model", _TEXT, "its name; a different one is information unless pinned"),
    Key("memory.total_mb", _NUMBER, "MiB of RAM in all, without persistent memory; less is critical"),
    Key(
        "memory.ecc",
        "true or false",
        "true: memory that does not correct errors is critical, and so is one module without the bits for it",
    ),
    Key("memory.dimms", _LIST, "the modules, slot by slot; one that is missing is critical"),
    Key("memory.dimms[].locator", _TEXT, "name of the slot as the firmware spells it; needed"),
    Key("memory.dimms[].size_mb", _NUMBER, "MiB; less is critical"),
    Key("memory.dimms[].ram_mb", _NUMBER, "MiB of it that are RAM; by default all; 0 for persistent memory"),
    Key("memory.dimms[].serial", _TEXT, "a different one in this slot is a warning: replaced, or swapped"),
    Key("memory.dimms[].part", _TEXT, "part number; a different one is information unless pinned"),
    Key("memory.dimms[].speed_mts", _NUMBER, "MT/s; slower is critical"),
    Key("disks", _LIST, "a missing one is critical; one that is not listed is a warning"),
    Key("disks[].serial", _TEXT, "needed: serial or wwn"),
    Key("disks[].wwn", _TEXT, "if both are given, both must match"),
    Key("disks[].bus", " or ".join(BUSES), "on another bus: critical"),
    Key("disks[].size_mb", _NUMBER, "MiB; less is critical"),
    Key("disks[].model", _TEXT, "a different one is information unless pinned"),
    Key(
        "disks[].may_be_written",
        "not allowed",
        "is ignored: permission to write is given on the host's form, disk by disk",
    ),
    Key("nics", _LIST, "network cards; a missing one is critical"),
    Key("nics[].mac", "MAC in any notation", "needed"),
    Key(
        "nics[].speed_mbit",
        _NUMBER,
        "Mbit/s of its link; a slower link or none is critical. A port with neither speed nor spare that had no link "
        "from the beginning is not tested",
    ),
    Key(
        "nics[].spare",
        "true or false",
        "true: a port without a cable. The port must be there; a link is not required and not tested. Adopting marks "
        "the ports that had no link in that run",
    ),
    Key(
        "nics[].other_network",
        "true or false",
        "true: its cable leads to a network that the bench is not in, such as one for storage. A link is required, and "
        "its speed, its neighbour and its errors are judged; throughput and loss are not measured",
    ),
    Key("nics[].neighbour", _TEXT, "switch, or switch and port, that it must be connected to, as LLDP names them"),
    Key(
        "gpus",
        _LIST,
        "GPUs for computing; a missing one is critical. Each must pass load and memory, which need the maker's driver; "
        "if seeing them is enough: not_expected: [gpu_load, gpu_memory]",
    ),
    Key("gpus[].uuid", _TEXT, "needed: uuid or model"),
    Key("gpus[].model", _TEXT, "without a uuid, any card of this model matches"),
    Key("infiniband", _LIST, "InfiniBand ports, which have no MAC; a missing one is critical"),
    Key("infiniband[].guid", _TEXT, "the port's GUID; needed"),
    Key("infiniband[].speed_mbit", _NUMBER, "Mbit/s; a slower link or none is critical"),
    Key("adapters", _LIST, "storage adapters, accelerators and other cards; a missing one is critical"),
    Key("adapters[].serial", _TEXT, "needed: serial or model"),
    Key("adapters[].model", _TEXT, "without a serial, any card of this model matches; cards are counted"),
    Key(
        "adapters[].hidden_drives",
        "true or false",
        "true: a storage controller whose drives the kernel can't see: without a driver, or in RAID mode. It must be "
        "there; drives behind it are not tested",
    ),
    Key("psus", _LIST, "power supplies that the BMC reports; a missing one is critical"),
    Key("psus[].name", _TEXT, "as the BMC calls it; needed"),
    Key("fans", _LIST, "fans that the BMC reports; a missing one is critical"),
    Key("fans[].name", _TEXT, "as the BMC calls it; needed"),
    Key("firmware.bios", _TEXT, "version; a different one is information unless pinned"),
    Key("firmware.bmc", _TEXT, "version; if it is given, a BMC that does not answer is critical"),
    Key("firmware.microcode", _TEXT, "revision, such as 0x2b000603; a different one is information unless pinned"),
    Key("firmware.disks", _VERSIONS, "by model, or by a disk's serial number or WWN, which takes precedence"),
    Key(
        "firmware.disks[]",
        _TEXT,
        "version; a different one is information unless pinned; an absent model is ignored",
    ),
    Key("firmware.nics", _VERSIONS, "by MAC, model or driver, in this order"),
    Key("firmware.nics[]", _TEXT, "version, as `ethtool -i` prints it; judged as for disks"),
    Key("firmware.hbas", _VERSIONS, "storage adapters, by PCI slot, model or driver, in this order"),
    Key("firmware.hbas[]", _TEXT, "version; MegaRAID and others report none, so they are not compared"),
    Key(
        "settings.virtualization",
        _SWITCH,
        "VT-x or SVM. If it is stated as true and is off: critical, since no guest runs without it",
    ),
    Key("settings.iommu", _SWITCH, "VT-d or AMD-Vi. If it is stated as true and is off: critical (no passthrough)"),
    Key("settings.iommu_groups", _NUMBER, "groups of devices that can be passed through; another number is a warning"),
    Key("settings.sriov", "numbers by name", "virtual functions that a device offers, by MAC or PCI slot"),
    Key("settings.sriov[]", _NUMBER, "fewer are critical (no passthrough); adopting lists network ports"),
    Key("settings.boot_mode", "uefi or bios", "how the live image was started; the other one is a warning"),
    Key("settings.secure_boot", _SWITCH, "a difference is a warning"),
    Key("settings.smt", _SWITCH, "whether cores have more than one thread; a difference is a warning"),
    Key("settings.numa_nodes", _NUMBER, "another number is a warning"),
    Key("settings.c_states", _TEXT, "idle states of the processors, such as C1 C1E C6, or none; others are a warning"),
    Key("settings.power_limits", "numbers by name", "watts, such as package-0 long_term: 165"),
    Key("settings.power_limits[]", _NUMBER, "another number is a warning"),
    Key(
        "settings.boot_order",
        "list of names",
        "boot entries of UEFI, the first one first; one that is missing, or in another order, is a warning",
    ),
    Key("settings.tpm", "2.0 or 1.2 or none", "another one is a warning"),
    Key(
        "settings.memory_mts",
        _NUMBER,
        "MT/s of the slowest module; another speed is a warning. Not compared if modules have a speed_mts of their own",
    ),
    Key("pinned", "list of paths", "texts that must be exactly the same, such as firmware.bios: any other is critical"),
    Key(
        "not_expected",
        "list of words",
        f"what this host does not have and is not tested for: {', '.join(NOT_EXPECTED)}",
    ),
)
