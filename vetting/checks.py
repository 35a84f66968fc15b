"""System checks of the whole installation. Each message says what to do.

(Booting has its checks in pxe/checks.py, messages in notifications/checks.py.)
"""

from __future__ import annotations

import os
from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, Warning, register

from runs.profiles import load as profiles


@register()
def directories(**_: Any) -> list[CheckMessage]:
    """Each directory that we write to must exist or be creatable, and belong to us."""
    wanted = {"VETTING_DATA_DIR": settings.DATA_DIR, "RUNS_DIR": settings.RUNS_DIR, "PXE_DIR": settings.PXE_DIR}
    messages: list[CheckMessage] = []
    for name, path in wanted.items():
        nearest = next(parent for parent in (path, *path.parents) if parent.exists())
        if not nearest.is_dir() or not os.access(nearest, os.W_OK | os.X_OK):
            text = f"{name}: {path} can't be written by user {os.getuid()}"
            messages.append(Error(text, hint=f"chown {os.getuid()} {nearest}, or another place.", id="vetting.E007"))
    return messages


@register()
def every_profile_loads(**_: Any) -> list[CheckMessage]:
    """Report a broken profile at the start, not when somebody starts a run with it."""
    messages: list[CheckMessage] = []
    for name in profiles.names():
        try:
            profiles.load(name)
        except profiles.ProfileError as error:
            messages.append(Warning(str(error), hint="Correct the file; the others still work.", id="vetting.W003"))
    if not messages and not profiles.names():
        text = "there is no profile: nothing can be vetted"
        messages.append(Warning(text, hint=f"{profiles.SHIPPED} is empty: check the installation.", id="vetting.W004"))
    return messages


@register()
def the_login_is_complete(**_: Any) -> list[CheckMessage]:
    """Warnings, so that the web process starts and local accounts can log in."""
    if not settings.VETTING.login.oidc.is_on:
        return []
    messages: list[CheckMessage] = []
    if settings.OIDC_SECRET_PROBLEM:
        text = f"login.oidc: {settings.OIDC_SECRET_PROBLEM}: nobody can log in through the identity provider"
        hint = "Set the client's secret in /etc/vetting/secrets.env, or in the file, and restart web and worker."
        messages.append(Warning(text, hint=hint, id="vetting.W005"))
    if not settings.VETTING.web.public_url.startswith("https://"):
        text = f"login.oidc: the identity provider sends browsers back to {settings.VETTING.web.link_base}"
        hint = "Most providers accept https:// only: set web.public_url (docs/security.md, TLS for browsers)."
        messages.append(Warning(text, hint=hint, id="vetting.W006"))
    return messages


@register()
def netbox_has_a_token(**_: Any) -> list[CheckMessage]:
    if not settings.NETBOX_TOKEN_PROBLEM:
        return []
    text = f"netbox: {settings.NETBOX_TOKEN_PROBLEM}: nothing can be read from NetBox or written to it"
    hint = "Set the API token in /etc/vetting/secrets.env, or in the file, and restart web and worker."
    return [Warning(text, hint=hint, id="vetting.W007")]
