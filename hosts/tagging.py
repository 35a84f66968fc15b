"""Set the tags of a host, with a line in its history."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.contenttypes.models import ContentType
from django.db import transaction
from django.utils import timezone

from hosts import tags
from hosts.models import Host


@transaction.atomic
def set_tags(host: Host, words: Iterable[str], user: Any, how: str) -> None:
    """`words` as `tags.parsed` returns them. Other columns of the host stay as they are in the database."""
    text = tags.joined(words)
    Host.objects.filter(pk=host.pk).update(tags=text, updated_at=timezone.now())
    LogEntry.objects.create(
        user=user,
        content_type=ContentType.objects.get_for_model(Host),
        object_id=str(host.pk),
        object_repr=host.name,
        action_flag=CHANGE,
        change_message=f"Tags set to {text or 'none'}, {how}.",
    )
