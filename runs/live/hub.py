"""The open event streams of this process and what is sent to them. All of it runs in the event loop, except where a
docstring says "any thread"."""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from asgiref.sync import sync_to_async

from runs.desk.readers import Permissions
from runs.live import logins
from runs.live.logins import Login

# After this many streams the event loop gets time for something else.
AT_ONCE = 50
# If a client is behind by more than this, its stream ends, and the browser opens another one.
MOST_WAITING_BYTES = 2 * 1024 * 1024
KEEP_ALIVE_S = 20
KEEP_ALIVE = b"event: keep-alive\ndata:\n\n"


@dataclass(frozen=True, slots=True)
class Message:
    """An event of one channel, encoded but for its id, which has a number for each channel of the client."""

    channel: str
    id: int
    begin: bytes
    end: bytes

    def __len__(self) -> int:
        return len(self.begin) + len(self.end)

    def for_client(self, ids: dict[str, int]) -> bytes:
        written = ",".join([f"{channel}:{last}" for channel, last in ids.items()])
        return b"%bid: %b\n%b" % (self.begin, written.encode(), self.end)


@dataclass(eq=False, slots=True)
class Stream:
    """One client. `ids` has the last event of each of its channels, which the browser sends when it comes back."""

    send: Callable[[dict[str, Any]], Awaitable[None]]
    login: Login
    ids: dict[str, int]
    group: Group | None = None
    waiting: list[Message | bytes] = field(default_factory=list)
    waiting_bytes: int = 0
    is_due: bool = False
    is_open: bool = False
    is_over: bool = False
    task: asyncio.Task[None] | None = None

    def add(self, item: Message | bytes) -> None:
        """Send this at the next `flush`; before the stream is open, then."""
        if self.is_over:
            return
        self.waiting.append(item)
        self.waiting_bytes += len(item)
        if self.waiting_bytes > MOST_WAITING_BYTES:
            self.finish()

    def open(self) -> None:
        """The first bytes were sent: send what has come meanwhile."""
        self.is_open = True
        self.flush()

    def finish(self) -> None:
        """End the stream; what is waiting is not sent. The browser opens another one, or is refused."""
        self.is_over = True
        self.waiting.clear()
        self.flush()

    async def finished(self) -> None:
        """End the stream, and return when the end was sent."""
        self.finish()
        if self.task is not None:
            await asyncio.wait([self.task], timeout=1)

    def flush(self) -> None:
        """Send all that is waiting in one piece, as soon as the client takes it."""
        if self.is_open and self.task is None and (self.waiting or self.is_over):
            self.task = asyncio.create_task(self._write())

    async def _write(self) -> None:
        try:
            while self.waiting:
                await self.send({"type": "http.response.body", "body": self._taken(), "more_body": True})
            if self.is_over and self.is_open:
                self.is_open = False
                await self.send({"type": "http.response.body", "body": b"", "more_body": False})
        finally:
            self.task = None

    def _taken(self) -> bytes:
        items, self.waiting, self.waiting_bytes = self.waiting, [], 0
        return b"".join([item if isinstance(item, bytes) else self._with_id(item) for item in items])

    def _with_id(self, message: Message) -> bytes:
        self.ids[message.channel] = message.id
        return message.for_client(self.ids)


@dataclass(eq=False, slots=True)
class Group:
    """The streams of one page whose users have the same permissions. `tags` are those of the fragments that all of them
    were sent last."""

    page: str
    permissions: Permissions
    streams: set[Stream] = field(default_factory=set)
    tags: dict[str, str] = field(default_factory=dict)


