"""The hosts in the administration: the pages of hosts/admin, with what is known of runs."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.contrib.admin.views.main import ChangeList
from django.db.models import Count
from django.http import HttpRequest
from django.utils.html import format_html

from hosts import adoption, expectations
from hosts.admin import HostAdmin
from hosts.models import Host
from runs import adopting
from runs.desk import access, overview
from runs.desk.request_numbers import whole_number
from runs.inventory.actions import RunActions
from runs.inventory.filters import StateFilter
from runs.models import Run
from runs.profiles import load as profiles


class HostList(ChangeList):
    """One page of hosts, each with its newest run and last verdict. The number of queries does not depend on the number
    of hosts."""

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        self.result_list = [with_standing(one) for one in overview.standings_of(list(self.result_list))]


def with_standing(standing: overview.Standing) -> Host:
    standing.host.standing = standing  # type: ignore[attr-defined]  # for one page of the list
    return standing.host


@admin.register(Host)
class VettedHostAdmin(RunActions, HostAdmin):
    list_display = ("name", "health", "enabled", "state", "profile_column", "model_column", "first_mac")
    list_filter = (StateFilter, *HostAdmin.list_filter)
    actions = ("start_vetting", "cancel_vetting", "release_hold", "adopt", *HostAdmin.actions)
    may_compare = access.SEE

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        return HostList

    @admin.display(description="state or last verdict")
    def state(self, host: Host) -> str:
        standing: overview.Standing = host.standing  # type: ignore[attr-defined]  # put there by HostList
        run, word = standing.run, standing.state
        if run is None:
            return "never vetted"
        ended = run.verdict or run.state.lower()
        return format_html(
            '{}, <a href="{}">run {}</a>', ended if word == "idle" else word, run.get_absolute_url(), run.pk
        )

    def get_deleted_objects(
        self, objs: Any, request: HttpRequest
    ) -> tuple[list[Any], dict[str, int], set[str], list[Any]]:
        """A host that has runs is not deleted: runs are kept for ever."""
        to_delete, counts, permissions, protected = super().get_deleted_objects(objs, request)
        with_runs = Host.objects.filter(pk__in=[host.pk for host in objs]).annotate(n=Count("runs")).filter(n__gt=0)
        reasons = [
            f"{host.name} has {host.n} {'run' if host.n == 1 else 'runs'}, and those are kept for ever: disable it "
            "instead, and its MACs get no answer from that moment on"
            for host in with_runs
        ]
        return (to_delete, counts, set(), reasons) if reasons else (to_delete, counts, permissions, protected)

    # --- what hosts/admin asks -------------------------------------------------------------------------------------

    def profile_titles(self) -> dict[str, str]:
        return profiles.titles()

    def busy_hosts(self) -> dict[str, str]:
        return overview.busy_hosts()

    def why_busy(self, host: Host) -> str:
        run = Run.objects.busy_on(host) if host.pk else None
        return overview.why_busy(run) if run else ""

    def last_found(self, host: Host) -> tuple[int | None, str]:
        run = host.runs.with_parts().first()
        if run is None or run.inventory is None:
            return None, ""
        return run.pk, expectations.to_yaml(adoption.from_inventory(run.inventory))

    def differences(self, spec: dict[str, Any] | None, host_id: str) -> dict[str, Any]:
        number = whole_number(host_id)
        run = Run.objects.with_parts().filter(host_id=number).first() if number is not None else None
        if run is None or spec is None:
            return {"run": None, "differences": []}
        rows = [{"severity": row.severity, "message": row.message} for row in adopting.against(spec, run)]
        return {"run": run.pk, "differences": rows}
