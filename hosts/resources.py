"""The inventory from and to CSV and YAML. The host's name decides which row it is; what a YAML entry leaves out stays
as it is. Nothing here gives permission to write to a disk; it goes where its disk leaves the spec."""

from __future__ import annotations

import difflib
import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import tablib
import yaml
from django.core.exceptions import ValidationError
from django.utils import timezone
from import_export import fields, resources, widgets
from import_export.formats.base_formats import CSV, TextFormat

from hosts import expectations, wakeoptions, yamllines
from hosts.fields import normalise_mac
from hosts.models import Host, HostMac
from hosts.nearest import did_you_mean

COLUMNS = (
    "name", "enabled", "notes", "profile_name", "wake_method", "wake_options", "idle_boot", "boot_binary",
    "compared_since", "macs", "expected",
)  # fmt: skip
_WRITING = {"may_be_written", "destructive_allowed", "writable_disks"}


class HostsYaml(TextFormat):
    """A list of hosts, read with the same rules as an expected spec, so that a MAC needs no quotes."""

    CONTENT_TYPE = "text/yaml"
    TABLIB_MODULE = "tablib.formats._yaml"

    def create_dataset(self, in_stream: str | bytes, **kwargs: Any) -> tablib.Dataset:
        text = in_stream.decode(self.encoding or "utf-8") if isinstance(in_stream, bytes) else in_stream
        document = yamllines.parse(text, "file")
        hosts = document.data
        if not isinstance(hosts, list) or not all(isinstance(host, dict) for host in hosts):
            raise yamllines.YamlError("file, line 1: a list of hosts is needed, each beginning with `- name:`")
        headers = list(dict.fromkeys(key for host in hosts for key in host))
        rows = ([_cell(document, n, key) for key in headers] for n in range(len(hosts)))
        return tablib.Dataset(*rows, headers=headers)

    def export_data(self, dataset: tablib.Dataset, **kwargs: Any) -> str:
        rows = [{key: _structured(key, value) for key, value in row.items()} for row in dataset.dict]
        return yaml.safe_dump(rows, sort_keys=False, allow_unicode=True, width=110)


def _cell(document: yamllines.Document, number: int, key: str) -> Any:
    """A spec keeps the lines it has in the file, for what its check says of it."""
    value = document.data[number].get(key)
    return document.part((number, key)) if key == "expected" and value is not None else value


class _Kept(fields.Field):
    """A null leaves the host as it is."""

    def save(self, instance: Host, row: Mapping[str, Any], is_m2m: bool = False, **kwargs: Any) -> None:
        if row[self.column_name] is not None:
            super().save(instance, row, is_m2m, **kwargs)


class _Flag(widgets.BooleanWidget):
    """Yes or no, and nothing that could be either: a typing error must not disable a host."""

    def clean(self, value: Any, row: Any = None, **kwargs: Any) -> bool:
        word = str(value).strip().casefold()
        if word not in ("1", "true", "yes", "0", "false", "no"):
            raise ValueError(f"{value!r} is neither true nor false")
        return word in ("1", "true", "yes")

    def render(self, value: Any, obj: Any = None, **kwargs: Any) -> str:
        return "true" if value else "false"


class _Moment(widgets.Widget):
    """As `2026-11-25T12:00:00+00:00`; without an offset in the server's time zone. An empty cell is none."""

    def clean(self, value: Any, row: Any = None, **kwargs: Any) -> datetime | None:
        if not str(value).strip():
            return None
        try:
            moment = datetime.fromisoformat(str(value).strip())
        except ValueError:
            raise ValueError(f"{value!r} is no date and time such as 2026-11-25T12:00:00+00:00") from None
        return moment if timezone.is_aware(moment) else timezone.make_aware(moment)

    def render(self, value: Any, obj: Any = None, **kwargs: Any) -> str:
        return value.isoformat() if value else ""


