"""A hundred browsers on one run: from the commit of an event to the fragment with it received.

Three are real pages in Chromium. The others are streams that do what the page's script does: hear an event, fetch the
parts that it makes stale, and at most one fetch every 300 ms. Each event has a number in its text, and counts as
received with the first fragment that shows this number. All of it shares the machine with the web process.
"""

from __future__ import annotations

import asyncio
import os
import re
import tempfile
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import psutil

from tests.bench.pages import _prepare

PAGES = 3
MIN_GAP_S = 0.3
SETTLE_S = 10
# In a page: event number → when a fragment that shows it was received, in seconds since the epoch.
NOTE_ARRIVALS = """
  window.arrivals = {};
  document.addEventListener("htmx:afterRequest", (event) => {
    const now = (performance.timeOrigin + performance.now()) / 1000;
    for (const [, n] of event.detail.xhr.responseText.matchAll(/bench event (\\d+)/g)) window.arrivals[n] ??= now;
  });
"""


@dataclass
class Watched:
    """What the streams saw. `arrivals` has one dictionary for each: event number → seconds since the epoch."""

    url: str
    parts: str
    channel: str
    cookies: dict[str, str]
    opened: int = 0
    done: threading.Event = field(default_factory=threading.Event)
    arrivals: list[dict[int, float]] = field(default_factory=list)


def main(streams: int, events: int, every_s: float) -> None:
    with tempfile.TemporaryDirectory() as folder:
        database = _prepare(Path(folder))
        os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "true"  # Playwright's loop runs in the thread that writes the events
        from tests.runs.webprocess import WebProcess

        web = WebProcess(Path(folder), database)
        web.start()
        try:
            _measure(web, streams, events, every_s)
        finally:
            web.stop()


def _measure(web: Any, streams: int, events: int, every_s: float) -> None:
    from tests import factories

    run = factories.in_storage()
    client = web.log_in("operator", "a-pass-for-figures")
    watched = _watched(web, client, run)
    thread = threading.Thread(target=lambda: asyncio.run(_all_streams(watched, streams - PAGES)))
    thread.start()
    process = psutil.Process(web.process.pid)
    try:
        before, begun = process.cpu_times(), time.monotonic()
        committed, pages = _with_pages(web, watched, run, streams, events, every_s)
        took, after = time.monotonic() - begun, process.cpu_times()
    finally:
        watched.done.set()
        thread.join()
    cpu = (after.user + after.system - before.user - before.system) / took
    print(f"{streams} streams, {PAGES} of them pages in Chromium; {events} events, one every {every_s:g} s")
    _report("streams", committed, watched.arrivals)
    _report("pages in Chromium", committed, pages)
    print(f"web process {cpu:.0%} of one core, {process.memory_info().rss / 2**20:.0f} MB")
    print(f"load average {', '.join(f'{load:.1f}' for load in os.getloadavg())}")


def _watched(web: Any, client: Any, run: Any) -> Watched:
    """The parts that the page's script would fetch for an event of the run, read from the page."""
    page = client.get(run.get_absolute_url()).text
    tags = re.findall(r"<section[^>]*data-on=\"[^\"]*\brun\b[^\"]*\"[^>]*>", page)
    names = [match[1] for tag in tags if (match := re.search(r"\bid=\"([^\"]+)\"", tag))]
    query = "&".join(f"part={name}" for name in names)
    return Watched(web.url, f"{run.get_absolute_url()}parts/?{query}", f"run-{run.pk}", dict(client.cookies))


async def _all_streams(watched: Watched, count: int) -> None:
    headers = {"Cookie": "; ".join(f"{name}={value}" for name, value in watched.cookies.items())}
    jar, connector, for_ever = (
        aiohttp.DummyCookieJar(),
        aiohttp.TCPConnector(limit=0),
        aiohttp.ClientTimeout(total=None),
    )
    async with aiohttp.ClientSession(
        watched.url, connector=connector, timeout=for_ever, cookie_jar=jar, headers=headers
    ) as session:
        tasks = [asyncio.create_task(_stream(session, watched)) for _ in range(count)]
        while not watched.done.is_set():
            await asyncio.sleep(0.2)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _stream(session: aiohttp.ClientSession, watched: Watched) -> None:
    arrivals: dict[int, float] = {}
    watched.arrivals.append(arrivals)
    stale = asyncio.Event()
    fetcher = asyncio.create_task(_fetch_when_stale(session, watched, stale, arrivals))
    try:
        async with session.get("/events/", params={"channel": watched.channel}) as stream:
            async for line in stream.content:
                if line.startswith(b"event: stream-open"):
                    watched.opened += 1
                elif line.startswith(b"event: run"):
                    stale.set()
    finally:
        fetcher.cancel()


async def _fetch_when_stale(
    session: aiohttp.ClientSession, watched: Watched, stale: asyncio.Event, arrivals: dict[int, float]
) -> None:
    while await stale.wait():
        stale.clear()
        async with session.get(watched.parts, headers={"HX-Request": "true"}) as answer:
            text = await answer.text()
        now = time.time()
        for number in re.findall(r"bench event (\d+)", text):
            arrivals.setdefault(int(number), now)
        await asyncio.sleep(MIN_GAP_S)


def _with_pages(
    web: Any, watched: Watched, run: Any, streams: int, events: int, every_s: float
) -> tuple[dict[int, float], list[dict[int, float]]]:
    """When each event was committed, and what the pages saw."""
    from playwright.sync_api import sync_playwright

    from tests.browser.chromium import Chromium

    with sync_playwright() as playwright:
        browser = Chromium(playwright)
        context = browser.new_context(base_url=web.url)
        context.add_cookies([{"name": name, "value": value, "url": web.url} for name, value in watched.cookies.items()])
        context.add_init_script(NOTE_ARRIVALS)
        pages = [context.new_page() for _ in range(PAGES)]
        for page in pages:
            page.goto(run.get_absolute_url())
            page.wait_for_selector("#connection[data-state=live]")
        while watched.opened < streams - PAGES:
            pages[0].wait_for_timeout(100)
        committed = _write(pages[0], run, events, every_s)
        seen = [{int(n): at for n, at in page.evaluate("window.arrivals").items()} for page in pages]
        browser.close()
    return committed, seen


def _write(page: Any, run: Any, events: int, every_s: float) -> dict[int, float]:
    """The events, each committed by itself; `page` waits in between, so that the browser is served meanwhile."""
    from tests import factories

    committed: dict[int, float] = {}
    page.wait_for_timeout(SETTLE_S * 1000)
    for number in range(events):
        factories.tell(run, "note", f"bench event {number}")
        committed[number] = time.time()
        page.wait_for_timeout(every_s * 1000)
    page.wait_for_timeout(SETTLE_S * 1000)
    return committed


def _report(what: str, committed: dict[int, float], arrivals: list[dict[int, float]]) -> None:
    late = sorted(seen[n] - at for seen in arrivals for n, at in committed.items() if n in seen)
    expected = len(committed) * len(arrivals)
    if len(late) < expected:
        raise SystemExit(f"{what}: {expected - len(late)} of {expected} fragments never came")
    p50, p99 = late[len(late) // 2], late[int(len(late) * 0.99)]
    print(f"{what}: {len(late)} of {expected} fragments, p50 {p50 * 1000:.0f} ms, p99 {p99 * 1000:.0f} ms, "
          f"worst {late[-1] * 1000:.0f} ms")  # fmt: skip
