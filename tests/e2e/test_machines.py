"""The acceptance machines come to the outcome that their files say. (`make zoo` runs every machine file there is;
test_kills.py looks closer at those whose processes are killed.)"""

from __future__ import annotations

import pytest

from tests.e2e.conftest import MACHINES, run_rack

pytestmark = [pytest.mark.rack, pytest.mark.slow]
ACCEPTANCE = (
    "all-contents",
    "bad-sector-sata",
    "demo",
    "hang",
    "healthy-bios",
    "healthy-uefi",
    "lvm-disk",
    "no-boot-script",
    "nvme-warning",
    "ram-short",
    "system-reset",
)


@pytest.mark.parametrize("name", ACCEPTANCE)
def test_the_outcome_is_met(name: str) -> None:
    ran = run_rack(MACHINES / f"{name}.yaml")
    assert (ran.status, ran.line.get("outcome_met")) == (0, True), ran.progress
