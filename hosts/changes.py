"""What an import would change in a host, as lines of text."""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from hosts import expectations
from hosts.models import Host

WAKING = ("wake_method", "wake_options")
VALUES = (
    "enabled", "notes", "tags", "profile_name", *WAKING, "idle_boot", "boot_binary", "cycle_hung", "kernel_args",
    "console", "boot_deadline_s", "local_boot", "local_drive", "compared_since", "expected",
)  # fmt: skip


@dataclass(frozen=True)
class Before:
    """A host as it was before its row was read; for a new host, its default values."""

    new: bool
    values: dict[str, Any]
    macs: tuple[str, ...]
    writable: frozenset[str]


@dataclass(frozen=True)
class Change:
    """What an import would do to one field. `lines` begin with `-` (removed), `+` (added) or a blank (unchanged)."""

    field: str
    lines: list[str]


@dataclass(frozen=True)
class Told:
    """The fields that change and the permissions that are withdrawn; a spec is shown as lines of YAML. Computed when it
    is read, since a confirmed or large import does not show it."""

    before: Before
    host: Host

    def fields(self) -> list[str]:
        """The names of what changes, without the lines: quick for many hosts."""
        old, new = self.before.values, _values(self.host)
        names = [name for name in VALUES if old[name] != new[name]]
        return [*names, *(["macs"] if _macs_differ(self.before, self.host) else [])]

    def __iter__(self) -> Iterator[Change]:
        old, new = self.before.values, _values(self.host)
        for name in (name for name in VALUES if old[name] != new[name]):
            yield Change(name, _lines([] if self.before.new else _shown(name, old[name]), _shown(name, new[name])))
        if _macs_differ(self.before, self.host):
            yield Change("macs", _lines(list(self.before.macs), self.host.new_macs or []))
        if gone := withdrawn(self.before, self.host):
            yield Change("may no longer be written", [f"-{serial}" for serial in gone])


def state_of(host: Host, new: bool) -> Before:
    """Makes no query if the host's MACs and disks were prefetched."""
    if new:
        return Before(new, _values(host), (), frozenset())
    writable = frozenset(disk.serial for disk in host.writable_disks.all())
    return Before(new, _values(host), tuple(host.mac_list), writable)


def differs(before: Before, host: Host) -> bool:
    return before.values != _values(host) or _macs_differ(before, host) or bool(withdrawn(before, host))


def waking_differs(before: Before, host: Host) -> str:
    """The first column about waking that changed; empty if none did."""
    return next((name for name in WAKING if before.values[name] != getattr(host, name)), "")


def withdrawn(before: Before, host: Host) -> list[str]:
    """Disks that lose their permission to be written because the spec no longer names them."""
    staying = {disk.get("serial") for disk in (host.expected or {}).get("disks") or []}
    return sorted(before.writable - staying)


def _values(host: Host) -> dict[str, Any]:
    return {name: getattr(host, name) for name in VALUES}


def _macs_differ(before: Before, host: Host) -> bool:
    """Compares without order: an import does not change which MAC is first."""
    wanted = host.new_macs
    return wanted is not None and set(wanted) != set(before.macs)


def _shown(name: str, value: Any) -> list[str]:
    """A field as lines of text."""
    if name == "expected":
        return expectations.to_yaml(value).splitlines()
    if value is None:
        return []
    return (json.dumps(value) if isinstance(value, dict) else str(value)).splitlines()


def _lines(old: list[str], new: list[str]) -> list[str]:
    lines = difflib.unified_diff(old, new, lineterm="", n=2)
    return [line for line in lines if not line.startswith(("---", "+++", "@@"))]
