"""A Discord webhook."""

from __future__ import annotations

import re
from dataclasses import dataclass

from hosts.options import option, secret
from notifications.channel import Service
from notifications.http import post
from notifications.message import Message

COLOUR = {"critical": 0xC0392B, "info": 0x2E86C1}
TITLE_LIMIT, DESCRIPTION_LIMIT = 256, 4096  # Discord's own, more is answered 400


@dataclass(frozen=True, kw_only=True)
class Options:
    url: str = option(
        "the webhook's address, without its last part where `token_env` is given",
        example="https://discord.com/api/webhooks/123456",
    )
    token: str = secret("the last part of the webhook's address", example="DISCORD_TOKEN", optional=True)


SERVICE = Service(title="Discord", options=Options)


_MARKUP = re.compile(r"[\\`*_~|>#\[\]()<]")


def _plain(text: str) -> str:
    """The text with Discord's markup escaped: a serial number must not become a link with another text."""
    return _MARKUP.sub(r"\\\g<0>", text)


def send(options: Options, message: Message, timeout_s: float) -> None:
    url = f"{options.url.rstrip('/')}/{options.token}" if options.token else options.url
    embed = {
        "title": _plain(message.title)[:TITLE_LIMIT],
        "description": _plain(message.body)[:DESCRIPTION_LIMIT],
        "url": message.link,
        "color": COLOUR[message.severity],
    }
    # A model name that contains "@everyone" must notify nobody.
    post(url, {"embeds": [embed], "allowed_mentions": {"parse": []}}, timeout_s)
