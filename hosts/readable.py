"""Make text from outside (hardware, agents, files, people, browsers) readable: what a person reads is what is there."""

from __future__ import annotations

import re

# Unicode's format characters, line and paragraph separators, and lone surrogates: they change the direction of the text
# beside them, join it, or are invisible.
UNSEEN = (
    "\u00ad\u0600-\u0605\u061c\u06dd\u070f\u0890\u0891\u08e2\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff"
    "\ufff9-\ufffb\ud800-\udfff\U000110bd\U000110cd\U00013430-\U0001343f\U0001bca0-\U0001bca3\U0001d173-\U0001d17a"
    "\U000e0001\U000e0020-\U000e007f"
)
_UNSEEN = re.compile(f"[{UNSEEN}]")
_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f]")


def spelled_out(text: str) -> str:
    """Replace each invisible character by its escape: a serial number with a right-to-left override shows `\\u202e` and
    can't be mistaken for the one without it."""
    return text if text.isascii() else _UNSEEN.sub(_escape, text)


def readable(text: str) -> str:
    """`spelled_out`, and without control characters, which must not reach a terminal; line feed and tab stay. Control
    characters are removed first, so that they can't hide anything from a later check."""
    return spelled_out(_CONTROL.sub("", text))


def _escape(match: re.Match[str]) -> str:
    code = ord(match[0])
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
