"""What can be done to many hosts at once. Each host is done or refused by itself; refusals get a page that says why."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse

from hosts.models import Host
from runs import adopting, freeze, lifecycle
from runs.machine import NotAllowed
from runs.models import Run
from runs.profiles import estimate
from runs.profiles import load as profiles
from runs.transition import Refused

REFUSALS = (Refused, NotAllowed, profiles.ProfileError)


class HostActions:
    """Mixed into the hosts' ModelAdmin."""

    admin_site: admin.AdminSite
    opts: Any

    @admin.action(permissions=["start"], description="Start vetting with the host's own profile…")
    def start_vetting(self, request: HttpRequest, hosts: QuerySet[Host]) -> HttpResponse | None:
        """Asks first, and says how long it takes and what is written."""
        if "confirmed" not in request.POST:
            return self._page(request, "start.html", {"plans": [_plan(host) for host in hosts]})
        who = request.user.get_username()
        return self._each(request, hosts, "start", lambda host: lifecycle.start_run(host, who=who), "vetting is queued")

    @admin.action(permissions=["cancel"], description="Cancel the run")
    def cancel_vetting(self, request: HttpRequest, hosts: QuerySet[Host]) -> HttpResponse | None:
        who = request.user.get_username()
        return self._each(request, hosts, "cancel", lambda host: lifecycle.cancel(_run(host), who), "cancelled")

    @admin.action(permissions=["release"], description="Release the hold: the key goes, the host powers off")
    def release_hold(self, request: HttpRequest, hosts: QuerySet[Host]) -> HttpResponse | None:
        who = request.user.get_username()
        return self._each(request, hosts, "release", lambda host: lifecycle.release(_run(host), who), "released")

    @admin.action(permissions=["adopt"], description="Adopt what the last run found as expected…")
    def adopt(self, request: HttpRequest, hosts: QuerySet[Host]) -> HttpResponse | None:
        """Shown first, done when it was confirmed. What was found is of the run that was shown, or it is refused."""
        if "confirmed" not in request.POST:
            previews = [_preview(host) for host in hosts]
            is_possible = any("refused" not in preview for preview in previews)
            return self._page(request, "adopt.html", {"previews": previews, "is_possible": is_possible})
        who = request.user.get_username()

        def adopt_as_shown(host: Host) -> None:
            run = _last_run(host)
            if request.POST.get(f"run-{host.pk}") != str(run.pk):
                raise Refused(f"run {run.pk} has found something since: look at the list again")
            adopting.adopt(run, who=who)

        return self._each(request, hosts, "adopt", adopt_as_shown, "adopted")

    @admin.action(permissions=["change"], description="Set the profile…")
    def set_profile(self, request: HttpRequest, hosts: QuerySet[Host]) -> HttpResponse | None:
        titles = profiles.titles()
        name = request.POST.get("profile", "")
        if name not in titles:
            return self._page(request, "set_profile.html", {"hosts": hosts, "titles": titles, "wrong": name})
        count = hosts.update(profile_name=name)
        messages.success(request, f"{count} {_hosts(count)} with profile {titles[name]}. Runs that go on keep theirs.")
        return None

    @admin.action(permissions=["change"], description="Enable")
    def enable(self, request: HttpRequest, hosts: QuerySet[Host]) -> None:
        count = hosts.filter(enabled=False).update(enabled=True)
        messages.success(request, f"{count} {_hosts(count)} enabled.")

    @admin.action(permissions=["change"], description="Disable: no DHCP answer, no run")
    def disable(self, request: HttpRequest, hosts: QuerySet[Host]) -> HttpResponse | None:
        return self._each(request, hosts, "disable", lifecycle.disable_host, "disabled")

    def _each(
        self, request: HttpRequest, hosts: QuerySet[Host], verb: str, call: Callable[[Host], object], done: str
    ) -> HttpResponse | None:
        """Do it to each host; where one was refused, a page with status 409 that says which, and why."""
        refusals = []
        for host in hosts:
            try:
                call(host)
            except REFUSALS as error:
                refusals.append((host.name, str(error)))
            else:
                messages.success(request, f"{host.name}: {done}.")
        if not refusals:
            return None
        return self._page(request, "refused.html", {"verb": verb, "refusals": refusals}, status=409)

    def _page(self, request: HttpRequest, template: str, context: dict[str, Any], status: int = 200) -> HttpResponse:
        """`selected` and `action` are what a confirmation has to send again."""
        again = {"selected": request.POST.getlist("_selected_action"), "action": request.POST.get("action", "")}
        whole = {**self.admin_site.each_context(request), "opts": self.opts, **again, **context}
        return TemplateResponse(request, f"admin/hosts/host/{template}", whole, status=status)


def _plan(host: Host) -> dict[str, Any]:
    """What a run of this host would take, for the page that asks."""
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
        return {"host": host, "run": run, "lines": adopting.preview(run)}
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


def _hosts(count: int) -> str:
    return "host" if count == 1 else "hosts"
