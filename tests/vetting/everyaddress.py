"""Every address of the installation as somebody would ask for it, and a row of every model to ask it about."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from axes.models import AccessAttempt, AccessFailureLog, AccessLog
from django.contrib import admin
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group
from django.contrib.contenttypes.models import ContentType
from django.urls import URLPattern, URLResolver, get_resolver

from hosts.models import Host
from notifications.models import Delivery
from restapi import tokens
from restapi.models import ApiToken
from runs.desk import actions
from runs.models import Artifact, Job, Run
from tests import factories

UNNAMED = {"admin/(?P<url>.*)$"} | {
    f"admin/{model._meta.app_label}/{model._meta.model_name}/<path:object_id>/" for model in admin.site._registry
}
"""Addresses of Django's that lead on to another one that has a name."""


@dataclass(frozen=True)
class Address:
    name: str
    path: str


def rows() -> dict[type, Any]:
    """A held run with everything that a page can show of it, and one row of each model of the administration."""
    factories.worker_at_work()
    run = factories.held_by_wipe_probe()
    for name in ("report.html", "report.json", "host.txt"):
        Artifact.objects.create(run=run, name=name, path=f"{run.pk}/{name}", size=1)
    user = get_user_model().objects.create_user("somebody")
    attempt = {"username": "eve", "ip_address": "10.0.0.9", "path_info": "/login/"}
    return {
        Host: run.host,
        Run: run,
        Job: Job.objects.create(call="math.sqrt", args="[4]", title="a job", run=run, limit_s=1, problem="no"),
        Delivery: Delivery.objects.create(event=factories.tell(run), target="phone"),
        ApiToken: tokens.make(user, "backup", ["read"]),
        get_user_model(): user,
        Group: Group.objects.create(name="some"),
        AccessAttempt: AccessAttempt.objects.create(failures_since_start=1, **attempt),
        AccessLog: AccessLog.objects.create(**attempt),
        AccessFailureLog: AccessFailureLog.objects.create(**attempt),
    }


def addresses(of: dict[type, Any]) -> Iterator[Address]:
    """Raises AssertionError for one that has no name, or a part that this module can't fill in."""
    for route, name in _routes(get_resolver()):
        if name is None:
            assert route in UNNAMED, f"{route} has no name: who may ask for it?"
        elif name == "act":
            yield from (Address(f"act {one}", f"/runs/{of[Run].pk}/{one}/") for one in actions.BY_NAME)
        else:
            yield Address(name, _filled(route, of))


def _routes(resolver: URLResolver, before: str = "", space: str = "") -> Iterator[tuple[str, str | None]]:
    for one in resolver.url_patterns:
        route = before + str(one.pattern)
        if isinstance(one, URLPattern):
            yield route, f"{space}{one.name}" if one.name else None
        else:
            yield from _routes(one, route, space + (f"{one.namespace}:" if one.namespace else ""))


def _filled(route: str, of: dict[type, Any]) -> str:
    model = next((model for model in admin.site._registry if route.startswith(_folder(model))), Host)
    parts = {
        "path:object_id": of[model].pk, "id": of[model].pk, "int:run_id": of[Run].pk, "slug:name": of[Host].name,
        "path:name": "host.txt", "int:run": of[Run].pk, "agentcall:call": "hold", "str:mac": "52:54:00:00:00:01",
        "str:export": "parts.csv", "str:photo": "photo-label.jpg", "int:object_id": of[Host].pk,
        "int:content_type_id": ContentType.objects.get_for_model(Host).pk,
        "path:content_type_id": "x",  # with numbers it is the address of ours
    }  # fmt: skip
    if route.startswith("^admin/") or "(?P<app_label>" in route:
        route = "admin/hosts/"
    filled = re.sub(r"<([a-z_:]+)>", lambda found: str(parts[found[1]]), route)
    assert not re.search(r"[<>^$(]", filled), f"{route}: what stands in it?"
    return f"/{filled}"


def _folder(model: type) -> str:
    return f"admin/{model._meta.app_label}/{model._meta.model_name}/"