class Hub:
    """Knows the streams by channel, and by page and permissions."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._channels: dict[str, set[Stream]] = {}
        self._groups: dict[str, dict[Permissions, Group]] = {}
        self._due: deque[Stream] = deque()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._keeper: asyncio.Task[None] | None = None
        self._turns: dict[Stream, int] = {}
        self._stops = False

    @property
    def number(self) -> int:
        """How many streams there are. For any thread."""
        return len(self._turns)

    def join(self, stream: Stream, page_with_parts: str = "") -> None:
        """Add a stream: it is sent everything from now on, and the fragments of this page. If the web process is about
        to stop, the stream ends once it is open."""
        self._loop = asyncio.get_running_loop()
        with self._lock:
            for channel in stream.ids:
                self._channels.setdefault(channel, set()).add(stream)
            if page_with_parts:
                held = stream.login.permissions
                groups = self._groups.setdefault(page_with_parts, {})
                stream.group = groups.setdefault(held, Group(page_with_parts, held))
                stream.group.streams.add(stream)
        self._turns[stream] = len(self._turns) % KEEP_ALIVE_S
        if self._keeper is None or self._keeper.done():
            self._keeper = asyncio.create_task(self._keep_alive())
        if self._stops:
            stream.finish()

    def leave(self, stream: Stream) -> None:
        """Remove a stream. After the last one no signs of life are sent."""
        self._turns.pop(stream, None)
        with self._lock:
            for channel in stream.ids:
                _discard(self._channels, channel, stream)
            if (group := stream.group) is not None:
                group.streams.discard(stream)
                if not group.streams and self._groups.get(group.page, {}).get(group.permissions) is group:
                    del self._groups[group.page][group.permissions]
                    if not self._groups[group.page]:
                        del self._groups[group.page]
        if not self._turns and self._keeper is not None:
            self._keeper.cancel()
            self._keeper = None  # the task ends a moment later; a stream that joins before that starts another task

    def has_parts(self, page: str) -> bool:
        """Whether any stream wants the fragments of this page. For any thread."""
        return page in self._groups

    def groups(self, page: str) -> list[tuple[Group, list[Login]]]:
        """The groups of streams that want them. For any thread."""
        with self._lock:
            found = self._groups.get(page, {}).values()
            return [(group, [stream.login for stream in group.streams]) for group in found]

    def tell(self, message: Message) -> None:
        """Send this to all streams of its channel. For any thread."""
        if message.channel in self._channels:
            self._soon(lambda: self._add(self._channels.get(message.channel, ()), message))

    def push(self, group: Group, chunk: bytes) -> None:
        """Send this to all streams of the group. For any thread."""
        self._soon(lambda: self._add(group.streams, chunk))

    def finish(self, group: Group, logins: Iterable[Login]) -> None:
        """End the streams of these logins. For any thread."""
        over = set(logins)
        self._soon(lambda: self._finish([stream for stream in group.streams if stream.login in over]))

    def _finish(self, streams: Iterable[Stream]) -> None:
        for stream in streams:
            self.leave(stream)
            stream.finish()

    def _soon(self, act: Callable[[], None]) -> None:
        loop = self._loop
        if loop is not None and not loop.is_closed():
            loop.call_soon_threadsafe(act)

    def _add(self, streams: Iterable[Stream], item: Message | bytes) -> None:
        """Sending takes much longer than adding. So messages that come while many streams are served are sent to each
        stream in one piece, and no stream is behind by more than one turn."""
        is_idle = not self._due
        for stream in streams:
            stream.add(item)
            if not stream.is_due:
                stream.is_due = True
                self._due.append(stream)
        if is_idle and self._due:
            self._flush_some()

    def _flush_some(self) -> None:
        for _ in range(min(AT_ONCE, len(self._due))):
            stream = self._due.popleft()
            stream.is_due = False
            stream.flush()
        if self._due:
            asyncio.get_running_loop().call_soon(self._flush_some)

    async def _keep_alive(self) -> None:
        """Send a sign of life to each stream every KEEP_ALIVE_S, to some of them each second. End the streams whose
        login is over."""
        turn = 0
        while True:
            await asyncio.sleep(1)
            turn = (turn + 1) % KEEP_ALIVE_S
            these = [stream for stream, its in self._turns.items() if its == turn]
            over = await sync_to_async(logins.over)({stream.login for stream in these}) if these else set()
            self._finish([stream for stream in these if stream.login in over])
            self._add((stream for stream in these if not stream.is_over), KEEP_ALIVE)

    async def finish_all(self) -> None:
        """End all streams, and all that are opened later, since the web process is about to stop."""
        self._stops = True
        await asyncio.gather(*(stream.finished() for stream in list(self._turns)))


def _discard(index: dict[str, set[Stream]], key: str, stream: Stream) -> None:
    streams = index.get(key, set())
    streams.discard(stream)
    if not streams:
        index.pop(key, None)
