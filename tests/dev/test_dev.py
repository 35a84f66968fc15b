"""What `make dev` shows, and that starting it again keeps what was done meanwhile."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from django.test import Client
from django.utils import timezone

from hosts.models import Host
from runs.bench import service_state
from runs.models import Run
from tests.dev import __main__ as dev
from tests.dev import seed
from tests.pages import as_read

pytestmark = pytest.mark.django_db


def test_it_shows_hosts_in_every_situation_to_who_logs_in(client: Client) -> None:
    assert seed.seed()
    states = set(Run.objects.values_list("state", flat=True))
    assert {"Queued", "Storage", "Completed", "Failed", "FailedHolding", "Cancelled", "Released"} <= states
    answer = client.post("/login/", {"username": seed.USER, "password": seed.PASSWORD, "next": "/"})
    assert answer.status_code == 302
    dashboard = as_read(client.get("/").content)
    assert seed.HOST_WITH_HISTORY in dashboard
    assert "The worker is not running" not in dashboard
    held = Run.objects.filter(state="FailedHolding").first()
    for path in (held.get_absolute_url(), held.host.get_absolute_url(), f"/runs/{held.pk}/report.html"):
        assert client.get(path).status_code == 200


def test_a_second_start_adds_nothing_and_keeps_what_was_changed() -> None:
    seed.seed()
    Host.objects.filter(name=seed.HOST_WITH_HISTORY).update(name="pve-renamed")
    runs = Run.objects.count()
    assert not seed.seed()
    assert Run.objects.count() == runs
    assert Host.objects.filter(name="pve-renamed").exists()


def test_live_runs_and_the_worker_are_kept_alive() -> None:
    seed.seed()
    long_ago = timezone.now() - timedelta(hours=1)
    live = Run.objects.exclude(last_seen=None).filter(ended_at=None)
    live.update(last_seen=long_ago)
    seed.keep_alive()
    assert live.exists()
    assert not live.filter(last_seen__lt=timezone.now() - timedelta(minutes=1)).exists()
    assert not service_state.is_silent()


def test_it_has_a_database_and_a_configuration_of_its_own(tmp_path: Path) -> None:
    environment = dev.prepare(tmp_path, 8123)
    assert environment["DATABASE_URL"] == f"sqlite:///{tmp_path}/vetting.sqlite3"
    assert "port: 8123" in Path(environment["VETTING_CONFIG"]).read_text()
    assert environment["VETTING_DATA_DIR"] == str(tmp_path)
