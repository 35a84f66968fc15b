"""How a value of SQLite becomes one of PostgreSQL, and how both are compared, by PostgreSQL's type of the column.

SQLite keeps times, documents and addresses as text, and truth values as numbers.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from ipaddress import ip_interface
from typing import Any
from uuid import UUID

Convert = Callable[[Any], Any]


@dataclass(frozen=True)
class Kind:
    """`copied` makes of SQLite's value what COPY takes. `here` makes of SQLite's value, and `there` of PostgreSQL's,
    what can be compared with `==`. None leaves the value as it is; NULL is given to none of them. `asked` selects the
    column in PostgreSQL."""

    copied: Convert | None = None
    here: Convert | None = None
    there: Convert | None = None
    asked: str = "{}"
    is_text: bool = False


def _moment(value: str) -> datetime:
    """Django writes UTC without saying so."""
    at = datetime.fromisoformat(value)
    return at if at.tzinfo else at.replace(tzinfo=UTC)


def _with_zone(value: str) -> str:
    """The same for COPY, as text."""
    return value if "+" in value or "-" in value[10:] else f"{value}+00"


def _microseconds(value: int) -> timedelta:
    return timedelta(microseconds=value)


def _address(value: Any) -> str:
    return str(ip_interface(str(value)))


_WHOLE = Kind()
_TEXT = Kind(is_text=True)
_DOCUMENT = Kind(here=json.loads, there=json.loads, asked="{}::text")

# PostgreSQL's name of the type → what to do.
KINDS: dict[str, Kind] = {
    "int2": _WHOLE,
    "int4": _WHOLE,
    "int8": _WHOLE,
    "float8": Kind(copied=float, here=float),
    "bool": Kind(copied=bool, here=bool),
    "text": _TEXT,
    "varchar": _TEXT,
    "bpchar": _TEXT,
    "timestamptz": Kind(copied=_with_zone, here=_moment),
    "date": Kind(here=date.fromisoformat),
    "time": Kind(here=time.fromisoformat),
    "interval": Kind(copied=_microseconds, here=_microseconds),
    "json": _DOCUMENT,
    "jsonb": _DOCUMENT,
    "inet": Kind(here=_address, there=_address),
    "bytea": Kind(copied=bytes, here=bytes, there=bytes),
    "numeric": Kind(copied=str, here=lambda value: Decimal(str(value))),
    "uuid": Kind(copied=str, here=lambda value: UUID(str(value))),
}
