"""Many browsers on one run: from the commit of an event to the fragment with it received.

Some are real pages in Chromium. The others are streams that do what the page's script does with the fragments on its
stream. Each event has a number in its text, and counts as received with the first fragment that shows it, or a newer
one: the history shows the newest first. All of it shares the machine with the web process.

    python -m tests.bench streams --json                                             a hundred browsers on one run
    python -m tests.bench streams --streams 1000 --every 0.1 --events 300 --pages 0  a thousand, ten events a second
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import resource
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

from tests.bench.pages import _prepare

SETTLE_S = 10
LIMIT_S = 60
# An account may have 64 streams at one address.
OF_ONE_ACCOUNT = 60
# In a page: event number → when a fragment that shows it was put in place, in seconds since the epoch.
NOTE_ARRIVALS = """
  window.arrivals = {};
  document.addEventListener("htmx:oobAfterSwap", () => {
    const now = (performance.timeOrigin + performance.now()) / 1000;
    const newest = document.getElementById("history").textContent.match(/bench event (\\d+)/);
    for (let n = newest ? Number(newest[1]) : -1; n >= 0 && !(n in window.arrivals); n -= 1) window.arrivals[n] = now;
  });
"""


@dataclass
class Committed:
    """When each event was committed, in seconds since the epoch, by its number; and numbers by the row's id."""

    at: dict[int, float] = field(default_factory=dict)
    number_of: dict[int, int] = field(default_factory=dict)


@dataclass
class Streams:
    """The streams, each with what it saw: event number → seconds since the epoch."""

    port: int
    run: int
    cookies: list[str]
    committed: Committed
    is_open: threading.Event = field(default_factory=threading.Event)
    done: threading.Event = field(default_factory=threading.Event)
    fragments: list[dict[int, float]] = field(default_factory=list)
    events: list[dict[int, float]] = field(default_factory=list)

    def run_all(self, count: int) -> None:
        asyncio.run(self._run_all(count))

    async def _run_all(self, count: int) -> None:
        loop = asyncio.get_running_loop()
        for number in range(count):
            cookie = self.cookies[number // OF_ONE_ACCOUNT]
            _, client = await loop.create_connection(lambda cookie=cookie: Client(self, cookie), "127.0.0.1", self.port)
            async with asyncio.timeout(LIMIT_S):
                await client.opened.wait()
        self.is_open.set()
        while not self.done.is_set():
            await asyncio.sleep(0.2)


class Client(asyncio.Protocol):
    """One stream. It looks for what it needs without reading the whole: the clients share two cores with the server."""

    def __init__(self, streams: Streams, cookie: str) -> None:
        self._streams, self._cookie = streams, cookie
        self._buffer = b""
        self._newest = -1
        self.opened = asyncio.Event()
        self.fragments: dict[int, float] = {}
        self.events: dict[int, float] = {}
        streams.fragments.append(self.fragments)
        streams.events.append(self.events)

    def connection_made(self, transport: Any) -> None:
        head = f"Host: 127.0.0.1:{self._streams.port}\r\nCookie: {self._cookie}\r\n\r\n"
        transport.write(f"GET /events/?channel=run-{self._streams.run}&with=parts HTTP/1.1\r\n{head}".encode())

    def data_received(self, data: bytes) -> None:
        *blocks, self._buffer = (self._buffer + data).split(b"\n\n")
        now = time.time()
        for block in blocks:
            if b"event: parts\n" in block:
                self._fragment(block, now)
            elif b"event: run\n" in block:
                self._event(block, now)
            elif b"event: stream-open\n" in block:
                self.opened.set()

    def _fragment(self, block: bytes, now: float) -> None:
        found = re.search(rb"bench event (\d+)", block)
        for number in range(self._newest + 1, int(found[1]) + 1 if found else 0):
            self.fragments[number] = now
            self._newest = number

    def _event(self, block: bytes, now: float) -> None:
        if found := re.search(rb'"id": (\d+)', block):
            self.events.setdefault(int(found[1]), now)


def main(streams: int, events: int, every_s: float, pages: int, server: str, as_json: bool) -> None:
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))  # for the clients and for the web process
    with tempfile.TemporaryDirectory() as folder:
        database = _prepare(Path(folder))
        os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "true"  # Playwright's loop runs in the thread that writes the events
        web = _web(Path(folder), database, server)
        try:
            figures = _measure(web, streams, events, every_s, pages)
        finally:
            web.stop()
    if as_json:
        print(json.dumps(figures))
    if figures["fragments"] < figures["expected"]:
        raise SystemExit(1)


def _web(folder: Path, database: str, server: str) -> Any:
    """A web process, started as the product does it."""
    from tests.runs.webprocess import ROOT, WebProcess

    web = WebProcess(folder, database)
    config = folder / "vetting.yaml"
    config.write_text(config.read_text().replace("}", ", connections_per_address: 4000}"))
    argv = [sys.executable, "manage.py", "web", "--server", server]
    web.process = subprocess.Popen(argv, cwd=ROOT, env=web.environment)
    web._wait_until_it_answers()
    return web


