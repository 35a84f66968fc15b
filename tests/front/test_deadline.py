"""The time limit of a connection: exact, with one timer however often it is changed."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from twisted.internet.task import Clock

from vetting.front.deadline import LOOK_S, Deadline


class Connection(Deadline):
    timeOut = None

    def __init__(self, clock: Clock) -> None:
        self.factory, self.callLater = SimpleNamespace(reactor=clock), clock.callLater
        self.clock = clock
        self.ended: list[float] = []

    def timeoutConnection(self) -> None:
        self.ended.append(self.clock.seconds())


@pytest.fixture
def connection() -> Connection:
    return Connection(Clock())


def pass_by(connection: Connection, seconds: int) -> None:
    for _ in range(seconds * 2):
        connection.clock.advance(0.5)


@pytest.mark.parametrize("limit_s", [0.5, 9.5, LOOK_S, 25.0, 60.0])
@pytest.mark.parametrize("later_s", [0, 3, 12])
def test_it_ends_at_its_time_whatever_the_limit_was_before(
    connection: Connection, limit_s: float, later_s: int
) -> None:
    connection.setTimeout(60.0)
    pass_by(connection, later_s)
    assert connection.setTimeout(limit_s) == 60.0
    pass_by(connection, 61)
    assert connection.ended == [later_s + limit_s]


def test_a_limit_that_is_taken_away_ends_nothing(connection: Connection) -> None:
    connection.setTimeout(5.0)
    assert connection.setTimeout(None) == 5.0
    pass_by(connection, 100)
    assert not connection.ended and not connection.clock.getDelayedCalls()


def test_a_thousand_requests_use_one_timer_and_the_end_of_the_connection_none(connection: Connection) -> None:
    for _ in range(1000):
        for limit_s in (10.0, 15.5, 60.0, None, 60.0):
            connection.setTimeout(limit_s)
        connection.clock.advance(0.1)
        assert len(connection.clock.getDelayedCalls()) == 1
    connection.forget_deadline()
    assert not connection.clock.getDelayedCalls() and not connection.ended
