"""Filters of the list of hosts."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from hosts import spec_columns, tags
from hosts.models import Host

_TAGS = 200


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
        return [(model, model) for model in spec_columns.products()]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Host]) -> QuerySet[Host]:
        return spec_columns.of_product(queryset, self.value() or "")


class TagFilter(admin.SimpleListFilter):
    title = "tag"
    parameter_name = "tag"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        used = Host.objects.exclude(tags="").order_by().values_list("tags", flat=True).distinct()
        return [(tag, tag) for tag in sorted({tag for words in used for tag in words.split()})[:_TAGS]]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Host]) -> QuerySet[Host]:
        return queryset.filter(tags.having(self.value() or "")) if self.value() else queryset


class SpecFilter(admin.SimpleListFilter):
    title = "expected spec"
    parameter_name = "spec"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("none", "None yet: no run can pass")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Host]) -> QuerySet[Host]:
        return queryset.filter(expected__isnull=True) if self.value() == "none" else queryset
