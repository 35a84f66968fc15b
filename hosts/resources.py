"""Import and export of the inventory as CSV and YAML. A row belongs to the host with its name. A field that a YAML
entry leaves out stays unchanged. Nothing here gives permission to write to a disk; a disk that leaves the spec loses
it."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterator, Mapping
from datetime import datetime
from typing import Any

import tablib
from django.core.exceptions import ValidationError
from django.utils import timezone
from import_export import fields, resources, widgets
from import_export.instance_loaders import BaseInstanceLoader
from import_export.results import Result, RowResult

from hosts import bounds, bulk, changes, expectations, tags, wakeoptions
from hosts.command_line import command
from hosts.fields import normalise_mac
from hosts.models import Host, HostMac
from hosts.nearest import did_you_mean

COLUMNS = (
    "name", "enabled", "notes", "tags", "profile_name", "wake_method", "wake_options", "idle_boot", "boot_binary",
    "kernel_args", "console", "boot_deadline_s", "local_boot", "local_drive", "compared_since", "macs", "expected",
)  # fmt: skip
_TRANSACTIONS = {"use_transactions", "collect_failed_rows", "rollback_on_validation_errors"}
_WRITING = {"may_be_written", "destructive_allowed", "writable_disks"}


class _Kept(fields.Field):
    """A field that a null leaves unchanged."""

    def save(self, instance: Host, row: Mapping[str, Any], is_m2m: bool = False, **kwargs: Any) -> None:
        if row[self.column_name] is not None:
            super().save(instance, row, is_m2m, **kwargs)


class _Flag(widgets.BooleanWidget):
    """Accepts only clear words for yes or no: a typing error must not disable a host."""

    def clean(self, value: Any, row: Any = None, **kwargs: Any) -> bool:
        word = str(value).strip().casefold()
        if word not in ("1", "true", "yes", "0", "false", "no"):
            raise ValueError(f"{bounds.quoted(value)} is neither true nor false")
        return word in ("1", "true", "yes")

    def render(self, value: Any, obj: Any = None, **kwargs: Any) -> str:
        return "true" if value else "false"


class _Whole(widgets.Widget):
    """A whole number. An empty cell is None."""

    def clean(self, value: Any, row: Any = None, **kwargs: Any) -> int | None:
        text = str(value).strip()
        if not text:
            return None
        if not text.isascii() or not text.isdigit() or len(text) > 9:
            raise ValueError(f"{bounds.quoted(value)} is no whole number")
        return int(text)

    def render(self, value: Any, obj: Any = None, **kwargs: Any) -> str:
        return "" if value is None else str(value)


class _Moment(widgets.Widget):
    """A time such as `2026-11-25T12:00:00+00:00`; without an offset it is in the server's time zone. An empty cell is
    None."""

    def clean(self, value: Any, row: Any = None, **kwargs: Any) -> datetime | None:
        if not str(value).strip():
            return None
        try:
            moment = datetime.fromisoformat(str(value).strip())
        except ValueError:
            raise ValueError(f"{bounds.quoted(value)} is no date and time such as 2026-11-25T12:00:00+00:00") from None
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


class _Tags(widgets.Widget):
    """Words, or a list of them."""

    def clean(self, value: Any, row: Any = None, **kwargs: Any) -> str:
        return tags.joined(tags.parsed(" ".join(map(str, value)) if isinstance(value, list) else str(value)))


class _Json(widgets.Widget):
    """An object, or its JSON text."""

    def clean(self, value: Any, row: Any = None, **kwargs: Any) -> dict[str, Any]:
        try:
            data = json.loads(value or "{}") if isinstance(value, str) else value
        except ValueError as error:
            raise ValueError(f"not JSON: {error}") from None
        if not isinstance(data, dict):
            raise ValueError(f"{bounds.quoted(value)} is no object of names and values")
        return data

    def render(self, value: Any, obj: Any = None, **kwargs: Any) -> str:
        return json.dumps(value) if value else ""


class _Spec(_Json):
    """An expected spec; an empty cell is no spec. `may_be_written` is always dropped."""

    def clean(self, value: Any, row: Any = None, **kwargs: Any) -> Any:
        if isinstance(value, str):
            return expectations.read(value).spec
        return expectations.read_document(value)


class _Known(BaseInstanceLoader):
    """Reads all hosts that the file names at once. (The package's own loader makes one query per row.)"""

    def __init__(self, resource: Any, dataset: tablib.Dataset) -> None:
        super().__init__(resource, dataset)
        names = [str(name) for name in dataset["name"]] if "name" in (dataset.headers or []) else []
        self.hosts = {host.name: host for host in _read(names)}

    def get_instance(self, row: Mapping[str, Any]) -> Host | None:
        return self.hosts.get(str(row["name"]))


def _read(names: list[str]) -> Iterator[Host]:
    for chunk in bulk.batches(names):
        yield from Host.objects.filter(name__in=chunk).prefetch_related("macs", "writable_disks")


class HostResource(resources.ModelResource):
    """`busy` returns the hosts that can't be disabled now (name → why). `profiles` are the names of the existing
    profiles. `may_wake`: whether the user may change how hosts are woken.

    All rows are checked first, in memory and without a transaction; then all are written, or none. No row costs a
    query of its own.
    """

    enabled = _Kept("enabled", "enabled", _Flag())
    notes = _Kept("notes", "notes")
    tags = _Kept("tags", "tags", _Tags())
    profile_name = _Kept("profile_name", "profile_name")
    wake_method = _Kept("wake_method", "wake_method")
    wake_options = _Kept("wake_options", "wake_options", _Json())
    idle_boot = _Kept("idle_boot", "idle_boot")
    boot_binary = _Kept("boot_binary", "boot_binary")
    kernel_args = _Kept("kernel_args", "kernel_args")
    console = _Kept("console", "console")
    boot_deadline_s = _Kept("boot_deadline_s", "boot_deadline_s", _Whole(), saves_null_values=True)
    local_boot = _Kept("local_boot", "local_boot")
    local_drive = _Kept("local_drive", "local_drive", _Whole())
    compared_since = _Kept("compared_since", "compared_since", _Moment(), saves_null_values=True)
    macs = _Kept("new_macs", "macs", _Macs())
    expected = _Kept("expected", "expected", _Spec(), saves_null_values=True)

    class Meta:
        model = Host
        fields = COLUMNS
        import_order = export_order = COLUMNS
        import_id_fields = ("name",)
        clean_model_instances = True
        instance_loader_class = _Known
        skip_diff = True  # the package's own diff reads each host twice; `changes` says what differs

    def __init__(
        self,
        busy: Callable[[], Mapping[str, str]] = dict,
        profiles: Collection[str] = (),
        may_wake: bool = True,
        most: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.busy, self.profiles, self.may_wake, self.most = busy, profiles, may_wake, most

    def import_data(self, dataset: tablib.Dataset, dry_run: bool = False, **kwargs: Any) -> Result:
        """Write all rows or none, also if one became wrong since the preview."""
        result = self.check(dataset, **kwargs)
        if dry_run or result.has_errors() or result.has_validation_errors():
            return result
        try:
            bulk.write(self.changed, self.columns, self.busy)
        except bulk.Changed as error:
            result.append_base_error(self.get_error_result_class()(error))
        return result

    def check(self, dataset: tablib.Dataset, raise_errors: bool = False, **kwargs: Any) -> Result:
        """Check the file and write nothing. Afterwards `changed` holds the hosts to write."""
        options = {name: value for name, value in kwargs.items() if name not in _TRANSACTIONS}
        return self.import_data_inner(dataset, True, raise_errors, False, False, **options)

    def before_import(self, dataset: tablib.Dataset, **kwargs: Any) -> None:
        headers = set(dataset.headers or [])
        if forbidden := headers & _WRITING:
            text = "permission to write is never imported: take the column off, and give it on the host's form"
            raise ValidationError(f"{', '.join(sorted(forbidden))}: {text}")
        if unknown := headers - set(COLUMNS):
            hints = "".join(did_you_mean(str(name)[:80], COLUMNS) for name in sorted(map(str, unknown))[:5])
            named = ", ".join(bounds.QUOTE.cut(str(name)) for name in sorted(map(str, unknown))[:10])
            raise ValidationError(f"unknown: {named}; known are {', '.join(COLUMNS)}{hints}")
        if self.most is not None and len(dataset) > self.most:
            raise ValidationError(too_many(len(dataset), self.most))
        self.columns = tuple(name for name in COLUMNS if name in headers)
        self.changed: list[Host] = []
        self.busy_now = self.busy()
        self.seen: dict[str, int] = {}
        self.owners = dict(HostMac.objects.values_list("mac", "host__name"))

    def before_import_row(self, row: Mapping[str, Any], **kwargs: Any) -> None:
        name = str(row.get("name") or "")
        if (first := self.seen.setdefault(name, kwargs["row_number"])) != kwargs["row_number"]:
            raise ValidationError({"name": f"{name} stands in row {first} already"})

    def after_init_instance(self, instance: Host, new: bool, row: Any, **kwargs: Any) -> None:
        self.instance, self.before = instance, changes.state_of(instance, new)

    def skip_row(self, instance: Host, original: Host, row: Mapping[str, Any], errors: Any = None) -> bool:
        """Whether the row changes nothing in its host."""
        return not errors and not self.before.new and not changes.differs(self.before, instance)

    def validate_instance(self, instance: Host, import_validation_errors: Any = None, **kwargs: Any) -> None:
        """Skips the check that the name is unique: hosts are found by their name, and a second row with it is
        refused."""
        super().validate_instance(instance, import_validation_errors, validate_unique=False)

    def save_instance(self, instance: Host, is_create: bool, row: Mapping[str, Any], **kwargs: Any) -> None:
        """Complete the check of one host and keep it for the writing."""
        if not instance.enabled and instance.name in self.busy_now:
            raise ValidationError({"enabled": f"can't be disabled now: {self.busy_now[instance.name]}"})
        if instance.profile_name not in self.profiles:
            known = ", ".join(sorted(self.profiles))
            raise ValidationError(
                {"profile_name": f"{bounds.quoted(instance.profile_name)} is no profile: there are {known}"}
            )
        if problems := wakeoptions.problems(instance.wake_method, instance.wake_options):
            raise ValidationError({"wake_options": problems})
        if not self.may_wake and (column := changes.waking_differs(self.before, instance)):
            raise ValidationError({column: "your account may not change how hosts are woken (hosts.wake_host)"})
        self._take_macs(instance)
        self.changed.append(instance)

    def _take_macs(self, instance: Host) -> None:
        """Check the MACs in the order of the rows: a later row may take a MAC that an earlier one gave up."""
        wanted = instance.new_macs
        if wanted is None:
            return
        for mac in wanted:
            if (owner := self.owners.get(mac, instance.name)) != instance.name:
                raise ValidationError({"macs": f"{mac} belongs to host {owner} already"})
        for mac in set(self.before.macs) - set(wanted):
            del self.owners[mac]
        self.owners |= dict.fromkeys(wanted, instance.name)

    def after_import_row(self, row: Mapping[str, Any], row_result: RowResult, **kwargs: Any) -> None:
        row_result.diff = changes.Told(self.before, self.instance)

    def dehydrate_macs(self, host: Host) -> str:
        return " ".join(host.mac_list)


def too_many(count: int, most: int) -> str:
    return (
        f"{count:,} hosts are more than the {most:,} that a page imports at once: on the server "
        f"`{command('hosts import FILE')}` takes any number, and shows with --dry-run what it would do"
    )


def problems(result: Result) -> list[str]:
    """Why a file is refused, a line for each fault."""
    whole = [str(error.error) for error in result.base_errors]
    broken = [f"row {number}: {error.error}" for number, errors in result.row_errors() for error in errors]
    invalid = [f"row {row.number}: {', '.join(row.error.messages)}" for row in result.invalid_rows]
    return whole + broken + invalid
