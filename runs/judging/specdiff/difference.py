"""One difference between the expected spec and the inventory, and functions that make each kind of difference."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from agent.contract.wire import Severity

Spec = dict[str, Any]
Value = float | str | None


@dataclass(frozen=True)
class Difference:
    """One difference. `path` is such as `memory.dimms[DIMM_A1].size_mb`; `expected` and `actual` are a number, a text
    or None. `component` is what to blame: a disk's serial, a DIMM's locator, a NIC's MAC, `CPU1`, `BMC`, `system`."""

    path: str
    severity: Severity
    code: str
    component_kind: str
    component: str
    expected: Value
    actual: Value
    message: str
    unit: str = ""


@dataclass(frozen=True)
class Part:
    """The part that a difference is about: its path in the spec, kind and name, and the spec's pinned paths."""

    path: str
    kind: str
    name: str
    pinned: frozenset[str] = frozenset()

    def missing(self, expected: str, message: str) -> Difference:
        return self._as("spec.missing", Severity.CRITICAL, expected, None, message)

    def unexpected(self, actual: str, message: str) -> Difference:
        return self._as("spec.unexpected", Severity.WARNING, None, actual, message)

    def replaced(self, expected: str, actual: str, message: str, leaf: str = "serial") -> Difference:
        """Another serial number in the same place: a warning, critical if the spec pins it."""
        if self.at(leaf) in self.pinned:
            return self._as("spec.pinned", Severity.CRITICAL, expected, actual, f"{message}; it is pinned", leaf)
        return self._as("spec.replaced", Severity.WARNING, expected, actual, message, leaf)

    def swapped(self, expected: str, actual: str, message: str) -> Difference:
        """Two parts in each other's places: a warning, critical if the spec pins the serial number here."""
        if self.at("serial") in self.pinned:
            return self.replaced(expected, actual, message)
        return self._as("spec.swapped", Severity.WARNING, expected, actual, message, "serial")

    def wrong_bus(self, expected: str, actual: str) -> Difference:
        message = f"{self.name}: on the {actual or 'unknown'} bus, expected on {expected}"
        return self._as("spec.wrong_bus", Severity.CRITICAL, expected, actual, message, "bus")

    def less(
        self, leaf: str, expected: float, actual: float, words: str, unit: str = "", code: str = "spec.less"
    ) -> Difference:
        message = f"{self.name}: {words} {actual:g}{_unit(unit)}, expected {expected:g}{_unit(unit)}"
        return self._as(code, Severity.CRITICAL, expected, actual, message, leaf, unit)

    def amount(
        self,
        leaf: str,
        expected: float | None,
        actual: float | None,
        words: str,
        unit: str = "",
        slack: float = 0,
    ) -> Iterator[Difference]:
        """Less than expected is critical (code `spec.slower` for a speed), more is a warning. No difference if one of
        the two is None, or if they differ by `slack` at most."""
        if expected is None or actual is None or abs(actual - expected) <= slack:
            return
        if actual < expected:
            code = "spec.slower" if words in _SPEEDS else "spec.less"
            yield self.less(leaf, expected, actual, words, unit, code)
        else:
            more = f"{actual:g}{_unit(unit)}, more than the expected {expected:g}{_unit(unit)}"
            message = f"{self.name}: {words} {more}"
            yield self._as("spec.more", Severity.WARNING, expected, actual, message, leaf, unit)

    def text(self, leaf: str, expected: str | None, actual: str, words: str) -> Iterator[Difference]:
        """Another model or version: information, critical if the spec pins it."""
        if not expected or _folded(expected) == _folded(actual):
            return
        pinned = self.at(leaf) in self.pinned
        code, severity = ("spec.pinned", Severity.CRITICAL) if pinned else ("spec.text", Severity.INFO)
        message = f"{self.name}: {words} {actual or 'unknown'!r}, expected {expected!r}"
        yield self._as(code, severity, expected, actual, message, leaf)

    def link(self, expected: str | None, actual: str, message: str) -> Difference:
        return self._as("spec.link", Severity.INFO, expected, actual, message, "spare")

    def setting(self, leaf: str, expected: Value, actual: Value, message: str) -> Difference:
        """Another value of a setting: a warning, critical if the spec pins it."""
        if self.at(leaf) in self.pinned:
            return self._as("spec.pinned", Severity.CRITICAL, expected, actual, f"{message}; it is pinned", leaf)
        return self._as("spec.setting", Severity.WARNING, expected, actual, message, leaf)

    def no_passthrough(self, leaf: str, expected: Value, actual: Value, message: str) -> Difference:
        """A setting is off without which guests, or their devices, do not work."""
        return self._as("spec.passthrough", Severity.CRITICAL, expected, actual, message, leaf)

    def at(self, leaf: str) -> str:
        return f"{self.path}.{leaf}" if leaf else self.path

    def _as(
        self,
        code: str,
        severity: Severity,
        expected: Value,
        actual: Value,
        message: str,
        leaf: str = "",
        unit: str = "",
    ) -> Difference:
        return Difference(self.at(leaf), severity, code, self.kind, self.name, expected, actual, message, unit)


_SPEEDS = frozenset({"speed", "link speed"})


def _unit(unit: str) -> str:
    return f" {unit}" if unit else ""


def _folded(text: str) -> str:
    return " ".join(text.split()).casefold()
