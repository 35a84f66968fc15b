"""Actions on many hosts at once. Each host is done or refused by itself; a page lists the refusals with their
reasons."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse

from hosts.admin.runs_side import RunsSide
from hosts.models import Host


class HostActions(RunsSide):
    """Mixed into the hosts' ModelAdmin."""

    admin_site: admin.AdminSite
    opts: Any

    @admin.action(permissions=["change"], description="Set the profile…")
    def set_profile(self, request: HttpRequest, hosts: QuerySet[Host]) -> HttpResponse | None:
        titles = self.profile_titles()
        name = request.POST.get("profile", "")
        if name not in titles:
            return self.action_page(request, "set_profile.html", {"hosts": hosts, "titles": titles, "wrong": name})
        count = hosts.update(profile_name=name)
        messages.success(request, f"{count} {_hosts(count)} with profile {titles[name]}. Runs that go on keep theirs.")
        return None

    @admin.action(permissions=["change"], description="Enable")
    def enable(self, request: HttpRequest, hosts: QuerySet[Host]) -> None:
        count = hosts.filter(enabled=False).update(enabled=True)
        messages.success(request, f"{count} {_hosts(count)} enabled.")

    @admin.action(permissions=["change"], description="Disable: no DHCP answer, no run")
    def disable(self, request: HttpRequest, hosts: QuerySet[Host]) -> HttpResponse | None:
        return self.do_each(request, hosts, "disable", self.disable_host, "disabled")

    def do_each(
        self, request: HttpRequest, hosts: QuerySet[Host], verb: str, call: Callable[[Host], object], done: str
    ) -> HttpResponse | None:
        """Call `call` for each host. If one was refused, return a page with status 409 that says which and why."""
        refusals = []
        for host in hosts:
            try:
                call(host)
            except self.refusals as error:
                refusals.append((host.name, str(error)))
            else:
                messages.success(request, f"{host.name}: {done}.")
        if not refusals:
            return None
        return self.action_page(request, "refused.html", {"verb": verb, "refusals": refusals}, status=409)

    def action_page(
        self, request: HttpRequest, template: str, context: dict[str, Any], status: int = 200
    ) -> HttpResponse:
        """A page that an action shows. `selected` and `action` are what its form sends to confirm."""
        again = {"selected": request.POST.getlist("_selected_action"), "action": request.POST.get("action", "")}
        whole = {**self.admin_site.each_context(request), "opts": self.opts, **again, **context}
        return TemplateResponse(request, f"admin/hosts/host/{template}", whole, status=status)


def _hosts(count: int) -> str:
    return "host" if count == 1 else "hosts"
