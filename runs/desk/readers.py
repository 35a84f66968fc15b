"""What the reader of a page may do, without who it is. Readers with the same permissions are shown the same bytes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from runs.desk.access import WORDS

Permissions = frozenset[str]
NONE: Permissions = frozenset()


def permissions(user: Any) -> Permissions:
    """Those of our permissions that the user has."""
    return frozenset(name for name in WORDS if user.has_perm(name))


@dataclass(frozen=True)
class Perms:
    """For templates, in place of Django's `perms`: `perms.runs.adopt_run`, and `action.permission in perms`. It knows
    no user, so what is rendered with it can't contain more than these permissions allow."""

    held: Permissions

    def __contains__(self, name: object) -> bool:
        return name in self.held

    def __getitem__(self, app: str) -> dict[str, bool]:
        return {name.partition(".")[2]: True for name in self.held if name.startswith(f"{app}.")}
