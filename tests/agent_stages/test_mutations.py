"""No change of a recording turns a failed or untested check into a passed one, and what a sound recording's verdict
rests on is not tested once it can't be read.

`judged.py` lists every folder of tests/recorded/ with the functions that parse and judge it, as in a run. Each value is
removed, garbled, or given another type, one at a time (`mutations.py`); of thousands of changes an even sample is
tried. What a tool may leave out, and why, stands in `judged.py`; docs/disks.md has what concerns drives."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from fnmatch import fnmatch
from itertools import islice
from pathlib import Path

import pytest

from tests.agent_stages import mutations
from tests.agent_stages.judged import ELSEWHERE, ROWS, Row
from tests.agent_stages.mutations import Change
from tests.agent_stages.recordings import RECORDED

ROOT = RECORDED.parents[1]
CASES = [
    pytest.param(row, path, id=f"{number}-{path.relative_to(RECORDED)}")
    for number, row in enumerate(ROWS)
    for path in row.files()
]
RESULTS = ("passed", "failed", "not_tested")
# The changes that leave nothing to read of a value.
UNREAD = ("removed", "null", "garbled", "now 'ERR!'", "now '[Unknown Error]'")


def test_every_recording_is_judged_by_a_row_here_or_read_by_a_test_elsewhere() -> None:
    there = {str(path.relative_to(RECORDED)) for path in RECORDED.rglob("*") if path.is_file()}
    judged = {str(path.relative_to(RECORDED)) for row in ROWS for path in row.files()}
    other = {name for name in there if any(fnmatch(name, pattern) for pattern in ELSEWHERE)}
    assert there - judged - other - {name for name in there if name.endswith("README.md")} == set()


def test_every_row_has_a_recording() -> None:
    assert [row.pattern for row in ROWS if not row.files()] == []
    tests = {pattern: (ROOT / test).read_text() for pattern, test in ELSEWHERE.items()}
    assert [pattern for pattern, text in tests.items() if pattern.partition("/")[0] not in text] == []


@pytest.mark.parametrize(("row", "path"), CASES)
def test_no_change_passes_what_did_not_or_breaks_the_judge(row: Row, path: Path) -> None:
    whole = path.read_text(errors="replace")
    judge = row.judge_of(whole)
    wrong = []
    for part in row.parts(whole):
        enough = RESULTS if judge(part) == "passed" else RESULTS[1:]
        few = 12 if enough is RESULTS else 1
        wrong += [
            f"{place} {word}"
            for place, word, text in _sample(row, part, few)
            if judge(text()) not in enough and not _may_be_absent(row, f"{place} {word}")
        ]
    assert wrong == []


@pytest.mark.parametrize(("row", "path"), [case for case in CASES if case.values[0].hangs_on])
def test_what_a_sound_recording_rests_on_is_not_passed_unread(row: Row, path: Path) -> None:
    whole = path.read_text(errors="replace")
    judge, enough = row.judge_of(whole), ("not_tested", "failed") if row.or_failed else ("not_tested",)
    wrong = [
        f"{place} {word}: {result}"
        for part in row.parts(whole)
        if judge(part) == "passed"
        for place, word, text in islice(_of_hanging(row, part), row.most)
        if (result := judge(text())) not in enough and not _may_be_absent(row, f"{place} {word}")
    ]
    assert wrong == []


def test_every_value_that_a_verdict_rests_on_is_in_some_sound_recording() -> None:
    for row in ROWS:
        missing = set(row.hangs_on)
        places = (place for part in _sound(row) for place, _, _ in row.changes(part)) if missing else iter(())
        while missing and (place := next(places, None)):
            missing = {one for one in missing if not re.fullmatch(one, place)}
        assert missing == set(), row.pattern


def _sound(row: Row) -> Iterator[str]:
    for path in row.files():
        whole = path.read_text(errors="replace")
        judge = row.judge_of(whole)
        yield from (part for part in row.parts(whole) if judge(part) == "passed")


@pytest.mark.parametrize(("row", "path"), CASES)
@pytest.mark.parametrize("text", ["", "\n", "g\u00e4rble?\n", "{}", "[]", "null", "0"])
def test_nothing_and_rubbish_are_not_passed(row: Row, path: Path, text: str) -> None:
    assert row.judge_of(path.read_text(errors="replace"))(text) != "passed"


def test_a_document_is_whole_again_after_each_change() -> None:
    before = json.dumps({"a": [1, {"b": "c"}], "d": True})
    changes = [(place, word, text()) for place, word, text in mutations.of_json(before)]
    assert len({(place, word) for place, word, _ in changes}) == len(changes) > 20
    assert all(text != before for _, _, text in changes)


def _sample(row: Row, part: str, few: int) -> Iterator[Change]:
    """Every change where they are not too many; of a sound recording one in `few` of those."""
    count = sum(1 for _ in row.changes(part))
    return islice(row.changes(part), 0, None, max(1, count // row.most) * few)


def _of_hanging(row: Row, part: str) -> Iterator[Change]:
    """The changes by which a value that the verdict rests on can't be read."""
    for place, word, text in row.changes(part):
        if word in UNREAD and any(re.fullmatch(pattern, place) for pattern in row.hangs_on):
            yield place, word, text


def _may_be_absent(row: Row, change: str) -> bool:
    return any(re.fullmatch(pattern, change, re.DOTALL) for pattern in row.may_be_absent)
