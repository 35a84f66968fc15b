from __future__ import annotations

import socket
from dataclasses import replace

import pytest

from hosts import options
from notifications import channels
from notifications.channel import DeliveryFailed
from notifications.channels import discord, ntfy, smtp
from notifications.message import Message
from tests.architecture import imports
from tests.notifications.receivers import http_server, mail_server, silent_server
from vetting import config

LIMIT_S = 5.0
MESSAGE = Message(
    "StageFailed",
    "critical",
    "knoten-ü: SMART failed",
    "SATA-0001: 2 pending sectors @everyone",
    "https://v.test/runs/7/",
)


every = pytest.mark.parametrize("name", channels.NAMES)


@every
def test_every_channel_declares_itself_wholly(name: str) -> None:
    service = channels.channel(name).SERVICE
    assert service.title
    for one in options.of(service.options):
        assert one.kind in options.WORDS and one.help and one.key not in ("name", "kind")
        assert one.example is None or one.takes(one.example)
        assert one.example is not None or not one.needed


@every
def test_the_example_of_every_channel_is_a_target(name: str) -> None:
    declared = channels.channel(name).SERVICE.options
    given = options.example(declared)
    parsed = config.parse({"notifications": {"targets": [{"name": "it", "kind": name, **given}]}}, "example")
    [target] = parsed.notifications.targets
    assert options.read(declared, target.given, str) == options.read(declared, given, str)


@every
def test_a_channel_knows_no_django(name: str) -> None:
    """vetting.yaml is checked by it before there are settings."""
    for module in (f"channels/{name}", "channel", "message", "http"):
        found = {one.package for one in imports.of(imports.ROOT / f"notifications/{module}.py")}
        assert not found & {"django", "runs", "pxe", "vetting"}


def test_ntfy_gets_topic_title_priority_and_link_with_the_token_in_a_header() -> None:
    with http_server() as server:
        ntfy.send(ntfy.Options(url=f"{server.url}/vetting", token="tk_secret"), MESSAGE, LIMIT_S)
    [(path, headers, body)] = server.posts
    assert path == "/"
    assert headers["Authorization"] == "Bearer tk_secret"
    assert body["topic"] == "vetting"
    assert body["title"] == "knoten-ü: SMART failed"
    assert body["message"] == "SATA-0001: 2 pending sectors @everyone"
    assert (body["priority"], body["click"]) == (5, "https://v.test/runs/7/")


def test_an_ntfy_url_without_a_topic_says_how_to_write_it() -> None:
    with pytest.raises(DeliveryFailed, match="https://SERVER/TOPIC"):
        ntfy.send(ntfy.Options(url="http://127.0.0.1/"), MESSAGE, LIMIT_S)


def test_discord_gets_an_embed_that_pings_nobody() -> None:
    with http_server(204) as server:
        discord.send(discord.Options(url=f"{server.url}/api/webhooks/1", token="hook-token"), MESSAGE, LIMIT_S)
    [(path, _, body)] = server.posts
    assert path == "/api/webhooks/1/hook-token"
    assert body["allowed_mentions"] == {"parse": []}
    assert body["embeds"][0]["description"] == "SATA-0001: 2 pending sectors @everyone"
    assert body["embeds"][0]["url"] == "https://v.test/runs/7/"


def test_discord_shows_a_link_of_a_host_as_the_text_that_it_is() -> None:
    trick = replace(MESSAGE, title="**SATA** failed", body="[Log in again](https://evil.test) <https://evil.test>")
    with http_server(204) as server:
        discord.send(discord.Options(url=server.url), trick, LIMIT_S)
    [(_, _, body)] = server.posts
    assert body["embeds"][0]["title"] == r"\*\*SATA\*\* failed"
    assert body["embeds"][0]["description"] == r"\[Log in again\]\(https://evil.test\) \<https://evil.test\>"


def test_a_mail_has_subject_text_and_link() -> None:
    with mail_server() as server:
        wanted = smtp.Options(host="127.0.0.1", port=server.port, sender="v@bench.test", to=("a@x.test", "b@x.test"))
        smtp.send(wanted, MESSAGE, LIMIT_S)
    [mail] = server.mails
    assert mail["Subject"] == "[vetting] knoten-ü: SMART failed"
    assert mail["To"] == "a@x.test, b@x.test"
    assert mail.get_content().replace("\r", "") == "SATA-0001: 2 pending sectors @everyone\n\nhttps://v.test/runs/7/\n"


@pytest.mark.parametrize(
    ("to", "said", "mails"),
    [
        (("a@x.test", "gone@x.test"), "the server refused gone@x.test (550); 1 of 2 recipients have the mail", 1),
        (("gone@x.test",), "the server refused gone@x.test (550); 0 of 1 recipients have the mail", 0),
    ],
)
def test_a_recipient_that_the_server_refuses_is_a_failure_that_names_it(
    to: tuple[str, ...], said: str, mails: int
) -> None:
    with mail_server("gone@x.test") as server, pytest.raises(DeliveryFailed) as failure:
        wanted = smtp.Options(host="127.0.0.1", port=server.port, sender="v@bench.test", to=to)
        smtp.send(wanted, MESSAGE, LIMIT_S)
    assert str(failure.value) == f"127.0.0.1:{server.port}: {said}"
    assert len(server.mails) == mails


@pytest.mark.parametrize("status", [302, 403, 500])
def test_an_answer_that_is_not_2xx_is_a_failure_with_its_number_and_without_the_secret_path(
    status: int,
) -> None:
    with http_server(status) as server, pytest.raises(DeliveryFailed) as failure:
        discord.send(discord.Options(url=f"{server.url}/hooks", token="hook-token"), MESSAGE, LIMIT_S)
    assert str(failure.value) == f"127.0.0.1:{server.port}: answered {status}"
    assert len(server.posts) == 1


def _closed_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


def test_a_closed_port_is_named_without_the_secret_path() -> None:
    port = _closed_port()
    url = f"http://127.0.0.1:{port}/hooks"
    with pytest.raises(DeliveryFailed) as failure:
        discord.send(discord.Options(url=url, token="hook-token"), MESSAGE, LIMIT_S)
    assert f"127.0.0.1:{port}" in str(failure.value)
    assert "hook-token" not in str(failure.value)


@pytest.mark.parametrize("kind", ["ntfy", "smtp"])
def test_a_server_that_never_answers_is_given_up_after_the_limit(kind: str) -> None:
    with silent_server() as server, pytest.raises(DeliveryFailed, match=r"no answer within 0\.2 s"):
        given = {
            "ntfy": {"url": f"{server.url}/t"},
            "smtp": {"host": "127.0.0.1", "port": server.port, "sender": "v@b.test", "to": ["a@x.test"]},
        }
        channel = channels.channel(kind)
        channel.send(options.read(channel.SERVICE.options, given[kind], str), MESSAGE, 0.2)
