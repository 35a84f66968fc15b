"""Who may see the operator's pages and use their actions. Each page and action needs permissions of Django; which role
has which is in vetting/roles.py."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase

from hosts import access

View = Callable[..., HttpResponseBase]

SEE = ("hosts.view_host", "runs.view_run")
"""The permissions that every page needs: a host's page shows its runs, and a run's page its host."""

WORDS = {
    **access.WORDS,
    "runs.view_run": "see runs",
    "runs.start_run": "start runs",
    "runs.cancel_run": "cancel runs",
    "runs.release_run": "release held hosts",
    "runs.retry_run": "retry stages",
    "runs.override_run": "override the wipe probe",
    "runs.adopt_run": "adopt what a run found",
    "runs.report_run": "have reports written again, and add photos to a run",
    "runs.view_job": "see jobs",
    "runs.delete_job": "give up jobs",
    "runs.take_hold_key": "take the key of a held host",
    "notifications.view_delivery": "see messages that were sent",
    "notifications.send_delivery": "have a message sent again",
}


def require(request: HttpRequest, *permissions: str) -> None:
    """Raises PermissionDenied. Its text says what is missing and who can give it."""
    access.require(request, permissions, WORDS)


def needs(*permissions: str) -> Callable[[View], View]:
    """Guard a view: it needs `permissions` and those of SEE. A visitor who is not logged in is sent to the login page;
    a user who lacks a permission gets 403. If a page that lost its session requests a fragment, the page reloads
    itself, so that no login form is put into it."""

    def guard(view: View) -> View:
        @wraps(view)
        def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
            if not request.user.is_authenticated:
                return _to_the_login(request)
            require_staff(request)
            require(request, *SEE, *permissions)
            return view(request, *args, **kwargs)

        return guarded

    return guard


def require_staff(request: HttpRequest) -> None:
    if not request.user.is_staff:
        raise PermissionDenied("Your account has no staff status: an administrator can give it that, and a role.")


def _to_the_login(request: HttpRequest) -> HttpResponse:
    if request.headers.get("HX-Request"):
        return HttpResponse(status=204, headers={"HX-Refresh": "true"})
    return redirect_to_login(request.get_full_path())


def who(request: HttpRequest) -> str:
    """The operator's name, for the history."""
    return request.user.get_username()
