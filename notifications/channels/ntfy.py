"""ntfy (https://docs.ntfy.sh/publish/#publish-as-json).

Published as JSON to the server's root: in the header form a title cannot hold more than ASCII.
"""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlsplit, urlunsplit

from hosts.options import option, secret
from notifications.channel import DeliveryFailed, Service
from notifications.http import post
from notifications.message import Message

PRIORITY = {"critical": 5, "info": 3}
TAGS = {"critical": ["rotating_light"], "info": ["white_check_mark"]}


@dataclass(frozen=True, kw_only=True)
class Options:
    url: str = option("the topic's address", example="https://ntfy.example.org/vetting")
    token: str = secret("an access token", example="NTFY_TOKEN", optional=True)


SERVICE = Service(title="ntfy", options=Options)


def send(options: Options, message: Message, timeout_s: float) -> None:
    server, topic = _split(options.url)
    body = {
        "topic": topic,
        "title": message.title,
        "message": message.body,
        "priority": PRIORITY[message.severity],
        "tags": TAGS[message.severity],
        "click": message.link,
    }
    post(server, body, timeout_s, {"Authorization": f"Bearer {options.token}"} if options.token else None)


def _split(url: str) -> tuple[str, str]:
    """The server's address and the topic, which is the last part of the path."""
    parts = urlsplit(url)
    base, _, topic = parts.path.rstrip("/").rpartition("/")
    if not topic:
        raise DeliveryFailed("the url has no topic; write it as https://SERVER/TOPIC")
    return urlunsplit((parts.scheme, parts.netloc, f"{base}/", "", "")), topic
