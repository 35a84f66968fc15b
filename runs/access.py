"""Who may see the operator's pages: staff that is logged in."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse

View = Callable[..., HttpResponse]


def operator_required(view: View) -> View:
    """To the login page where nobody is logged in; 403 for a user who is no operator. A fragment asked for by a page
    that lost its session makes that page load itself anew, so that no login form is swapped into it."""

    @wraps(view)
    def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if request.user.is_authenticated and request.user.is_staff:
            return view(request, *args, **kwargs)
        if request.user.is_authenticated:
            raise PermissionDenied("Your account is no operator's: an administrator can give it staff status.")
        if request.headers.get("HX-Request"):
            return HttpResponse(status=204, headers={"HX-Refresh": "true"})
        return redirect_to_login(request.get_full_path())

    return guarded


def who(request: HttpRequest) -> str:
    """The operator's name, for the history."""
    return request.user.get_username()
