"""The attributes of an ATA drive as smartctl prints them (smartmontools 7.4, ataprint.cpp and atacmds.cpp)."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Any

from agent.parsing import clean, mapping, sequence
from agent.probes.smart import smart_meanings
from agent.probes.smart.gaps import Gaps, whole

NOW, PAST = "now", "past"
_NORMALIZED_MOST = 255
# smartctl's database has names of up to 23 characters, without blanks.
_NAME = re.compile(r"[!-~]{1,40}")
_COMPARED = ("value", "thresh", "when_failed")
# raw48, raw16(raw16), raw24(raw8) and raw16(avg16): the count, then the maker's own values in the higher bits.
_PLAIN = re.compile(r"(\d{1,20})(?: \([^()]{1,60}\))?")
# raw24/raw32 and raw24/raw24: the count, and the total that it belongs to.
_OF_HOW_MANY = re.compile(r"(\d{1,10})/(\d{1,10})")
# raw16 and raw8: words, the highest first.
_WORDS = re.compile(r"(?:\d{1,5} ){2,5}(\d{1,5})")
_HEX = re.compile(r"0x([0-9a-f]{12,16})")
# All 32 or 48 bits set: the drive keeps no number here. 65535 may be a count that has reached its end.
_ALL_ONES = frozenset({(1 << bits) - 1 for bits in (32, 48)})
# Kinds of rows whose normalised value no fault takes to 0, and how many of them must be 0 before 0 is no value.
_OF_USE = frozenset({smart_meanings.AGE, smart_meanings.NOTHING})
_MANY_ZEROS = 3


@dataclass(frozen=True)
class Attribute:
    """One attribute. `count` is the raw value in smartctl's own format for this model, None where that is no count;
    `failed` "", "now" or "past". Of a `prefailure` one the threshold means that the drive is about to fail, of any
    other that it is old, hot or much used. `value` and `threshold` are None where the drive has none. `is_default`:
    smartctl does not know the model of this flash drive, and gives its default names for numbers. `is_normalised`:
    the value is one, and not the 0 that this drive writes where it keeps none."""

    number: int
    name: str
    value: int | None
    threshold: int | None
    count: int | None
    failed: str = ""
    prefailure: bool = True
    raw: int | None = None
    is_default: bool = False
    is_normalised: bool = True

    @property
    def meaning(self) -> smart_meanings.Meaning:
        """GUESS if the name is only a default, and other models make something else of the number. Such a value may
        show that nothing is wrong, but condemns nothing. Its threshold is the drive's own, and judges as ever."""
        known = smart_meanings.of(self.number, self.name)
        is_guess = self.is_default and known.what in smart_meanings.GUESSES
        return known._replace(what=smart_meanings.GUESS) if is_guess else known

    @property
    def guessed(self) -> Attribute | None:
        """The attribute as its default name has it, None if its name is no guess."""
        return replace(self, is_default=False) if self.meaning.what == smart_meanings.GUESS else None

    @property
    def is_blank(self) -> bool:
        """Whether value, threshold and raw value are all 0, as InnoDisk fills rows that it does not keep, or the drive
        keeps no normalised value here. The standard has no normalised value 0 (SFF-8035i)."""
        return self.value == 0 and not self.threshold and (self.raw == 0 or not self.is_normalised)


def of(data: dict[str, Any], gaps: Gaps) -> dict[int, Attribute]:
    """The attributes by number, none of a garbled table. What can't be read of a row is noted in `gaps`."""
    found: dict[int, Attribute] = {}
    attributes = gaps.branch(data, "ata_smart_attributes", "the table of attributes")
    if (number := contradicted(data)) is not None:
        gaps.note(f"the table of attributes is garbled: attribute {number} has two different rows")
        return found
    drive = (clean(data.get("model_name")), clean(data.get("firmware_version")))
    for row in gaps.rows(attributes, "table", "the table of attributes"):
        attribute = _attribute(row, drive, gaps, is_default=are_defaults(data))
        if attribute is not None:
            found[attribute.number] = attribute
    if attributes and not found:
        gaps.note("no attribute was read")
    # Indilinx's drives have neither values nor thresholds.
    if any(one.value is not None for one in found.values()) and all(one.threshold is None for one in found.values()):
        gaps.note("the thresholds of the attributes were not read")
    return _normalised(found)


def contradicted(data: dict[str, Any]) -> str | None:
    """The first number that has two different rows, as where a bridge or a broken firmware answers with other data. The
    standard has one row for each number, so no row of such a table is one, and its thresholds mean nothing."""
    rows = [mapping(row) for row in sequence(mapping(data.get("ata_smart_attributes")).get("table"))]
    by_number: dict[str, dict[str, Any]] = {}
    return next((number for row in rows if by_number.setdefault(number := str(row.get("id"))[:20], row) != row), None)


