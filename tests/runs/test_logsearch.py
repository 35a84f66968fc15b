"""The log's viewer: by level, by word, forwards and backwards, however long the log is."""

from __future__ import annotations

import time

import pytest

from runs.files import log_search
from runs.files import logs as logfiles
from runs.files.log_search import Filter, find


def _write(run_id: int, lines: list[tuple[str, str]]) -> int:
    data = "".join(logfiles.format_line(1_000_000 + n, level, "SMART", text) for n, (level, text) in enumerate(lines))
    return logfiles.append(run_id, 0, data.encode())


def _texts(found: log_search.Found) -> list[str]:
    return [line.text for line in found.lines]


def test_it_gives_the_last_lines_in_order() -> None:
    end = _write(1, [("info", f"line {n}") for n in range(10)])
    assert _texts(find(1, Filter(), 3, end)) == ["line 7", "line 8", "line 9"]


@pytest.mark.parametrize(
    ("level", "texts"),
    [("", ["d", "i", "w", "e"]), ("info", ["i", "w", "e"]), ("warning", ["w", "e"]), ("error", ["e"])],
)
def test_a_level_shows_itself_and_what_is_worse(level: str, texts: list[str]) -> None:
    end = _write(1, [("debug", "d"), ("info", "i"), ("warning", "w"), ("error", "e")])
    assert _texts(find(1, Filter(level), 10, end)) == texts


def test_a_word_is_found_in_upper_and_lower_case_and_as_it_stands() -> None:
    end = _write(1, [("info", "DIMM_A1: 3 errors"), ("info", "dimm.a1"), ("error", "dimm_a1 gone")])
    assert _texts(find(1, Filter(text="Dimm_a1"), 10, end)) == ["DIMM_A1: 3 errors", "dimm_a1 gone"]
    assert _texts(find(1, Filter("error", "DIMM"), 10, end)) == ["dimm_a1 gone"]


def test_pages_backwards_and_forwards_give_every_line_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_search, "_BLOCK_BYTES", 300)
    wanted = [f"line {n} {'x' * (n % 90)}" for n in range(200)]
    end = _write(1, [("info", text) for text in wanted])
    seen: list[str] = []
    before = end
    while before:
        page = find(1, Filter(), 7, before)
        seen = _texts(page) + seen
        before = page.start
    assert seen == wanted
    monkeypatch.setattr(log_search, "SEARCH_BYTES", 1000)
    before, seen = end, []
    while before:
        page = find(1, Filter(text="line"), 1000, before)
        seen = _texts(page) + seen
        before = page.start
    assert seen == wanted
    monkeypatch.undo()
    middle = find(1, Filter(), 50, end).start
    assert _texts(find(1, Filter(), 1000, end, after=middle)) == wanted[150:]


def test_what_came_since_is_nothing_where_nothing_came() -> None:
    end = _write(1, [("info", "one")])
    assert find(1, Filter(), 10, end, after=end) == log_search.Found([], end, end)


def test_of_a_million_lines_one_answer_reads_a_bounded_part_and_the_next_goes_on() -> None:
    line = logfiles.format_line(1_000_000, "info", "Memory", "pass 1: 15872 MiB walked, 0 errors, as the ones before")
    rare = logfiles.format_line(1_000_000, "error", "Memory", "the needle")
    end = logfiles.append(1, 0, (rare + line * 1_000_000).encode())
    begun, answers, before, found = time.process_time(), 0, end, log_search.Found([], end, end)
    while before and not found.lines:
        found = find(1, Filter("error", "needle"), 200, before)
        before, answers = found.start, answers + 1
    assert _texts(found) == ["the needle"]
    assert answers == -(-end // log_search.SEARCH_BYTES)
    assert time.process_time() - begun < 10


def test_a_log_that_is_gone_has_no_lines() -> None:
    assert find(9, Filter(), 10, end=500) == log_search.Found([], 0, 0)


def test_bytes_that_were_never_committed_are_not_shown() -> None:
    end = _write(1, [("info", "committed")])
    with logfiles.path(1).open("ab") as stream:
        stream.write(b"half a li")
    assert _texts(find(1, Filter(), 10, end)) == ["committed"]
