"""The messages that were sent, to read only."""

from __future__ import annotations

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from notifications import kinds
from notifications.models import Delivery


class KindFilter(admin.SimpleListFilter):
    title = "message"
    parameter_name = "kind"

    def lookups(self, request: HttpRequest, model_admin: admin.ModelAdmin[Delivery]) -> list[tuple[str, str]]:
        return [(name, name) for name in kinds.KINDS]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Delivery]) -> QuerySet[Delivery]:
        return queryset.filter(event__tells=self.value()) if self.value() else queryset


@admin.register(Delivery)
class DeliveryAdmin(admin.ModelAdmin):  # type: ignore[type-arg]  # Django 5.2's takes none at run time
    list_display = ("event_kind", "run", "target", "attempted_at", "sent_at", "problem")
    list_filter = ("target", KindFilter)
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
