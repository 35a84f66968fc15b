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
