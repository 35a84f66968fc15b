"""The roles that ship, as groups of Django: what each may do, and how an installation gets them.

docs/security.md has the same as a table (scripts/write_roles.py).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.apps import apps as installed
from django.contrib.auth.management import create_permissions

VIEWER, OPERATOR, ADMINISTRATOR = "viewer", "operator", "administrator"

_SEES = (
    "hosts.view_host", "runs.view_run", "runs.view_job", "notifications.view_delivery",
    "restapi.view_apitoken", "restapi.add_apitoken", "restapi.delete_apitoken",
)  # fmt: skip
_VETS = (
    "runs.start_run", "runs.cancel_run", "runs.release_run", "runs.retry_run", "runs.override_run", "runs.adopt_run",
    "runs.report_run", "runs.take_hold_key", "notifications.send_delivery", "hosts.power_host",
)  # fmt: skip
_MANAGES = (
    "hosts.add_host", "hosts.change_host", "hosts.delete_host", "hosts.import_host", "hosts.export_host",
    "hosts.wake_host", "hosts.allow_writing", "runs.delete_job",
    "auth.view_user", "auth.add_user", "auth.change_user", "auth.delete_user", "auth.view_group",
    "axes.view_accessattempt", "axes.delete_accessattempt", "axes.view_accesslog", "axes.view_accessfailurelog",
)  # fmt: skip

ROLES: dict[str, tuple[str, ...]] = {
    VIEWER: _SEES,
    OPERATOR: _SEES + _VETS,
    ADMINISTRATOR: _SEES + _VETS + _MANAGES,
}
SUMMARIES = {
    VIEWER: "sees hosts, runs, reports and messages, and changes nothing but API tokens of its own",
    OPERATOR: "also vets: starts, cancels and retries runs, adopts what they found, takes the key of a held host, "
    "turns hosts off and on",
    ADMINISTRATOR: "also changes the inventory, allows disks to be written, and manages accounts",
}


def give_all(apps: Any = installed, using: str = "default", **_: Any) -> list[str]:
    """Called after every `migrate`. Returns messages for the operator of an older version.

    1. A role gets each permission that ships with it once: what an administrator added stays, and what one took away
       does not come back.
    2. The first time, staff accounts that are no superusers become operators. Until then staff status alone was what
       an operator is.
    """
    try:
        given, user = apps.get_model("vetting", "GivenPermission"), apps.get_model("auth", "User")
    except LookupError:  # migrated back to a version without roles, or only some of the apps
        return []
    first_time = not given.objects.using(using).exists()
    _make_permissions(apps, using)
    for role, names in ROLES.items():
        _give(apps, using, role, names)
    return _staff_become_operators(apps, using, user) if first_time else []


def _make_permissions(apps: Any, using: str) -> None:
    """Create the permissions now: for some apps Django would create them only after this function."""
    for label in sorted({name.partition(".")[0] for name in ROLES[ADMINISTRATOR]}):
        create_permissions(installed.get_app_config(label), verbosity=0, using=using, apps=apps)


def _give(apps: Any, using: str, role: str, names: Iterable[str]) -> None:
    given = apps.get_model("vetting", "GivenPermission").objects.using(using)
    group, _ = apps.get_model("auth", "Group").objects.using(using).get_or_create(name=role)
    before = set(given.filter(role=role).values_list("permission", flat=True))
    if new := [name for name in names if name not in before]:
        group.permissions.add(*_permissions(apps, using, new))
        given.bulk_create(given.model(role=role, permission=name) for name in new)


def _permissions(apps: Any, using: str, names: Iterable[str]) -> list[Any]:
    """Raises LookupError for an unknown permission."""
    rows = apps.get_model("auth", "Permission").objects.using(using).select_related("content_type")
    by_name = {f"{row.content_type.app_label}.{row.codename}": row for row in rows}
    if unknown := [name for name in names if name not in by_name]:
        raise LookupError(f"no permission {', '.join(unknown)}")
    return [by_name[name] for name in names]


def _staff_become_operators(apps: Any, using: str, user: Any) -> list[str]:
    group = apps.get_model("auth", "Group").objects.using(using).get(name=OPERATOR)
    staff = list(user.objects.using(using).filter(is_staff=True, is_superuser=False).order_by("username"))
    group.user_set.add(*staff)
    return [f"{one.username} is staff, and has the role {OPERATOR} from now on" for one in staff]
