"""Write to NetBox what a run found: serial numbers, the verdict, and an entry in the device's journal.

Whatever stands in NetBox is compared first, so writing twice does nothing twice. Nothing is deleted, and no serial
number is emptied; of tags, only those that vetting.yaml gives for verdicts are exchanged.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django.conf import settings

from hosts.found_parts import clean
from notifications.kinds import link, plain
from runs.judging import run_verdict
from runs.models import Run
from runs.reports import document, stage_rows
from vetting.netbox.client import Client, NetBoxProblem, Row
from vetting.netbox.config import NetBox
from vetting.netbox.devices import DEVICES, Device, fetch

JOURNAL = "extras/journal-entries"
_ENTRIES = 100
"""Newest entries of a device's journal that are compared."""
_LINES = 20
_KINDS = {"passed": "success", "failed": "danger"}


@dataclass(frozen=True)
class Change:
    """One call: these fields of one object. `what` names it for people, with the value before and after."""

    path: str
    id: int
    fields: Row
    what: tuple[tuple[str, str, str], ...]


@dataclass(frozen=True)
class Back:
    """What is to be written about one run; `entry` is empty if the journal has it already."""

    run: Run
    device: Device
    changes: list[Change]
    entry: str

    @property
    def is_empty(self) -> bool:
        return not self.changes and not self.entry

    def lines(self) -> Iterator[str]:
        for change in self.changes:
            for name, before, after in change.what:
                yield f"{name}: {before or 'nothing'} → {after}"
        if self.entry:
            yield f"journal: + {self.entry.splitlines()[0]}"


def newest(host: str) -> Run | None:
    """The host's newest run that has a verdict."""
    runs = Run.objects.filter(host__name=host).exclude(verdict="").select_related("host")
    return runs.order_by("-id").first()


def plan(client: Client, config: NetBox, device: Device, run: Run) -> Back:
    """Reads the journal. Raises NetBoxProblem, also if the custom field does not exist."""
    changes = list(_changes(config, device, run))
    first = f"Vetting run {run.pk}: {run.verdict}"
    known = client.newest(JOURNAL, _ENTRIES, assigned_object_type="dcim.device", assigned_object_id=device.id)
    if any(str(row.get("comments") or "").startswith(first) for row in known):
        return Back(run, device, changes, "")
    return Back(run, device, changes, _entry(first, run, changes))


def apply(client: Client, back: Back) -> None:
    """The journal first: it has the serial numbers that the changes replace. Raises NetBoxProblem."""
    if back.entry:
        fields = {
            "assigned_object_type": "dcim.device", "assigned_object_id": back.device.id,
            "kind": _KINDS.get(back.run.verdict, "warning"), "comments": back.entry,
        }  # fmt: skip
        client.add(JOURNAL, fields)
    for change in back.changes:
        client.change(change.path, change.id, change.fields)


def after_run(run_id: int) -> str:
    """The job. It may run twice: what is written already is not written again. Raises NetBoxProblem; then the job is
    tried again."""
    config: NetBox = settings.VETTING.netbox
    run = Run.objects.filter(pk=run_id).exclude(verdict="").select_related("host").first()
    if run is None or not config.is_on or newest(run.host.name) != run:
        return ""  # a newer run has been written, or will be
    with Client(config, settings.NETBOX_TOKEN) as client:
        found = fetch(client, config, host=run.host.name).devices
        if found:
            apply(client, plan(client, config, found[0], run))
    return ""


def _changes(config: NetBox, device: Device, run: Run) -> Iterator[Change]:
    fields: Row = {}
    what = []
    serial = str(clean(((run.inventory or {}).get("system") or {}).get("serial")) or "")
    if serial and serial != device.serial:
        fields["serial"] = serial
        what.append(("serial number", device.serial, serial))
    if (name := config.verdict_field) and (old := _custom(device, name)) != run.verdict:
        fields["custom_fields"] = {name: run.verdict}
        what.append((f"custom field {name}", old, run.verdict))
    before = [str(tag.get("slug")) for tag in device.tags]
    if (after := _tags(config, before, run)) != before:
        fields["tags"] = [{"slug": slug} for slug in after]
        what.append(("tags", " ".join(before), " ".join(after)))
    if fields:
        yield Change(DEVICES, device.id, fields, tuple(what))
    yield from _of_parts(device, run)


def _custom(device: Device, name: str) -> str:
    if name not in device.custom_fields:
        raise NetBoxProblem(
            f"NetBox has no custom field {name} for devices: make it there, of type text, or change "
            "netbox.verdict_field"
        )
    value = device.custom_fields[name]
    return str((value.get("value") if isinstance(value, dict) else value) or "")


def _tags(config: NetBox, before: list[str], run: Run) -> list[str]:
    """The tags of the device with that of the verdict in place of those of other verdicts."""
    wanted: str = getattr(config.verdict_tags, run.verdict)
    others = {slug for _, slug in config.verdict_tags} - {wanted}
    kept = [slug for slug in before if slug not in others]
    return kept if not wanted or wanted in kept else [*kept, wanted]


def _of_parts(device: Device, run: Run) -> Iterator[Change]:
    """Serial numbers of memory modules, which have the slot's name on both sides. A disk is known by its serial number
    alone, so it can't have another one."""
    found: list[dict[str, Any]] = ((run.inventory or {}).get("memory") or {}).get("dimms") or []
    serials = {str(dimm.get("locator") or "").casefold(): clean(dimm.get("serial")) for dimm in found}
    for part in device.parts:
        serial = serials.get(part.name.casefold()) if part.kind == "dimms" else None
        if serial and serial != part.serial:
            what = ((f"serial number of {part.name}", part.serial, str(serial)),)
            yield Change(part.path, part.id, {"serial": str(serial)}, what)


def _entry(first: str, run: Run, changes: list[Change]) -> str:
    """The text of the journal's entry; its first line tells whether it is there already."""
    lines = [first, "", link(run), "", f"- Profile {run.profile_name}"]
    if run.repair:
        lines.append(f"- After: {plain(run.repair)}")
    lines.append(f"- {plain(document.sentence(run, stage_rows.light(run)))}")
    lines += [f"- Blamed: {plain(name)}" for name in run_verdict.blamed(run)[:_LINES]]
    lines += [f"- {name}, in NetBox until now: {before}" for one in changes for name, before, _ in one.what if before]
    return "\n".join(lines)
