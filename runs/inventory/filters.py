"""Filters of the list of hosts that ask about runs."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from hosts.models import Host
from runs.desk import overview


class StateFilter(admin.SimpleListFilter):
    title = "state"
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return list(overview.STATES.items())

    def queryset(self, request: HttpRequest, queryset: QuerySet[Host]) -> QuerySet[Host]:
        wanted = self.value()
        return overview.in_state(queryset, wanted) if wanted and wanted in overview.STATES else queryset
