"""Runs and jobs in the admin. Runs can be searched and read, never changed."""

from __future__ import annotations

from typing import Any

import yaml
from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.html import format_html

from hosts.models import DOCUMENTS
from runs.desk import run_search
from runs.machine import State
from runs.models import Job, Run
from runs.querysets import RunQuerySet
from runs.wording import formatting, naming


class StateFilter(admin.SimpleListFilter):
    """Lists the states in the same words as the column."""

    title, parameter_name = "state", "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(state.value, naming.state_in_words(state)) for state in State]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Run]) -> QuerySet[Run]:
        return queryset.filter(state=self.value()) if self.value() else queryset


@admin.register(Run)
class RunAdmin(admin.ModelAdmin):  # type: ignore[type-arg]  # Django 5.2's takes none at run time
    list_display = (
        "number", "host", "state_words", "verdict", "profile_name", "repair", "requested_by", "created_at", "duration",
    )  # fmt: skip
    list_filter = (StateFilter, "verdict", "profile_name", ("created_at", admin.DateFieldListFilter))
    list_select_related = ("host",)
    search_fields = ("pk",)  # shows the field; get_search_results searches
    search_help_text = run_search.HELP
    date_hierarchy = "created_at"
    fields = (
        "page", "host", "state_words", "state_since", "verdict", "stopped_by", "bench_error", "repair", "requested_by",
        "profile_name", "destructive_allowed", "created_at", "started_at", "ended_at", "report_at", "boot",
        "agent_address", "last_seen", "frozen_profile", "frozen_spec", "frozen_disks",
    )  # fmt: skip
    readonly_fields = fields

    class Media:
        css = {"all": ("vetting/spec-editor.css",)}

    def get_queryset(self, request: HttpRequest) -> RunQuerySet:
        """Leave the JSON documents out of the list: they are large, and only the page of a single run shows them."""
        query = super().get_queryset(request)
        assert isinstance(query, RunQuerySet), "Run.objects makes no other"
        if request.resolver_match and "object_id" in request.resolver_match.kwargs:
            return query
        return query.light().defer(*(f"host__{name}" for name in DOCUMENTS))

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Run], search_term: str
    ) -> tuple[QuerySet[Run], bool]:
        return run_search.found(queryset, search_term), False

    @admin.display(description="run", ordering="id")
    def number(self, run: Run) -> str:
        return f"run {run.pk}"

    @admin.display(description="state", ordering="state")
    def state_words(self, run: Run) -> str:
        return naming.state_in_words(run.state)

    @admin.display(description="duration")
    def duration(self, run: Run) -> str:
        if run.started_at is None or run.ended_at is None:
            return ""
        return formatting.duration((run.ended_at - run.started_at).total_seconds())

    @admin.display(description="page")
    def page(self, run: Run) -> str:
        return format_html('<a href="{}">stages, findings, log and report</a>', run.get_absolute_url())

    @admin.display(description="profile")
    def frozen_profile(self, run: Run) -> str:
        return _document(run.profile)

    @admin.display(description="expected")
    def frozen_spec(self, run: Run) -> str:
        return _document(run.expected)

    @admin.display(description="disks")
    def frozen_disks(self, run: Run) -> str:
        return _document(run.disks)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


@admin.register(Job)
class JobAdmin(admin.ModelAdmin):  # type: ignore[type-arg]  # Django 5.2's takes none at run time
    """Jobs that wait, run, or were put aside. To delete a job is to give it up, but a due report gets a new job."""

    list_display = ("title", "run", "tries", "due_at", "handed_at", "failed_at", "problem")
    list_filter = ("title", ("due_at", admin.EmptyFieldListFilter))
    list_select_related = ("run__host",)
    readonly_fields = tuple(field.name for field in Job._meta.fields)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


def _document(content: Any) -> str:
    """A frozen document as YAML, in a box that scrolls."""
    if not content:
        return "–"
    text = yaml.safe_dump(content, sort_keys=False, allow_unicode=True, width=110)
    return format_html('<pre class="spec-editor-found" tabindex="0">{}</pre>', text)
