"""Any of the services that Apprise knows (https://github.com/caronc/apprise/wiki): Slack, Teams, Telegram, Matrix,
PagerDuty and more than a hundred others. The address has its secrets in it, so all of it stands in the environment."""

from __future__ import annotations

from dataclasses import dataclass

from hosts.options import secret
from notifications.channel import DeliveryFailed, Service
from notifications.message import Message

_SHOWN = 20


@dataclass(frozen=True, kw_only=True)
class Options:
    url: str = secret("the service's address as Apprise writes it, such as tgram://TOKEN/CHAT", example="APPRISE_URL")


SERVICE = Service(title="Apprise, for other services", options=Options)


def send(options: Options, message: Message, timeout_s: float) -> None:
    """Apprise does not say why it failed, but to its log, which may have the address."""
    from apprise import Apprise, NotifyFormat, NotifyType

    service = options.url.partition("://")[0][:_SHOWN]
    sender = Apprise()
    if not sender.add(_with_limit(options.url, timeout_s)):
        raise DeliveryFailed(f"{service}: Apprise does not understand this address")
    weight = NotifyType.FAILURE if message.severity == "critical" else NotifyType.INFO
    text = f"{message.body}\n\n{message.link}"
    if not sender.notify(title=message.title, body=text, notify_type=weight, body_format=NotifyFormat.TEXT):
        raise DeliveryFailed(f"{service}: it can't be reached, or did not take the message")


def _with_limit(url: str, timeout_s: float) -> str:
    """Apprise's own limits for connecting and for an answer: 4 s each, unless the address says otherwise."""
    if "rto=" in url or "cto=" in url:
        return url
    return f"{url}{'&' if '?' in url else '?'}cto={timeout_s / 2:g}&rto={timeout_s:g}"
