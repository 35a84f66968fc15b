"""Compare the system board and the processors."""

from __future__ import annotations

from collections.abc import Iterator

from agent.contract import wire
from agent.contract.placeholders import is_placeholder
from runs.judging.specdiff.difference import Difference, Part, Spec

WORDS = {"manufacturer": "manufacturer", "product": "product", "serial": "serial number", "uuid": "UUID"}


def system(expected: Spec, found: wire.System, pinned: frozenset[str]) -> Iterator[Difference]:
    """Another serial number or UUID means another board or chassis. Names are compared as text."""
    part = Part("system", "system", "system", pinned)
    for leaf in ("manufacturer", "product"):
        yield from part.text(leaf, expected.get(leaf), getattr(found, leaf), WORDS[leaf])
    for leaf in ("serial", "uuid"):
        wanted, actual = expected.get(leaf) or "", getattr(found, leaf)
        if not is_placeholder(wanted) and wanted.casefold() != actual.casefold():
            message = f"system: {WORDS[leaf]} {actual or 'none'} in place of {wanted}: another board or chassis"
            yield part.replaced(wanted, actual, message, leaf)


def cpu(expected: Spec, found: wire.Cpu, pinned: frozenset[str]) -> Iterator[Difference]:
    """A difference for each missing socket. Its cores make no second difference."""
    sockets = expected.get("sockets")
    for number in range(found.sockets, sockets or 0):
        message = f"CPU{number}: missing, {found.sockets} of {sockets} processors found"
        yield Part(f"cpu[CPU{number}]", "cpu", f"CPU{number}").missing(f"CPU{number}", message)
    some = Part("cpu", "cpu", "CPU0" if found.sockets == 1 else "system", pinned)
    if sockets and found.sockets > sockets:
        yield from some.amount("sockets", sockets, found.sockets, "processors")
    yield from some.amount("cores", _cores_due(expected, found), found.cores or None, "cores")
    yield from some.text("model", expected.get("model"), found.model, "model")


def not_compared(expected: Spec, found: wire.Cpu) -> Iterator[str]:
    """A number of cores that was not read: 0 cores can't be right."""
    if expected.get("cores") and found.sockets and not found.cores:
        yield "cpu.cores could not be compared: the number of cores was not reported"


def _cores_due(expected: Spec, found: wire.Cpu) -> float | None:
    """How many cores the sockets that were found should have."""
    cores: int | None = expected.get("cores")
    sockets: int | None = expected.get("sockets")
    if cores is None or not sockets or found.sockets >= sockets:
        return cores
    return cores * found.sockets // sockets
