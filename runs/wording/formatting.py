"""How pages, reports and the terminal write numbers, times and values of the spec. Pure functions."""

from __future__ import annotations

import re
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.utils import timezone

from hosts import parts, versions
from runs.wording import key_numbers, naming, units
from runs.wording.key_numbers import Cell

_NBSP = "\u00a0"
# A part in a list of the expected spec. Processors are named one by one, though a spec does not list them.
_PARTS = {kind.path: kind.title for kind in parts.KINDS if kind.keys or kind.word == "cpu"}
_PART_PATH = re.compile(rf"({'|'.join(map(re.escape, _PARTS))})\[(.*)\](?:\.(\w+))?", re.S)


_SETTING_PATH = re.compile(r"settings\.(\w+)\[(.*)\]", re.S)
_VERSION_PATH = re.compile(rf"firmware\.({'|'.join(versions.WORDS)})\[(.*)\]", re.S)


def duration(seconds: float | None) -> str:
    """`38 s`, `4 min 10 s`, `2 h 05 min`, `3 d 4 h`."""
    if seconds is None:
        return ""
    whole = max(0, int(seconds))
    if whole < 60:
        return f"{whole}{_NBSP}s"
    if whole < 3600:
        return f"{whole // 60}{_NBSP}min {whole % 60:02d}{_NBSP}s"
    if whole < 86_400:
        return f"{whole // 3600}{_NBSP}h {whole % 3600 // 60:02d}{_NBSP}min"
    return f"{whole // 86_400}{_NBSP}d {whole % 86_400 // 3600}{_NBSP}h"


def roughly(seconds: float) -> str:
    """An estimated duration, rounded to minutes from one minute on, and to quarters of an hour from three hours on."""
    step = 1 if seconds < 60 else 60 if seconds < 10_800 else 900
    whole = max(step, round(seconds / step) * step)
    return duration(whole).removesuffix(f" 00{_NBSP}s").removesuffix(f" 00{_NBSP}min")


def soon(moment: datetime) -> str:
    """`19:07` today, `Fri 19:07` on another day."""
    local = timezone.localtime(moment)
    return local.strftime("%H:%M" if local.date() == timezone.localdate() else "%a %H:%M")


def off_by(percent: float) -> str:
    """`6 % slower than estimated`: by how much an estimate was wrong."""
    if round(percent) == 0:
        return "exact"
    return f"{abs(percent):.0f}{_NBSP}% {'slower' if percent > 0 else 'faster'} than estimated"


def size(count: int) -> str:
    """Bytes as `812 B`, `4.2 kB`, `1.3 MB` (powers of ten, as on a disk's label)."""
    value = float(count)
    for unit in ("B", "kB", "MB", "GB"):
        if value < 1000 or unit == "GB":
            return f"{value:.0f}{_NBSP}{unit}" if unit == "B" else f"{value:.1f}{_NBSP}{unit}"
        value /= 1000
    raise AssertionError("unreachable")


def rise(before: int, after: int) -> str:
    """`+8`; says if the counter was reset."""
    return f"{after - before:+,}".replace(",", _NBSP) if after >= before else "reset"


def bytes_between(start: int, end: int) -> str:
    return size(end - start)


def number(value: Any) -> str:
    """At most three decimals, without trailing zeros; a value that is no number is returned unchanged."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return "" if value is None else str(value)
    return f"{value:,.3f}".rstrip("0").rstrip(".").replace(",", _NBSP)


def with_unit(value: Any, unit: str) -> str:
    """`61 °C`, `2 sectors`; a dash if nothing was measured."""
    if value is None or value == "":
        return "–"
    return f"{number(value)}{_NBSP}{units.written(unit, value)}".rstrip(_NBSP)


def figure(value: float | None, unit: str) -> str:
    """A measured number, rounded: `41 530 ops/s`, `70.92 °C`, `0.0042 %`."""
    if value is None:
        return "–"
    short = key_numbers.rounded(value)
    return with_unit(short if abs(short) >= 1 or not short else f"{Decimal(str(short)):f}", unit)


def change(cell: Cell) -> str:
    """`+12 %`, `−3.4 %`; `+3` for a count, or if the value before was 0."""
    sign = "+" if cell.delta > 0 else "−"
    if cell.counts or cell.change_percent is None:
        return f"{sign}{number(abs(cell.delta)) if cell.counts else figure(abs(cell.delta), '')}"
    percent = abs(cell.change_percent)
    return f"{sign}{percent:.1f}{_NBSP}%" if percent < 10 else f"{sign}{percent:.0f}{_NBSP}%"


def spelled(value: Any, path: str = "") -> str:
    """A value of the spec in words: `absent` for none, the entries of a list. The end of its path names its unit."""
    if value is None:
        return "absent"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, dict):
        given = {key: item for key, item in value.items() if item not in (None, "")}
        return ", ".join(f"{field_name(key)} {spelled(item, key)}" for key, item in given.items())
    if isinstance(value, list):
        return "; ".join(spelled(item) for item in value) or "none"
    return f"{number(value)}{_spec_unit(path)}" or "empty"


def field_name(key: str) -> str:
    """`size_mb` as `size`: the unit is written with the number."""
    return naming.in_words(key.rpartition("_")[0] if _spec_unit(key) else key)


def spec_place(path: str) -> str:
    """`memory.dimms[DIMM_B1].serial` as `Memory module DIMM_B1, serial`; a text that is no path unchanged."""
    if match := _VERSION_PATH.fullmatch(path):
        return f"Firmware of {versions.WORDS[match[1]]} {match[2]}"
    if match := _SETTING_PATH.fullmatch(path):
        return f"Settings, {field_name(match[1])}: {match[2]}"
    if match := _PART_PATH.fullmatch(path):
        kind, name, leaf = match.groups()
        whole = f"{_PARTS[kind]} {name}"
    else:
        kind, _, leaf = path.rpartition(".")
        whole = parts.BY_LEAF[kind or leaf].titles if (kind or leaf) in parts.BY_LEAF else ""
        leaf = leaf if kind else ""
    return f"{whole}, {field_name(leaf)}" if whole and leaf else whole or path


def _spec_unit(path: str) -> str:
    _, unit = units.ending(path)
    return f"{_NBSP}{unit}" if unit else ""
