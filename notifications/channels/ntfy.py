"""ntfy (https://docs.ntfy.sh/publish/#publish-as-json). `url` is the topic's; the secret an access token.

Published as JSON to the server's root: in the header form a title cannot hold more than ASCII.
"""

from __future__ import annotations

from urllib.parse import urlsplit, urlunsplit

from notifications.channel import DeliveryFailed, Target
from notifications.http import post
from notifications.kinds import Message

KIND = "ntfy"
PRIORITY = {"critical": 5, "info": 3}
TAGS = {"critical": ["rotating_light"], "info": ["white_check_mark"]}


def send(target: Target, secret: str, message: Message, timeout_s: float) -> None:
    server, topic = _split(target.url)
    body = {
        "topic": topic,
        "title": message.title,
        "message": message.body,
        "priority": PRIORITY[message.severity],
        "tags": TAGS[message.severity],
        "click": message.link,
    }
    post(server, body, timeout_s, {"Authorization": f"Bearer {secret}"} if secret else None)


def _split(url: str) -> tuple[str, str]:
    """The server's address and the topic, which is the last part of the path."""
    parts = urlsplit(url)
    base, _, topic = parts.path.rstrip("/").rpartition("/")
    if not topic:
        raise DeliveryFailed("the url has no topic; write it as https://SERVER/TOPIC")
    return urlunsplit((parts.scheme, parts.netloc, f"{base}/", "", "")), topic
