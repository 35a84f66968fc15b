"""How figures become medians, ratios and a table."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.bench import marks, suite
from tests.bench.marks import Measurement, beside_peer, least, most

ONE = Measurement("one", ("rows",), (most("ms", 100), least("ratio", 0.9), beside_peer("core_percent", 2)))


def test_a_figure_is_the_median_of_its_rounds_and_its_ratio_says_how_much_of_the_mark_it_takes() -> None:
    found = [{"ms": ms, "ratio": 0.45, "core_percent": 30, "peer_core_percent": 10} for ms in (10, 300, 50)]
    lines = [suite.line_of(ONE, mark, found) for mark in ONE.marks]
    assert [(line.median, line.ratio) for line in lines] == [(50, 0.5), (0.45, 2.0), (3.0, 1.5)]


def test_what_was_not_measured_has_no_ratio_and_says_so() -> None:
    line = suite.line_of(ONE, ONE.marks[1], [{"ms": 1}])
    assert (line.median, line.ratio) == (None, None)
    assert "| not measured |" in suite.as_table([line])


@pytest.mark.parametrize(("mark", "value", "ratio"), [(most("lost", 0), 0, 1.0), (most("lost", 0), 20, 21.0)])
def test_what_must_be_none_is_far_off_when_it_is_many(mark: marks.Mark, value: float, ratio: float) -> None:
    assert mark.ratio(value) == ratio


def test_the_table_takes_the_place_of_the_last_one(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(f"before\n{suite.BEGIN}old\n{suite.END}after\n")
    suite.write_page("new\n", page)
    assert page.read_text() == f"before\n{suite.BEGIN}new\n{suite.END}after\n"
    page.write_text("no place\n")
    with pytest.raises(ValueError, match="lacks the lines"):
        suite.write_page("new\n", page)


def test_the_page_of_figures_has_a_place_for_the_table() -> None:
    page = suite.PAGE.read_text()
    assert page.index(suite.BEGIN) < page.index(suite.END)
