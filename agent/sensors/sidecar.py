"""Samples the sensors every 2 s through the whole run, and stops the load when a part is near its
critical limit."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from agent.contract import wire
from agent.sensors import readings
from agent.sensors.critical_limit import CriticalTemperature

SLOW_INTERVAL_S = 30.0


class Sidecar:
    """`measure` gets every measurement. `too_hot` is called in this thread as soon as there is a finding, and must stop
    the load before anything else. `slow` are sources that need a command (a BMC's sensors); they have a second thread,
    so that a BMC that hangs delays no temperature. A failed reading goes to `say`, each fault once, and the readings go
    on, because the limit must stay watched."""

    def __init__(
        self,
        root: Path,
        limit: CriticalTemperature,
        measure: Callable[[wire.Measurement], None],
        too_hot: Callable[[wire.Finding], None],
        say: Callable[[str, str], None],
        slow: tuple[Callable[[], list[wire.Measurement]], ...] = (),
        interval_s: float = wire.SAMPLE_INTERVAL_S,
    ) -> None:
        self.root, self.limit, self.measure, self.too_hot, self.slow = root, limit, measure, too_hot, slow
        self.interval_s = interval_s
        self.rapl = readings.Rapl(root)
        self._say, self._said = say, set[str]()
        self._over = threading.Event()
        self._threads = [threading.Thread(target=self._run, name="sensors", daemon=True)]
        if slow:
            self._threads.append(threading.Thread(target=self._run_slow, name="slow-sensors", daemon=True))

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def finish(self) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join(1.0)

    def sample(self) -> None:
        """Read all sensors: first check the limit, then send the measurements."""
        chips = readings.chips(self.root)
        temperatures = readings.temperatures(self.root, chips)
        for finding in self.limit.look(temperatures):
            self.too_hot(finding)
        now = time.time()
        found = readings.measurements(self.root, temperatures, now, chips)
        self._measure_all(found + self.rapl.measurements(now, time.monotonic()))

    def _run(self) -> None:
        while not self._over.wait(self.interval_s):
            self._survive(self.sample)

    def _run_slow(self) -> None:
        while not self._over.wait(SLOW_INTERVAL_S):
            for source in self.slow:
                self._survive(partial(self._measure_slow, source))

    def _measure_slow(self, source: Callable[[], list[wire.Measurement]]) -> None:
        self._measure_all(source())

    def _measure_all(self, found: list[wire.Measurement]) -> None:
        for one in found:
            self.measure(one)

    def _survive(self, look: Callable[[], None]) -> None:
        try:
            look()
        except Exception as error:
            fault = f"{type(error).__name__}: {error}"
            if fault not in self._said:
                self._said.add(fault)
                self._say("error", f"the sensors could not be read: {fault}")
