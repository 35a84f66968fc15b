"""The inventory in the admin. The outermost edge: it may ask `runs` about a host, and start and stop runs."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.views.main import ChangeList
from django.db.models import Count, QuerySet
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html
from import_export.admin import ExportActionMixin, ImportExportModelAdmin
from import_export.results import Result

from hosts import adoption, expectations, resources
from hosts.admin.actions import HostActions
from hosts.admin.filters import ModelFilter, ProfileFilter, SpecFilter, StateFilter
from hosts.forms import HostExportForm, HostForm, HostImportForm, MacForm, MacFormSet, disk_rows, with_disks
from hosts.models import Host, HostMac
from hosts.readable import readable
from runs import adopting, naming, overview, profiles
from runs.models import Run

_WRITING = (
    "A profile that writes destroys everything on the disks that are ticked here, and touches no other. Tick a disk "
    "and type its serial to allow it; take the tick off to withdraw. Disks on USB, and those without a serial in the "
    "expected spec, can't be allowed. Importing, adopting or changing the spec never gives permission."
)
_WAKING = "How a run gets the host up, and what the host does when it boots from the network without a run."


class MacInline(admin.TabularInline):
    model = HostMac
    form = MacForm
    formset = MacFormSet
    extra = 1
    verbose_name = "MAC address"
    verbose_name_plural = "MAC addresses, in any notation: all may boot, the first is the one that is woken"


class HostList(ChangeList):
    """One page of hosts, each with how it stands: some queries a page, however many hosts."""

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        self.result_list = [with_standing(one) for one in overview.standings_of(list(self.result_list))]


def with_standing(standing: overview.Standing) -> Host:
    standing.host.standing = standing
    return standing.host


@admin.register(Host)
class HostAdmin(HostActions, ExportActionMixin, ImportExportModelAdmin):
    form = HostForm
    inlines = (MacInline,)
    resource_classes = (resources.HostResource,)
    formats = list(resources.FORMATS)
    import_form_class = HostImportForm
    export_form_class = HostExportForm
    change_form_template = "admin/hosts/host/change_form.html"
    import_template_name = "admin/hosts/host/import.html"
    export_template_name = "admin/hosts/host/export.html"
    show_change_form_export = False
    list_display = ("name", "health", "enabled", "state", "profile_column", "model_column", "first_mac")
    list_filter = (StateFilter, "health", ProfileFilter, ModelFilter, "enabled", SpecFilter, "destructive_allowed")
    search_fields = ("name", "macs__mac", "notes", "dmi_uuid", "expected__system__serial")
    search_help_text = "Name, MAC, notes, DMI UUID, or the serial number of the machine."
    readonly_fields = ("health", "created_at", "updated_at")
    actions = ("start_vetting", "cancel_vetting", "release_hold", "adopt", "set_profile", "enable", "disable")
    save_on_top = True

    # --- the list --------------------------------------------------------------------------------------------------

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        return HostList

    def get_queryset(self, request: HttpRequest) -> QuerySet[Host]:
        return super().get_queryset(request).prefetch_related("macs")

    @admin.display(description="state or last verdict")
    def state(self, host: Host) -> str:
        run, word = host.standing.run, host.standing.state
        if run is None:
            return "never vetted"
        ended = run.verdict or run.state.lower()
        return format_html(
            '{}, <a href="{}">run {}</a>', ended if word == "idle" else word, run.get_absolute_url(), run.pk
        )

    @admin.display(description="profile", ordering="profile_name")
    def profile_column(self, host: Host) -> str:
        return host.profile_name

    @admin.display(description="model", ordering="expected__system__product")
    def model_column(self, host: Host) -> str:
        return host.model

    @admin.display(description="MAC")
    def first_mac(self, host: Host) -> str:
        first, *others = host.mac_list or [""]
        return f"{first} +{len(others)}" if others else first

    # --- the form --------------------------------------------------------------------------------------------------

    def get_fieldsets(self, request: HttpRequest, obj: Host | None = None) -> list[tuple[str | None, dict[str, Any]]]:
        return [
            (None, {"fields": ("name", "enabled", "profile_name", "notes")}),
            (
                "Waking and booting",
                {"fields": ("wake_method", "wake_options", "idle_boot", "boot_binary"), "description": _WAKING},
            ),
            ("What it should be made of", {"fields": ("expected_yaml", "seen_spec")}),
            ("What its runs are compared with", {"fields": ("compared_since",)}),
            (
                "Which disks may be written",
                {"fields": ("destructive_allowed", *disk_rows(obj)), "description": _WRITING},
            ),
            ("What is known of it", {"fields": ("health", "dmi_uuid", "created_at", "updated_at")}),
        ]

    def get_object(self, request: HttpRequest, object_id: str, from_field: str | None = None) -> Host | None:
        """A host that is being saved is locked: no run can start between the look at its runs and the saving."""
        host = super().get_object(request, object_id, from_field)
        if host is None or request.method != "POST":
            return host
        return Host.objects.select_for_update().get(pk=host.pk)

    def get_form(self, request: HttpRequest, obj: Host | None = None, **kwargs: Any) -> type[forms.ModelForm]:
        host = obj or Host()
        kwargs["form"] = with_disks(self.form, host, _busy(host), editor=_editor(host))
        return super().get_form(request, obj, **kwargs)

    def formfield_for_dbfield(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        if db_field.name == "profile_name":
            kwargs["widget"] = forms.Select(choices=list(profiles.titles().items()))
        field = super().formfield_for_dbfield(db_field, request, **kwargs)
        if db_field.name == "compared_since":  # one label on the page stands beside two fields
            for part, word in zip(field.widget.widgets, ("date", "time"), strict=True):
                part.attrs["aria-label"] = f"Compare only with runs since, {word}"
        return field

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

    # --- the spec's editor -----------------------------------------------------------------------------------------

    def get_urls(self) -> list[URLPattern]:
        checker = path("check-spec/", self.admin_site.admin_view(self.check_spec), name="hosts_host_check_spec")
        return [checker, *super().get_urls()]

    def check_spec(self, request: HttpRequest) -> HttpResponse:
        """What saving this text would say, and how it differs from what the host's last run found. Writes nothing."""
        if request.method != "POST" or not self.has_view_or_change_permission(request):
            return JsonResponse({"problems": ["POST a spec as `text`"]}, status=405)
        try:
            read = expectations.read(request.POST.get("text", ""))
        except expectations.ExpectationError as error:
            return JsonResponse({"problems": readable(str(error)).splitlines()})
        found = _found(request.POST.get("host", ""))
        return JsonResponse({"problems": [], "notices": read.notices, **_differences(read.spec, found)})

    # --- deletion, import, export ----------------------------------------------------------------------------------

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> tuple[list, dict, set, list]:
        """A host with a history is not deleted: runs are kept for ever."""
        to_delete, counts, permissions, protected = super().get_deleted_objects(objs, request)
        with_runs = Host.objects.filter(pk__in=[host.pk for host in objs]).annotate(n=Count("runs")).filter(n__gt=0)
        reasons = [
            f"{host.name} has {host.n} {'run' if host.n == 1 else 'runs'}, and those are kept for ever: disable it "
            "instead, and its MACs get no answer from that moment on"
            for host in with_runs
        ]
        return (to_delete, counts, set(), reasons) if reasons else (to_delete, counts, permissions, protected)

    def get_import_resource_kwargs(self, request: HttpRequest, **kwargs: Any) -> dict[str, Any]:
        busy = {run.host.name: _reason(run) for run in Run.objects.live_or_held().select_related("host")}
        more = {"busy": busy, "profiles": frozenset(profiles.titles())}
        return {**super().get_import_resource_kwargs(request, **kwargs), **more}

    def process_result(self, result: Result, request: HttpRequest) -> HttpResponse:
        """Something may have changed between the preview and its confirmation."""
        if problems := _problems(result):
            messages.error(request, f"Nothing was imported. Since you looked: {'; '.join(problems[:5])}.")
            return redirect("admin:hosts_host_import")
        return super().process_result(result, request)

    def add_data_read_fail_error_to_form(self, form: forms.Form, error: Exception) -> None:
        form.add_error("import_file", f"The file can't be read: {error}")


