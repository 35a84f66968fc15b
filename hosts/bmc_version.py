"""The BMC's firmware version: the revision that every BMC reports, and four bytes whose meaning is the maker's."""

from __future__ import annotations


def whole(revision: str, aux: str) -> str:
    """The text that an inventory shows and adopting writes: `13.05 aux 0x09 0x00 0x00 0x00`, without bytes that are all
    zero."""
    return f"{revision} aux {aux}" if revision and any(_numbers(aux)) else revision


def is_same(wanted: str, revision: str, aux: str) -> bool:
    """Whether a spec's text states this version: whole, as the maker's page shows it, or the revision alone."""
    spelled = {_folded(one) for one in (revision, whole(revision, aux), *_as_makers_show(revision, _numbers(aux)))}
    return _folded(wanted) in spelled


def _as_makers_show(revision: str, numbers: list[int]) -> list[str]:
    """ASRock Rack shows 13.05.09 (the first byte), Dell 6.10.80.00 (the last two)."""
    if len(numbers) != 4:
        return []
    first, _, third, fourth = numbers
    return [f"{revision}.{first:02d}", f"{revision}.{third:02d}.{fourth:02d}"]


def _numbers(aux: str) -> list[int]:
    try:
        return [int(one, 16) for one in aux.split()]
    except ValueError:
        return []


def _folded(text: str) -> str:
    return " ".join(text.split()).casefold()
