"""What `make dev` shows: one host for every situation that an operator can meet, and one with a history of runs."""

from __future__ import annotations

from datetime import timedelta

from django.contrib.auth import get_user_model
from django.utils import timezone

from hosts.models import Health, Host
from runs.machine import State
from runs.models import Run, Verdict
from runs.reports import write
from tests import factories

USER, PASSWORD = "dev", "dev"
HOST_WITH_HISTORY = "pve-history"
EARLIER_RUNS = 5


def seed() -> bool:
    """Fill an empty database. Returns False, and adds nothing, where there are hosts already."""
    _log_in_as_dev()
    if Host.objects.exists():
        return False
    factories.for_every_state()
    _history()
    for run in Run.objects.filter(state__in=(State.COMPLETED, State.FAILED, State.FAILED_HOLDING, State.RELEASED)):
        write.write(run)
    keep_alive()
    return True


def keep_alive() -> None:
    """Stand in for the worker and for the hosts under test: without them each page would say within a minute that
    nobody does the work. A real worker would do it too, and end the runs whose hosts are silent."""
    factories.worker_at_work()
    Run.objects.exclude(last_seen=None).filter(ended_at=None).update(last_seen=timezone.now())


def _log_in_as_dev() -> None:
    user, _ = get_user_model().objects.get_or_create(username=USER)
    user.is_active = user.is_staff = user.is_superuser = True
    user.set_password(PASSWORD)
    user.save()


def _history() -> None:
    """Runs of one host over some weeks, whose disk becomes slower: for trends and for comparing."""
    host = factories.HostFactory(name=HOST_WITH_HISTORY, health=Health.GOOD)
    for weeks in range(EARLIER_RUNS, 0, -1):
        run = factories.started(State.COMPLETED, minutes=weeks * 7 * 24 * 60, host=host, verdict=Verdict.PASSED)
        factories.climb(run)
        factories.pass_stages(run, State.REPORTING)
        speed = {f"seq_read_mb_s.{factories.DISK}": 3000.0 + weeks * 25}
        run.stage_runs.filter(name=State.STORAGE).update(numbers=speed)
        run.ended_at = run.state_since = run.started_at + timedelta(minutes=11)
        run.save()
