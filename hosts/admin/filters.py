"""Filters of the list of hosts."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from hosts.models import Host

MODEL = "expected__system__product"


class ProfileFilter(admin.SimpleListFilter):
    """Profiles by their titles. A profile that a host names and that has no file is shown by its name."""

    title = "profile"
    parameter_name = "profile"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        used = Host.objects.order_by("profile_name").values_list("profile_name", flat=True).distinct()
        titles = model_admin.profile_titles()
        return [(name, titles.get(name, f"{name} (no such profile)")) for name in used]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Host]) -> QuerySet[Host]:
        return queryset.filter(profile_name=self.value()) if self.value() else queryset


class ModelFilter(admin.SimpleListFilter):
    """By the model that the expected spec names."""

    title = "model"
    parameter_name = "model"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        found = Host.objects.order_by().values_list(MODEL, flat=True).distinct()
        return [(model, model) for model in sorted(str(model) for model in found if model)]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Host]) -> QuerySet[Host]:
        return queryset.filter(**{MODEL: self.value()}) if self.value() else queryset


class SpecFilter(admin.SimpleListFilter):
    title = "expected spec"
    parameter_name = "spec"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("none", "None yet: no run can pass")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Host]) -> QuerySet[Host]:
        return queryset.filter(expected__isnull=True) if self.value() == "none" else queryset
