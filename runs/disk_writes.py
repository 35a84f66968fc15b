"""What a run would write to a host's disks, in sentences that an operator reads before the run starts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from runs.wording import component_places


def writes(profile: Mapping[str, Any]) -> bool:
    """Whether a run with this profile asks to write; the gates of docs/safety.md decide where."""
    return bool(profile.get("storage", {}).get("mode") == "write")


def what_is_written(profile: dict[str, Any], disks: list[dict[str, Any]]) -> list[str]:
    """What a run would write, as sentences. `disks` are `wire.AllowedDisk` documents of the host."""
    if not writes(profile):
        return ["Nothing is written to any disk."]
    return [*what_is_lost(profile, disks), *what_is_only_read(disks)]


def what_is_lost(profile: dict[str, Any], disks: list[dict[str, Any]]) -> list[str]:
    """A sentence for each disk that a writing profile would destroy, or one sentence if there is none."""
    return [
        f"Everything on disk {disk['serial']} ({_size(disk)}) is destroyed; {_amount(profile, disk)} of it is "
        "written twice, with patterns and with zeros."
        for disk in disks
        if disk["may_be_written"]
    ] or ["Nothing: the profile would write, but no disk of this host is allowed to be written."]


def lost_at_a_glance(disks: list[dict[str, Any]]) -> str:
    """What a writing profile would destroy, in a few words. (The confirmation page names each disk.)"""
    lost = sum(disk["may_be_written"] for disk in disks)
    if not lost:
        return "would write, but no disk is allowed to be written"
    return f"destroys what is on {lost} disk{'s' if lost > 1 else ''}"


def what_is_only_read(disks: list[dict[str, Any]]) -> list[str]:
    """A sentence about the disks that a writing profile only reads. Empty if it reads all of them or none."""
    spared = sum(not disk["may_be_written"] for disk in disks)
    if not spared or spared == len(disks):
        return []
    return [f"{spared} other expected disk{'s are' if spared > 1 else ' is'} only read."]


def _amount(profile: dict[str, Any], disk: dict[str, Any]) -> str:
    """How much of the disk each pass writes."""
    most = int(profile["stages"].get("Storage", {}).get("params", {}).get("write_max_mb", 0))
    size_mb = min(most or disk["size_mb"], disk["size_mb"]) if disk["size_mb"] else most
    return component_places.size(size_mb) or "all"


def _size(disk: dict[str, Any]) -> str:
    return ", ".join(word for word in (disk["bus"] or "unknown bus", component_places.size(disk["size_mb"])) if word)
