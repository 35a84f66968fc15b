"""What a database error means to a caller: whether the call may succeed later, and who must act."""

from __future__ import annotations

from django.db import InterfaceError, OperationalError

from runs.wording import remedies

# Words in SQLite's and PostgreSQL's messages, in lower case, and what they mean.
REASONS: tuple[tuple[tuple[str, ...], str], ...] = (
    (("locked", "lock timeout", "deadlock"), "the database is busy with another write"),
    (("interrupted", "statement timeout"), "the database took too long"),
    (("is full", "no space left"), "the orchestrator's disk is full: whoever runs it must free space"),
    (("readonly", "read-only"), "the database can't be written: whoever runs the orchestrator must look at its disk"),
    (
        ("no such table", "no such column", "has no column"),
        "the database is older than the program: whoever runs the orchestrator must run `{migrate}`",
    ),
    (("disk i/o", "malformed"), "the orchestrator's disk fails: whoever runs it must look at it"),
)
OTHERWISE = "the database does not answer"


def is_passing(error: BaseException) -> bool:
    """Whether the same call may succeed later. A wrong statement never will."""
    return isinstance(error, OperationalError | InterfaceError)


def reason(error: BaseException) -> str:
    text = str(error).lower()
    meaning = next((meaning for words, meaning in REASONS if any(word in text for word in words)), OTHERWISE)
    return meaning.format(migrate=remedies.command("migrate"))
