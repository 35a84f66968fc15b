"""Rendered fragments of pages, kept for a moment for all readers with the same permissions."""

from __future__ import annotations

import hashlib
import re
import secrets
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import TypeVar

from django.template.loader import render_to_string

K = TypeVar("K", bound=Hashable)
# How long a rendering is handed out: some texts depend on the time, and not every change has a version.
FRESH_S = 1.0
# Stands in place of the token in forms, which differs for each session. No answer contains it, so no text from outside
# can contain it.
TOKEN = secrets.token_hex(16)
_CLOCK = re.compile(r'(data-elapsed="[^"]*"[^>]*>)[^<]*')
_INDENTATION = re.compile(r"\n\s+")
_ROOT = 'hx-swap-oob="true"'


@dataclass(frozen=True)
class Part:
    """One fragment. Its tag is a digest of its content without running clocks. Its outermost element has the tag and
    the version as attributes."""

    html: str
    tag: str


def part(template: str, context: Mapping[str, object], version: int) -> Part:
    """The fragment for many readers, with TOKEN in its forms, and without indentation, which would be a third of its
    bytes."""
    html: str = render_to_string(template, {**context, "csrf_token": TOKEN})
    if "<pre" not in html:
        html = _INDENTATION.sub("\n", html)
    content = _CLOCK.sub(r"\1", html).replace(TOKEN, "")
    tag = hashlib.blake2b(content.encode(), digest_size=9).hexdigest()
    return Part(html.replace(_ROOT, f'{_ROOT} data-tag="{tag}" data-version="{version}"', 1), tag)


@dataclass(frozen=True)
class Shown:
    """Fragments that were rendered together. The version was read before everything else; `began` is when, on the
    monotonic clock."""

    version: int
    began: float
    parts: dict[str, Part]

    @property
    def tags(self) -> dict[str, str]:
        return {name: one.tag for name, one in self.parts.items()}


@dataclass
class _Entry:
    """One key of the cache. The thread that holds the lock renders; the others wait."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    newest: Shown | None = None

    def keep(self, shown: Shown) -> None:
        """Keep this rendering, unless one that began later is there. The caller holds the lock."""
        if self.newest is None or self.newest.began < shown.began:
            self.newest = shown


class RenderingCache:
    """The newest rendering of each key, at most `most` of them. A key names what is shown and to whom."""

    def __init__(self, most: int, fresh_s: float = FRESH_S) -> None:
        self._most, self._fresh_s = most, fresh_s
        self._lock = threading.Lock()
        self._entries: OrderedDict[Hashable, _Entry] = OrderedDict()

    def __len__(self) -> int:
        return len(self._entries)

    def get(self, key: Hashable, version: int, make: Callable[[], Shown]) -> Shown:
        """A rendering of this version or a later one: the one that is kept if it is fresh, or a new one."""
        entry = self._entry(key)
        with entry.lock:
            kept = entry.newest
            if kept is None or not self._is_good(kept, version):
                kept = entry.newest = make()
            return kept

    def get_many(self, versions: dict[K, int], make: Callable[[list[K]], dict[K, Shown]]) -> dict[K, Shown]:
        """The same for many keys. `make` renders all that are missing, and may leave some out."""
        entries = {key: self._entry(key) for key in versions}
        good = self._good(entries, versions)
        missing = {key: entry for key, entry in entries.items() if key not in good}
        with ExitStack() as locks:
            for entry in sorted(missing.values(), key=id):  # the same order in all threads: no deadlock
                locks.enter_context(entry.lock)
            good |= self._good(missing, versions)  # another thread may have rendered it meanwhile
            if absent := [key for key in missing if key not in good]:
                made = make(absent)
                for key, shown in made.items():
                    missing[key].keep(shown)
                good |= made
        return {key: good[key] for key in versions if key in good}

    def _good(self, entries: Mapping[K, _Entry], versions: Mapping[K, int]) -> dict[K, Shown]:
        kept = {key: entry.newest for key, entry in entries.items()}
        return {key: one for key, one in kept.items() if one is not None and self._is_good(one, versions[key])}

    def put(self, key: Hashable, shown: Shown) -> None:
        """Keep this rendering, unless one that began later is there."""
        entry = self._entry(key)
        with entry.lock:
            entry.keep(shown)

    def _is_good(self, kept: Shown, version: int) -> bool:
        return kept.version >= version and time.monotonic() - kept.began <= self._fresh_s

    def _entry(self, key: Hashable) -> _Entry:
        with self._lock:
            entry = self._entries.setdefault(key, _Entry())
            self._entries.move_to_end(key)
            while len(self._entries) > self._most:
                self._entries.popitem(last=False)
            return entry