def _measure(web: Any, count: int, events: int, every_s: float, pages: int) -> dict[str, Any]:
    from tests import factories

    run = factories.in_storage()
    streams = Streams(web.port, run.pk, _cookies(count), Committed())
    process = psutil.Process(web.process.pid)
    web.log_in("operator", "a-pass-for-figures").get(run.get_absolute_url())  # everything is loaded once
    before = process.memory_full_info().pss
    thread = threading.Thread(target=streams.run_all, args=(count - pages,))
    thread.start()
    try:
        if not streams.is_open.wait(LIMIT_S + count):
            raise SystemExit("not all streams could be opened")
        figures = {
            "streams": count,
            "events": events,
            "every_s": every_s,
            "bytes_per_stream": (process.memory_full_info().pss - before) // max(1, count - pages),
            "threads": process.num_threads(),
        }
        cpu_s, began = _cpu_s(process), time.monotonic()
        arrivals = _with_pages(web, streams, run, pages, lambda wait: _write(streams, run, events, every_s, wait))
        took_s, cpu_s = time.monotonic() - began, _cpu_s(process) - cpu_s
    finally:
        streams.done.set()
        thread.join()
    figures |= {"core_percent": round(100 * cpu_s / took_s, 1), "cpu_ms_per_event": round(1000 * cpu_s / events, 1)}
    return figures | _report(streams, arrivals)


def _cookies(streams: int) -> list[str]:
    """Of as many operators as the streams need."""
    from django.contrib.auth.models import User
    from django.test import Client as Browser

    found = []
    for number in range(-(-streams // OF_ONE_ACCOUNT)):
        browser = Browser()
        user = User.objects.create_user(f"operator-{number}", is_staff=True, is_superuser=True)
        browser.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
        found.append("; ".join(f"{name}={morsel.value}" for name, morsel in browser.cookies.items()))
    return found


def _cpu_s(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


def _with_pages(
    web: Any, streams: Streams, run: Any, count: int, write: Callable[[Callable[[float], object]], None]
) -> list[dict[int, float]]:
    """Let `write` write the events while `count` pages are open in Chromium; what these saw."""
    if not count:
        write(time.sleep)
        return []
    from playwright.sync_api import sync_playwright

    from tests.browser.chromium import Chromium

    with sync_playwright() as playwright:
        browser = Chromium(playwright)
        context = browser.new_context(base_url=web.url)
        name, _, value = streams.cookies[0].partition("=")
        context.add_cookies([{"name": name, "value": value.partition(";")[0], "url": web.url}])
        context.add_init_script(NOTE_ARRIVALS)
        opened = [context.new_page() for _ in range(count)]
        for page in opened:
            page.goto(run.get_absolute_url())
            page.wait_for_selector("#connection[data-state=live]")
        write(lambda seconds: opened[0].wait_for_timeout(seconds * 1000))
        seen = [{int(n): at for n, at in page.evaluate("window.arrivals").items()} for page in opened]
        browser.close()
    return seen


def _write(streams: Streams, run: Any, events: int, every_s: float, wait: Callable[[float], object]) -> None:
    """The events, each committed by itself. `wait` serves the browser meanwhile."""
    from tests import factories

    wait(SETTLE_S)
    begun = time.monotonic()
    for number in range(events):
        row = factories.tell(run, "note", f"bench event {number}")
        streams.committed.at[number] = time.time()
        streams.committed.number_of[row.pk] = number
        wait(max(0.0, begun + (number + 1) * every_s - time.monotonic()))
    wait(SETTLE_S)


def _report(streams: Streams, pages: list[dict[int, float]]) -> dict[str, Any]:
    committed, number_of = streams.committed.at, streams.committed.number_of
    told = [{number_of[pk]: at for pk, at in seen.items() if pk in number_of} for seen in streams.events]
    figures = _figures("fragments", committed, streams.fragments + pages)
    figures |= {f"event_{name}": value for name, value in _figures("events", committed, told).items()}
    if pages:
        figures |= {f"page_{name}": value for name, value in _figures("in Chromium", committed, pages).items()}
    last = max(committed)
    figures["missed_the_last"] = sum(last not in seen for seen in streams.fragments + pages)
    return figures


def _figures(what: str, committed: dict[int, float], arrivals: list[dict[int, float]]) -> dict[str, Any]:
    late_ms = sorted((seen[n] - at) * 1000 for seen in arrivals for n, at in committed.items() if n in seen) or [0.0]
    found = {
        "fragments": sum(n in seen for seen in arrivals for n in committed),
        "expected": len(committed) * len(arrivals),
        "p50_ms": round(late_ms[len(late_ms) // 2], 1),
        "p99_ms": round(late_ms[int(len(late_ms) * 0.99)], 1),
        "worst_ms": round(late_ms[-1], 1),
    }
    print(f"{what}: {found['fragments']} of {found['expected']}, p50 {found['p50_ms']:.0f} ms, "
          f"p99 {found['p99_ms']:.0f} ms, worst {found['worst_ms']:.0f} ms")  # fmt: skip
    return found
