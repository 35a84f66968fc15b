"""A line of the log is one line, whatever a stranger asked for."""

from __future__ import annotations

import json
import logging
import sys
from typing import Any

from django.core.exceptions import TooManyFieldsSent

from vetting.loglines import Formatter, JsonFormatter


def line(message: str, *args: object) -> str:
    return Formatter("{message}", style="{").format(logging.LogRecord("x", 30, "", 1, message, args, None))


def test_a_stranger_can_not_write_a_line_of_his_own() -> None:
    assert line("%s: answered 503", "/x\n2026-11-29 ERROR forged\x1b[2J") == (
        "/x\\n2026-11-29 ERROR forged\\x1b[2J: answered 503"
    )
    assert line("%s", ValueError("a\r\nb\u202e")) == "a\\r\\nb\\u202e"


def test_what_we_write_ourselves_stays() -> None:
    assert line("two\nlines of %d and Jürgen, %s", 5, "Jürgen") == "two\nlines of 5 and Jürgen, Jürgen"


def test_what_a_traceback_quotes_is_escaped_and_its_lines_stay() -> None:
    try:
        raise ValueError("half a character \ud800, a bell \a")
    except ValueError:
        record = logging.LogRecord("vetting", logging.ERROR, __file__, 1, "failed", None, sys.exc_info())
    text = Formatter("%(message)s").format(record)
    assert text.encode().endswith(b"ValueError: half a character \\ud800, a bell \\x07")
    assert text.startswith("failed\nTraceback (most recent call last):\n")


def test_a_request_that_django_refuses_takes_one_line() -> None:
    try:
        raise TooManyFieldsSent("more fields than DATA_UPLOAD_MAX_NUMBER_FIELDS")
    except TooManyFieldsSent:
        record = logging.LogRecord("django.security", logging.ERROR, __file__, 1, "too many", None, sys.exc_info())
    assert Formatter("%(message)s").format(record) == "too many"
    assert record.exc_info, "other handlers have the traceback"


def as_object(message: str, *args: object, exc_info: Any = None) -> dict[str, str]:
    text = JsonFormatter().format(logging.LogRecord("vetting.web", 40, "", 1, message, args, exc_info))
    assert "\n" not in text
    return json.loads(text)


def test_a_line_as_json_has_time_level_run_and_host() -> None:
    said = as_object("run %s host %s: report written", 7, "pve-3.lan")
    assert said.pop("time").endswith("Z")
    assert said == {
        "level": "ERROR", "logger": "vetting.web", "message": "run 7 host pve-3.lan: report written",
        "run": "7", "host": "pve-3.lan",
    }  # fmt: skip


def test_as_json_a_traceback_is_a_key_and_a_stranger_writes_none() -> None:
    try:
        raise ValueError("no")
    except ValueError:
        said = as_object("%s failed", 'x", "level": "INFO\nTraceback y', exc_info=sys.exc_info())
    assert said["message"] == 'x", "level": "INFO\\nTraceback y failed'
    assert said["traceback"].startswith("Traceback (most recent call last):\n")
    assert "run" not in said
