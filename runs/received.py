"""Cut an agent's message to the bounds of `hosts.bounds`. No database; called before the transaction.

A cut never makes a result better. What counts against the host is kept first. If something that could count against it
is left out, `Cut.unjudged` says so, and the stage does not pass.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Hashable, Mapping, Sequence
from dataclasses import dataclass, field, fields, is_dataclass, replace
from functools import cache
from typing import Any, TypeVar

from agent.contract import codec, wire
from hosts import bounds
from hosts.bounds import Bound

T = TypeVar("T")
Required = Callable[[], Collection[str]]

_TEXTS: Mapping[tuple[type, str], Bound] = {
    (wire.Finding, "code"): bounds.NAME,
    (wire.Finding, "component"): bounds.NAME,
    (wire.Finding, "message"): bounds.SENTENCE,
    (wire.Check, "name"): bounds.NAME,
    (wire.Check, "component"): bounds.NAME,
    (wire.Check, "reason"): bounds.SENTENCE,
    (wire.CounterDelta, "counter"): bounds.NAME,
    (wire.CounterDelta, "component"): bounds.NAME,
    (wire.Measurement, "component"): bounds.NAME,
    (wire.Refusal, "serial"): bounds.NAME,
    (wire.Refusal, "reason"): bounds.SENTENCE,
    (wire.Signature, "words"): bounds.SENTENCE,
    (wire.Result, "reason"): bounds.SENTENCE,
    (wire.LogLine, "text"): bounds.LOG_LINE,
    (wire.Hold, "host_key"): bounds.HOST_KEY,
    (wire.Hold, "users"): bounds.NAME,
}
_LISTS: Mapping[tuple[type, str], Bound] = {
    (wire.Result, "findings"): bounds.FINDINGS,
    (wire.Result, "checks"): bounds.CHECKS,
    (wire.Result, "counters"): bounds.COUNTERS,
    (wire.Result, "refusals"): bounds.REFUSALS,
    (wire.Refusal, "signatures"): bounds.SIGNATURES,
    (wire.Heartbeat, "progress"): bounds.PROGRESS,
    (wire.Hold, "users"): bounds.USERS,
    (wire.Memory, "dimms"): bounds.PARTS,
    **{(wire.Inventory, one.name): bounds.PARTS for one in fields(wire.Inventory)},
}
# A message with too many of these is refused: cut, it would name another machine, or lose data unnoticed.
_REFUSED: Mapping[tuple[type, str], int] = {
    (wire.Hello, "macs"): bounds.MACS.most,
    (wire.Claim, "macs"): bounds.MACS.most,
    (wire.LogBatch, "lines"): wire.MAX_LOG_LINES_PER_BATCH,
    (wire.SensorBatch, "measurements"): wire.MAX_MEASUREMENTS_PER_BATCH,
}
_SEVERITIES = {wire.Severity.CRITICAL: 0, wire.Severity.WARNING: 1, wire.Severity.INFO: 2}
# What is left out of these never counts against a host.
_NO_WEIGHT = frozenset({"texts", "evidence", "progress", "users", "signatures"})


@dataclass(frozen=True)
class Cut:
    """What was left out, by kind and number. `unjudged` names, in words, what of it could count against the host."""

    left_out: Mapping[str, int] = field(default_factory=dict)
    unjudged: str = ""

    def __bool__(self) -> bool:
        return bool(self.left_out)


NOTHING = Cut()


@dataclass(frozen=True)
class Room:
    """How much more a run may store: findings, and characters of evidence."""

    findings: int = bounds.FINDINGS.most
    evidence: int = bounds.EVIDENCE.most


@dataclass(frozen=True)
class Bounded:
    message: Any
    cut: Cut = NOTHING


def within_bounds(message: Any, room: Room = Room(), required: Required = tuple) -> Bounded:
    """The message, cut to the bounds. `required` returns the names of the required checks; it is called only if checks
    have to be left out. Raises WireError for what can't be cut."""
    return _Cutter(room, required).take(message)


