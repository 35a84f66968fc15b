"""An operator whose click was not answered clicks again: what was asked for is asked for once."""

from __future__ import annotations

import pytest

from runs import lifecycle
from runs.models import Run
from tests.statements import worlds
from tests.talker import SERIAL

pytestmark = pytest.mark.django_db


def said(run: Run, kind: str) -> int:
    return run.events.filter(kind=kind).count()


def test_a_retry_that_is_asked_for_again_is_one() -> None:
    run = worlds.run_of(worlds.held())
    for _ in range(2):
        lifecycle.ask_retry(run, "SMART", "admin")
    assert said(run, "retry_asked") == 1
    lifecycle.ask_retry(run, "InventoryCheck", "admin")
    run.refresh_from_db()
    assert (run.retry_stage, said(run, "retry_asked")) == ("InventoryCheck", 2)


def test_an_override_that_is_given_again_is_one_and_its_giver_stays() -> None:
    run = worlds.run_of(worlds.refused_by_wipe_probe())
    for who in ("admin", "somebody else"):
        lifecycle.override_wipe(run, 1, SERIAL, worlds.WIPE_REFUSED.digest, who)
    assert (said(run, "override"), said(run, "retry_asked")) == (1, 1)
    assert run.overrides.get().given_by == "admin"
