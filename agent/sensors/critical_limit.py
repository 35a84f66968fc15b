"""Stops the load near a critical temperature. This is the one limit that can't wait for the orchestrator."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from agent import findings
from agent.contract import wire
from agent.sensors.readings import Temperature

MARGIN_NAME = "temp_critical_margin_c"
# Used only if the profile gives none: stop at the chip's critical limit less 2 C.
MARGIN_C = 2.0
# Boards report limits that nobody set: 0, -1, 20.8 C (acpitz of several desktop boards). No real limit is so low.
LOWEST_CRITICAL_C = 50.0
# Unconnected inputs of a board's monitoring chip read anything. Only for ACPI's own zone would the kernel itself power
# off.
_BOARD, _ACPI = "system", "acpitz"
# A single reading can be a glitch of the bus. The second one follows 2 s later.
READINGS_IN_A_ROW = 2


class CriticalTemperature:
    """Remembers what was too hot in the last sample of each source. `sensor_limits` are the claim's. If a chip gives no
    critical limit of its own (AMD's CPUs), the profile's limit for this kind of part is used (`cpu_temp_max_c`)."""

    def __init__(self, sensor_limits: Mapping[str, float]) -> None:
        self.margin_c = sensor_limits.get(MARGIN_NAME, MARGIN_C)
        self._limits = sensor_limits
        self._too_hot: dict[str, dict[tuple[str, str], int]] = {}

    def look(self, temperatures: Iterable[Temperature], source: str = "") -> list[wire.Finding]:
        """One finding for each part that was at its limit in two samples in a row, from its hottest sensor. `source`
        names the sensors that are read together: a sample of one source says nothing about the parts of another. Each
        source may be looked at in a thread of its own."""
        hot = {_part(one): one for one in sorted(temperatures, key=lambda one: one.value_c) if self._is_hot(one)}
        before = self._too_hot.get(source, {})
        self._too_hot[source] = too_hot = {part: before.get(part, 0) + 1 for part in hot}
        return [self._finding(hot[part]) for part, times in too_hot.items() if times >= READINGS_IN_A_ROW]

    def _is_hot(self, one: Temperature) -> bool:
        limit_c = self._limit_c(one)
        return limit_c is not None and one.value_c >= limit_c

    def _limit_c(self, one: Temperature) -> float | None:
        if one.component_kind == _BOARD and not one.component.startswith(_ACPI):
            return None
        if one.critical_c is not None and one.critical_c >= LOWEST_CRITICAL_C:
            return one.critical_c - self.margin_c
        return self._limits.get(f"{one.component_kind}_temp_max_c")

    def _finding(self, one: Temperature) -> wire.Finding:
        limit_c = self._limit_c(one)
        return findings.make(
            "thermal.critical",
            one.component_kind,
            one.component,
            f"{one.component}: {one.value_c:.0f} C ({one.label}), limit {limit_c:.0f} C: the load was stopped",
            value=one.value_c,
            limit=limit_c,
            unit="C",
        )


def _part(one: Temperature) -> tuple[str, str]:
    return one.component_kind, one.component
