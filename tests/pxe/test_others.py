"""Which processes are read to find those of one program: a server has too many to read all of them every second."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from pxe import daemon
from pxe.daemon import ALL_READ_EVERY_S, SETTLES_S, Others


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[float]]:
    now = [1000.0]
    monkeypatch.setattr(daemon.time, "monotonic", lambda: now[0])
    yield now


def test_the_first_look_reads_all(clock: list[float]) -> None:
    assert Others().to_read([1, 2]) == [1, 2]


def test_what_has_been_another_program_for_a_while_is_read_now_and_then(clock: list[float]) -> None:
    others = Others()
    others.to_read([1])
    read = []
    for _ in range(int(3 * ALL_READ_EVERY_S)):
        clock[0] += 1
        read.append(others.to_read([1]) == [1])
    assert sum(read[int(SETTLES_S) :]) == 3
    assert not any(read[int(SETTLES_S) : int(ALL_READ_EVERY_S) - 1])


def test_a_new_process_is_read_each_time_since_it_may_still_become_another_program(clock: list[float]) -> None:
    others = Others()
    others.to_read([1])
    clock[0] += SETTLES_S
    assert others.to_read([1, 2]) == [2]
    clock[0] += 1
    assert others.to_read([1, 2]) == [2]


def test_a_process_of_the_program_is_read_each_time(clock: list[float]) -> None:
    others = Others()
    for _ in range(int(2 * ALL_READ_EVERY_S)):
        assert 7 in others.to_read([1, 7])
        others.remove(7)
        clock[0] += 1


def test_a_number_that_another_process_had_is_that_of_a_new_one(clock: list[float]) -> None:
    others = Others()
    others.to_read([1, 2])
    clock[0] += SETTLES_S
    others.to_read([1])
    assert others.to_read([1, 2]) == [2]
