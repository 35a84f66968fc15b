"""The log of a run: one flat file that no crash doubles and no host can deface."""

from __future__ import annotations

from pathlib import Path

import pytest

from runs.files import logs as logfiles


@pytest.fixture(autouse=True)
def runs_dir(settings: object, tmp_path: Path) -> Path:
    settings.RUNS_DIR = tmp_path
    return tmp_path


def _fill(count: int, run_id: int = 7) -> int:
    lines = [logfiles.format_line(1_700_000_000 + n, "info", "SMART", f"line {n}") for n in range(count)]
    return logfiles.append(run_id, 0, "".join(lines).encode())


def test_a_line_reads_as_documented() -> None:
    line = logfiles.format_line(1_795_471_805.1239, "info", "SMART", "sda: short self-test started")
    assert line == "2026-11-23T22:10:05.123Z INFO  SMART        sda: short self-test started\n"


def test_a_line_comes_back_in_its_parts() -> None:
    raw = logfiles.format_line(1_795_471_805.5, "warning", "", "fan 2 at 300 rpm").rstrip("\n")
    line = logfiles.parse_line(raw)
    assert (line.clock, line.level, line.stage, line.text) == ("22:10:05", "WARN", "", "fan 2 at 300 rpm")


def test_what_was_written_but_not_committed_is_cut_off_by_the_next_append() -> None:
    committed = logfiles.append(7, 0, b"first\n")
    logfiles.append(7, committed, b"written by one that died before the commit\n")
    assert logfiles.append(7, committed, b"second\n") == len(b"first\nsecond\n")
    assert logfiles.path(7).read_bytes() == b"first\nsecond\n"


def test_a_file_that_was_lost_is_begun_again_without_a_hole() -> None:
    assert logfiles.append(7, 5000, b"again\n") == 6
    assert logfiles.path(7).read_bytes() == b"again\n"


def test_controls_and_line_breaks_never_reach_the_file() -> None:
    text = "ok\x1b[31m\r\nERROR forged\u202e\u2028\x9b"
    assert logfiles.clean(text) == "ok[31m ERROR forged\\u202e\\u2028"


_TOKENS = ["vt1.7.1.abc.def", "v\x00t1.7.1.abc.def", "vetting.token=vt1.7.1.abc.def"]


@pytest.mark.parametrize("hidden", _TOKENS)
def test_a_token_is_blotted_out_even_when_controls_hide_it(hidden: str) -> None:
    assert "abc" not in logfiles.clean(f"cmdline: {hidden} quiet")
    assert logfiles.clean(f"cmdline: {hidden} quiet").endswith("[token removed] quiet")


def test_a_lone_surrogate_can_be_written() -> None:
    assert logfiles.append(7, 0, logfiles.format_line(0, "info", "", "bad \ud800 name").encode()) > 0


@pytest.mark.parametrize("time", [1e300, -1e300, float("inf")])
def test_a_mad_clock_does_not_lose_the_line(time: float) -> None:
    assert logfiles.format_line(time, "info", "", "here").endswith("here\n")


def test_the_tail_is_the_last_lines_in_order() -> None:
    _fill(5000)
    tail = logfiles.tail(7, lines=3)
    assert [line.text for line in tail.lines] == ["line 4997", "line 4998", "line 4999"]


def test_tails_can_be_read_backwards_to_the_first_line_without_gap_or_overlap() -> None:
    end: int | None = _fill(2500)
    seen: list[str] = []
    while end:
        tail = logfiles.tail(7, lines=700, before=end)
        seen = [line.text for line in tail.lines] + seen
        end = tail.start
    assert seen == [f"line {n}" for n in range(2500)]


def test_a_tail_up_to_the_committed_length_hides_what_is_not_committed() -> None:
    committed = _fill(2)
    logfiles.append(7, committed, b"not committed\n")
    assert [line.text for line in logfiles.tail(7, before=committed).lines] == ["line 0", "line 1"]


def test_a_run_without_a_log_has_an_empty_tail() -> None:
    assert logfiles.tail(99) == logfiles.Tail([], 0)
