"""The kernel's early test of memory: a run's profile orders it, and the boot gets the argument and the time for it."""

from __future__ import annotations

import pytest
from django.conf import settings

from hosts.models import Host
from runs import boot_script, early_memtest, lifecycle
from runs.models import Run
from runs.profiles.load import load
from tests import work
from tests.rows import a_host
from tests.talker import EXPECTED, MAC, Talker

pytestmark = pytest.mark.django_db


@pytest.fixture
def host() -> Host:
    return a_host("node-1", mac=MAC, expected=EXPECTED)


def started(host: Host, profile: str = "deep") -> Run:
    run = lifecycle.start_run(host, profile_name=profile)
    work.dispatch()
    run.refresh_from_db()
    return run


@pytest.mark.parametrize(("name", "patterns"), [("quick", 0), ("deep", 4), ("soak", 8), ("soak-write", 8)])
def test_the_long_profiles_order_it(name: str, patterns: int) -> None:
    assert early_memtest.patterns(Run(profile=load(name))) == patterns


@pytest.mark.parametrize("profile", [{}, {"stages": {"Memory": {"params": {"early_test_patterns": "many"}}}}])
def test_a_run_of_an_older_version_orders_none(profile: dict[str, object]) -> None:
    assert early_memtest.patterns(Run(profile=profile)) == 0


@pytest.mark.parametrize(("profile", "args"), [("quick", ()), ("deep", ("memtest=4",))])
def test_the_first_boot_gets_the_argument_of_the_runs_own_profile(
    host: Host, profile: str, args: tuple[str, ...]
) -> None:
    started(host, profile)
    assert boot_script.script_fetched(host, "10.0.0.5").kernel_args == args


def test_a_host_that_restarts_in_a_stage_gets_none(host: Host) -> None:
    run = started(host)
    Talker(host).boot_and_claim()
    run.refresh_from_db()
    assert run.state == "InventoryCheck"
    assert boot_script.script_fetched(host, "10.0.0.5").kernel_args == ()


@pytest.mark.parametrize(
    ("memory", "gib"), [({"total_mb": 65536}, 64), ({}, early_memtest.UNKNOWN_GIB), (None, early_memtest.UNKNOWN_GIB)]
)
def test_the_deadline_of_the_boot_allows_for_it(memory: dict[str, int] | None, gib: float) -> None:
    host = a_host("node-2", mac="52:54:00:00:00:02", expected=None if memory is None else {"memory": memory})
    run = started(host)
    assert run.boot_deadline and run.started_at
    allowed_s = (run.boot_deadline - run.started_at).total_seconds()
    assert allowed_s == pytest.approx(settings.VETTING.deadlines.boot_s + 4 * gib * 1.0)


def test_a_quick_run_waits_no_longer(host: Host) -> None:
    run = started(host, "quick")
    assert run.boot_deadline and run.started_at
    assert (run.boot_deadline - run.started_at).total_seconds() == settings.VETTING.deadlines.boot_s
