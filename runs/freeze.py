"""The copies that a queued run keeps: profile, expected spec, and which disks may be written."""

from __future__ import annotations

from typing import Any

from agent.contract import codec, wire
from hosts.models import Host
from runs import disk_writes
from runs.profiles import estimate


def frozen(host: Host, profile: dict[str, Any]) -> dict[str, Any]:
    """The fields of Run that hold the frozen copies. The profile's copy says how long each stage takes on this host."""
    return {
        "profile_name": profile["name"],
        "profile": estimate.planned(profile, estimate.machine_of(host)),
        "expected": host.expected,
        "compared_since": host.compared_since,
        "disks": codec.encode(allowed_disks(host)),
        "destructive_allowed": host.destructive_allowed,
    }


def allowed_disks(host: Host) -> list[wire.AllowedDisk]:
    """The expected disks, each with whether it may be written. Only a `WritableDisk` row gives that permission. The
    spec never does, and a USB disk never gets it."""
    writable = set(host.writable_disks.values_list("serial", flat=True))
    return [
        wire.AllowedDisk(
            serial=disk.get("serial") or "",
            wwn=disk.get("wwn") or "",
            bus=disk.get("bus") or "",
            size_mb=disk.get("size_mb") or 0,
            may_be_written=bool(disk.get("serial")) and disk["serial"] in writable and disk.get("bus") != "usb",
        )
        for disk in (host.expected or {}).get("disks") or []
    ]


def what_is_written(host: Host, profile: dict[str, Any]) -> list[str]:
    """What a run of this host with this profile would write, as sentences."""
    return disk_writes.what_is_written(profile, codec.encode(allowed_disks(host)))
