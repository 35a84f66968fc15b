"""Tags of a host: short words of the operator's own, by which messages are routed and the list is filtered."""

from __future__ import annotations

import re
from collections.abc import Iterable

from django.db.models import Q

from hosts import bounds

_TAG = re.compile(r"[a-z0-9][a-z0-9._-]{0,31}")
COLUMN_CHARACTERS = 33 * bounds.TAGS.most


def parsed(text: str) -> list[str]:
    """The words of a text, separated by spaces or commas: in lower case, sorted, each once. Raises ValueError."""
    words = sorted({word.lower() for word in text[: 10 * COLUMN_CHARACTERS].replace(",", " ").split()})
    if wrong := [word for word in words if not _TAG.fullmatch(word)]:
        raise ValueError(f"{bounds.quoted(wrong[0])} is no tag: 1 to 32 letters of a to z, digits, and . - _ within")
    if len(words) > bounds.TAGS.most:
        raise ValueError(f"{len(words)} tags: a host has at most {bounds.TAGS.most}")
    return words


def joined(words: Iterable[str]) -> str:
    """As they are kept: with one space between two, so that `having` finds each."""
    return " ".join(words)


def having(tag: str) -> Q:
    return Q(tags=tag) | Q(tags__startswith=f"{tag} ") | Q(tags__endswith=f" {tag}") | Q(tags__contains=f" {tag} ")
