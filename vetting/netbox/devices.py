"""NetBox's devices that are hosts of ours, with the MACs of their interfaces and their parts."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any

from django.core.exceptions import ValidationError

from hosts.bulk import batches
from hosts.fields import normalise_mac
from hosts.found_parts import clean
from vetting.netbox.client import Client, NetBoxProblem, NotThere, Row
from vetting.netbox.config import NetBox, Parts

DEVICES, ITEMS, MODULES, INTERFACES = "dcim/devices", "dcim/inventory-items", "dcim/modules", "dcim/interfaces"
_AT_ONCE = 50
"""Devices in the address of one call: 8,000 characters are too many for some proxies."""
_NAME = re.compile(r"[-a-zA-Z0-9_]{1,63}")
_NOT_PHYSICAL = frozenset({"virtual", "bridge", "lag"})


@dataclass(frozen=True)
class Part:
    """An inventory item, or the module in a bay. `kind` is a list of a spec: dimms, disks or psus. `name` is that of
    the item or the bay."""

    kind: str
    name: str
    serial: str
    model: str
    path: str
    id: int


@dataclass(frozen=True)
class Device:
    """`host` is the name of our host: the device's name up to the first dot, in lower case."""

    id: int
    host: str
    serial: str
    asset_tag: str
    tags: tuple[Row, ...]
    custom_fields: Row
    macs: list[str] = field(default_factory=list)
    parts: list[Part] = field(default_factory=list)


@dataclass(frozen=True)
class Found:
    """`left_alone` says of devices that can't be hosts why not."""

    devices: list[Device]
    left_alone: list[str]


def fetch(client: Client, config: NetBox, host: str = "") -> Found:
    """The devices that the configured filter finds; only the one of `host` if it is given. Raises NetBoxProblem."""
    try:
        return _fetched(client, config, host)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        what = f"{config.url} answers otherwise than its API says ({type(error).__name__})"
        raise NetBoxProblem(f"{what}: is it a NetBox from 3.0 on?") from None


def _fetched(client: Client, config: NetBox, host: str) -> Found:
    query = {"tag": config.tags, "site": config.sites, "role": config.roles, "exclude": "config_context"}
    if host:
        query["name__isw"] = host
    found: dict[str, Device] = {}
    left_alone, twice = [], set()
    for row in client.listed(DEVICES, **{name: value for name, value in query.items() if value}):
        name = host_name(row.get("name"))
        if not name:
            left_alone.append(f"device {row.get('id')}: {row.get('name')!r:.80} can't be the name of a host")
        elif name in found:
            twice.add(name)
        elif not host or name == host:
            found[name] = _device(row, name)
    left_alone += [f"{name}: several devices have this name" for name in sorted(twice)]
    kept = [device for name, device in found.items() if name not in twice]
    _complete(client, config.parts, kept)
    return Found(kept, left_alone)


def host_name(name: Any) -> str:
    """Empty if it can't be a host's name."""
    short = str(name or "").partition(".")[0].lower()
    return short if _NAME.fullmatch(short) else ""


def _device(row: Row, name: str) -> Device:
    tags = tuple(tag for tag in row.get("tags") or [] if isinstance(tag, dict))
    return Device(
        int(row["id"]), name, str(row.get("serial") or ""), str(row.get("asset_tag") or ""),
        tags, dict(row.get("custom_fields") or {}),
    )  # fmt: skip


def _complete(client: Client, patterns: Parts, devices: list[Device]) -> None:
    """Add the MACs and the parts, some devices at a time."""
    for some in batches(devices, _AT_ONCE):
        by_id = {device.id: device for device in some}
        for row in client.listed(INTERFACES, device_id=list(by_id)):
            if (mac := _mac(row)) and mac not in (macs := by_id[_of(row)].macs):
                macs.append(mac)
        for path in (ITEMS, MODULES):
            _add_parts(client, path, patterns, by_id)


def _add_parts(client: Client, path: str, patterns: Parts, by_id: dict[int, Device]) -> None:
    for row in _there(client, path, list(by_id)):
        if part := _part(path, row, patterns):
            by_id[_of(row)].parts.append(part)


def _there(client: Client, path: str, of: list[int]) -> Iterator[Row]:
    """NetBox before 3.2 has no modules, and a later one may have no inventory items."""
    try:
        yield from client.listed(path, device_id=of)
    except NotThere:
        return


def _of(row: Row) -> int:
    return int(row["device"]["id"])


def _mac(row: Row) -> str:
    """Of a physical port that is not the BMC's. NetBox keeps MACs as objects of their own from 4.2 on."""
    if row.get("mgmt_only") or (row.get("type") or {}).get("value") in _NOT_PHYSICAL:
        return ""
    stated = (row.get("primary_mac_address") or {}).get("mac_address") or row.get("mac_address") or ""
    try:
        return normalise_mac(str(stated)) if stated else ""
    except ValidationError:
        return ""


def _part(path: str, row: Row, patterns: Parts) -> Part | None:
    if path == MODULES:
        name, role = _nested(row, "module_bay", "name"), ""
        model = _nested(row, "module_type", "model")
    else:
        name, role = str(row.get("name") or ""), _nested(row, "role", "slug")
        model = str(row.get("part_id") or "")
    kind = _kind((role.lower(), name.lower()), patterns)
    serial = str(clean(row.get("serial")) or "")
    return Part(kind, str(clean(name) or ""), serial, str(clean(model) or ""), path, int(row["id"])) if kind else None


def _nested(row: Row, outer: str, inner: str) -> str:
    return str((row.get(outer) or {}).get(inner) or "")


def _kind(names: Iterable[str], patterns: Parts) -> str:
    """The role decides; without one that is known, the name."""
    for name in names:
        for kind, known in patterns:
            if name and any(fnmatchcase(name, pattern.lower()) for pattern in known):
                return str(kind)
    return ""