def _normalised(found: dict[int, Attribute]) -> dict[int, Attribute]:
    """SandForce's drives write 0 as value and threshold of each row that has only a raw value: what was written, lost
    power, and the spare, too."""
    zeros = [one for one in found.values() if one.value == 0 and not one.threshold]
    if sum(one.meaning.what in _OF_USE for one in zeros) < _MANY_ZEROS:
        return found
    return found | {one.number: replace(one, is_normalised=False) for one in zeros}


def are_defaults(data: dict[str, Any]) -> bool:
    """Whether the names are smartctl's defaults for a flash drive that its database lacks. Hard disks agree on them."""
    return data.get("in_smartctl_database") is False and whole(data.get("rotation_rate")) == 0


def derived(data: dict[str, Any]) -> dict[str, Any]:
    """Where to look for what smartctl (7.5 and newer) derives from attributes by their names: nowhere if the names are
    defaults."""
    return {} if are_defaults(data) else data


def _attribute(row: dict[str, Any], drive: tuple[str, str], gaps: Gaps, *, is_default: bool) -> Attribute | None:
    """One row of the table. `drive` is the drive's model and firmware."""
    told = row.get("name")
    name = told if isinstance(told, str) and _NAME.fullmatch(told) else ""
    number = gaps.needed(row, "id", f"the number of attribute {name or '?'}", _NORMALIZED_MOST)
    if not name:
        gaps.note(f"the name of attribute {number} was not read")
    if number is None:
        return None
    name = smart_meanings.named(*drive, number, name)
    value, threshold, failed = _compared(row, f"{number} {name}", gaps)
    return Attribute(
        number, name, value, threshold, _count(row, number, name, gaps), failed,
        mapping(row.get("flags")).get("prefailure") is not False, whole(mapping(row.get("raw")).get("value")),
        is_default,
    )  # fmt: skip


def _compared(row: dict[str, Any], what: str, gaps: Gaps) -> tuple[int | None, int | None, str]:
    """Value, threshold, and when the value was at the threshold. Some drives keep raw data in place of all three, and
    some attributes have no threshold: smartctl then leaves all three out."""
    there = [key for key in _COMPARED if key in row]
    if not there:
        return None, None, ""
    value = gaps.needed(row, "value", f"the value of attribute {what}", _NORMALIZED_MOST)
    if there == ["value"]:
        return value, None, ""
    threshold = gaps.needed(row, "thresh", f"the threshold of attribute {what}", _NORMALIZED_MOST)
    failed = row.get("when_failed")
    if failed not in ("", NOW, PAST):
        gaps.note(f"whether attribute {what} was at its threshold was not read")
        failed = ""
    if value is not None and threshold and value <= threshold:
        failed = NOW
    return value, threshold, failed


def _count(row: dict[str, Any], number: int, name: str, gaps: Gaps) -> int | None:
    what = f"the raw value of attribute {number} {name}"
    raw = mapping(row.get("raw"))
    value = gaps.needed(raw, "value", what)
    text = raw.get("string", str(value))
    if not isinstance(text, str):
        gaps.note(f"{what} was not read as text")
        return None
    count = None if value is None or value in _ALL_ONES else in_its_format(value, text.strip())
    if value is not None and count is None and _is_counted(number, name):
        why = "is no count" if value in _ALL_ONES else "is in no known format"
        gaps.note(f"{what} {why}: {text[:40]!r}")
    return count


def in_its_format(value: int, text: str) -> int | None:
    """The count in a raw value, by the format in which smartctl prints it for this model. None if it is no count, or if
    number and text do not match."""
    if match := _HEX.fullmatch(text):
        return value if int(match[1], 16) == value else None
    if match := _OF_HOW_MANY.fullmatch(text):
        first, second = int(match[1]), int(match[2])
        return first if value in {first << bits | second for bits in (24, 32)} else None
    match = _PLAIN.fullmatch(text) or _WORDS.fullmatch(text)
    count = int(match[1]) if match else None
    return count if count in {value, *(value & (1 << bits) - 1 for bits in (8, 16, 24, 32))} else None


def _is_counted(number: int, name: str) -> bool:
    what = smart_meanings.of(number, name).what
    others = (
        smart_meanings.LIFE_USED, smart_meanings.WRITE_PROTECTED, smart_meanings.FLIPS, smart_meanings.UNKNOWN,
    )  # fmt: skip
    return what.startswith("smart.") or what in others
