"""Read NetBox's devices into the inventory: names, MACs, serial and asset numbers, expected parts.

All rules of an imported file hold (hosts/resources.py). Nothing is removed from a host: MACs are added, and of an
expected spec only what it does not state yet, unless the operator asks for NetBox's lists of parts.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import tablib
from django.db import transaction
from import_export.results import RowResult

from hosts import bulk, changes, expectations
from hosts.found_parts import clean
from hosts.history import closed_account, record
from hosts.models import Host
from hosts.parts import BY_LEAF
from hosts.resources import HostResource
from vetting.netbox.devices import DEVICES, Device, Part

ACCOUNT = ("netbox", "NetBox")
"""Whose changes the history of a host shows."""
_NOTE = "NetBox: device "
_COLUMNS = ("name", "macs", "notes", "expected")
_LOGGED = 2_000
Spec = dict[str, Any]


@dataclass(frozen=True)
class Plan:
    """What reading would do. `differs` are parts that our spec states otherwise than NetBox; `left_alone` are devices
    that can't be read, and why."""

    told: list[changes.Told]
    columns: tuple[str, ...]
    same: int
    differs: list[str]
    left_alone: list[str]

    @property
    def new(self) -> int:
        return sum(one.before.new for one in self.told)


def plan(
    found: list[Device],
    base: str,
    busy: Callable[[], Mapping[str, str]],
    profiles: Collection[str],
    *,
    replace: bool = False,
) -> Plan:
    """Reads the database, writes nothing. A device that can't be imported is left alone, and the others go on."""
    ours = {host.name: host for host in _known([device.host for device in found])}
    differs: list[str] = []
    rows: dict[str, tuple[Any, ...]] = {}
    left_alone: list[str] = []
    for device in found:
        host = ours.get(device.host)
        if not device.macs and host is None:
            left_alone.append(f"{device.host}: none of its interfaces has a MAC address")
            continue
        try:
            rows[device.host] = _row(device, host, base, differs, replace=replace)
        except expectations.ExpectationError as error:
            left_alone.append(f"{device.host}: {str(error).splitlines()[0]}")
    while True:
        resource = HostResource(busy=busy, profiles=profiles)
        result = resource.check(tablib.Dataset(*rows.values(), headers=_COLUMNS))
        wrong = _wrong(result, list(rows))
        if not wrong:
            break
        left_alone += [f"{name}: {why}" for name, why in wrong.items()]
        rows = {name: row for name, row in rows.items() if name not in wrong}
    changed = (RowResult.IMPORT_TYPE_NEW, RowResult.IMPORT_TYPE_UPDATE)
    told = [row.diff for row in result.rows if row.import_type in changed]
    return Plan(told, resource.columns, len(rows) - len(told), differs, left_alone)


def write(wanted: Plan, busy: Callable[[], Mapping[str, str]]) -> Iterator[int]:
    """Write batch by batch, each with its lines in the hosts' history; yields how many hosts are written so far. Raises
    bulk.Changed; read again then."""
    account, written = closed_account(*ACCOUNT), 0
    for batch in bulk.batches(wanted.told):
        lines = [(told.before.new, history(told)) for told in batch]
        with transaction.atomic():
            bulk.write([told.host for told in batch], wanted.columns, busy)
            record(account, [told.host for told in batch], lines)
        written += len(batch)
        yield written


def history(told: changes.Told) -> str:
    """What the history of the host shows."""
    words = [f"{change.field}: {' '.join(change.lines)}" for change in told]
    return f"Read from NetBox. {'; '.join(words)}"[:_LOGGED]


def _known(names: list[str]) -> Iterator[Host]:
    for some in bulk.batches(names):
        yield from Host.objects.filter(name__in=some).prefetch_related("macs")


def _wrong(result: Any, names: list[str]) -> dict[str, str]:
    """The hosts that can't be imported, and why. Raises the error of the whole import, which is ours."""
    for error in result.base_errors:
        raise error.error
    wrong = {number: str(errors[0].error) for number, errors in result.row_errors()}
    wrong |= {row.number: ", ".join(row.error.messages) for row in result.invalid_rows}
    return {names[number - 1]: why for number, why in wrong.items()}


