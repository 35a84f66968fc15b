"""Detection rates: what counts as found, and the bounds."""

from __future__ import annotations

import pytest

from tests.rack import machinefile
from tests.rack.zoo import rates
from tests.rack.zoo.judging import Judged
from tests.rack.zoo.results import Result
from tests.rack.zoo.specimen import Specimen

MAC = "52:54:00:00:00:01"


def specimen(name: str, loss: float, *, demanded: bool = True) -> Specimen:
    outcome = {"components": [MAC], "findings": ["network.loss"]} if demanded else {"verdict": "passed"}
    nics = [{"model": "virtio", "mac": MAC, "loss_percent": loss}]
    machine = machinefile.parse({"name": name, "nics": nics, "outcome": outcome}, "test")
    return Specimen(machine, "", f"digest of {name}")


def run(name: str, judged: Judged, digest: str = "") -> Result:
    file = digest or f"digest of {name}"
    return Result(name, "c0ffee", file, "2026-01-01", 1.0, 1.0, 1.0, "Failed", "failed", "", judged, [], [])


# Clopper and Pearson's own examples are not at hand; these are the closed forms for none and all, and a textbook's.
@pytest.mark.parametrize(
    ("found", "runs", "low", "high"),
    [(0, 150, 0, 1 - 0.025 ** (1 / 150)), (150, 150, 0.025 ** (1 / 150), 1), (4, 20, 0.0573, 0.4366)],
)
def test_the_bounds_are_exact(found: int, runs: int, low: float, high: float) -> None:
    assert rates.bounds(found, runs) == (pytest.approx(low, abs=5e-5), pytest.approx(high, abs=5e-5))


def test_a_run_that_missed_the_fault_is_counted_and_takes_its_size_from_the_smallest() -> None:
    specimens = [specimen("weak", 1.0), specimen("strong", 5.0)]
    record = [run("weak", Judged.MET), run("weak", Judged.MISSED), run("strong", Judged.MET)]
    (rate,) = rates.of(specimens, record)
    assert (rate.fault.title, rate.found, rate.runs) == ("a cable that loses packets", 2, 3)
    assert rate.smallest == 5.0


def test_runs_of_an_older_file_and_faults_that_need_not_be_found_prove_nothing() -> None:
    specimens = [specimen("old", 2.0), specimen("tolerated", 0.001, demanded=False)]
    record = [run("old", Judged.MET, digest="another"), run("tolerated", Judged.MET)]
    assert list(rates.of(specimens, record)) == []
