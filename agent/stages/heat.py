"""How hot the host gets while it works: sampled through the block, judged after it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from agent import findings, sensors, wire
from agent.stages import checks

TOPIC = "thermal"
_SAMPLE_S = 2.0


class Heat:
    """The highest reading of each part since the block began."""

    def __init__(self, root: Path = Path("/")) -> None:
        self._root = root
        self.peaks: dict[tuple[str, str], sensors.Temperature] = {}

    def sample(self) -> None:
        for one in sensors.hottest(sensors.temperatures(self._root)):
            part = (one.component_kind, one.component)
            if part not in self.peaks or one.value_c > self.peaks[part].value_c:
                self.peaks[part] = one

    @contextmanager
    def watching(self) -> Iterator[Heat]:
        over = threading.Event()
        thread = threading.Thread(target=self._watch, args=(over,), daemon=True, name="heat")
        thread.start()
        try:
            yield self
        finally:
            over.set()
            thread.join()

    def _watch(self, over: threading.Event) -> None:
        while True:
            self.sample()
            if over.wait(_SAMPLE_S):
                return

    def findings(self, margin_c: float, max_c: float) -> list[wire.Finding]:
        """CPUs that came nearer than `margin_c` to their own critical limit, or above `max_c` where they name none."""
        return [found for one in self._cpus() if (found := _too_hot(one, margin_c, max_c))]

    def check(self, margin_c: float, max_c: float) -> tuple[wire.Check, list[wire.Finding]]:
        """The check `temperature`, not tested where no CPU tells its temperature."""
        if not self._cpus():
            return checks.not_tested("temperature", reason="no CPU here tells its temperature", topic=TOPIC), []
        found = self.findings(margin_c, max_c)
        return checks.judged("temperature", found, topic=TOPIC), found

    def numbers(self) -> dict[str, float]:
        return {f"peak_temp_c.{one.component}": one.value_c for one in self.peaks.values()}

    def _cpus(self) -> list[sensors.Temperature]:
        return [one for one in self.peaks.values() if one.component_kind == "cpu"]


def _too_hot(one: sensors.Temperature, margin_c: float, max_c: float) -> wire.Finding | None:
    limit_c = one.critical_c - margin_c if one.critical_c else max_c
    if one.value_c <= limit_c:
        return None
    message = f"{one.component}: {one.value_c:.0f} C under load, limit {limit_c:.0f} C"
    return findings.make(
        "thermal.hot", one.component_kind, one.component, message, value=one.value_c, limit=limit_c, unit="C"
    )
