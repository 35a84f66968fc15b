"""Machines that asked for network boot and are no hosts: on the ladder, on a page of their own, and registered."""

from __future__ import annotations

import time
from datetime import timedelta

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from hosts.models import HostMac
from runs import ladder
from runs.bench import newcomers
from runs.bench.newcomers import Asked
from runs.machine import State
from runs.models import LadderRung, Run, Rung
from tests.pages import as_read
from tests.rows import a_host, a_run

pytestmark = pytest.mark.django_db
MAC, STRANGER = "52:54:00:00:00:01", "52:54:00:00:00:99"


@pytest.fixture
def operator() -> Client:
    return logged_in("operator")


@pytest.fixture
def viewer() -> Client:
    return logged_in("viewer")


def logged_in(role: str) -> Client:
    user = get_user_model().objects.create_user(role, is_staff=True)
    user.groups.add(Group.objects.get(name=role))
    client = Client()
    client.force_login(user)
    return client


def asked(mac: str = STRANGER, architecture: int | None = 7, client: str = "PXE", ago_s: float = 1) -> Asked:
    return Asked(mac, architecture, client, time.time() - ago_s)


def waiting() -> Run:
    return a_run(
        a_host(mac=MAC), state=State.WAITING_WOL, verdict="", boot=1, started_at=timezone.now() - timedelta(minutes=5)
    )


def test_who_asked_is_counted_since_a_moment_and_until_it_is_registered() -> None:
    newcomers.record([asked(ago_s=600), asked(ago_s=3)])
    newcomers.record([asked(), asked(MAC, 16, "HTTP")])
    since = timezone.now() - timedelta(minutes=5)
    assert [one.words for one in newcomers.since(since)] == [
        f"{MAC} asked once as UEFI HTTP x64 and is not registered",
        f"{STRANGER} asked 2 times as UEFI x64 and is not registered",
    ]
    assert {one.mac: one.times for one in newcomers.since()} == {STRANGER: 3, MAC: 1}
    a_host(mac=STRANGER)
    assert [one.mac for one in newcomers.since(since)] == [MAC]


def test_a_day_later_they_are_forgotten_and_there_are_never_too_many() -> None:
    newcomers.record([asked(ago_s=newcomers.KEPT_S + 1)])
    newcomers.record([asked(f"52:54:00:00:01:{number:02x}") for number in range(newcomers.MOST + 5)])
    found = newcomers.since()
    assert len(found) == newcomers.MOST and STRANGER not in {one.mac for one in found}
    newcomers.record([asked()] * (newcomers.MOST_TIMES + 5))
    assert newcomers.since()[0].times == newcomers.MOST_TIMES


@pytest.mark.parametrize(
    ("architecture", "words"), [(6, "UEFI x86 (32 bits)"), (33, "PXEClient of type 33"), (None, "PXEClient")]
)
def test_each_architecture_has_its_words(architecture: int | None, words: str) -> None:
    assert newcomers.in_words(architecture) == words


def test_the_reason_of_a_boot_that_stopped_names_who_asked_meanwhile() -> None:
    run = waiting()
    LadderRung.objects.create(run=run, boot=1, rung=Rung.WAKE_SENT, at=timezone.now())
    newcomers.record([asked(), asked(), asked()])
    text = ladder.stopped_at(run)
    assert f"Seen meanwhile: {STRANGER} asked 3 times as UEFI x64 and is not registered. Usual causes: " in text
    assert ladder.without_hint(text).endswith("(stopped after: wake sent). ")


def test_what_was_seen_before_the_run_is_not_told() -> None:
    run = waiting()
    newcomers.record([asked(ago_s=600)])
    assert "Seen meanwhile" not in ladder.stopped_at(run)


def test_the_runs_page_offers_to_register_it_with_one_click(operator: Client) -> None:
    run = waiting()
    newcomers.record([asked()])
    page = as_read(operator.get(run.get_absolute_url()).content)
    assert f"{STRANGER} asked once as UEFI x64 and is not registered" in page
    assert "It is node-1: register it" in page
    answer = operator.post(reverse("register-mac", args=["node-1"]), {"mac": STRANGER, "run": run.pk})
    assert (answer.status_code, answer["Location"]) == (302, run.get_absolute_url())
    assert run.host.mac_list == [MAC, STRANGER]
    assert run.events.get(kind="mac_registered").text == f"{STRANGER} registered with node-1"
    assert "asked once" not in as_read(operator.get(reverse("newcomers")).content)


def test_who_may_only_look_sees_it_and_gets_no_button(viewer: Client) -> None:
    run = waiting()
    newcomers.record([asked()])
    page = as_read(viewer.get(run.get_absolute_url()).content)
    assert STRANGER in page and "register it" not in page
    assert viewer.post(reverse("register-mac", args=["node-1"]), {"mac": STRANGER}).status_code == 403
    assert viewer.post(reverse("newcomers"), {"mac": STRANGER, "host": "node-1"}).status_code == 403
    assert not HostMac.objects.filter(mac=STRANGER).exists()


@pytest.mark.parametrize("mac", ["52:54:00:00:00:77", MAC, "", "nonsense"])
def test_only_a_machine_that_asked_and_is_no_host_is_registered(operator: Client, mac: str) -> None:
    run = waiting()
    newcomers.record([asked(), asked(MAC)])
    assert operator.post(reverse("register-mac", args=["node-1"]), {"mac": mac}).status_code == 409
    assert run.host.mac_list == [MAC]


def test_the_list_of_newcomers_registers_with_any_host_or_fills_in_a_new_one(operator: Client) -> None:
    a_host(mac=MAC)
    newcomers.record([asked()])
    assert "host/add" not in operator.get(reverse("newcomers")).content.decode()
    administrator = logged_in("administrator")
    page = administrator.get(reverse("newcomers"))
    assert f"/host/add/?mac={STRANGER.replace(':', '%3A')}" in page.content.decode()
    form = administrator.get(reverse("admin:hosts_host_add"), {"mac": STRANGER}).content.decode()
    assert f'value="{STRANGER}"' in form
    assert operator.post(reverse("newcomers"), {"mac": STRANGER, "host": "nobody"}).status_code == 404
    operator.post(reverse("newcomers"), {"mac": STRANGER, "host": "node-1"})
    assert HostMac.objects.get(mac=STRANGER).host.name == "node-1"
