"""Sensors that do not answer: the other parts are watched all the same."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from agent.sensors import chip_watch, readings
from agent.sensors.critical_limit import CriticalTemperature
from agent.sensors.sidecar import Sidecar
from tests.agent.test_sensors import chip, coretemp


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path


@contextmanager
def silent(*inputs: Path) -> Iterator[None]:
    """Sensors whose reading does not end, as the one of a drive that is being reset, until the block is left."""
    for path in inputs:
        path.unlink()
        os.mkfifo(path)
    try:
        yield
    finally:
        for path in inputs:
            with suppress(OSError):  # nobody reads it now
                os.close(os.open(path, os.O_WRONLY | os.O_NONBLOCK))


class Heard:
    """What a side-car tells, and waiting for it."""

    def __init__(self, root: Path) -> None:
        self.hot: list[str] = []
        self.measured: list[tuple[str, float]] = []
        self.said: list[str] = []
        self._changed = threading.Condition()
        self.sidecar = Sidecar(
            root,
            CriticalTemperature({}),
            measure=lambda one: self._note(self.measured, (one.component, one.value)),
            too_hot=lambda finding: self._note(self.hot, finding.component),
            say=lambda level, text: self._note(self.said, text),
            interval_s=0.01,
        )

    def _note(self, where: list[Any], what: object) -> None:
        with self._changed:
            where.append(what)
            self._changed.notify_all()

    def wait_for(self, what: Callable[[Heard], bool]) -> None:
        with self._changed:
            assert self._changed.wait_for(lambda: what(self), 20)


def nvme(root: Path, number: int, value_c: float) -> Path:
    made = chip(root, number, f"nvme/nvme{number}", name="nvme", temp1_input=int(value_c * 1000), temp1_crit=85_000)
    (root / f"sys/devices/nvme/nvme{number}/serial").write_text(f"S{number}\n")
    return made


@pytest.mark.parametrize("driver", ["drivetemp", "spd5118", "power_meter", "mlx5"])
def test_a_sensor_that_does_not_answer_hides_no_other_part(root: Path, driver: str) -> None:
    """Before, all chips were read one after the other: with one drive being reset, nothing was watched."""
    stuck = chip(root, 0, "1-0050", name=driver, temp1_input=40_000, power1_average=1)
    coretemp(root, 99.0, number=1)
    nvme(root, 2, 84.0)
    heard = Heard(root)
    with silent(stuck / "temp1_input", stuck / "power1_average"):
        heard.sidecar.start()
        heard.wait_for(lambda heard: {"CPU0", "S2"} <= set(heard.hot))
        heard.sidecar.finish()
    assert {name for name, _ in heard.measured} == {"CPU0", "S2"}


def test_a_sensor_that_does_not_answer_is_told_once(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chip_watch, "SILENT_S", 0.2)
    stuck = nvme(root, 0, 40.0)
    coretemp(root, 50.0, number=1)
    heard = Heard(root)
    with silent(stuck / "temp1_input"):
        heard.sidecar.start()
        heard.wait_for(lambda heard: bool(heard.said))
        seen = len(heard.measured)
        heard.wait_for(lambda heard: len(heard.measured) > seen + 3)
        heard.sidecar.finish()
    assert [text.split(" for ")[0] for text in heard.said] == ["nvme S0: its sensor has not answered"]


def test_a_drive_that_comes_back_under_another_number_is_watched_again(root: Path) -> None:
    gone = nvme(root, 3, 40.0)
    heard = Heard(root)
    heard.sidecar.start()
    heard.wait_for(lambda heard: ("S3", 40.0) in heard.measured)
    moved = gone.with_name("hwmon7")
    gone.rename(moved)
    (moved / "temp1_input").write_text("84000")
    heard.wait_for(lambda heard: "S3" in heard.hot)
    heard.sidecar.finish()
    assert {thread.name for thread in threading.enumerate() if thread.name.startswith("sensors")} == set()


def test_each_source_of_readings_has_two_in_a_row_of_its_own() -> None:
    limit = CriticalTemperature({})
    hot = [readings.Temperature("disk", "S1", "Composite", 84.0, 85.0)]
    assert limit.look(hot, "hwmon1") == []
    assert limit.look([], "processors") == []
    assert limit.look(hot, "hwmon2") == []
    assert [one.component for one in limit.look(hot, "hwmon1")] == ["S1"]
