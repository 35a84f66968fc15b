"""A Discord webhook. `url` is the webhook's; where its last part (the token) is given by `token_env`, `url`
ends before it."""

from __future__ import annotations

from notifications.channel import Target
from notifications.http import post
from notifications.kinds import Message

KIND = "discord"
COLOUR = {"critical": 0xC0392B, "info": 0x2E86C1}
TITLE_LIMIT, DESCRIPTION_LIMIT = 256, 4096  # Discord's own, more is answered 400


def send(target: Target, secret: str, message: Message, timeout_s: float) -> None:
    url = f"{target.url.rstrip('/')}/{secret}" if secret else target.url
    embed = {
        "title": message.title[:TITLE_LIMIT],
        "description": message.body[:DESCRIPTION_LIMIT],
        "url": message.link,
        "color": COLOUR[message.severity],
    }
    # A model name with "@everyone" in it must wake nobody.
    post(url, {"embeds": [embed], "allowed_mentions": {"parse": []}}, timeout_s)
