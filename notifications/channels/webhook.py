"""A webhook for programs: a JSON envelope, signed as https://www.standardwebhooks.com describes, so that a receiver can
use a library of that standard. `version` rises when a key goes or changes its meaning; new keys come without that."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from binascii import Error
from dataclasses import dataclass

from hosts.options import option, secret
from notifications.channel import DeliveryFailed, Service
from notifications.http import post
from notifications.message import Message

VERSION = 1
ENCODED = "whsec_"


@dataclass(frozen=True, kw_only=True)
class Options:
    url: str = option("the receiver's address", example="https://cmdb.example.org/hooks/vetting")
    token: str = secret("the key that signs: any text, or whsec_ and base64", example="WEBHOOK_KEY")


# Seven tries in 21 hours: a receiver may be down for a night.
SERVICE = Service(title="a webhook", options=Options, retry_after_s=(60, 300, 1800, 7200, 21_600, 43_200))


def send(options: Options, message: Message, timeout_s: float) -> None:
    body = json.dumps(envelope(message), ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")
    number, at = f"vetting-{message.id or 'test'}", str(int(time.time()))
    headers = {
        "Content-Type": "application/json",
        "webhook-id": number,  # the same in every try, so that a receiver can tell what it has already
        "webhook-timestamp": at,
        "webhook-signature": f"v1,{signature(options.token, number, at, body)}",
    }
    post(options.url, body, timeout_s, headers)


def envelope(message: Message) -> dict[str, object]:
    return {
        "type": f"vetting.{message.kind}",
        "version": VERSION,
        "timestamp": message.at,
        "data": {
            "severity": message.severity,
            "title": message.title,
            "text": message.body,
            "link": message.link,
            **message.facts,
        },
    }


def signature(key: str, number: str, at: str, body: bytes) -> str:
    """Base64 of the HMAC-SHA256 over number, time and body. Raises DeliveryFailed for a key that can't be read."""
    try:
        raw = base64.b64decode(key.removeprefix(ENCODED), validate=True) if key.startswith(ENCODED) else key.encode()
    except (Error, ValueError):
        raise DeliveryFailed(f"what follows {ENCODED} in its key is no base64") from None
    return base64.b64encode(hmac.new(raw, f"{number}.{at}.".encode() + body, hashlib.sha256).digest()).decode()
