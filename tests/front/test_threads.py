"""Threads of their own for each kind of request: who waits for a password keeps no agent waiting."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.urls import URLPattern, URLResolver, get_resolver

from runs.bench import allowance
from runs.bench.allowance import Pace
from runs.database import limits as dblimits
from vetting.front import logins
from vetting.front.logins import Logins
from vetting.front.threads import Threads, pooled

LIMITS = dblimits.Limits(lock_s=3, statement_s=4)


async def ask(application: Any, path: str = "/", method: str = "GET", address: str = "10.77.0.9") -> int:
    statuses: list[int] = []

    async def send(message: dict[str, Any]) -> None:
        statuses.append(message.get("status", 0))

    scope = {"path": path, "method": method, "query_string": b"", "client": [address, 4000]}
    await application(scope, None, send)
    return statuses[0]


def in_a_thread(work: Callable[[], int]) -> Callable[..., Awaitable[None]]:
    async def application(scope: Any, receive: Any, send: Any) -> None:
        status = await sync_to_async(work)()
        await send({"type": "http.response.start", "status": status})
        await send({"type": "http.response.body", "body": b""})

    return application


def test_forty_who_log_in_take_one_thread_and_keep_no_machine_waiting() -> None:
    password_checked = threading.Event()
    at_once: set[int] = set()

    def check_password() -> int:
        at_once.add(threading.get_ident())
        password_checked.wait(20)
        return 302

    async def scene() -> tuple[list[int], int, int]:
        login = Logins(pooled(in_a_thread(check_password), Threads("logins", 1, LIMITS, 20, most=8)))
        machine = pooled(in_a_thread(lambda: 200), Threads("machines", 4, LIMITS, 20))
        attempts = [asyncio.ensure_future(ask(login, "/login/", "POST", f"10.77.1.{n}")) for n in range(40)]
        answers = [await ask(machine) for _ in range(10)]
        still_waiting = sum(not one.done() for one in attempts)
        password_checked.set()
        return answers, still_waiting, [await one for one in attempts].count(302)

    answers, still_waiting, logged_in = asyncio.run(scene())
    assert answers == [200] * 10 and len(at_once) == 1
    # One whose password is checked and eight behind it; the others were told to come again.
    assert (still_waiting, logged_in) == (9, 9)


def test_a_request_for_which_no_thread_is_free_in_time_is_told_so() -> None:
    free = threading.Event()

    async def scene() -> tuple[int, int]:
        application = pooled(in_a_thread(lambda: free.wait(20) and 200), Threads("people", 1, LIMITS, 0.05))
        first = asyncio.ensure_future(ask(application))
        await asyncio.sleep(0)
        second = await ask(application)
        free.set()
        return await first, second

    assert asyncio.run(scene()) == (200, 503)


def test_a_thread_comes_back_also_from_a_request_that_fails() -> None:
    def fail() -> int:
        raise RuntimeError("a bug")

    async def scene() -> list[object]:
        application = pooled(in_a_thread(fail), Threads("people", 2, LIMITS, 0.05))
        return [await asyncio.gather(ask(application), return_exceptions=True) for _ in range(5)]

    assert [type(one[0]) for one in asyncio.run(scene())] == [RuntimeError] * 5


def test_each_kind_of_thread_opens_its_connections_with_its_own_limits() -> None:
    found: list[dblimits.Limits] = []

    def look() -> int:
        found.append(dblimits._mine.limits)
        return 200

    asyncio.run(ask(pooled(in_a_thread(look), Threads("people", 1, LIMITS, 1))))
    assert found == [LIMITS]


def test_an_address_has_twenty_attempts_at_once_and_one_more_every_three_seconds() -> None:
    now = [0.0]
    pace = Pace(20, 3.0, lambda: now[0])
    assert [pace.take("a") for _ in range(20)] == [0] * 20
    assert pace.take("a") == 3 and pace.take("b") == 0
    now[0] = 3.0
    assert (pace.take("a"), pace.take("a")) == (0, 3)
    pace.give_back("a")
    assert pace.take("a") == 0


def test_addresses_that_have_all_their_attempts_again_are_forgotten() -> None:
    now = [0.0]
    pace = Pace(20, 3.0, lambda: now[0])
    for n in range(allowance._PACES_REMEMBERED):
        pace.take(str(n))
    now[0] = 4.0
    pace.take("one more")
    assert len(pace._full_at) == 1


def answers_to(application: Any, count: int, address: str = "") -> list[int]:
    async def scene() -> list[int]:
        return [await ask(application, "/login/", "POST", address or f"10.77.1.{n}") for n in range(count)]

    return asyncio.run(scene())


def test_wrong_passwords_from_one_address_are_answered_429() -> None:
    application = Logins(in_a_thread(lambda: 200))
    assert answers_to(application, 25, "10.77.0.9") == [200] * 20 + [429] * 5
    assert answers_to(application, 1, "10.77.0.10") == [200]


def test_wrong_passwords_from_many_addresses_are_answered_429_too() -> None:
    assert answers_to(Logins(in_a_thread(lambda: 200)), 65).count(429) == 5


def test_who_knows_the_password_may_log_in_as_often_as_he_likes() -> None:
    assert answers_to(Logins(in_a_thread(lambda: 302)), 70, "10.77.0.9") == [302] * 70


def test_every_page_that_checks_a_password_of_a_stranger_goes_that_way() -> None:
    names = ("login", "password_change")
    found = {f"/{path}" for path, pattern in _patterns(get_resolver()) if pattern.name in names}
    assert found == logins.PATHS


@pytest.mark.parametrize(
    "path", ["/admin/auth/user/add/", "/admin/auth/user/5/password/", "/admin/auth/user/a/b/password/"]
)
def test_who_sets_a_password_takes_the_thread_of_passwords_and_no_attempt(path: str) -> None:
    assert logins.sets_password({"path": path, "method": "POST"})
    assert not logins.sets_password({"path": path, "method": "GET"})
    assert not logins.is_attempt({"path": path, "method": "POST"})


def _patterns(resolver: URLResolver, before: str = "") -> list[tuple[str, URLPattern]]:
    found: list[tuple[str, URLPattern]] = []
    for one in resolver.url_patterns:
        path = f"{before}{one.pattern}"
        found += _patterns(one, path) if isinstance(one, URLResolver) else [(path, one)]
    return found
