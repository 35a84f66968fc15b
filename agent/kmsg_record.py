"""One record of the kernel's log, and what it may mean."""

from __future__ import annotations

from dataclasses import dataclass

from agent.wire import Severity


@dataclass(frozen=True)
class Record:
    """One record of /dev/kmsg. `device` is the kernel's own word for whom it is about
    (`+pci:0000:03:00.0`, `b8:0`)."""

    seq: int
    time_us: int
    level: int
    text: str
    device: str = ""
    from_user: bool = False


@dataclass(frozen=True)
class Hit:
    """A record that says something about the hardware, and about which device in the kernel's words."""

    record: Record
    code: str
    severity: Severity
    names: str = ""
    name: str = ""
