"""The inventory in the admin. The outermost edge: it may ask `runs` about a host, and start and stop runs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.db.models import Count, QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils.html import format_html
from import_export.admin import ImportExportModelAdmin

from hosts import resources
from hosts.forms import HostForm, MacForm, disk_rows, with_disks
from hosts.models import Host, HostMac
from runs import adopting, lifecycle, profiles
from runs.machine import NotAllowed
from runs.models import Run
from runs.transition import Refused

_WRITING = (
    "A profile that writes destroys everything on the disks that are ticked here, and touches no other. Tick a disk "
    "and type its serial to allow it; take the tick off to withdraw. Disks on USB, and those without a serial in the "
    "expected spec, can't be allowed. Importing, adopting or changing the spec never gives permission."
)


class MacInline(admin.TabularInline):
    model = HostMac
    form = MacForm
    extra = 1
    verbose_name = "MAC address"
    verbose_name_plural = "MAC addresses: the first is the one that is woken"


@admin.register(Host)
class HostAdmin(ImportExportModelAdmin):
    form = HostForm
    inlines = (MacInline,)
    resource_classes = (resources.HostResource,)
    formats = list(resources.FORMATS)
    list_display = ("name", "health", "enabled", "profile_name", "state", "addresses", "page")
    list_filter = ("health", "enabled", "profile_name", "destructive_allowed")
    search_fields = ("name", "macs__mac", "notes", "dmi_uuid")
    readonly_fields = ("health", "created_at", "updated_at")
    actions = ("start_vetting", "cancel_vetting", "adopt", "enable", "disable")
    save_on_top = True

    # --- the list --------------------------------------------------------------------------------------------------

    def get_queryset(self, request: HttpRequest) -> QuerySet[Host]:
        return super().get_queryset(request).prefetch_related("macs")

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        self._states = dict(Run.objects.live_or_held().values_list("host_id", "state"))
        return super().changelist_view(request, extra_context)

    @admin.display(description="live or held run")
    def state(self, host: Host) -> str:
        return getattr(self, "_states", {}).get(host.pk, "")

    @admin.display(description="MAC addresses")
    def addresses(self, host: Host) -> str:
        return ", ".join(host.mac_list)

    @admin.display(description="page")
    def page(self, host: Host) -> str:
        return format_html('<a href="{}">history</a>', host.get_absolute_url())

    # --- the form --------------------------------------------------------------------------------------------------

    def get_fieldsets(self, request: HttpRequest, obj: Host | None = None) -> list[tuple[str | None, dict[str, Any]]]:
        return [
            (None, {"fields": ("name", "enabled", "profile_name", "notes")}),
            ("Waking and booting", {"fields": ("wake_method", "wake_options", "idle_boot", "boot_binary")}),
            ("What it should be made of", {"fields": ("expected_yaml",)}),
            (
                "Which disks may be written",
                {"fields": ("destructive_allowed", *disk_rows(obj)), "description": _WRITING},
            ),
            ("What is known of it", {"fields": ("health", "dmi_uuid", "created_at", "updated_at")}),
        ]

    def get_form(self, request: HttpRequest, obj: Host | None = None, **kwargs: Any) -> type[forms.ModelForm]:
        host = obj or Host()
        kwargs["form"] = with_disks(self.form, host, _busy(host))
        return super().get_form(request, obj, **kwargs)

    def formfield_for_dbfield(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        if db_field.name == "profile_name":
            kwargs["widget"] = forms.Select(choices=list(profiles.titles().items()))
        return super().formfield_for_dbfield(db_field, request, **kwargs)

    def save_model(self, request: HttpRequest, obj: Host, form: HostForm, change: bool) -> None:
        super().save_model(request, obj, form, change)
        for notice in form.notices:
            messages.warning(request, f"{obj.name}: {notice}.")
        self._save_permissions(request, obj, form.serials_to_allow())

    def _save_permissions(self, request: HttpRequest, host: Host, wanted: set[str]) -> None:
        there = set(host.writable_disks.values_list("serial", flat=True))
        host.writable_disks.filter(serial__in=there - wanted).delete()
        for serial in sorted(wanted - there):
            host.writable_disks.create(serial=serial, allowed_by=request.user.get_username())
            messages.warning(request, f"{host.name}: disk {serial} may be written from now on.")
        for serial in sorted(there - wanted):
            messages.info(request, f"{host.name}: disk {serial} may no longer be written.")

    # --- actions ---------------------------------------------------------------------------------------------------

    @admin.action(description="Start vetting with the host's own profile")
    def start_vetting(self, request: HttpRequest, hosts: QuerySet[Host]) -> HttpResponse | None:
        who = request.user.get_username()
        return self._each(request, hosts, "start", lambda host: lifecycle.start_run(host, who=who), "vetting is queued")

    @admin.action(description="Cancel the run")
    def cancel_vetting(self, request: HttpRequest, hosts: QuerySet[Host]) -> HttpResponse | None:
        who = request.user.get_username()
        return self._each(request, hosts, "cancel", lambda host: lifecycle.cancel(_run(host), who), "cancelled")

    @admin.action(description="Adopt what the last run found as expected")
    def adopt(self, request: HttpRequest, hosts: QuerySet[Host]) -> HttpResponse | None:
        who = request.user.get_username()
        return self._each(request, hosts, "adopt", lambda host: adopting.adopt(_last_run(host), who=who), "adopted")

    @admin.action(description="Enable")
    def enable(self, request: HttpRequest, hosts: QuerySet[Host]) -> None:
        count = hosts.update(enabled=True)
        messages.success(request, f"{count} enabled.")

    @admin.action(description="Disable: no DHCP answer, no run")
    def disable(self, request: HttpRequest, hosts: QuerySet[Host]) -> HttpResponse | None:
        return self._each(request, hosts, "disable", lifecycle.disable_host, "disabled")

    def _each(
        self, request: HttpRequest, hosts: QuerySet[Host], verb: str, call: Callable[[Host], object], done: str
    ) -> HttpResponse | None:
        """Do it to each host; where one was refused, a page with status 409 that says which, and why."""
        refusals = []
        for host in hosts:
            try:
                call(host)
            except (Refused, NotAllowed, profiles.ProfileError) as error:
                refusals.append((host.name, str(error)))
            else:
                messages.success(request, f"{host.name}: {done}.")
        if not refusals:
            return None
        context = {**self.admin_site.each_context(request), "opts": self.opts, "verb": verb, "refusals": refusals}
        return TemplateResponse(request, "admin/hosts/host/refused.html", context, status=409)

    # --- deletion, import, export ----------------------------------------------------------------------------------

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> tuple[list, dict, set, list]:
        """A host with a history is not deleted: runs are kept for ever."""
        to_delete, counts, permissions, protected = super().get_deleted_objects(objs, request)
        with_runs = Host.objects.filter(pk__in=[host.pk for host in objs]).annotate(n=Count("runs")).filter(n__gt=0)
        reasons = [
            f"{host.name} has {host.n} runs, and those are kept for ever: disable it instead" for host in with_runs
        ]
        return (to_delete, counts, set(), reasons) if reasons else (to_delete, counts, permissions, protected)

    def get_import_resource_kwargs(self, request: HttpRequest, **kwargs: Any) -> dict[str, Any]:
        busy = {run.host.name: _reason(run) for run in Run.objects.live_or_held().select_related("host")}
        return {**super().get_import_resource_kwargs(request, **kwargs), "busy": busy}

    def add_data_read_fail_error_to_form(self, form: forms.Form, error: Exception) -> None:
        form.add_error("import_file", f"The file can't be read: {error}")


def _busy(host: Host) -> str:
    run = Run.objects.live_or_held().filter(host=host).first() if host.pk else None
    return _reason(run) if run else ""


def _reason(run: Run) -> str:
    return f"run {run.pk} ({run.state}) goes on: cancel or release it first"


def _last_run(host: Host) -> Run:
    run = host.runs.exclude(inventory=None).order_by("-id").first()
    if run is None:
        raise Refused(f"no run of {host.name} has found anything yet")
    return run


def _run(host: Host) -> Run:
    run = Run.objects.live_or_held().filter(host=host).first()
    if run is None:
        raise Refused(f"{host.name} has no live run")
    return run
