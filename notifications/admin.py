"""What was told to whom, to read only."""

from __future__ import annotations

from django.contrib import admin
from django.http import HttpRequest

from notifications.models import Delivery


@admin.register(Delivery)
class DeliveryAdmin(admin.ModelAdmin):
    list_display = ("event_kind", "run", "target", "attempted_at", "sent_at", "problem")
    list_filter = ("target", "event__tells")
    list_select_related = ("event__run__host",)

    @admin.display(description="message")
    def event_kind(self, row: Delivery) -> str:
        return row.event.tells

    @admin.display(description="run")
    def run(self, row: Delivery) -> str:
        return str(row.event.run)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Delivery | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Delivery | None = None) -> bool:
        return False
