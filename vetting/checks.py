"""What an operator or a deployment can get wrong about the whole, said at the start with what to do.

(Booting has its checks in pxe/checks.py, messages in notifications/checks.py.)
"""

from __future__ import annotations

import os
from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, Warning, register
from django.utils.module_loading import import_string

from runs import profiles
from vetting import rounds

SECRET_KEY_LENGTH = 32
BCRYPT_ROUNDS = 10


@register()
def database(**_: Any) -> list[CheckMessage]:
    """SQLite's default is to upgrade a transaction when it first writes: with several writers that fails with
    "database is locked", 860 times in 20 s when we measured it, and never with IMMEDIATE."""
    config = settings.DATABASES["default"]
    if not config["ENGINE"].endswith("sqlite3") or config.get("OPTIONS", {}).get("transaction_mode") == "IMMEDIATE":
        return []
    hint = 'Set OPTIONS = {"transaction_mode": "IMMEDIATE", "timeout": 20} in vetting/settings.py.'
    return [
        Error("SQLite's transaction_mode is not IMMEDIATE: writers will find it locked", hint=hint, id="vetting.E001")
    ]


@register()
def worker_queue(**_: Any) -> list[CheckMessage]:
    """A task that outlives `retry` is started a second time beside the first."""
    timeout, retry = settings.Q_CLUSTER.get("timeout") or 0, settings.Q_CLUSTER.get("retry") or 0
    if retry > timeout > rounds.SESSION_S:
        return []
    text = f"Q_CLUSTER: retry {retry} s > timeout {timeout} s > session {rounds.SESSION_S:g} s does not hold"
    return [Error(text, hint="For example timeout 90 and retry 120.", id="vetting.E002")]


@register()
def middleware_is_async(**_: Any) -> list[CheckMessage]:
    """One that is only synchronous costs a thread per request, and the web process may not stop."""
    return [
        Error(f"middleware {path} is not async_capable", hint="Take it out, or use one that is.", id="vetting.E003")
        for path in settings.MIDDLEWARE
        if not getattr(import_string(path), "async_capable", False)
    ]


@register()
def live_pages(**_: Any) -> list[CheckMessage]:
    """Without a storage of its own a burst of events is lost, and the default channel manager lets everybody read."""
    wanted = (
        ("EVENTSTREAM_STORAGE_CLASS", "django_eventstream.storage.StorageBase", "E004"),
        ("EVENTSTREAM_CHANNELMANAGER_CLASS", "django_eventstream.channelmanager.ChannelManagerBase", "E005"),
    )
    messages: list[CheckMessage] = []
    for name, base, number in wanted:
        path = getattr(settings, name, "")
        theirs = path.startswith("django_eventstream.")
        if not path or theirs or not issubclass(import_string(path), import_string(base)):
            text = f"{name} is {path or 'not set'}: it must be a subclass of {base} of our own"
            messages.append(Error(text, hint="runs/live.py has it.", id=f"vetting.{number}"))
    return messages


@register()
def secrets(**_: Any) -> list[CheckMessage]:
    messages: list[CheckMessage] = []
    if len(settings.SECRET_KEY) < SECRET_KEY_LENGTH:
        text = f"the secret key has {len(settings.SECRET_KEY)} characters, fewer than {SECRET_KEY_LENGTH}"
        hint = "Take VETTING_SECRET_KEY out of the environment and one is made, or set a longer one."
        messages.append(Error(text, hint=hint, id="vetting.E006"))
    if settings.AGENT_TOKEN_BCRYPT_ROUNDS < BCRYPT_ROUNDS and not settings.TESTING:
        text = (
            f"AGENT_TOKEN_BCRYPT_ROUNDS is {settings.AGENT_TOKEN_BCRYPT_ROUNDS}: hashes of run tokens are cheap to try"
        )
        messages.append(Warning(text, hint=f"{BCRYPT_ROUNDS}; fewer in tests only.", id="vetting.W001"))
    first = settings.PASSWORD_HASHERS[0]
    if "bcrypt" not in first.lower():
        text = f"passwords are hashed by {first}"
        messages.append(Warning(text, hint="Put BCryptSHA256PasswordHasher first.", id="vetting.W002"))
    return messages


@register()
def directories(**_: Any) -> list[CheckMessage]:
    """What we write to must exist, or be makeable, and be ours."""
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
    """Found at the start, not when somebody wants to vet a host with it."""
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