class _Macs(widgets.Widget):
    def clean(self, value: Any, row: Any = None, **kwargs: Any) -> list[str]:
        words = value if isinstance(value, list) else str(value).replace(",", " ").split()
        try:
            return list(dict.fromkeys(normalise_mac(str(word)) for word in words))
        except ValidationError as error:
            raise ValueError(error.messages[0]) from None

    def render(self, value: Any, obj: Any = None, **kwargs: Any) -> str:
        return " ".join(value or [])


class _Json(widgets.Widget):
    """An object, or its JSON text."""

    def clean(self, value: Any, row: Any = None, **kwargs: Any) -> dict[str, Any]:
        try:
            data = json.loads(value or "{}") if isinstance(value, str) else value
        except ValueError as error:
            raise ValueError(f"not JSON: {error}") from None
        if not isinstance(data, dict):
            raise ValueError(f"{value!r} is no object of names and values")
        return data

    def render(self, value: Any, obj: Any = None, **kwargs: Any) -> str:
        return json.dumps(value) if value else ""


class _Spec(_Json):
    """An expected spec; an empty cell is no spec. `may_be_written` is dropped, whoever wrote it."""

    def clean(self, value: Any, row: Any = None, **kwargs: Any) -> Any:
        if isinstance(value, str):
            return expectations.read(value).spec
        return expectations.read_document(value)


