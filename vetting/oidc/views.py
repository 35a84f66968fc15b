"""Log in through the identity provider: send the browser there, and take it back."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.contrib.auth import login
from django.contrib.auth.models import User
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render, resolve_url
from django.urls import reverse
from django.utils import timezone
from django.utils.crypto import constant_time_compare
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from hosts.readable import readable
from runs.bench.allowance import OnceAMinute
from vetting.models import UsedLogin
from vetting.oidc import accounts
from vetting.oidc.refusal import LoginRefused

log = logging.getLogger(__name__)

BEGUN = "oidc"
LASTS_S = 600
USED_IS_KEPT = timedelta(hours=1)
AT_ONCE = 2
_CODE_CHARACTERS = 8192

# The provider may hang. Then at most so many of the threads for pages wait for it.
_turns = threading.BoundedSemaphore(AT_ONCE)
_told = OnceAMinute()


@require_safe
@never_cache
def start(request: HttpRequest) -> HttpResponse:
    _require_on()
    from vetting.oidc import provider  # takes 0.1 s and 10 MB, which other installations don't need

    try:
        with _a_turn():
            begun = provider.begin(_back())
    except LoginRefused as refused:
        return _refused(request, refused)
    request.session[BEGUN] = {
        "state": begun.state,
        "nonce": begun.nonce,
        "code_verifier": begun.code_verifier,
        "at": time.time(),
        "next": _next(request),
    }
    return HttpResponseRedirect(begun.url)


@require_safe
@never_cache
def back(request: HttpRequest) -> HttpResponse:
    _require_on()
    begun = request.session.pop(BEGUN, None)
    try:
        user = _user(request, begun)
    except LoginRefused as refused:
        return _refused(request, refused)
    login(request, user, backend="django.contrib.auth.backends.ModelBackend")
    groups = ", ".join(sorted(user.groups.values_list("name", flat=True)))
    log.info("%s logged in through the identity provider, as %s", user.get_username(), groups)
    return HttpResponseRedirect(begun["next"] or resolve_url(settings.LOGIN_REDIRECT_URL))


def _user(request: HttpRequest, begun: dict[str, Any] | None) -> User:
    """1. The answer belongs to a login that this browser began, and that is not over. 2. It is used for the first time.
    3. The provider gives a good ID token for its code. 4. The token's claims give a role. Raises LoginRefused."""
    from vetting.oidc import provider

    state = request.GET.get("state", "")
    if begun is None or not constant_time_compare(state, begun["state"]):
        where = settings.VETTING.web.link_base
        told = f"This browser has begun no such login, or it is over. Start again at {where}"
        raise LoginRefused(told, "the state belongs to no login that this browser began")
    if time.time() - begun["at"] > LASTS_S:
        raise LoginRefused(f"The login took longer than {LASTS_S // 60} minutes. Start again", "the state is too old")
    _use(state)
    if error := request.GET.get("error"):
        detail = f"{error} {request.GET.get('error_description', '')}"
        raise LoginRefused("The identity provider refused this login", readable(detail).replace("\n", " ")[:300])
    code = request.GET.get("code", "")
    if not code or len(code) > _CODE_CHARACTERS:
        raise LoginRefused("The identity provider sent no code. Start again", f"the code has {len(code)} characters")
    with _a_turn():
        claims = provider.claims(code, begun["nonce"], begun["code_verifier"], _back())
    return accounts.account(claims)


def _use(state: str) -> None:
    """The session is in a cookie, so that taking `begun` out of it does not end a copy. This row does."""
    UsedLogin.objects.filter(at__lt=timezone.now() - USED_IS_KEPT).delete()
    if not UsedLogin.objects.get_or_create(state=state)[1]:
        raise LoginRefused("This login is over already. Start again from the login page", "the state was used before")


@contextmanager
def _a_turn() -> Iterator[None]:
    if not _turns.acquire(blocking=False):
        told = "Others are logging in right now, and the identity provider is slow. Try again in some seconds"
        raise LoginRefused(told, f"{AT_ONCE} logins wait for the identity provider already")
    try:
        yield
    finally:
        _turns.release()


def _refused(request: HttpRequest, refused: LoginRefused) -> HttpResponse:
    _told.warn(refused.detail, f"a login through the identity provider was refused: {refused.detail}")
    return render(request, "login.html", {"refused": refused.told}, status=403)


def _require_on() -> None:
    if not settings.VETTING.login.oidc.is_on:
        raise Http404("no identity provider is configured")


def _back() -> str:
    return settings.VETTING.web.link_base + reverse("login-provider-back")


def _next(request: HttpRequest) -> str:
    wanted = request.GET.get("next", "")[:500]
    own = url_has_allowed_host_and_scheme(wanted, {request.get_host()}, require_https=request.is_secure())
    return wanted if own and not wanted.startswith(reverse("login")) else ""
