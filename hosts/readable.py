"""Text that came from outside (hardware, agents, files, people, browsers) so that what is read is what is there."""

from __future__ import annotations

import re

# What Unicode calls format characters, line and paragraph separators, and lone surrogates: they turn the direction of
# what stands beside them, join it, or can't be seen at all.
UNSEEN = (
    "\u00ad\u0600-\u0605\u061c\u06dd\u070f\u0890\u0891\u08e2\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff"
    "\ufff9-\ufffb\ud800-\udfff\U000110bd\U000110cd\U00013430-\U0001343f\U0001bca0-\U0001bca3\U0001d173-\U0001d17a"
    "\U000e0001\U000e0020-\U000e007f"
)
_UNSEEN = re.compile(f"[{UNSEEN}]")
_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f]")


def spelled_out(text: str) -> str:
    """Each unseen character as its escape: a serial number with a right-to-left override in it shows `\\u202e`, in
    place, and is no longer mistaken for the one without."""
    return text if text.isascii() else _UNSEEN.sub(_escape, text)


def readable(text: str) -> str:
    """The same without control characters, which no terminal may get; line feed and tab stay. They go first: none can
    hide anything from a later look then."""
    return spelled_out(_CONTROL.sub("", text))


def _escape(match: re.Match[str]) -> str:
    code = ord(match[0])
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
