"""Cleans text that leaves the agent: no token, and no character that disturbs a terminal or JSON."""

from __future__ import annotations

import math
import re
from typing import Any

from agent.contract.wire import TOKEN_PREFIX

_TOKEN = re.compile(re.escape(TOKEN_PREFIX) + r"[^\s\"'<>&]*")
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
REDACTED = f"{TOKEN_PREFIX}…"


def redact(text: str) -> str:
    """Replace everything that begins like a token."""
    return _TOKEN.sub(REDACTED, text)


def printable(text: str) -> str:
    """Text of a device or tool without tokens, control characters (tab and newline stay) and lone
    surrogates."""
    return redact(_CONTROL.sub("", text).encode(errors="replace").decode())


def sendable(tree: Any) -> Any:
    """A JSON tree with printable text. A number that is not finite is left out of its object."""
    if isinstance(tree, str):
        return printable(tree)
    if isinstance(tree, list):
        return [sendable(item) for item in tree]
    if isinstance(tree, dict):
        return {printable(str(key)): sendable(item) for key, item in tree.items() if not _endless(item)}
    return tree


def _endless(value: Any) -> bool:
    return isinstance(value, float) and not math.isfinite(value)
