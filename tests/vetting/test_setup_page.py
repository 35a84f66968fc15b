"""The page of a fresh installation: what it proposes, that it changes nothing, and who may see it."""

# ruff: noqa: F811  a fixture is an argument
from __future__ import annotations

from collections.abc import Callable
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group
from django.test import Client
from django.urls import reverse

from pxe import dhcpservers
from pxe.dhcpservers import CanNotAsk
from pxe.interfaces import Interface
from tests import factories
from tests.pages import as_read
from tests.vetting.test_setup_command import BOOTS, HOSTS, INSTALLED, LAN, ROUTER, bench  # noqa: F401  the fixture
from vetting import doctor, roles, setup_page
from vetting.benchstate import Found

pytestmark = pytest.mark.django_db
SECOND = Interface("eth2", IPv4Address("10.78.0.1"), IPv4Network("10.78.0.0/24"))
CHOICE = {"interface": "10.77.0.1", "mode": "auto", "range": ""}


@pytest.fixture(autouse=True)
def examined(monkeypatch: pytest.MonkeyPatch) -> list[Found]:
    """What doctor finds; it is tested by itself."""
    found: list[Found] = []
    monkeypatch.setattr(doctor, "examine", lambda: ([], found))
    return found


@pytest.fixture
def admin(client: Client) -> Client:
    client.force_login(factories.UserFactory(), backend="django.contrib.auth.backends.ModelBackend")
    return client


def read(client: Client, **asked: str) -> str:
    return as_read(client.get(reverse("setup"), asked).content)


def looked(client: Client, **asked: str) -> str:
    return as_read(client.post(reverse("setup"), CHOICE | asked).content)


def test_it_shows_the_interfaces_and_the_command_for_the_only_choice(
    admin: Client,
    bench: Callable[..., Path],
) -> None:
    path = bench()
    page = read(admin)
    for shown in (HOSTS.words, LAN.words, "eth9: no IPv4 address"):
        assert shown in page
    assert "./manage.py setup --yes --interface 10.77.0.1 --range 10.77.0.100-10.77.0.199</pre>" in page
    assert path.read_text() == INSTALLED and "+  mode: dhcp" not in page, "the command chooses the mode"


def test_of_several_interfaces_one_must_be_chosen(admin: Client, bench: Callable[..., Path]) -> None:
    bench(every=(HOSTS, SECOND, LAN))
    assert "Several interfaces are possible (eth1, eth2): name one." in read(admin)
    assert "--interface 10.78.0.1 --mode off</pre>" in read(admin, interface="10.78.0.1", mode="off")


def test_after_it_has_asked_it_proposes_by_what_answers(
    admin: Client,
    bench: Callable[..., Path],
    examined: list[Found],
) -> None:
    examined.append(Found("clock", "bench", "the clock was set back", "set the clock"))
    path = bench()
    page = looked(admin)
    assert "No DHCP server answered on eth1" in page and "--mode dhcp --range" in page
    assert "+  mode: dhcp" in page and "The clock was set back." in page
    bench(servers=[BOOTS])
    page = looked(admin)
    assert BOOTS.words.replace("'", "&#x27;") in page and "--mode proxy</pre>" in page and "options 66 and" in page
    bench(servers=[ROUTER])
    assert "Two of them answer at random: choose proxy" in looked(admin, mode="dhcp")
    assert path.read_text() == INSTALLED


def test_a_process_that_may_not_ask_says_so_and_leaves_it_to_the_command(
    admin: Client,
    bench: Callable[..., Path],
) -> None:
    bench(servers=CanNotAsk("asking for DHCP servers needs root"))
    page = looked(admin)
    assert "asking for DHCP servers needs root" in page and "--mode" not in page.partition('id="command"')[2]


@pytest.mark.parametrize(
    ("asked", "says"),
    [
        ({"mode": "dhcp", "range": "10.77.0.9-10.77.0.1"}, "the first address comes after the last"),
        ({"mode": "dhcp", "range": "<script>"}, "is no range"),
        ({"interface": "10.1.1.1"}, "there is no interface"),
    ],
)
def test_a_wrong_answer_is_refused_in_words(
    admin: Client,
    bench: Callable[..., Path],
    asked: dict[str, str],
    says: str,
) -> None:
    bench()
    page = read(admin, **({"interface": "10.77.0.1"} | asked))
    assert says.lower() in page.lower() and "<script>" not in page.partition("<main")[2].partition("</main")[0]


def test_one_request_looks_at_a_time(
    admin: Client,
    bench: Callable[..., Path],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    bench()
    monkeypatch.setattr(dhcpservers, "find", lambda name: pytest.fail("somebody else asks"))
    with setup_page._one_at_a_time:
        assert "Somebody else has this machine checked" in looked(admin)


def test_only_administrators_see_it(client: Client, bench: Callable[..., Path]) -> None:
    bench()
    for role, status in ((roles.VIEWER, 403), (roles.OPERATOR, 403), (roles.ADMINISTRATOR, 200)):
        user: Any = get_user_model().objects.create_user(role, is_staff=True)
        user.groups.add(Group.objects.get(name=role))
        client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
        assert client.get(reverse("setup")).status_code == status
        assert ('href="/setup/"' in as_read(client.get("/").content)) == (status == 200)
    client.logout()
    assert client.get(reverse("setup")).status_code == 302


def test_the_login_says_how_the_first_account_is_made_and_only_then(client: Client) -> None:
    assert "./manage.py admin_user" in as_read(client.get(reverse("login")).content)
    factories.UserFactory()
    assert "admin_user" not in as_read(client.get(reverse("login")).content)