class _Cutter:
    """Cuts a message and counts what it leaves out."""

    def __init__(self, room: Room, required: Required) -> None:
        self.room, self.required = room, required
        self.left_out: defaultdict[str, int] = defaultdict(int)
        self.unjudged: defaultdict[str, int] = defaultdict(int)

    def take(self, message: Any) -> Bounded:
        if isinstance(message, wire.Result):
            message = self._documents(message)
        message = self._within(message)
        if not self.left_out and not self.unjudged:
            return Bounded(message)
        unjudged = ", ".join(f"{count:,} {what}" for what, count in self.unjudged.items())
        return Bounded(message, Cut(dict(self.left_out), unjudged))

    def _within(self, value: Any) -> Any:
        """Cut a dataclass field by field. Returns the same object if nothing had to be cut."""
        kind: type = type(value)
        if (scalars := _scalars(kind)) and _is_within(scalars, value):
            return value
        changed = {}
        for name in _names(kind):
            old = getattr(value, name)
            new = self._field(kind, name, old)
            if new is not old:
                changed[name] = new
        return replace(value, **changed) if changed else value

    def _field(self, kind: type, name: str, value: Any) -> Any:
        if type(value) is str:
            return self._text(kind, name, value)
        if type(value) is float:
            return self._figure(value)
        if type(value) is list:
            return self._list(kind, name, value)
        return self._within(value) if is_dataclass(value) else value

    def _text(self, kind: type, name: str, text: str) -> str:
        bound = _TEXTS.get((kind, name), bounds.WORD)
        if len(text) <= bound.most:
            return text
        if kind in wire.MESSAGES and (kind, name) not in _TEXTS:
            raise codec.WireError(name, f"{len(text):,} characters: at most {bound.most}")
        self.left_out["texts"] += 1
        return bound.cut(text)

    def _figure(self, value: float) -> float:
        """Cut a number to the bound. It stays on the same side of every limit."""
        if -bounds.FIGURE.most <= value <= bounds.FIGURE.most:
            return value
        self.left_out["figures"] += 1
        return float(bounds.FIGURE.most if value > 0 else -bounds.FIGURE.most)

    def _list(self, kind: type, name: str, items: list[Any]) -> list[Any]:
        most = _REFUSED.get((kind, name))
        if most is not None and len(items) > most:
            raise codec.WireError(name, f"{len(items):,} entries: at most {most:,}")
        bound = most or self._most(kind, name)
        kept = items if len(items) <= bound else self._chosen(name, items, bound)
        if kept is items and _are_within(items):
            return items
        made = [self._text(kind, name, item) if type(item) is str else self._within(item) for item in kept]
        return items if all(new is old for new, old in zip(made, items, strict=False)) and kept is items else made

    def _most(self, kind: type, name: str) -> int:
        bound = _LISTS.get((kind, name), bounds.ITEMS)
        return min(bound.most, self.room.findings) if bound is bounds.FINDINGS else bound.most

    def _chosen(self, name: str, items: list[Any], most: int) -> list[Any]:
        rank = _RANKS.get(name)
        ranks = rank(items, self.required() if name == "checks" else ()) if rank else [0] * len(items)
        order = sorted(range(len(items)), key=ranks.__getitem__)
        self.left_out[name] += len(items) - most
        lost = [items[n] for n in order[most:]]
        counting = [one for one in lost if _counts_against_host(one)]
        if name not in _NO_WEIGHT and counting:
            self.unjudged[name] += len(counting)
        return [items[n] for n in sorted(order[:most])]

    # --- of a result only ------------------------------------------------------------------------------------------

    def _documents(self, result: wire.Result) -> wire.Result:
        return replace(
            result,
            numbers=self._numbers(result.numbers),
            evidence=self._evidence(result.evidence),
            inventory=self._inventory(result.inventory),
        )

    def _numbers(self, numbers: dict[str, float]) -> dict[str, float]:
        fit = {key: value for key, value in numbers.items() if len(key) <= bounds.NAME.most}
        kept = {key: self._figure(value) for key, value in list(fit.items())[: bounds.NUMBERS.most]}
        if lost := len(numbers) - len(kept):
            self.left_out["numbers"] += lost
            self.unjudged["numbers"] += lost
        return kept

    def _evidence(self, evidence: dict[str, str]) -> dict[str, str]:
        """Cut each text to an equal share of the room. What a short text does not use is not given to others."""
        most = bounds.EVIDENCE_TEXTS.most
        if len(evidence) > most:
            self.left_out["evidence"] += len(evidence) - most
        share = min(bounds.EVIDENCE_TEXT.most, self.room.evidence // max(1, min(len(evidence), most)))
        cap = Bound(share, bounds.EVIDENCE_TEXT.about)
        kept = list(evidence.items())[:most]
        self.left_out["evidence"] += sum(len(text) > share or len(name) > bounds.NAME.most for name, text in kept)
        if not self.left_out["evidence"]:
            del self.left_out["evidence"]
            return evidence
        return {bounds.NAME.cut(name): cap.cut_middle(text) for name, text in kept}

    def _inventory(self, inventory: wire.Inventory | None) -> wire.Inventory | None:
        """Leave out an inventory that is too large, all of it: half a list would look as if parts were missing."""
        if inventory is None:
            return None
        inventory = self._within(inventory)
        if len(codec.dumps(inventory)) <= bounds.INVENTORY.most:
            return inventory
        self.left_out["inventory"] += 1
        self.unjudged["inventory"] += 1
        return None


def _counts_against_host(one: Any) -> bool:
    """Whether it counts against the host. A critical finding does even if other critical ones are kept: an unfit bench
    may explain those and not this one."""
    if isinstance(one, wire.Check):
        return one.outcome is not wire.Outcome.PASSED
    return not isinstance(one, wire.Finding) or one.severity is wire.Severity.CRITICAL


def _firsts(keys: Sequence[Hashable]) -> list[bool]:
    seen: set[Hashable] = set()
    return [not (key in seen or seen.add(key)) for key in keys]  # type: ignore[func-returns-value]


def _rank_findings(findings: list[wire.Finding], _: Collection[str]) -> list[Any]:
    """By severity. Within a severity, the first finding of each component comes first, so that each is named."""
    firsts = _firsts([(one.severity, one.component) for one in findings])
    return [(_SEVERITIES[one.severity], not first) for one, first in zip(findings, firsts, strict=True)]


def _rank_checks(checks: list[wire.Check], required: Collection[str]) -> list[Any]:
    """Failed before not tested before passed; then required before others; then the first of each name."""
    exact, begin = set(required), tuple(name for name in required if name.endswith("."))
    worse = {wire.Outcome.FAILED: 0, wire.Outcome.NOT_TESTED: 1, wire.Outcome.PASSED: 2}
    firsts = _firsts([one.name for one in checks])
    return [
        (worse[one.outcome], not (one.name in exact or one.name.startswith(begin)), not first)
        for one, first in zip(checks, firsts, strict=True)
    ]


def _rank_refusals(refusals: list[wire.Refusal], _: Collection[str]) -> list[Any]:
    return [not refusal.signatures for refusal in refusals]


_RANKS: Mapping[str, Callable[[list[Any], Collection[str]], list[Any]]] = {
    "findings": _rank_findings,
    "checks": _rank_checks,
    "refusals": _rank_refusals,
}


@cache
def _scalars(kind: type) -> tuple[tuple[str, int | None], ...]:
    """The fields of a dataclass that has only texts and figures, each with the most characters of a text; else empty.
    A batch of measurements has fifty of these."""
    if not is_dataclass(kind) or any(one.type not in ("str", "float") for one in fields(kind)):
        return ()
    return tuple(
        (one.name, _TEXTS.get((kind, one.name), bounds.WORD).most if one.type == "str" else None)
        for one in fields(kind)
    )


def _are_within(items: list[Any]) -> bool:
    """Whether all of these are dataclasses of one kind, with nothing but texts and figures within their bounds."""
    kinds = set(map(type, items))
    scalars = _scalars(kinds.pop()) if len(kinds) == 1 else ()
    return bool(scalars) and all(_is_within(scalars, one) for one in items)


def _is_within(scalars: tuple[tuple[str, int | None], ...], value: Any) -> bool:
    for name, most in scalars:
        one = getattr(value, name)
        if not (-bounds.FIGURE.most <= one <= bounds.FIGURE.most if most is None else len(one) <= most):
            return False
    return True


@cache
def _names(kind: type) -> tuple[str, ...]:
    return tuple(one.name for one in fields(kind))
