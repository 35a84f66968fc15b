"""How the log's lines are written."""

from __future__ import annotations

import logging
import re

from hosts.readable import UNSEEN

_BREAKING = re.compile(f"[\x00-\x1f\x7f-\x9f{UNSEEN}]")


class Formatter(logging.Formatter):
    """Text that came from outside stands in a message as its argument: it can't end the line and begin another that
    looks like ours, and no terminal gets control characters of it."""

    def format(self, record: logging.LogRecord) -> str:
        if isinstance(record.args, tuple):
            record = logging.makeLogRecord(record.__dict__ | {"args": tuple(map(_harmless, record.args))})
        return super().format(record)


def _harmless(value: object) -> object:
    if not isinstance(value, str | BaseException):
        return value
    return _BREAKING.sub(lambda found: found[0].encode("unicode_escape").decode(), str(value))