def _row(device: Device, host: Host | None, base: str, differs: list[str], *, replace: bool) -> tuple[Any, ...]:
    macs = list(dict.fromkeys([*(host.mac_list if host else []), *device.macs]))
    notes = _notes(host.notes if host else "", device, base)
    spec, others = filled(host.expected if host else None, stated(device), replace=replace)
    differs += [f"{device.host}: {one}" for one in others]
    return device.host, macs or None, notes, expectations.to_yaml(spec) or None


def _notes(before: str, device: Device, base: str) -> str:
    """The operator's notes, and one line about the device, which is written anew."""
    asset = f", asset tag {clean(device.asset_tag)}" if clean(device.asset_tag) else ""
    line = f"{_NOTE}{device.id}{asset}, {base}/{DEVICES}/{device.id}/"
    return "\n".join([*(old for old in before.splitlines() if not old.startswith(_NOTE)), line])


def stated(device: Device) -> Spec:
    """What NetBox says of the parts, as a spec. A part without what identifies it is left out."""
    spec: Spec = {}
    if serial := clean(device.serial):
        spec["system"] = {"serial": serial}
    for kind in ("dimms", "disks", "psus"):
        if named := [one for part in device.parts if part.kind == kind and (one := _as_spec(part))]:
            _put(spec, kind, named)
    return expectations.normalise(spec)


def _as_spec(part: Part) -> Spec:
    told: Spec = {
        "dimms": {"locator": part.name, "serial": part.serial, "part": part.model},
        "disks": {"serial": part.serial, "model": part.model},
        "psus": {"name": part.name},
    }[part.kind]
    identified = part.serial if part.kind == "disks" else part.name
    return {name: value for name, value in told.items() if value} if identified else {}


def filled(before: Spec | None, theirs: Spec, *, replace: bool) -> tuple[Spec | None, list[str]]:
    """Our spec with what NetBox adds, and what the two state differently. With `replace`, NetBox's lists take the place
    of ours; what ours says of a part besides stays."""
    spec, differs = copy.deepcopy(before or {}), []
    if serial := theirs.get("system", {}).get("serial"):
        ours = spec.setdefault("system", {}).setdefault("serial", serial)
        if ours != serial:
            differs.append(f"system.serial: NetBox has {serial}, the expected spec {ours}")
    for kind in ("dimms", "disks", "psus"):
        if not (listed := BY_LEAF[kind].within(theirs)):
            continue
        ours = BY_LEAF[kind].within(spec)
        if ours is None or replace:
            _put(spec, kind, [_with_details(kind, one, ours or []) for one in listed])
        else:
            differs += _differences(kind, ours, listed)
    return (spec or None), differs


def _with_details(kind: str, one: Spec, ours: list[Spec]) -> Spec:
    same = [old for old in ours if _key(kind, old) == _key(kind, one)]
    if not same:
        return one
    replaced = same[0].get("serial") not in (None, one.get("serial")) and bool(one.get("serial"))
    return one if replaced else {**same[0], **one}


def _differences(kind: str, ours: list[Spec], theirs: list[Spec]) -> Iterator[str]:
    mine, path = {_key(kind, one): one for one in ours}, BY_LEAF[kind].path
    for one in theirs:
        old = mine.pop(_key(kind, one), None)
        if old is None:
            yield f"{path}[{BY_LEAF[kind].name(one)}]: NetBox has it, the expected spec does not"
        elif kind == "dimms" and one.get("serial") and old.get("serial") and one["serial"] != old["serial"]:
            yield f"{path}[{one['locator']}].serial: NetBox has {one['serial']}, the expected spec {old['serial']}"
    for old in mine.values():
        yield f"{path}[{BY_LEAF[kind].name(old)}]: the expected spec has it, NetBox does not"


def _key(kind: str, part: Spec) -> str:
    return BY_LEAF[kind].name(part).casefold()


def _put(spec: Spec, kind: str, parts: list[Spec]) -> None:
    if kind == "dimms":
        spec.setdefault("memory", {})["dimms"] = parts
    else:
        spec[kind] = parts
