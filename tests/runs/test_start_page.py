"""Starting from a host's page: said first, done when confirmed."""

from __future__ import annotations

import pytest
from django.test import Client
from django.urls import reverse

from hosts.models import Host
from runs.machine import State
from runs.models import Run
from runs.profiles import load as profiles
from tests import factories
from tests.pages import as_read

pytestmark = pytest.mark.django_db


@pytest.fixture
def operator(client: Client) -> Client:
    client.force_login(factories.UserFactory(), backend="django.contrib.auth.backends.ModelBackend")
    return client


def _start(client: Client, host: Host, **fields: str) -> tuple[int, str]:
    answer = client.post(reverse("start", args=[host.name]), {"profile": "quick", **fields})
    return answer.status_code, as_read(answer.content)


def test_it_says_what_will_happen_and_starts_nothing(operator: Client) -> None:
    host = factories.HostFactory()
    status, page = _start(operator, host, repair="DIMM_A1 replaced")
    assert status == 200
    assert "is woken at once (Wake-on-LAN)" in page
    assert "Disks are only read." in page
    assert "In the report: DIMM_A1 replaced" in page
    assert not host.runs.exists()


def test_confirmed_it_starts_what_was_said(operator: Client) -> None:
    host = factories.HostFactory()
    _start(operator, host, repair="DIMM_A1 replaced", confirmed="yes")
    run = host.runs.get()
    assert (run.state, run.profile_name, run.repair) == (State.QUEUED, "quick", "DIMM_A1 replaced")
    assert run.requested_by == "operator"


def test_a_profile_that_writes_names_each_disk_it_destroys(operator: Client) -> None:
    host = factories.HostFactory(destructive_allowed=True)
    host.writable_disks.create(serial=factories.DISK, allowed_by="operator")
    _, page = _start(operator, host, profile="quick-write")
    assert f"Everything on disk {factories.DISK}" in page
    assert 'class="danger"' in page
    assert "Disks are only read." not in page


def test_a_host_that_a_person_wakes_says_so(operator: Client) -> None:
    host = factories.HostFactory(wake_method="operator")
    assert "press the power button" in _start(operator, host)[1]


def test_without_a_free_slot_it_says_how_many_are_ahead(operator: Client, settings: object) -> None:
    for _ in range(settings.VETTING.dispatcher.max_concurrent):
        factories.in_smart()
    factories.queued()
    assert "It waits in line, behind 1 other, until a slot is free." in _start(operator, factories.HostFactory())[1]


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"profile": "quick-write"}, "does not allow"),
        ({"profile": "nothing"}, "no profile"),
        ({"profile": ""}, "no profile"),
    ],
)
def test_what_can_not_start_is_refused_before_it_is_confirmed(
    operator: Client, fields: dict[str, str], reason: str
) -> None:
    status, page = _start(operator, factories.HostFactory(), **fields)
    assert status == 409
    assert reason in page


def _host_page(client: Client, host: Host) -> str:
    return as_read(client.get(host.get_absolute_url()).content)


def test_the_profiles_stand_by_what_they_write_and_how_long_they_take(operator: Client) -> None:
    host = factories.HostFactory(destructive_allowed=True)
    host.writable_disks.create(serial=factories.DISK, allowed_by="operator")
    page = _host_page(operator, host)
    names = ["quick", "deep", "soak", "quick-write", "deep-write", "soak-write"]
    places = [page.index(f'name="profile" value="{name}"') for name in names]
    assert places == sorted(places)
    assert "destroys what is on 1 disk" in page and "Everything on disk" not in page


def test_without_permission_the_profiles_that_write_are_one_line(operator: Client) -> None:
    page = _host_page(operator, factories.HostFactory())
    assert 'value="quick"' in page and 'value="quick-write"' not in page
    assert "Profiles that write are off: this host does not allow destructive tests." in page


def test_a_profile_that_can_not_be_read_stays_with_its_reason(
    operator: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unreadable(name: str) -> None:
        raise profiles.ProfileError(f"{name}.yaml, line 3: broken")

    monkeypatch.setattr(profiles, "load", unreadable)
    page = _host_page(operator, factories.HostFactory())
    assert "quick.yaml, line 3: broken" in page and "Profiles that write are off" not in page


def test_a_busy_host_is_refused_before_and_after(operator: Client) -> None:
    host = factories.in_smart().host
    assert _start(operator, host)[0] == _start(operator, host, confirmed="yes")[0] == 409
    assert Run.objects.filter(host=host).count() == 1
