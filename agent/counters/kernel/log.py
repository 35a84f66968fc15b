"""Reads /dev/kmsg from the first message of the boot, in a thread that sleeps until there is one."""

from __future__ import annotations

import contextlib
import os
import selectors
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

from agent import findings
from agent.contract import wire
from agent.counters.component_names import Names
from agent.counters.kernel.kernel_findings import Tallies
from agent.counters.kernel.kmsg import Classifier, parse
from agent.counters.kernel.kmsg_record import Record
from agent.counters.kernel.machine_checks import belongs_to_a_report
from agent.counters.kernel.optical_drives import OpticalDrives
from agent.counters.kernel.usb_disks import UsbDisks
from agent.host import kernel_records
from agent.host.spool import write_whole

KERNEL_ERROR_LEVEL = 3
REPEATED_LINES = 500


def records(source: str | Path = "/dev/kmsg") -> Iterator[Record]:
    """Every record that the kernel still has; none if its log can't be read."""
    for raw in kernel_records.until_now(source):
        if record := parse(raw.decode(errors="replace").rstrip("\n")):
            yield record


class KernelLog:
    """`take` returns the findings since the last `take`. The position is kept in `state`: so a restarted agent misses
    no message and blames none on a later stage."""

    def __init__(self, state: Path, say: Callable[[str, str], None], source: str | Path = "/dev/kmsg") -> None:
        self.state, self.say = state, say
        self._lock = threading.Lock()
        self._classify = Classifier()
        self._usb = UsbDisks()
        self._optical = OpticalDrives()
        self._tallies = Tallies()
        self._lost = 0
        self._repeated = 0
        self._taken_seq = self._last_seq = _read_position(state)
        self._fd = kernel_records.opened(source)
        self._wake_read, self._wake_write = os.pipe()
        self._thread = threading.Thread(target=self._run, name="kernel-log", daemon=True)

    @property
    def available(self) -> bool:
        return self._fd is not None

    def start(self) -> None:
        if self.available:
            self._thread.start()

    def finish(self) -> None:
        os.write(self._wake_write, b"x")
        if self._thread.is_alive():
            self._thread.join(1.0)

    def take(self, names: Names) -> list[wire.Finding]:
        """Findings from all messages since the last take, one per code and component."""
        with self._lock:
            self._read_available()
            self._tallies.add(self._classify.flush())
            tallies, self._tallies = self._tallies, Tallies()
            lost, self._lost = self._lost, 0
            self._taken_seq = self._last_seq
            usb, optical = self._usb.names, self._optical.names
        return _gap(lost) + tallies.take(replace(names, usb=usb, optical=optical))

    def commit(self) -> None:
        """Store the position after the last `take`. An agent that is started again in this boot continues there."""
        with contextlib.suppress(OSError):
            write_whole(self.state, str(self._taken_seq).encode())

    def _run(self) -> None:
        assert self._fd is not None, "start() starts the thread only where /dev/kmsg can be read"
        with selectors.DefaultSelector() as selector:
            selector.register(self._fd, selectors.EVENT_READ)
            selector.register(self._wake_read, selectors.EVENT_READ)
            while True:
                ready = {key.fd for key, _ in selector.select()}
                if self._wake_read in ready:
                    return
                with self._lock:
                    self._read_available()

    def _read_available(self) -> None:
        while self._fd is not None and (raw := kernel_records.following(self._fd)):
            if record := parse(raw.decode(errors="replace").rstrip("\n")):
                self._take_in(record)

    def _take_in(self, record: Record) -> None:
        self._usb.look(record)
        self._optical.look(record)
        if record.seq <= self._last_seq:
            return
        self._lost += record.seq - self._last_seq - 1
        self._last_seq = record.seq
        hits = self._classify.look(record)
        self._tallies.add(hits)
        # The lines of a corrected error have a lower level, and their meaning is known only after the last of them.
        is_grave = record.level <= KERNEL_ERROR_LEVEL or belongs_to_a_report(record.text)
        if hits or (is_grave and not record.from_user):
            self._repeat(record)

    def _repeat(self, record: Record) -> None:
        self._repeated += 1
        if self._repeated <= REPEATED_LINES:
            self.say("warning", f"kernel: {record.text}")
        elif self._repeated == REPEATED_LINES + 1:
            self.say("warning", f"kernel: more than {REPEATED_LINES} lines, no more are repeated here")


def _gap(lost: int) -> list[wire.Finding]:
    if not lost:
        return []
    text = f"system: {lost} kernel messages were overwritten before they could be read"
    return [findings.make("system.kernel_log_gap", "system", "system", text, value=float(lost))]


def _read_position(state: Path) -> int:
    try:
        return int(state.read_text())
    except (OSError, ValueError):
        return -1
