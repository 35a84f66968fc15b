"""`vet`: what it refuses, what it prints, and the verdict as its exit status."""

from __future__ import annotations

import io
import json
from datetime import timedelta
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from hosts.models import Host
from runs import lifecycle
from runs.desk import following
from runs.models import Lease, Run
from tests import rows

pytestmark = pytest.mark.django_db


@pytest.fixture
def host() -> Host:
    return rows.a_host("pve-1")


@pytest.fixture
def worker() -> None:
    Lease.objects.create(name=Lease.ROUND, ticked_at=timezone.now())


def vet(*words: str) -> str:
    out = io.StringIO()
    call_command("vet", *words, stdout=out)
    return out.getvalue()


def refusal(*words: str) -> str:
    with pytest.raises(CommandError) as error:
        vet(*words)
    assert error.value.returncode == following.EXIT_USAGE
    return str(error.value)


def test_an_unknown_host_is_refused_with_those_there_are(host: Host, worker: None) -> None:
    assert refusal("pve-9") == "there is no host 'pve-9'; did you mean 'pve-1'?"


def test_without_a_worker_it_says_how_to_start_one(host: Host) -> None:
    assert "./manage.py up" in refusal("pve-1")
    Lease.objects.create(name=Lease.ROUND, ticked_at=timezone.now() - timedelta(seconds=60))
    assert "./manage.py up" in refusal("pve-1"), "one that ticked a minute ago is none"
    assert not Run.objects.exists()


def test_a_host_that_is_being_vetted_is_refused_with_how_to_follow_it(host: Host, worker: None) -> None:
    run = lifecycle.start_run(host)
    assert f"to follow it: ./manage.py runs {run.pk} --follow" in refusal("pve-1")


def test_a_profile_that_is_not_there_is_refused(host: Host, worker: None) -> None:
    assert "fast" in refusal("pve-1", "--profile", "fast")


def test_wrong_arguments_end_with_4_too(host: Host, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="4"):
        call_command("vet")
    assert "usage:" in capsys.readouterr().err


def test_no_wait_queues_and_returns(host: Host, worker: None) -> None:
    data = json.loads(vet("pve-1", "--no-wait", "--json", "--profile", "quick", "--repair", "new DIMM"))
    run = Run.objects.get()
    assert (data["run"], data["state"], data["verdict"]) == (run.pk, "Queued", None)
    assert (run.requested_by, run.repair, run.profile_name) == ("command line", "new DIMM", "quick")


@pytest.mark.parametrize(
    ("state", "verdict", "status"),
    [
        ("Completed", "passed", 0),
        ("FailedHolding", "failed", 1),
        ("Completed", "incomplete", 2),
        ("FailedHolding", "incomplete", 2),
        ("Failed", "error", 2),
        ("Cancelled", "", 3),
    ],
)
@pytest.mark.parametrize("way", [(), ("--json",), ("--log",)])
def test_the_verdict_is_the_exit_status(
    host: Host, worker: None, monkeypatch: pytest.MonkeyPatch, state: str, verdict: str, status: int, way: tuple[str]
) -> None:
    """The run ends while somebody waits for it."""
    real, since = following.snapshots, timezone.now() - timedelta(minutes=1)

    def ends(_: float) -> None:
        Run.objects.update(state=state, verdict=verdict, state_since=since)

    def snapshots(run: Run, **more: Any) -> Any:
        return real(run, wait=ends)

    monkeypatch.setattr(following, "snapshots", snapshots)
    with pytest.raises(SystemExit) as end:
        vet("pve-1", *way)
    assert end.value.code == status
