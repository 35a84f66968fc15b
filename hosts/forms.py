"""The form of a host: its spec as YAML, and which of its disks may be written, each confirmed by its typed serial."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils.functional import lazy
from import_export.forms import ImportForm, SelectableFieldsExportForm

from hosts import expectations, formats, spechelp, wakeoptions
from hosts.command_line import command
from hosts.fields import UUID, normalise_mac
from hosts.models import Host, HostMac

_COLUMNS_OF_FORM = {"expected": "expected_yaml"}


class SpecEditor(forms.Textarea):
    """A YAML editor with line numbers. It checks while one types, and shows the schema's help and what the last run
    found. Without JavaScript it is a plain text area, checked when it is saved. `editor`: address of the check, number
    of the host, and the newest run with what it found."""

    template_name = "hosts/spec_editor.html"
    editor: dict[str, Any] = {}

    class Media:
        js = ("vetting/spec-editor.js",)
        css = {"all": ("vetting/spec-editor.css",)}

    def __init__(self) -> None:
        super().__init__(attrs={"rows": 28, "cols": 100, "spellcheck": "false", "autocapitalize": "off", "wrap": "off"})

    def get_context(self, name: str, value: Any, attrs: dict[str, Any] | None) -> dict[str, Any]:
        return {**super().get_context(name, value, attrs), "editor": self.editor, "keys": spechelp.KEYS}


class HostForm(forms.ModelForm):  # type: ignore[type-arg]  # Django 5.2's takes none at run time
    """`busy` says why the host can't be disabled now; empty if it can. The fields `write_<n>` and `serial_<n>` belong
    to the n-th entry of `disks`; `with_disks` adds them."""

    busy = ""
    disks: tuple[dict[str, Any], ...] = ()
    editor: dict[str, Any] = {}

    expected_yaml = forms.CharField(
        label="Expected spec",
        required=False,
        strip=False,
        widget=SpecEditor,
        help_text="What is left out is not checked; an empty list means that none may be there. Empty: no spec, and no "
        "run can pass.",
    )
    seen_spec = forms.CharField(required=False, widget=forms.HiddenInput)

    class Meta:
        model = Host
        exclude = ("expected", "health")
        labels = {
            "profile_name": "Profile",
            "wake_method": "Woken by",
            "wake_options": "Options for waking",
            "idle_boot": "Without a run",
            "boot_binary": "Boot program",
            "kernel_args": "Kernel arguments",
            "boot_deadline_s": "Boot deadline",
            "local_boot": "Way to its own disk",
            "local_drive": "Number of that disk",
            "compared_since": "Compare only with runs since",
            "destructive_allowed": "Destructive tests allowed",
            "dmi_uuid": "DMI UUID",
        }
        help_texts = {
            "profile_name": "The stages of a run, their durations and limits. A start can choose another profile.",
            "wake_options": lazy(wakeoptions.help_text, str)(),
            "idle_boot": "What this host is told when it boots from the network and no run is due.",
            "boot_binary": "Leave it on automatic; a network card whose own driver hangs may need the other.",
        }
        widgets = {
            "notes": forms.Textarea(attrs={"rows": 3, "class": "vLargeTextField"}),
            "wake_options": forms.Textarea(attrs={"rows": 3, "class": "vLargeTextField", "spellcheck": "false"}),
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.notices: list[str] = []
        self.fields["expected_yaml"].widget.editor = self.editor
        self.initial.setdefault("expected_yaml", expectations.to_yaml(self.instance.expected))
        self.initial.setdefault("seen_spec", _digest(self.instance.expected))
        allowed = self.allowed_serials()
        for number, disk in enumerate(self.disks):
            self.initial.setdefault(f"write_{number}", disk["serial"] in allowed)

    def allowed_serials(self) -> set[str]:
        if self.instance.pk is None:
            return set()
        return set(self.instance.writable_disks.values_list("serial", flat=True))

    def clean_enabled(self) -> bool:
        enabled: bool = self.cleaned_data["enabled"]
        if self.busy and not enabled:
            raise ValidationError(f"It can't be disabled now: {self.busy}")
        return enabled

    def clean_dmi_uuid(self) -> str:
        uuid: str = self.cleaned_data["dmi_uuid"].strip().lower()
        if uuid and not UUID.fullmatch(uuid):
            raise ValidationError("Not a UUID such as 4c4c4544-0042-3510-8052-b4c04f4d3432; empty: learn it again")
        return uuid

    def clean_wake_options(self) -> dict[str, Any]:
        options = self.cleaned_data["wake_options"] or {}
        if problems := wakeoptions.problems(self.cleaned_data.get("wake_method", ""), options):
            raise ValidationError(problems)
        return options

    def clean_expected_yaml(self) -> str:
        text: str = self.cleaned_data["expected_yaml"]
        try:
            read = expectations.read(text)
        except expectations.ExpectationError as error:
            raise ValidationError(str(error).splitlines()) from None
        self._refuse_if_changed_meanwhile(read.spec)
        self.instance.expected, self.notices = read.spec, read.notices
        return text

    def _refuse_if_changed_meanwhile(self, spec: dict[str, Any] | None) -> None:
        """Refuse to save over a spec that was changed (adopted or edited) while this form was open."""
        now = self.instance.expected
        if self.data.get("seen_spec") and self.data["seen_spec"] != _digest(now) and spec != now:
            raise ValidationError(
                "The spec was changed while this page was open (adopted or edited elsewhere), and saving would undo "
                "that: open the host again in another tab, and bring your changes there"
            )

    def clean(self) -> dict[str, Any]:
        super().clean()
        allowed = self.allowed_serials()
        for number, disk in enumerate(self.disks):
            wanted = self.cleaned_data.get(f"write_{number}")
            typed = (self.cleaned_data.get(f"serial_{number}") or "").strip()
            if wanted and disk["serial"] not in allowed and typed != disk["serial"]:
                self.add_error(f"serial_{number}", f"Type {disk['serial']} here to allow writing on this disk.")
        return self.cleaned_data

    def serials_to_allow(self) -> set[str]:
        """The disks that may be written from now on: ticked, confirmed, and still in the spec that is saved."""
        ticked = {d["serial"] for number, d in enumerate(self.disks) if self.cleaned_data.get(f"write_{number}")}
        return ticked & {disk["serial"] for disk in offered(self.instance)}


class HostImportForm(ImportForm):
    """Preselects YAML; a file's name may say otherwise."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["format"].initial = formats.YAML_CHOICE

    def clean_import_file(self) -> Any:
        file = self.cleaned_data["import_file"]
        if file.size > formats.MAX_PAGE_BYTES:
            raise ValidationError(
                f"{file.size / 2**20:.1f} MiB are more than the {formats.MAX_PAGE_BYTES // 2**20} that a page reads: "
                f"on the server `{command('hosts import FILE')}` takes larger files"
            )
        return file


