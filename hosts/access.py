"""Whether a user may do something, and the sentence that refuses it. Which role has which permission is in
vetting/roles.py."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest

WORDS = {
    "hosts.view_host": "see hosts",
    "hosts.add_host": "add hosts",
    "hosts.change_host": "change hosts",
    "hosts.delete_host": "delete hosts",
    "hosts.import_host": "import hosts",
    "hosts.export_host": "export hosts",
    "hosts.wake_host": "change how hosts are woken",
    "hosts.power_host": "turn hosts off and on",
    "hosts.allow_writing": "allow disks to be written",
}


def may(user: Any, *permissions: str) -> bool:
    """The user is active staff and has all of these permissions. Only staff can log in to the administration, and only
    staff may see the operator's pages."""
    return bool(user is not None and user.is_authenticated and user.is_staff and user.has_perms(permissions))


def require(request: HttpRequest, permissions: Iterable[str], words: Mapping[str, str] = WORDS) -> None:
    """Raises PermissionDenied. Its text says what is missing and who can give it."""
    missing = [name for name in permissions if not may(request.user, name)]
    if missing:
        raise PermissionDenied(refusal(missing, words))


def refusal(missing: list[str], words: Mapping[str, str] = WORDS) -> str:
    named = " or ".join(words.get(name, name) for name in missing)
    return (
        f"Your account may not {named}. An administrator can give it a role that may, or "
        f"{'this permission' if len(missing) == 1 else 'these permissions'}: {', '.join(missing)}."
    )
