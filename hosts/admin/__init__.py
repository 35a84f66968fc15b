"""The inventory in the administration: the list, the form and the spec's editor. It knows nothing of runs. What the
pages show of runs is added in runs/inventory, which registers `HostAdmin`."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.db import connection
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect
from django.urls import URLPattern, path, reverse
from import_export.admin import ExportActionMixin, ImportExportModelAdmin

from hosts import access, expectations
from hosts.admin.actions import HostActions
from hosts.admin.exchange import Exchange
from hosts.admin.filters import ModelFilter, ProfileFilter, SpecFilter, TagFilter
from hosts.admin.permissions import WRITE, HostPermissions, MacInline
from hosts.forms import HostForm, MacForm, MacFormSet, disk_rows, with_disks
from hosts.models import Host
from hosts.readable import readable
from hosts.spec_columns import Product

_WRITING = (
    "A profile that writes destroys everything on the disks that are ticked here, and touches no other. Tick a disk "
    "and type its serial to allow it; take the tick off to withdraw. Disks on USB, and those without a serial in the "
    "expected spec, can't be allowed. Importing, adopting or changing the spec never gives permission."
)
_BOOT = ("kernel_args", "console", "boot_deadline_s", "local_boot", "local_drive")
_WAKING = "How a run gets the host up, and what the host does when it boots from the network without a run."


class Macs(MacInline):
    form = MacForm
    formset = MacFormSet
    extra = 1
    verbose_name = "MAC address"
    verbose_name_plural = "MAC addresses, in any notation: all may boot, the first is the one that is woken"


class HostAdmin(Exchange, HostPermissions, HostActions, ExportActionMixin, ImportExportModelAdmin):
    """Abstract: a subclass writes the methods of `RunsSide`."""

    form = HostForm
    inlines = (Macs,)
    change_form_template = "admin/hosts/host/change_form.html"
    list_display: tuple[str, ...] = ("name", "health", "enabled", "profile_column", "model_column", "first_mac")
    list_filter: tuple[Any, ...] = (
        "health", ProfileFilter, ModelFilter, TagFilter, "enabled", SpecFilter, "destructive_allowed",
    )  # fmt: skip
    search_fields = ("name", "macs__mac", "notes", "dmi_uuid", "expected__system__serial")
    search_help_text = "Name, MAC, notes, DMI UUID, or the serial number of the machine."
    readonly_fields = ("health", "created_at", "updated_at")
    actions: tuple[str, ...] = ("set_profile", "enable", "disable")
    save_on_top = True

    # --- the list --------------------------------------------------------------------------------------------------

    def get_queryset(self, request: HttpRequest) -> QuerySet[Host]:
        query: QuerySet[Host] = super().get_queryset(request)
        return query.prefetch_related("macs")

    @admin.display(description="profile", ordering="profile_name")
    def profile_column(self, host: Host) -> str:
        return host.profile_name

    @admin.display(description="model", ordering=Product("expected"))
    def model_column(self, host: Host) -> str:
        return host.model

    @admin.display(description="MAC")
    def first_mac(self, host: Host) -> str:
        first, *others = host.mac_list or [""]
        return f"{first} +{len(others)}" if others else first

    def get_actions(self, request: HttpRequest) -> dict[str, Any]:
        """Deleting is the last of them; Django offers it first."""
        offered: dict[str, Any] = super().get_actions(request)
        return dict(sorted(offered.items(), key=lambda named: named[0] == "delete_selected"))

    # --- the form --------------------------------------------------------------------------------------------------

    def get_fieldsets(self, request: HttpRequest, obj: Host | None = None) -> Any:
        is_editor = self.has_change_permission(request, obj) if obj else self.has_add_permission(request)
        may_allow = is_editor and access.may(request.user, WRITE)
        spec = ("expected_yaml", "seen_spec") if is_editor else ("spec_to_read",)
        return [
            (None, {"fields": ("name", "enabled", "profile_name", "tags", "notes")}),
            (
                "Waking and booting",
                {
                    "fields": ("wake_method", "wake_options", "cycle_hung", "idle_boot", "boot_binary", *_BOOT),
                    "description": _WAKING,
                },
            ),
            (
                "What it should be made of",
                {"fields": spec},
            ),
            ("What its runs are compared with", {"fields": ("compared_since",)}),
            (
                "Which disks may be written",
                {
                    "fields": ("destructive_allowed", *(disk_rows(obj) if may_allow else ("disks_to_write",))),
                    "description": _WRITING,
                },
            ),
            ("What is known of it", {"fields": ("health", "dmi_uuid", "created_at", "updated_at")}),
        ]

    def get_object(self, request: HttpRequest, object_id: str, from_field: str | None = None) -> Host | None:
        """Locks a host that is being saved, so that no run can start between the check of its runs and the saving."""
        host: Host | None = super().get_object(request, object_id, from_field)
        if host is None or request.method != "POST" or not connection.in_atomic_block:
            return host  # only shown: a host is changed and deleted in a transaction
        return Host.objects.select_for_update().get(pk=host.pk)

    def get_form(self, request: HttpRequest, obj: Host | None = None, **kwargs: Any) -> type[HostForm]:
        host = obj or Host()
        form = with_disks(self.form, host) if access.may(request.user, WRITE) else self.form
        kwargs["form"] = type(form.__name__, (form,), {"busy": self.why_busy(host), "editor": self._editor(host)})
        made: type[HostForm] = super().get_form(request, obj, **kwargs)
        return made

    def formfield_for_dbfield(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        if db_field.name == "profile_name":
            kwargs["widget"] = forms.Select(choices=list(self.profile_titles().items()))
        field = super().formfield_for_dbfield(db_field, request, **kwargs)
        if db_field.name == "compared_since":  # the page has one label for two fields
            for part, word in zip(field.widget.widgets, ("date", "time"), strict=True):
                part.attrs["aria-label"] = f"Compare only with runs since, {word}"
        return field

    def get_formset_kwargs(self, request: HttpRequest, obj: Host, inline: Any, prefix: str) -> dict[str, Any]:
        """The MAC of a machine that asked in vain (`?mac=`) is filled in for a new host."""
        given: dict[str, Any] = super().get_formset_kwargs(request, obj, inline, prefix)
        mac = request.GET.get("mac", "")[:40]
        if mac and obj.pk is None and request.method == "GET" and isinstance(inline, Macs):
            given["initial"] = [{"mac": mac}]
        return given

    def save_model(self, request: HttpRequest, obj: Host, form: HostForm, change: bool) -> None:
        super().save_model(request, obj, form, change)
        for notice in form.notices:
            messages.warning(request, f"{obj.name}: {notice}.")
        if access.may(request.user, WRITE):
            self._save_permissions(request, obj, form.serials_to_allow())
        else:
            obj.withdraw_permissions()

    def response_add(self, request: HttpRequest, obj: Host, post_url_continue: str | None = None) -> HttpResponse:
        """After "Save" comes the page of the new host, which can start its first run."""
        answer = super().response_add(request, obj, post_url_continue)
        stays = {"_continue", "_addanother", "_popup"} & request.POST.keys()
        return answer if stays or not access.may(request.user, *self.may_compare) else redirect(obj)

    def _save_permissions(self, request: HttpRequest, host: Host, wanted: set[str]) -> None:
        there = set(host.writable_disks.values_list("serial", flat=True))
        host.writable_disks.filter(serial__in=there - wanted).delete()
        for serial in sorted(wanted - there):
            host.writable_disks.create(serial=serial, allowed_by=request.user.get_username())
            messages.warning(request, f"{host.name}: disk {serial} may be written from now on.")
        for serial in sorted(there - wanted):
            messages.info(request, f"{host.name}: disk {serial} may no longer be written.")

    # --- the spec's editor -----------------------------------------------------------------------------------------

    def get_urls(self) -> list[URLPattern]:
        checker = path("check-spec/", self.admin_site.admin_view(self.check_spec), name="hosts_host_check_spec")
        return [checker, *super().get_urls()]

    def check_spec(self, request: HttpRequest) -> HttpResponse:
        """Check a spec as saving would, and compare it with what the host's last run found. Writes nothing."""
        access.require(request, self.may_compare)
        if request.method != "POST":
            return JsonResponse({"problems": ["POST a spec as `text`"]}, status=405)
        try:
            read = expectations.read(request.POST.get("text", ""))
        except expectations.ExpectationError as error:
            return JsonResponse({"problems": readable(str(error)).splitlines()})
        differences = self.differences(read.spec, request.POST.get("host", ""))
        return JsonResponse({"problems": [], "notices": read.notices, **differences})

    def _editor(self, host: Host) -> dict[str, Any]:
        """What the spec's editor needs to know of this host."""
        run, found = self.last_found(host) if host.pk else (None, "")
        return {"check": reverse("admin:hosts_host_check_spec"), "host": host.pk or "", "found": found, "run": run}
