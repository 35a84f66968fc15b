"""Lines of the administration's history about hosts that a program changed, and no account on a page."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.contrib.admin.models import ADDITION, CHANGE, LogEntry
from django.contrib.auth import get_user_model
from django.contrib.contenttypes.models import ContentType

from hosts.models import Host

COMMAND_LINE = ("command-line", "Command line")
"""Account and first name for what a command changes."""


def closed_account(name: str, first_name: str) -> Any:
    """The account that the history names. Nobody can log in with it."""
    users = get_user_model().objects
    account, is_new = users.get_or_create(username=name, defaults={"is_active": False, "first_name": first_name})
    if is_new:
        account.set_unusable_password()
        account.save(update_fields=["password"])
    return account


def record(account: Any, written: Sequence[Host], lines: Sequence[tuple[bool, str]]) -> None:
    """In the transaction that wrote these hosts. For each of them: whether it is new, and what the history says."""
    keys = dict(Host.objects.filter(name__in=[host.name for host in written]).values_list("name", "pk"))
    kind = ContentType.objects.get_for_model(Host)
    LogEntry.objects.bulk_create(
        LogEntry(
            user=account, content_type=kind, object_id=str(keys[host.name]), object_repr=host.name,
            action_flag=ADDITION if is_new else CHANGE, change_message=words,
        )
        for host, (is_new, words) in zip(written, lines, strict=True)
        if host.name in keys
    )  # fmt: skip
