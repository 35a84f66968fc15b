"""The checks that are made around every stage: did a group of error counters or the kernel's log report a fault, and
could it be read at all."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

from agent.contract import wire
from agent.counters.counting import SEL_UNCLEAR, CounterBook
from agent.counters.error_bounds import Bound

# So many links are named in a check; the numbers of the stage have all.
_MOST_BOUNDS = 8


@dataclass(frozen=True)
class CounterGroup:
    """Error counters that are judged together, as the check `counters.NAME`.

    `counters` are the beginnings of the counters' names, `codes` the beginnings of the finding codes that fail the
    check. `absent` is the reason when the host has no such counter. `topic` is the word for `not_expected`. `silent` is
    the counter that is above 0 for a part that gave no answer, from the first reading on; `silent_words` say so.
    `unclear` is the counter of what was read and not understood. `bounds` is the kind of part of whose links the check
    says what was proved."""

    name: str
    topic: str
    counters: tuple[str, ...]
    codes: tuple[str, ...]
    absent: str
    silent: str = ""
    silent_words: str = "did not answer"
    unclear: str = ""
    bounds: str = ""


GROUPS: tuple[CounterGroup, ...] = (
    CounterGroup("edac", "ecc", ("edac.",), ("memory.",), "no memory controller reports errors here (EDAC)"),
    CounterGroup("pcie", "aer", ("aer.",), ("pcie.",), "no PCIe device reports errors here (AER)"),
    # AMD's CPUs do not count throttling. Their temperatures are judged all the same.
    CounterGroup("thermal", "throttling", ("throttle",), ("thermal.",), "the CPU counts no throttling here"),
    CounterGroup(
        "disks",
        "smart",
        ("smart.",),
        ("smart.", "disk."),
        "no disk here counts its errors",
        silent="drive.unanswered",
        bounds="disk",
    ),
    CounterGroup(
        "nics",
        "network",
        ("nic.",),
        ("nic.",),
        "no network port here counts its errors",
        silent="port.full",
        silent_words="its error counters can't be read, or one is full and counts nothing more",
        bounds="nic",
    ),
    CounterGroup("gpus", "gpu", ("gpu.",), ("gpu.",), "no GPU here counts its errors"),
    CounterGroup("bmc", "bmc", ("bmc.",), ("bmc.", "psu.", "fan."), "no BMC here reports events", unclear=SEL_UNCLEAR),
    CounterGroup("mce", "mce", ("mce.",), ("cpu.machine_check",), "the kernel counts no machine checks here"),
)
# Topic → the broader topic of `not_expected` that includes it: a host without thermal sensors counts no throttling.
BROADER_TOPICS = {"throttling": "thermal"}


def made(
    found: list[wire.Finding],
    book: CounterBook,
    kernel_log_available: bool,
    not_expected: Collection[str],
    bounds: Sequence[Bound] = (),
) -> list[wire.Check]:
    """One check per group, and one for the kernel's log, from the findings around a stage. `book` holds the reading
    after the stage. `bounds` is what the counters prove of links."""
    checks = [*(_of_group(group, found, book, bounds) for group in GROUPS), _of_kernel_log(found, kernel_log_available)]
    return [_with_broader_topic(check, not_expected) for check in checks]


def _of_group(group: CounterGroup, found: list[wire.Finding], book: CounterBook, bounds: Sequence[Bound]) -> wire.Check:
    name = wire.COUNTER_CHECKS + group.name
    bad = [one for one in found if one.code.startswith(group.codes) and one.severity is wire.Severity.CRITICAL]
    if bad:
        return wire.Check(name, wire.Outcome.FAILED, bad[0].message, bad[0].component, group.topic)
    if silent := sorted(book.parts_with(group.silent)):
        why = f"{group.silent_words}: {', '.join(silent)}"
        return wire.Check(name, wire.Outcome.NOT_TESTED, why, topic=group.topic)
    if lost := sorted(counter for counter in book.lost if counter.startswith(group.counters)):
        why = f"could not be read again after the stage: {', '.join(lost)}"
        return wire.Check(name, wire.Outcome.NOT_TESTED, why, topic=group.topic)
    if group.unclear in book.risen:
        return wire.Check(name, wire.Outcome.NOT_TESTED, "what it reported is not understood", topic=group.topic)
    if not any(book.has(beginning) for beginning in group.counters):
        return wire.Check(name, wire.Outcome.NOT_TESTED, group.absent, topic=group.topic)
    proved = [f"{one.component}: {one.words()}" for one in bounds if one.kind == group.bounds]
    return wire.Check(name, wire.Outcome.PASSED, "; ".join(proved[:_MOST_BOUNDS]), topic=group.topic)


def _of_kernel_log(found: list[wire.Finding], available: bool) -> wire.Check:
    """Not tested if a part of the log was overwritten before it was read: it may have reported any fault."""
    name, topic = f"{wire.COUNTER_CHECKS}kernel_log", "kernel_log"
    bad = [one for one in found if one.severity is wire.Severity.CRITICAL and one.unit == "messages"]
    gaps = [one for one in found if one.code == "system.kernel_log_gap"]
    if bad:
        return wire.Check(name, wire.Outcome.FAILED, bad[0].message, bad[0].component, topic)
    if gaps or not available:
        why = gaps[0].message if gaps else "the kernel's log can't be read"
        return wire.Check(name, wire.Outcome.NOT_TESTED, why, topic=topic)
    return wire.Check(name, wire.Outcome.PASSED, topic=topic)


def _with_broader_topic(check: wire.Check, not_expected: Collection[str]) -> wire.Check:
    broader = BROADER_TOPICS.get(check.topic, "")
    return replace(check, topic=broader) if broader in not_expected else check
