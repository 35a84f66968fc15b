"""Pages as they are read, not as their templates are laid out."""

from __future__ import annotations

import re

_INLINE = "a|abbr|b|button|code|del|em|i|ins|kbd|label|progress|small|span|strong|time"
_BESIDE_A_BLOCK = re.compile(rf" *(</?(?!(?:{_INLINE})\b)[a-z!][^>]*>) *", re.I)


def as_read(html: str | bytes) -> str:
    """White space as a browser shows it: one blank for any amount, and none beside an element that begins a line."""
    text = html.decode() if isinstance(html, bytes) else html
    text = re.sub(r"\s+(?=>)", "", re.sub(r"[ \t\r\n]+", " ", text))
    return _BESIDE_A_BLOCK.sub(r"\1", text)
