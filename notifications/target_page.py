"""The page of the targets: what each got last, and a button that sends it a test message."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from dataclasses import dataclass

from django.conf import settings
from django.contrib import admin, messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_http_methods

from hosts import access
from notifications import trial
from notifications.models import Delivery
from runs.desk.access import WORDS

log = logging.getLogger(__name__)

SEE, SEND = "notifications.view_delivery", "notifications.send_delivery"
SHOWN_TARGETS, SHOWN_DELIVERIES = 100, 5

# A test message takes up to ten seconds of one of the few threads for pages.
_turn = threading.Semaphore(1)


@dataclass(frozen=True)
class Row:
    name: str
    kind: str
    newest: list[Delivery]


@require_http_methods(["GET", "HEAD", "POST"])
def page(request: HttpRequest) -> HttpResponse:
    access.require(request, (SEE, SEND) if request.method == "POST" else (SEE,), WORDS)
    if request.method == "POST":
        _try(request, request.POST.get("target", "")[:100])
        return HttpResponseRedirect(reverse("admin:notifications_delivery_targets"))
    context = {
        **admin.site.each_context(request),
        "title": "Targets of messages",
        "rows": list(_rows()),
        "more": len(trial.names()) - SHOWN_TARGETS,
        "may_send": access.may(request.user, SEND),
    }
    return render(request, "admin/notifications/delivery/targets.html", context)


def _rows() -> Iterator[Row]:
    for target in settings.VETTING.notifications.targets[:SHOWN_TARGETS]:
        newest = Delivery.objects.filter(target=target.name).select_related("event__run__host").order_by("-id")
        yield Row(target.name, target.kind, list(newest[:SHOWN_DELIVERIES]))


def _try(request: HttpRequest, name: str) -> None:
    if name not in trial.names():
        messages.error(request, f"vetting.yaml has no target {name!r}.")
    elif not _turn.acquire(blocking=False):
        messages.warning(request, "Another test message is being sent: try again in some seconds.")
    else:
        try:
            [(_, problem)] = trial.send([name])
        finally:
            _turn.release()
        log.info("%s sent a test message to %s: %s", request.user, name, problem or "delivered")
        if problem:
            messages.error(request, f"The test message was not delivered to {name}: {problem}.")
        else:
            messages.success(request, f"The test message was delivered to {name}.")