class HostExportForm(SelectableFieldsExportForm):
    """Preselects YAML. Each column has the label that it has in the host's form."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["format"].initial = formats.YAML_CHOICE

    def _get_field_label(self, resource: Any, field_name: str) -> str:
        field = HostForm.base_fields.get(_COLUMNS_OF_FORM.get(field_name, field_name))
        return str(field.label) if field else "MAC addresses"


class MacForm(forms.ModelForm):  # type: ignore[type-arg]  # Django 5.2's takes none at run time
    """One MAC address; one that another host has is refused with that host's name."""

    class Meta:
        model = HostMac
        fields = ("mac",)
        widgets = {"mac": forms.TextInput(attrs={"class": "vTextField", "aria-label": "MAC address"})}

    def clean_mac(self) -> str:
        mac = normalise_mac(self.cleaned_data["mac"])
        other = HostMac.objects.filter(mac=mac).exclude(pk=self.instance.pk).select_related("host").first()
        if other is not None:
            raise ValidationError(f"{mac} belongs to host {other.host.name} already: remove it there first")
        return mac


class MacFormSet(forms.BaseInlineFormSet):  # type: ignore[type-arg]  # Django 5.2's takes none at run time
    def add_fields(self, form: forms.ModelForm[HostMac], index: int | None) -> None:
        """Give the check box that deletes a row a label of its own: in a table only the column's head says what it is
        for."""
        super().add_fields(form, index)
        if "DELETE" in form.fields:
            form.fields["DELETE"].widget.attrs["aria-label"] = f"Delete {form.instance.mac or 'this address'}"


def _digest(spec: dict[str, Any] | None) -> str:
    return hashlib.sha256(json.dumps(spec, sort_keys=True).encode()).hexdigest()


def offered(host: Host) -> list[dict[str, Any]]:
    """The expected disks that can be allowed to be written: those with a serial of their own that are not on USB."""
    disks = (host.expected or {}).get("disks") or []
    return [disk for disk in disks if disk.get("serial") and disk.get("bus") != "usb"]


def with_disks(form: type[HostForm], host: Host) -> type[HostForm]:
    """The form with two fields for each disk of this host."""
    disks = tuple(offered(host))
    return type(form.__name__, (form,), {**dict(_disk_fields(disks)), "disks": disks})


def disk_rows(host: Host | None) -> list[tuple[str, str]]:
    """Names of the two fields of each disk, side by side."""
    return [(f"write_{number}", f"serial_{number}") for number in range(len(offered(host)) if host else 0)]


def _disk_fields(disks: tuple[dict[str, Any], ...]) -> Iterator[tuple[str, forms.Field]]:
    for number, disk in enumerate(disks):
        yield f"write_{number}", forms.BooleanField(label=f"{_words(disk)} may be written", required=False)
        yield (
            f"serial_{number}",
            forms.CharField(
                label="Type its serial to allow writing",
                required=False,
                widget=forms.TextInput(attrs={"autocomplete": "off"}),
            ),
        )


def _words(disk: dict[str, Any]) -> str:
    size = f"{disk['size_mb']} MiB" if disk.get("size_mb") else ""
    return " ".join(filter(None, (disk.get("bus", ""), "disk", disk["serial"], disk.get("model", ""), size)))
