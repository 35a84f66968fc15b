"""Answers that drip, of servers that are no BMC: the identity provider and NetBox."""

from __future__ import annotations

import pytest
import requests

from tests.pxe.bmc import body, drip, serving
from vetting.netbox import client, devices
from vetting.netbox.config import NetBox
from vetting.oidc import provider


def netbox(url: str) -> client.Client:
    return client.Client(NetBox(url=url, token_env="VETTING_NETBOX_TOKEN", tags=["vetting"]), "token")


@pytest.mark.parametrize("what", ["header", "body"])
def test_an_identity_provider_that_drips_holds_no_login_for_long(monkeypatch: pytest.MonkeyPatch, what: str) -> None:
    monkeypatch.setattr(provider, "ANSWER_S", 0.3)
    with serving() as server, pytest.raises(requests.RequestException):
        server.plays["GET /keys"] = drip(what)
        provider._fetched(f"{server.url}/keys")


@pytest.mark.parametrize("what", ["header", "body"])
def test_a_netbox_that_drips_is_said_to_be_slow(monkeypatch: pytest.MonkeyPatch, what: str) -> None:
    monkeypatch.setattr(client, "ANSWER_S", 0.3)
    with serving() as server, netbox(server.url) as asked, pytest.raises(client.NetBoxProblem, match="takes over"):
        server.plays["GET /api/status/"] = drip(what)
        asked._call("GET", "status")


@pytest.mark.parametrize(
    "row", [{}, {"id": "x", "name": "pve-1"}, {"id": 1, "name": "pve-1", "custom_fields": [1]}], ids=str
)
def test_a_netbox_that_answers_otherwise_than_its_api_says_is_a_problem_in_words(row: dict[str, object]) -> None:
    with serving() as server, netbox(server.url) as asked:
        query = "tag=vetting&exclude=config_context&limit=100&offset=0&ordering=id"
        server.plays[f"GET /api/dcim/devices/?{query}"] = body({"results": [row], "next": None})
        config = NetBox(url=server.url, token_env="VETTING_NETBOX_TOKEN", tags=["vetting"])
        if row:
            with pytest.raises(client.NetBoxProblem, match="otherwise than its API says"):
                devices.fetch(asked, config)
        else:
            assert devices.fetch(asked, config).left_alone == ["device None: None can't be the name of a host"]


def test_no_password_stands_in_the_address_of_netbox() -> None:
    with pytest.raises(ValueError, match="must hold no name or password"):
        NetBox(url="https://me:sesame@netbox.example.org", token_env="VETTING_NETBOX_TOKEN", tags=["vetting"])
