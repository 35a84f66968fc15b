"""The machine that the operator vets: sound, and on one of its disks somebody's volume group."""

from __future__ import annotations

from typing import Any

from tests.rack import durations, expected, machinefile
from tests.rack.machinefile import Machine

HOST, LVM_DISK, NEW_DIMM = "pve-walk", "SATA-LVM", "D-0002"
# The difference that the repair made.
WORN = "memory.dimms[DIMM_B1].serial"
# As somebody reads it off a label.
MAC, MAC_AS_TYPED = "52:54:00:12:36:01", "5254.0012.3601"
# Long enough for a page whose network is cut for a minute to have something left to watch.
LONGER = {"stages.CPUStress.params.duration_s": 12, "stages.Burn.params.duration_s": 45}

# A second run is compared with the first, and a bench that others use has no speed that it keeps.
OF_ANY_SPEED = {
    "stages.CPUStress.limits.cpu_bogo_ops_s_of_last_good_min_percent": 1,
    "stages.Storage.limits.seq_read_mb_s_of_last_good_min_percent": 1,
}


def machine(**words: Any) -> Machine:
    """With a BMC, so that there are fans and supplies to see. `words` replace whole keys of the machine's file."""
    disk = {"bus": "sata", "size_mb": 128, "serial": LVM_DISK, "content": "lvm"}
    sound: dict[str, Any] = {
        "name": HOST,
        "memory_mb": 2560,
        "dimms": [
            {"locator": "DIMM_A1", "size_mb": 1536, "serial": "D-0001", "part": "ACME-1536"},
            {"locator": "DIMM_B1", "size_mb": 1024, "serial": NEW_DIMM, "part": "ACME-1024"},
        ],
        "disks": [disk, {"bus": "nvme", "size_mb": 128, "serial": "NVME-0001"}],
        "nics": [{"model": "virtio", "mac": MAC}],
        "bmc": {
            "present": True,
            "psus": [{"name": "PSU1"}, {"name": "PSU2"}],
            "fans": [{"name": "FAN1", "rpm": 4200}],
        },
        "outcome": {},
    }
    return machinefile.parse(sound | words, "the walk's machine")


def corrupt() -> Machine:
    """What is written to that disk comes back changed: there is a second failure once it may be written."""
    disk = {"bus": "sata", "size_mb": 128, "serial": LVM_DISK, "content": "lvm", "corrupt_after_write": [12344]}
    return machine(disks=[disk])


def spec_before_the_repair(machine: Machine) -> dict[str, Any]:
    """What it should be made of, as noted when its second module was another one."""
    spec = expected.derive(machine)
    spec["memory"]["dimms"][1]["serial"] = "D-WORN"
    return spec


def profiles(**more: object) -> dict[str, dict[str, Any]]:
    return durations.as_profiles({**durations.SHORT, **OF_ANY_SPEED, **more})
