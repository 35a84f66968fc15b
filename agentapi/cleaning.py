"""Clean strings from hardware and agents before anything uses them: remove control characters and tokens, and replace
invisible characters by their escapes."""

from __future__ import annotations

import re
from typing import Any

from agent.contract import codec
from agent.contract.wire import TOKEN_PREFIX
from hosts.readable import UNSEEN, readable
from runs import tokens

_DEEPEST = 50
# In JSON a control character up to 0x1f must be escaped (json.loads refuses it raw); those from 0x7f on may stand raw.
_SUSPECT = re.compile(rf"\\[ubfr]|{re.escape(TOKEN_PREFIX)}|[\x7f-\x9f{UNSEEN}]")


def may_need_cleaning(text: str) -> bool:
    """Whether `cleaned` could change or refuse something in this JSON text. Most are ASCII, where three searches for a
    word take a hundredth of the time."""
    if text.isascii() and "\\" not in text and "\x7f" not in text and TOKEN_PREFIX not in text:
        return False
    return _SUSPECT.search(text) is not None


def clean_text(text: str) -> str:
    """The text made readable, and without anything that begins like a token."""
    return tokens.without_tokens(readable(text))


def cleaned(data: Any, depth: int = 0) -> Any:
    """Clean every string of parsed JSON, keys included. Raises WireError for nesting deeper than 50."""
    if depth > _DEEPEST:
        raise codec.WireError("", f"nested deeper than {_DEEPEST}")
    if isinstance(data, str):
        return clean_text(data)
    if isinstance(data, list):
        return [cleaned(item, depth + 1) for item in data]
    if isinstance(data, dict):
        return {clean_text(str(key)): cleaned(item, depth + 1) for key, item in data.items()}
    return data
