"""`short` and `full`: all benchmarks, in turn and several times, each figure beside the mark that it is to reach.

A figure's ratio is how much of its mark it takes: 1 or less is reached. Marks that compare with a peer or a limit
(nginx, a bare server) are figures of the same run, so they hold on any machine. The others are for two calm cores.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from tests.bench.marks import MEASUREMENTS, Mark, Measurement

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "benchmarks.md"
BEGIN, END = "<!-- figures of `make bench` begin -->\n", "<!-- figures of `make bench` end -->\n"
FAR_OFF = 10.0
Figures = dict[str, Any]


@dataclass(frozen=True)
class Line:
    """One figure and its mark. `values` are those of each round, `ratio` is of their median; None if there is none."""

    measurement: str
    figure: str
    mark: str
    values: tuple[float, ...]
    median: float | None
    ratio: float | None
    command: str


def main(form: str, rounds: int, *, as_json: bool, page: bool) -> None:
    began = time.monotonic()
    chosen = [one for one in MEASUREMENTS if form == "full" or one.is_short]
    found: dict[str, list[Figures]] = {one.name: [] for one in chosen}
    for number in range(rounds):
        for one in chosen:
            print(f"{time.monotonic() - began:6.0f} s  round {number + 1} of {rounds}: {one.name}", flush=True)
            found[one.name].append(_measured(one))
    lines = [line_of(one, mark, found[one.name]) for one in chosen for mark in one.marks]
    table = as_table(lines)
    print(table)
    if page:
        write_page(table)
    if as_json:
        print(json.dumps({"form": form, "rounds": rounds, "lines": [asdict(line) for line in lines]}))
    if far := [line for line in lines if line.ratio is not None and line.ratio > FAR_OFF]:
        raise SystemExit(f"more than {FAR_OFF:.0f} times their mark: {', '.join(f'{one.figure}' for one in far)}")


def _measured(one: Measurement) -> Figures:
    """The figures of one call, and of its peer beside it. Ends with what the command printed if it failed."""
    figures = _run(one.words)
    if one.peer:
        figures |= {f"peer_{name}": value for name, value in _run(one.peer).items()}
    return figures


def _run(words: tuple[str, ...]) -> Figures:
    argv = [sys.executable, "-m", "tests.bench", *words, "--json"]
    done = subprocess.run(argv, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    lines = done.stdout.splitlines()
    if done.returncode or not lines or not lines[-1].startswith("{"):
        raise SystemExit(f"{' '.join(words)} failed:\n{done.stdout[-2000:]}")
    figures: Figures = json.loads(lines[-1])
    return figures


def line_of(one: Measurement, mark: Mark, found: list[Figures]) -> Line:
    values = tuple(value for value in map(mark.value, found) if value is not None)
    median = statistics.median(values) if values else None
    ratio = None if median is None else mark.ratio(median)
    return Line(one.name, mark.name, mark.words, values, median, ratio, f"python -m tests.bench {' '.join(one.words)}")


def as_table(lines: list[Line]) -> str:
    head = "| what | figure | median | of each round | mark | ratio |\n|---|---|---|---|---|---|\n"
    rows = (
        f"| {one.measurement} | {one.figure} | {_number(one.median)} | {', '.join(map(_number, one.values))} "
        f"| {one.mark} | {_number(one.ratio)} |\n"
        for one in lines
    )
    return head + "".join(rows)


def _number(value: float | None) -> str:
    return "not measured" if value is None else f"{value:.3g}" if abs(value) < 1000 else f"{value:,.0f}"


def write_page(table: str, page: Path = PAGE) -> None:
    """Put the table in place of the last one. Raises ValueError if the page has no place for it."""
    before, _, rest = page.read_text().partition(BEGIN)
    _, end, after = rest.partition(END)
    if not end:
        raise ValueError(f"{page} lacks the lines between which the figures stand")
    page.write_text(f"{before}{BEGIN}{table}{END}{after}")
