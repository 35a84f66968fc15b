"""Rendered fragments of pages, kept for a moment for everybody who may see the same."""

from __future__ import annotations

import hashlib
import re
import secrets
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from typing import TypeVar

K = TypeVar("K", bound=Hashable)
# A rendering is handed out for so long: some texts depend on the time, and not every change has a version.
FRESH_S = 1.0
# In place of the token in forms, which is another for each session. Nobody outside can know it, so no text from a host
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


def part(html: str, version: int) -> Part:
    """A fragment as it was rendered, without indentation, which is a third of its bytes."""
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
class _Place:
    """One key of the shelf. Who holds the lock renders; the others wait for it."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    newest: Shown | None = None


class Shelf:
    """The newest rendering of each key, at most `most` of them. A key names what is shown and to whom."""

    def __init__(self, most: int, fresh_s: float = FRESH_S) -> None:
        self._most, self._fresh_s = most, fresh_s
        self._lock = threading.Lock()
        self._many = threading.Lock()
        self._places: OrderedDict[Hashable, _Place] = OrderedDict()

    def __len__(self) -> int:
        return len(self._places)

    def get(self, key: Hashable, version: int, make: Callable[[], Shown]) -> Shown:
        """A rendering of this version or a later one: the one that is kept if it is fresh, or a new one."""
        place = self._place(key)
        with place.lock:
            kept = place.newest
            if kept is None or not self._is_good(kept, version):
                kept = place.newest = make()
            return kept

    def get_many(self, versions: dict[K, int], make: Callable[[list[K]], dict[K, Shown]]) -> dict[K, Shown]:
        """The same for many keys. `make` renders all that are missing, and may leave some out."""
        with self._many:
            kept = {key: self._place(key).newest for key in versions}
            good = {key: one for key, one in kept.items() if one is not None and self._is_good(one, versions[key])}
            if missing := [key for key in versions if key not in good]:
                good |= make(missing)
                for key in good.keys() & missing:
                    self.put(key, good[key])
            return {key: good[key] for key in versions if key in good}

    def put(self, key: Hashable, shown: Shown) -> None:
        """Keep this rendering, unless one that began later is there."""
        place = self._place(key)
        with place.lock:
            if place.newest is None or place.newest.began < shown.began:
                place.newest = shown

    def _is_good(self, kept: Shown, version: int) -> bool:
        return kept.version >= version and time.monotonic() - kept.began <= self._fresh_s

    def _place(self, key: Hashable) -> _Place:
        with self._lock:
            place = self._places.setdefault(key, _Place())
            self._places.move_to_end(key)
            while len(self._places) > self._most:
                self._places.popitem(last=False)
            return place
