"""The messages that were sent, and a way to send one again."""

from __future__ import annotations

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import URLPattern, path

from hosts import access
from notifications import kinds, outbox, target_page
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
    list_display = ("event_kind", "run", "target", "attempted_at", "sent_at", "tries", "due_at", "problem")
    list_filter = ("target", KindFilter)
    list_select_related = ("event__run__host",)
    actions = ("send_again",)

    @admin.display(description="message")
    def event_kind(self, row: Delivery) -> str:
        return row.event.tells

    @admin.display(description="run")
    def run(self, row: Delivery) -> str:
        return str(row.event.run)

    @admin.action(permissions=["send"], description="Send again")
    def send_again(self, request: HttpRequest, rows: QuerySet[Delivery]) -> None:
        """One that waits for its first try, or is being sent, is left alone."""
        done = list(rows.exclude(sent_at=None, problem="").select_related("event"))
        count = sum(outbox.send_again(row, tries=0) for row in done)
        if count:
            messages.success(request, f"{count} message{' is' if count == 1 else 's are'} sent again.")
        if left := rows.count() - count:
            messages.warning(
                request, f"{left} left alone: {'it is' if left == 1 else 'they are'} waiting or being sent."
            )

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(target_page.page)
        return [path("targets/", view, name="notifications_delivery_targets"), *super().get_urls()]

    def has_send_permission(self, request: HttpRequest) -> bool:
        return access.may(request.user, "notifications.send_delivery")

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Delivery | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Delivery | None = None) -> bool:
        return False
