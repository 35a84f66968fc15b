"""Messages through Apprise, to a real server on loopback."""

from __future__ import annotations

import pytest

from notifications.channel import DeliveryFailed
from notifications.channels import apprise
from tests.notifications.receivers import http_server
from tests.notifications.test_channels import MESSAGE, _closed_port


def test_a_message_reaches_a_service_of_apprises() -> None:
    with http_server() as server:
        apprise.send(apprise.Options(url=f"json://127.0.0.1:{server.port}/t"), MESSAGE, 5.0)
    [(path, _, body)] = server.posts
    assert path == "/t"
    assert (body["title"], body["type"]) == ("knoten-ü: SMART failed", "failure")
    assert body["message"].endswith("\n\nhttps://v.test/runs/7/")


@pytest.mark.parametrize("status", [403, 500])
def test_a_service_that_does_not_take_it_is_a_failure_without_the_address(status: int) -> None:
    with http_server(status) as server, pytest.raises(DeliveryFailed) as failure:
        apprise.send(apprise.Options(url=f"json://user:secret@127.0.0.1:{server.port}/t"), MESSAGE, 5.0)
    assert str(failure.value) == "json: it can't be reached, or did not take the message"
    assert len(server.posts) == 1


@pytest.mark.parametrize("url", ["nonsense", "tgram://", ""])
def test_an_address_that_is_none_is_told_without_it(url: str) -> None:
    with pytest.raises(DeliveryFailed, match="does not understand this address"):
        apprise.send(apprise.Options(url=url), MESSAGE, 5.0)


def test_a_closed_port_is_a_failure() -> None:
    with pytest.raises(DeliveryFailed):
        apprise.send(apprise.Options(url=f"json://127.0.0.1:{_closed_port()}/t"), MESSAGE, 5.0)
