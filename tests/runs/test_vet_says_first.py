"""`./manage.py vet`: before a run starts, how long it takes and what it writes."""

from __future__ import annotations

import json
from io import StringIO
from typing import Any

import pytest
from django.core.management import call_command
from django.utils import timezone

from runs.models import Lease, Run
from tests.factories import HostFactory

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def a_worker() -> None:
    Lease.objects.update_or_create(name=Lease.ROUND, defaults={"ticked_at": timezone.now()})


def vetted(*arguments: str, **host: Any) -> tuple[str, str]:
    out, err = StringIO(), StringIO()
    call_command("vet", HostFactory(name="pve1", **host).name, "--no-wait", *arguments, stdout=out, stderr=err)
    return out.getvalue(), err.getvalue().replace("\xa0", " ")


def test_the_duration_and_what_is_written_come_before_the_run() -> None:
    _, said = vetted("--profile", "deep")
    assert said.startswith("Deep on pve1: about ")
    assert "Nothing is written to any disk." in said
    assert Run.objects.get().profile_name == "deep"


def test_a_larger_host_is_said_to_take_longer() -> None:
    memory = {gib: {"memory": {"total_mb": gib * 1024}} for gib in (16, 512)}
    small, large = (_hours(HostFactory(expected=spec)) for spec in memory.values())
    assert small < large


def test_a_script_still_reads_json_alone() -> None:
    out, _ = vetted("--json")
    assert json.loads(out)["host"] == "pve1"


def _hours(host: Any) -> float:
    err = StringIO()
    call_command("vet", host.name, "--no-wait", "--profile", "deep", stdout=StringIO(), stderr=err)
    hours, _, minutes = err.getvalue().replace("\xa0", " ").partition("about ")[2].partition(" h ")
    return int(hours) + int(minutes[:2]) / 60
