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
from agent.sensors.chip import Chip
from agent.sensors.chip_watch import ChipWatch
from agent.sensors.critical_limit import CriticalTemperature

SLOW_INTERVAL_S = 30.0


class Sidecar:
    """`measure` gets every measurement. `too_hot` is called as soon as there is a finding, and must stop the load
    first. One thread reads the processors. Each other chip has its own, so that a drive that does not answer
    delays no other temperature. `slow` are sources that need a command (a BMC's sensors); they have one more thread.
    A failed reading goes to `say`, each fault once, and the readings go on, because the limit must stay watched."""

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
        self._over, self._one_at_a_time = threading.Event(), threading.Lock()
        self._others: dict[str, ChipWatch] = {}
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
        until_s = time.monotonic() + 1.0
        for watch in list(self._others.values()):
            watch.join(max(0.0, until_s - time.monotonic()))

    def sample(self) -> None:
        """Read the processors, and see to it that each other chip is read in its own thread."""
        chips = readings.chips(self.root)
        self._survive(partial(self._processors, [chip for chip in chips if chip.is_of_processor]))
        self._survive(partial(self._follow, [chip for chip in chips if not chip.is_of_processor]))

    def _processors(self, chips: list[Chip]) -> None:
        self._look(chips, "processors")
        now = time.time()
        self._measure_all(readings.clock(self.root, now) + self.rapl.measurements(now, time.monotonic()))

    def _look(self, chips: list[Chip], source: str) -> None:
        """First check the limit, then send the measurements."""
        temperatures = readings.temperatures(self.root, chips)
        if self._over.is_set():
            return
        for finding in self.limit.look(temperatures, source):
            with self._one_at_a_time:
                self.too_hot(finding)
        self._measure_all(readings.measurements(self.root, temperatures, time.time(), chips))

    def _look_alone(self, chip: Chip) -> None:
        self._survive(partial(self._look, [chip], chip.path.name))

    def _follow(self, chips: list[Chip]) -> None:
        """Begin to watch the chips that are new, and tell which do not answer."""
        for chip in chips:
            name = chip.path.name
            if name not in self._others or not self._others[name].is_alive:
                self._others[name] = ChipWatch(chip.path, self._look_alone, self.interval_s, self._over)
                self._others[name].start()
            if silence := self._others[name].silence():
                self._say("warning", silence)

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
            with self._one_at_a_time:
                is_new = fault not in self._said
                self._said.add(fault)
            if is_new:
                self._say("error", f"the sensors could not be read: {fault}")