class HostResource(resources.ModelResource):
    """`busy` is name → why this host can't be disabled now, `profiles` the names of those there are."""

    enabled = _Kept("enabled", "enabled", _Flag())
    notes = _Kept("notes", "notes")
    profile_name = _Kept("profile_name", "profile_name")
    wake_method = _Kept("wake_method", "wake_method")
    wake_options = _Kept("wake_options", "wake_options", _Json())
    idle_boot = _Kept("idle_boot", "idle_boot")
    boot_binary = _Kept("boot_binary", "boot_binary")
    compared_since = _Kept("compared_since", "compared_since", _Moment(), saves_null_values=True)
    macs = _Kept("new_macs", "macs", _Macs())
    expected = _Kept("expected", "expected", _Spec(), saves_null_values=True)

    class Meta:
        model = Host
        fields = COLUMNS
        import_order = export_order = COLUMNS
        import_id_fields = ("name",)
        clean_model_instances = True
        use_transactions = True
        skip_unchanged = True

    def __init__(self, busy: Mapping[str, str] | None = None, profiles: Collection[str] = (), **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.busy, self.profiles = busy or {}, profiles

    def import_data(self, *args: Any, **kwargs: Any) -> Any:
        """All rows or none, also where one has become wrong since it was shown."""
        return super().import_data(*args, **{**kwargs, "rollback_on_validation_errors": True})

    def before_import(self, dataset: tablib.Dataset, **kwargs: Any) -> None:
        headers = set(dataset.headers or [])
        if forbidden := headers & _WRITING:
            text = "permission to write is never imported: take the column off, and give it on the host's form"
            raise ValidationError(f"{', '.join(sorted(forbidden))}: {text}")
        if unknown := headers - set(COLUMNS):
            hints = "".join(did_you_mean(str(name), COLUMNS) for name in sorted(unknown)[:5])
            raise ValidationError(f"unknown: {', '.join(sorted(unknown))}; known are {', '.join(COLUMNS)}{hints}")

    def before_save_instance(self, instance: Host, row: Mapping[str, Any], **kwargs: Any) -> None:
        if not instance.enabled and instance.name in self.busy:
            raise ValidationError({"enabled": f"can't be disabled now: {self.busy[instance.name]}"})
        if instance.profile_name not in self.profiles:
            known = ", ".join(sorted(self.profiles))
            raise ValidationError({"profile_name": f"{instance.profile_name!r} is no profile: there are {known}"})
        if problems := wakeoptions.problems(instance.wake_method, instance.wake_options):
            raise ValidationError({"wake_options": problems})

    def skip_row(self, instance: Host, original: Host, row: Mapping[str, Any], errors: Any = None) -> bool:
        """A host that the row leaves as it is."""
        diff = _HostDiff(self, original, new=False) if original.pk and not errors else None
        if diff is None:
            return False
        diff.compare_with(self, instance)
        return not diff.changes

    def after_save_instance(self, instance: Host, row: Mapping[str, Any], **kwargs: Any) -> None:
        """The MACs, where the row names any: those that it does not name go. Permissions of disks that left the spec
        go too, or a later import that brings the serial back would bring the permission back."""
        instance.withdraw_permissions()
        wanted = getattr(instance, "new_macs", None)
        if wanted is None:
            return
        taken = HostMac.objects.filter(mac__in=wanted).exclude(host=instance).select_related("host").first()
        if taken is not None:
            raise ValidationError({"macs": f"{taken.mac} belongs to host {taken.host.name} already"})
        instance.macs.exclude(mac__in=wanted).delete()
        there = set(instance.macs.values_list("mac", flat=True))
        HostMac.objects.bulk_create(HostMac(host=instance, mac=mac) for mac in wanted if mac not in there)

    def dehydrate_macs(self, host: Host) -> str:
        return " ".join(_macs(host))

    def get_diff_class(self) -> type:
        return _HostDiff


@dataclass(frozen=True)
class Change:
    """What an import would do to one field: `lines` begin with `-`, `+`, or a blank where they stay."""

    field: str
    lines: list[str]


class _HostDiff(resources.Diff):
    """What the preview shows: the fields that change, a spec as the lines of its YAML, and permission that goes. All of
    the host before is read at once: its rows change while the row is imported."""

    def __init__(self, resource: HostResource, instance: Host, new: bool) -> None:
        self.names = [field.column_name for field in resource.get_import_fields() if field.column_name != "name"]
        self.new = new
        self.before = _all_shown(Host() if new else instance, self.names)
        self.writable = set() if new else set(instance.writable_disks.values_list("serial", flat=True))
        self.changes: list[Change] = []

    def compare_with(self, resource: HostResource, instance: Host) -> None:
        after = _all_shown(instance, self.names)
        both = ((name, self.before[name], after[name]) for name in self.names)
        self.changes = [Change(name, _lines([] if self.new else old, new)) for name, old, new in both if old != new]
        staying = {disk.get("serial") for disk in (instance.expected or {}).get("disks") or []}
        if gone := sorted(self.writable - staying):
            self.changes.append(Change("may no longer be written", [f"-{serial}" for serial in gone]))

    def as_html(self) -> list[Change]:
        return self.changes


def _all_shown(host: Host, names: Collection[str]) -> dict[str, list[str]]:
    return {name: _shown(host, name) for name in names}


def _shown(host: Host, column: str) -> list[str]:
    """A field as lines of text."""
    if column == "macs":
        return _macs(host)
    value = getattr(host, column)
    if column == "expected":
        return expectations.to_yaml(value).splitlines()
    if value is None:
        return []
    return (json.dumps(value) if isinstance(value, dict) else str(value)).splitlines()


def _lines(old: list[str], new: list[str]) -> list[str]:
    lines = difflib.unified_diff(old, new, lineterm="", n=2)
    return [line for line in lines if not line.startswith(("---", "+++", "@@"))]


def _macs(host: Host) -> list[str]:
    if (new := getattr(host, "new_macs", None)) is not None:
        return new
    return host.mac_list if host.pk else []


def _structured(key: str, value: Any) -> Any:
    """A cell of the flat table as YAML shows it."""
    if key == "macs":
        return str(value).split()
    if key in ("expected", "wake_options"):
        return json.loads(value) if value else None
    if key == "compared_since":
        return value or None
    return value == "true" if key == "enabled" else value


FORMATS = (CSV, HostsYaml)
YAML_CHOICE = str(FORMATS.index(HostsYaml))
