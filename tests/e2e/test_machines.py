"""Every machine file of the rack comes to the outcome that it says."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.e2e.conftest import MACHINES, run_rack

pytestmark = [pytest.mark.rack, pytest.mark.slow]
LOOKED_AT_CLOSER = "kill-"  # test_kills.py runs these


def files() -> list[Path]:
    return sorted(file for file in MACHINES.glob("*.yaml") if not file.stem.startswith(LOOKED_AT_CLOSER))


@pytest.mark.parametrize("file", files(), ids=lambda file: file.stem)
def test_the_outcome_is_met(file: Path) -> None:
    ran = run_rack(file)
    assert (ran.status, ran.line.get("outcome_met")) == (0, True), ran.progress
