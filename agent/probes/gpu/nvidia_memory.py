"""What an NVIDIA card reports about its memory: uncorrected errors, remapped rows, retired pages, pending repairs.

Schema 11 of nvidia-smi has either single and double bit errors by unit with a total (Kepler to Volta), or SRAM and DRAM
(Turing and Ampere). Schemas 12 and 13 split uncorrectable SRAM errors into parity and SEC-DED. Rows are remapped since
Ampere; before it, pages were retired (NVIDIA: GPU Memory Error Management; Dynamic Page Retirement).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from xml.etree.ElementTree import Element

from agent.parsing import clean
from agent.probes.gpu import nvidia_words
from agent.probes.gpu.nvidia_words import Value

# Newer drivers report these for memory that no reset repairs, and for repairs that the next reset makes.
WORN_OUT = ("ecc_errors/aggregate/sram_threshold_exceeded", "ecc_errors/unrepairable_memory", "unrepairable_memory")
REPAIR_PENDING = ("ecc_errors/channel_repair_pending", "ecc_errors/tpc_repair_pending")
_ROWS, _PAGES = "remapped_rows", "retired_pages"
# The newer word, and the older one, for pages that the next reboot takes out of use.
_PAGES_PENDING = (f"{_PAGES}/pending_retirement", f"{_PAGES}/pending_blacklist")
_FEW_SPARE = ("row_remapper_histogram_low", "row_remapper_histogram_none")


@dataclass(frozen=True)
class Memory:
    """Numbers are None if they were not read. `has_no_ecc` is the card's own report. `trouble` holds values that were
    errors or could not be read. `tells_of_repair` is false if the output has neither remapped rows nor retired pages,
    not even as something that the card lacks."""

    uncorrected: int | None = None
    corrected: int | None = None
    lifetime_uncorrected: int | None = None
    ecc_mode: str = ""
    ecc_mode_after_reset: str = ""
    has_no_ecc: bool = False
    remap_pending: bool | None = None
    remap_failed: bool | None = None
    rows_uncorrected: int | None = None
    banks_without_spare: int | None = None
    pages_retired: int | None = None
    tells_of_repair: bool = True
    worn_out: tuple[str, ...] = ()
    repairs: tuple[str, ...] = ()
    trouble: tuple[str, ...] = ()


def read(card: Element) -> Memory:
    said = dict(_statements(card))
    counts = {path: one for path, one in said.items() if _is_count(path)}
    mode, later = (clean(card.findtext(f"ecc_mode/{name}_ecc")) for name in ("current", "pending"))
    no_mode = nvidia_words.is_absent(mode) and nvidia_words.is_absent(later)
    return Memory(
        uncorrected=_total(counts, "ecc_errors/volatile/", "uncorrectable", "double_bit"),
        corrected=_total(counts, "ecc_errors/volatile/", "_correctable", "single_bit"),
        lifetime_uncorrected=_total(counts, "ecc_errors/aggregate/", "uncorrectable", "double_bit"),
        ecc_mode=nvidia_words.plain(mode),
        ecc_mode_after_reset=nvidia_words.plain(later),
        has_no_ecc=no_mode and bool(counts) and all(one.is_absent for one in counts.values()),
        remap_pending=_any(said, f"{_ROWS}/remapped_row_pending", *_PAGES_PENDING),
        remap_failed=_any(said, f"{_ROWS}/remapped_row_failure"),
        rows_uncorrected=_number(said, f"{_ROWS}/remapped_row_unc"),
        banks_without_spare=_sum(said, *(f"{_ROWS}/row_remapper_histogram/{name}" for name in _FEW_SPARE)),
        pages_retired=_sum(said, *(path for path in said if path.startswith(_PAGES) and path.endswith("_count"))),
        tells_of_repair=card.find(_ROWS) is not None or card.find(_PAGES) is not None,
        worn_out=tuple(_last(path) for path in WORN_OUT if path in said and said[path].flag),
        repairs=tuple(_last(path) for path in REPAIR_PENDING if path in said and said[path].flag),
        trouble=(
            *(one.trouble for one in said.values() if one.trouble),
            *_left_out(counts),
            *_not_read(said),
        ),
    )


def _statements(card: Element) -> Iterator[tuple[str, Value]]:
    """Every count, and every yes or no, by its path."""
    for period in ("volatile", "aggregate"):
        for path, element in _leaves(card.find(f"ecc_errors/{period}"), f"ecc_errors/{period}"):
            if _is_count(path):
                yield path, nvidia_words.number(element, f"{period} {_last(path)}")
    for part in (_ROWS, _PAGES):
        yield from _of_part(card.find(part), part)
    for path in (*WORN_OUT, *REPAIR_PENDING):
        if (answer := card.find(path)) is not None:
            yield path, nvidia_words.yes_or_no(answer, _last(path))


def _of_part(part: Element | None, name: str) -> Iterator[tuple[str, Value]]:
    """A section that is there must have both: what is pending, and what failed."""
    if part is None or (not len(part) and nvidia_words.is_absent(part.text)):
        return
    if not len(part):
        yield name, Value(trouble=f"{name}: {nvidia_words.plain(part.text)[:60] or 'nothing'}")
        return
    needed = {f"{_ROWS}/remapped_row_pending", f"{_ROWS}/remapped_row_failure"} if name == _ROWS else set()
    for path, element in _leaves(part, name):
        word = _last(path)
        if word.endswith(("_pending", "_failure")) or path in _PAGES_PENDING:
            yield path, nvidia_words.yes_or_no(element, word)
        elif word.endswith(("_corr", "_unc", "_count")) or word in _FEW_SPARE:
            yield path, nvidia_words.number(element, word)
        needed.discard(path)
    yield from ((path, Value(trouble=f"{_last(path)}: nothing")) for path in sorted(needed))


def _left_out(counts: dict[str, Value]) -> Iterator[str]:
    """Counters that are missing although their neighbours are there: every schema has both."""
    names = {path.removeprefix("ecc_errors/volatile/") for path in counts if "/volatile/" in path}
    by_unit = any("_bit/" in name for name in names)
    sram = [name for name in ("sram_uncorrectable_parity", "sram_uncorrectable_secded") if name in names]
    if by_unit and not names & {"double_bit/total", "double_bit/device_memory"}:
        yield "volatile double_bit: nothing"
    if not by_unit and names and "dram_uncorrectable" not in names:
        yield "volatile dram_uncorrectable: nothing"
    if not by_unit and names and len(sram) != 2 and "sram_uncorrectable" not in names:
        yield "volatile sram_uncorrectable: nothing"


def _not_read(said: dict[str, Value]) -> Iterator[str]:
    """Answers of N/A beside a number: a card has ECC for all of its memory or for none, and remaps rows or does not.
    (Of the units of the older schema each card has only some, and a total.)"""
    errors = {path: one for path, one in said.items() if "/volatile/" in path and "uncorrectable" in path}
    rows = {path: one for path, one in said.items() if path.startswith(f"{_ROWS}/remapped_row_")}
    for group in (errors, rows):
        if any(one.number is not None for one in group.values()):
            yield from (f"{_last(path)}: N/A" for path, one in group.items() if one.is_absent)


def _leaves(element: Element | None, path: str, depth: int = 0) -> Iterator[tuple[str, Element]]:
    for child in element if element is not None and depth < nvidia_words.DEEPEST else ():
        here = f"{path}/{child.tag}"
        if len(child):
            yield from _leaves(child, here, depth + 1)
        else:
            yield here, child


def _is_count(path: str) -> bool:
    return path.startswith("ecc_errors/") and ("correctable" in path or "_bit/" in path)


def _total(counts: dict[str, Value], period: str, word: str, bits: str) -> int | None:
    """The sum of the counts that were read. If the units have a total of their own, the larger of both."""
    known = {
        path: one.number for path, one in counts.items()
        if path.startswith(period) and (word in path or f"/{bits}/" in path) and one.number is not None
    }  # fmt: skip
    if not known:
        return None
    totals = sum(value for path, value in known.items() if path.endswith("/total"))
    return max(totals, sum(value for path, value in known.items() if not path.endswith("/total")))


def _any(said: dict[str, Value], *paths: str) -> bool | None:
    """None if none of them says yes or no."""
    known = [said[path].flag for path in paths if path in said and said[path].flag is not None]
    return any(known) if known else None


def _number(said: dict[str, Value], path: str) -> int | None:
    return said[path].number if path in said else None


def _sum(said: dict[str, Value], *paths: str) -> int | None:
    known = [value for path in paths if (value := _number(said, path)) is not None]
    return sum(known) if known else None


def _last(path: str) -> str:
    return path.rpartition("/")[2]