def _editor(host: Host) -> dict[str, Any]:
    """What the spec's editor needs to know of this host."""
    run = _found(str(host.pk or ""))
    found = expectations.to_yaml(adoption.from_inventory(run.inventory)) if run else ""
    address = reverse("admin:hosts_host_check_spec")
    return {"check": address, "host": host.pk or "", "found": found, "run": run.pk if run else None}


def _found(host_id: str) -> Run | None:
    """The host's newest run that found something."""
    if not host_id.isdecimal() or len(host_id) > 18:
        return None
    return Run.objects.with_parts().filter(host_id=int(host_id)).first()


def _differences(spec: Any, run: Run | None) -> dict[str, Any]:
    if run is None or spec is None:
        return {"run": None, "differences": []}
    rows = [{"severity": row.severity, "message": row.message} for row in adopting.against(spec, run)]
    return {"run": run.pk, "differences": rows}


def _problems(result: Result) -> list[str]:
    broken = [f"row {number}: {error.error}" for number, errors in result.row_errors() for error in errors]
    return broken + [f"row {row.number}: {', '.join(row.error.messages)}" for row in result.invalid_rows]


def _busy(host: Host) -> str:
    run = Run.objects.busy_on(host) if host.pk else None
    return _reason(run) if run else ""


def _reason(run: Run) -> str:
    return f"run {run.pk} ({naming.state_in_words(run.state)}) goes on: cancel or release it first"
