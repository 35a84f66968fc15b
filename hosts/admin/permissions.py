"""The permission that each part of the inventory's administration needs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.utils.html import format_html

from hosts import access, expectations
from hosts.models import Host, HostMac

IMPORT = ("hosts.import_host", "hosts.add_host", "hosts.change_host")
EXPORT = ("hosts.export_host", "hosts.view_host")
WAKE = "hosts.wake_host"
POWER = "hosts.power_host"
WRITE = "hosts.allow_writing"


class HostPermissions:
    """Mixed into the hosts' ModelAdmin."""

    def has_import_permission(self, request: HttpRequest) -> bool:
        return access.may(request.user, *IMPORT)

    def has_export_permission(self, request: HttpRequest) -> bool:
        return access.may(request.user, *EXPORT)

    def get_readonly_fields(self, request: HttpRequest, obj: Host | None = None) -> Sequence[str]:
        fields = [*super().get_readonly_fields(request, obj)]  # type: ignore[misc]
        if not access.may(request.user, WAKE):
            fields += ["wake_method", "wake_options"]
        if not access.may(request.user, POWER):
            fields += ["cycle_hung"]
        if not access.may(request.user, WRITE):
            fields += ["destructive_allowed", "disks_to_write"]
        return fields

    @admin.display(description="expected spec")
    def spec_to_read(self, host: Host) -> str:
        text = expectations.to_yaml(host.expected) or "none"
        return format_html('<pre class="spec-editor-found" tabindex="0">{}</pre>', text)

    @admin.display(description="may be written")
    def disks_to_write(self, host: Host) -> str:
        serials = host.writable_disks.values_list("serial", flat=True) if host.pk else []
        return ", ".join(serials) or "no disk"


class MacInline(admin.TabularInline):  # type: ignore[type-arg]  # Django 5.2's takes none at run time
    """A host's MAC addresses may be changed by whoever may change the host."""

    model = HostMac

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return access.may(request.user, "hosts.view_host") or self.has_change_permission(request, obj)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return access.may(request.user, "hosts.add_host" if obj is None else "hosts.change_host")

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self.has_change_permission(request, obj)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self.has_change_permission(request, obj)
