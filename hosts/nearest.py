"""The word that somebody meant who wrote another one. Pure."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

# Longer words are no slips of the keyboard, and comparing them takes time.
_LONGEST, _MOST = 128, 500


def nearest(word: str, words: Iterable[str]) -> str:
    """The most similar of the words, capitals aside; empty where none is similar."""
    if len(word) > _LONGEST:
        return ""
    folded = {known.casefold(): known for known in list(words)[:_MOST]}
    return next((folded[near] for near in difflib.get_close_matches(word.casefold(), folded, n=1)), "")


def did_you_mean(word: str, words: Iterable[str]) -> str:
    """`; did you mean 'cores'?` to end a sentence with; empty where no word is similar."""
    near = nearest(word, words)
    return f"; did you mean {near!r}?" if near else ""
