"""Actions on the runs of many hosts at once. Each host is handled, or refused, by itself."""

from __future__ import annotations

from typing import Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse

from hosts.access import may
from hosts.admin.actions import HostActions
from hosts.models import Host
from runs import adopting, freeze, lifecycle
from runs.desk.shown import first
from runs.machine import NotAllowed
from runs.models import Run
from runs.profiles import estimate
from runs.profiles import load as profiles
from runs.transition import Refused


class RunActions(HostActions):
    """Mixed into the hosts' ModelAdmin. `has_<word>_permission` is what Django asks for an action's `permissions`."""

    refusals = (Refused, NotAllowed, profiles.ProfileError)

    def has_start_permission(self, request: HttpRequest) -> bool:
        return may(request.user, "runs.start_run")

    def has_cancel_permission(self, request: HttpRequest) -> bool:
        return may(request.user, "runs.cancel_run")

    def has_release_permission(self, request: HttpRequest) -> bool:
        return may(request.user, "runs.release_run")

    def has_adopt_permission(self, request: HttpRequest) -> bool:
        return may(request.user, "runs.adopt_run")

    @admin.action(permissions=["start"], description="Start vetting with the host's own profile…")
    def start_vetting(self, request: HttpRequest, hosts: QuerySet[Host]) -> HttpResponse | None:
        """First shows a page that asks, with the duration and what is written."""
        if "confirmed" not in request.POST:
            return self.action_page(request, "start.html", {"plans": [_plan(host) for host in hosts]})
        who = request.user.get_username()
        return self.do_each(
            request, hosts, "start", lambda host: lifecycle.start_run(host, who=who), "vetting is queued"
        )

    @admin.action(permissions=["cancel"], description="Cancel the run")
    def cancel_vetting(self, request: HttpRequest, hosts: QuerySet[Host]) -> HttpResponse | None:
        who = request.user.get_username()
        return self.do_each(request, hosts, "cancel", lambda host: lifecycle.cancel(_run(host), who), "cancelled")

    @admin.action(permissions=["release"], description="Release the hold: the key goes, the host powers off")
    def release_hold(self, request: HttpRequest, hosts: QuerySet[Host]) -> HttpResponse | None:
        who = request.user.get_username()
        return self.do_each(request, hosts, "release", lambda host: lifecycle.release(_run(host), who), "released")

    @admin.action(permissions=["adopt"], description="Adopt what the last run found as expected…")
    def adopt(self, request: HttpRequest, hosts: QuerySet[Host]) -> HttpResponse | None:
        """First shows a page that asks. Only the run that was shown is adopted; if there is a newer one, it is
        refused."""
        if "confirmed" not in request.POST:
            previews = [_preview(host) for host in hosts]
            is_possible = any("refused" not in preview for preview in previews)
            return self.action_page(request, "adopt.html", {"previews": previews, "is_possible": is_possible})
        who = request.user.get_username()

        def adopt_as_shown(host: Host) -> None:
            run = _last_run(host)
            if request.POST.get(f"run-{host.pk}") != str(run.pk):
                raise Refused(f"run {run.pk} has found something since: look at the list again")
            for sentence in first(adopting.adopt(run, who=who)).rows:
                messages.info(request, f"{host.name}: {sentence}")

        return self.do_each(request, hosts, "adopt", adopt_as_shown, "adopted")

    def disable_host(self, host: Host) -> None:
        lifecycle.disable_host(host)


def _plan(host: Host) -> dict[str, Any]:
    """The duration and the writes of a run of this host, for the page that asks."""
    try:
        profile = profiles.load(host.profile_name)
    except profiles.ProfileError as error:
        return {"host": host, "refused": str(error)}
    written = freeze.what_is_written(host, profile)
    return {"host": host, "title": profile["title"], "seconds": estimate.of_host(host, profile), "written": written}


def _preview(host: Host) -> dict[str, Any]:
    """What adopting would change in the spec of this host, or why it can't be done."""
    try:
        run = _last_run(host)
        notes = first(adopting.notes(run))
        return {"host": host, "run": run, "lines": adopting.preview(run), "notes": notes}
    except Refused as error:
        return {"host": host, "refused": str(error)}


def _last_run(host: Host) -> Run:
    run = host.runs.with_parts().first()
    if run is None:
        raise Refused(f"no run of {host.name} has found anything yet")
    return run


def _run(host: Host) -> Run:
    run = Run.objects.busy_on(host)
    if run is None:
        raise Refused(f"{host.name} has no live or held run")
    return run
