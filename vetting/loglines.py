"""The format of the log's lines."""

from __future__ import annotations

import json
import logging
import re
from datetime import UTC, datetime
from typing import Any

from django.core.exceptions import SuspiciousOperation

from hosts.readable import UNSEEN

_CONTROL = f"\x7f-\x9f\ud800-\udfff{UNSEEN}"
_BREAKING = re.compile(f"[\x00-\x1f{_CONTROL}]")
_BREAKING_BUT_LINES = re.compile(f"[\x00-\x09\x0b-\x1f{_CONTROL}]")


class Formatter(logging.Formatter):
    """Escape text from outside, which is an argument of a message: it can't start a new line that looks like ours, and
    its control characters reach no terminal."""

    def format(self, record: logging.LogRecord) -> str:
        if isinstance(record.args, tuple):
            record = logging.makeLogRecord(record.__dict__ | {"args": tuple(map(_harmless, record.args))})
        if _is_the_requests_fault(record):
            record = logging.makeLogRecord(record.__dict__ | {"exc_info": None, "exc_text": None})
        return super().format(record)

    def formatException(self, ei: Any) -> str:
        """Keep the lines of a traceback, and escape what it quotes."""
        return _escaped(_BREAKING_BUT_LINES, super().formatException(ei))


class JsonFormatter(Formatter):
    """One JSON object a line, for log collectors: the same text as a line, with its parts as keys."""

    def format(self, record: logging.LogRecord) -> str:
        whole = super().format(record)  # message, and the traceback if there is one
        message, _, trace = whole.partition("\nTraceback ")
        at = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        said = {"time": at, "level": record.levelname, "logger": record.name, "message": message}
        if trace:
            said["traceback"] = f"Traceback {trace}"
        return json.dumps(said | _named(message))


def _is_the_requests_fault(record: logging.LogRecord) -> bool:
    """Whether Django refused the request, e.g. for too many fields. The traceback would say nothing about our code,
    and anybody could fill the log with it."""
    return bool(record.exc_info) and isinstance(record.exc_info[1], SuspiciousOperation)  # type: ignore[index]


def _harmless(value: object) -> object:
    return _escaped(_BREAKING, str(value)) if isinstance(value, str | BaseException) else value


def _escaped(which: re.Pattern[str], text: str) -> str:
    return which.sub(lambda found: found[0].encode("unicode_escape").decode(), text)


_NAMED = re.compile(r"^run (?P<run>\d+)(?: host (?P<host>[\w.-]+))?\b")


def _named(message: str) -> dict[str, str]:
    """Run and host, which lines about an event begin with."""
    found = _NAMED.match(message)
    return {name: value for name, value in found.groupdict().items() if value} if found else {}
