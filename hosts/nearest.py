"""Suggest the known word that is most similar to a mistyped one. Pure."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

# Longer words are no typing errors, and comparing them takes time.
_LONGEST, _MOST = 128, 500


def nearest(word: str, words: Iterable[str]) -> str:
    """The most similar of the words, whatever their case; empty if none is similar."""
    if len(word) > _LONGEST:
        return ""
    folded = {known.casefold(): known for known in list(words)[:_MOST]}
    return next((folded[near] for near in difflib.get_close_matches(word.casefold(), folded, n=1)), "")


def did_you_mean(word: str, words: Iterable[str]) -> str:
    """`; did you mean 'cores'?` for the end of a sentence; empty if no word is similar."""
    near = nearest(word, words)
    return f"; did you mean {near!r}?" if near else ""
