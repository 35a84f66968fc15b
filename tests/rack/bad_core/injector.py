"""The threads that make a core wrong: they wait for the agent's worker on that core, and change one bit of one register
at an instruction of the worker's code, again and again."""

from __future__ import annotations

import random
import threading
from collections import Counter
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from agent.core_screen.worker import TITLE
from tests.rack import guestport
from tests.rack.bad_core import instructions
from tests.rack.bad_core.gdbstub import RIP, Stub, StubError
from tests.rack.bad_core.instructions import LIBRARIES, Site
from tests.rack.machinefile import BadCore

# As many passes of the core through such an instruction are counted in a second of work. On the bench it makes more.
PASSES_PER_S = 1e5
# Each change stops the machine for some milliseconds, so changes have this distance at least.
_LEAST_GAP_S = 0.02
_LOOK_EVERY_S = 0.5
_SLICE_S = 0.05
_PAGE_BYTES, _CODE_BYTES, _CANDIDATES, _KEPT = 4096, 1024, 6, 4
# Where a worker's libraries lie in memory: `start-end r-xp offset device inode path`. All workers are copies of one
# process, so they lie alike.
_MAPS = f"""f=$(grep -l {TITLE} /proc/[0-9]*/comm 2>/dev/null | head -n 1)
[ "$f" ] && grep r-xp ${{f%comm}}maps; true"""


def ranges(maps: str, names: Iterable[str]) -> list[tuple[int, int, str]]:
    """Start and end of the code of each library whose file has one of `names` in its name."""
    found = []
    for line in maps.splitlines():
        words = line.split()
        if len(words) == 6 and any(name in words[5] for name in names):
            start, _, end = words[0].partition("-")
            found.append((int(start, 16), int(end, 16), words[5]))
    return found


class Injector:
    """Works from `start` until `close`, or until the machine is off."""

    def __init__(self, bad: BadCore, guest_port: Path, gdb: Path) -> None:
        self._bad, self._guest_port, self._gdb = bad, guest_port, gdb
        self._kinds = (bad.operation,) if bad.operation else instructions.KINDS
        self._random = random.Random(f"{bad.cpu} {bad.p}")
        self._over = threading.Event()
        self._lock = threading.Lock()
        self._ranges: list[tuple[int, int, str]] = []
        # Library → instructions that were reached, by their offset in it.
        self._known: dict[str, list[Site]] = {}
        self.changed: Counter[str] = Counter()
        self.trouble = ""
        self._threads = [
            threading.Thread(target=work, name=name, daemon=True)
            for name, work in (("bad-core-look", self._look), ("bad-core", self._work))
        ]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def close(self) -> None:
        self._over.set()
        for thread in self._threads:
            if thread.is_alive():
                thread.join()

    def _look(self) -> None:
        """Keeps where the workers' libraries lie."""
        names = {LIBRARIES[kind] for kind in self._kinds}
        while not self._over.wait(_LOOK_EVERY_S):
            with suppress(guestport.GuestSilent):
                said = guestport.run(self._guest_port, ["sh", "-c", _MAPS], timeout_s=10)
                with self._lock:
                    self._ranges = ranges(said.output, names)

    def _work(self) -> None:
        stub: Stub | None = None
        try:
            while not self._over.is_set():
                with self._lock:
                    found = self._ranges
                if not found:
                    self._over.wait(_LOOK_EVERY_S / 4)
                    continue
                if stub is None:
                    stub = Stub(self._gdb)
                    stub.go()
                self._over.wait(max(_LEAST_GAP_S, self._random.expovariate(self._bad.p * PASSES_PER_S)))
                while not self._over.is_set() and self._ranges == found and not self._change(stub, found):
                    self._over.wait(_LEAST_GAP_S)
            if stub is not None:
                stub.interrupt()
                stub.detach()
        except StubError as error:  # also when the machine is switched off
            self.trouble = str(error)
        finally:
            if stub is not None:
                stub.close()

    def _change(self, stub: Stub, found: list[tuple[int, int, str]]) -> bool:
        """One change, if the core is in the worker's code now and comes to a fitting instruction soon."""
        stub.interrupt()
        try:
            stub.select(self._bad.cpu)
            at = stub.register(RIP)
            here = next(((start, path) for start, end, path in found if start <= at < end), None)
            return here is not None and self._change_in(stub, at, *here)
        finally:
            stub.go()

    def _change_in(self, stub: Stub, at: int, start: int, path: str) -> bool:
        by_address = {start + site.offset: site for site in self._sites(stub, at, start, path)}
        for address in by_address:
            stub.break_at(address)
        try:
            stub.go(self._bad.cpu)
            stopped = stub.wait(_SLICE_S) or stub.interrupt()
            stub.select(self._bad.cpu)
            site = by_address.get(stub.register(RIP)) if stopped.cpu == self._bad.cpu else None
        finally:
            for address in by_address:
                stub.unbreak(address)
        if site is None:
            return False
        value = stub.register(site.register) ^ 1 << self._random.randrange(site.bits)
        stub.set_register(site.register, value)
        self._keep(path, site)
        self.changed[site.kind] += 1
        return True

    def _sites(self, stub: Stub, at: int, start: int, path: str) -> list[Site]:
        """The instructions that were reached before, and some that follow where the core is."""
        code = stub.memory(at, _CODE_BYTES) or stub.memory(at, _PAGE_BYTES - at % _PAGE_BYTES)
        ahead = instructions.sites(code, self._kinds_in(path))[:_CANDIDATES]
        moved = [Site(at - start + site.offset, site.register, site.bits, site.kind) for site in ahead]
        return [*self._known.get(path, ()), *moved]

    def _kinds_in(self, path: str) -> list[str]:
        return [kind for kind in self._kinds if LIBRARIES[kind] in path]

    def _keep(self, path: str, site: Site) -> None:
        kept = self._known.setdefault(path, [])
        if site not in kept:
            kept.append(site)
            del kept[:-_KEPT]
