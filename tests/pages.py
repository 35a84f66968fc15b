"""Pages as they are read, not as their templates are laid out."""

from __future__ import annotations

import re

_AS_IT_IS = re.compile(r"(<(pre|textarea)\b.*?</\2>)", re.S)
_INLINE = "a|abbr|b|button|code|del|em|i|ins|kbd|label|progress|small|span|strong|time"
_BESIDE_A_BLOCK = re.compile(rf" *(</?(?!(?:{_INLINE})\b)[a-z!][^>]*>) *", re.I)


def as_read(html: str | bytes) -> str:
    """White space as a browser shows it: one blank for any amount, none beside an element that begins a line, and all
    of it in `pre` and `textarea`."""
    text = html.decode() if isinstance(html, bytes) else html
    pieces = _AS_IT_IS.split(text)
    between, kept = pieces[::3], [*pieces[1::3], ""]
    return "".join(_reduced(before) + whole for before, whole in zip(between, kept, strict=True))


def _reduced(text: str) -> str:
    text = re.sub(r" (?=>)", "", re.sub(r"[ \t\r\n]+", " ", text))
    return _BESIDE_A_BLOCK.sub(r"\1", text)
