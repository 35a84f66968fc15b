"""Mail. Port 465 is TLS from the start, others after `starttls`."""

from __future__ import annotations

import smtplib
import ssl
from dataclasses import dataclass
from email.message import EmailMessage
from email.utils import formatdate, make_msgid

from hosts.options import option, secret
from notifications.channel import DeliveryFailed, Service
from notifications.message import Message

IMPLICIT_TLS_PORT = 465
NAMED = 3


@dataclass(frozen=True, kw_only=True)
class Options:
    host: str = option("the mail server", example="mail.example.org")
    port: int = option("its port; 465 is TLS from the start", example=587, default=25)
    starttls: bool = option("true to ask for TLS on another port", example=True, default=False)
    user: str = option("who logs in; without it nobody does", example="vetting", default="")
    token: str = secret("the password of `user`", example="SMTP_PASSWORD", optional=True)
    sender: str = option("the address that mails come from", example="vetting@example.org")
    to: tuple[str, ...] = option("the addresses that mails go to", example=["ops@example.org"])


SERVICE = Service(title="mail", options=Options)


def send(options: Options, message: Message, timeout_s: float) -> None:
    where = f"{options.host}:{options.port}"
    try:
        with _connect(options, timeout_s) as server:
            if options.starttls and options.port != IMPLICIT_TLS_PORT:
                server.starttls(context=ssl.create_default_context())
            if options.user:
                server.login(options.user, options.token)
            refused = server.send_message(_mail(options, message))
    except TimeoutError:
        raise DeliveryFailed(f"{where}: no answer within {timeout_s:g} s") from None
    except smtplib.SMTPRecipientsRefused as error:
        raise DeliveryFailed(f"{where}: {_who_was_refused(options, error.recipients)}") from None
    except smtplib.SMTPResponseException as error:
        raise DeliveryFailed(f"{where}: answered {error.smtp_code}") from None
    except (OSError, smtplib.SMTPException) as error:
        if isinstance(error.__context__, TimeoutError):  # smtplib calls that a disconnect
            raise DeliveryFailed(f"{where}: no answer within {timeout_s:g} s") from None
        raise DeliveryFailed(f"{where}: cannot be reached or refused ({type(error).__name__})") from None
    if refused:
        raise DeliveryFailed(f"{where}: {_who_was_refused(options, refused)}")


def _who_was_refused(options: Options, refused: dict[str, tuple[int, bytes]]) -> str:
    """The addresses with the number of the server's answer. They are in vetting.yaml: they are no secret."""
    shown = [f"{address} ({code})" for address, (code, _) in list(refused.items())[:NAMED]]
    more = [f"{len(refused) - NAMED} more"] if len(refused) > NAMED else []
    taken = len(options.to) - len(refused)
    return f"the server refused {', '.join(shown + more)}; {taken} of {len(options.to)} recipients have the mail"


def _connect(options: Options, timeout_s: float) -> smtplib.SMTP:
    if options.port == IMPLICIT_TLS_PORT:
        return smtplib.SMTP_SSL(options.host, options.port, timeout=timeout_s, context=ssl.create_default_context())
    return smtplib.SMTP(options.host, options.port, timeout=timeout_s)


def _mail(options: Options, message: Message) -> EmailMessage:
    mail = EmailMessage()
    mail["Subject"] = f"[vetting] {message.title}"
    mail["From"] = options.sender
    mail["To"] = ", ".join(options.to)
    mail["Date"] = formatdate(localtime=True)
    mail["Message-ID"] = make_msgid(domain="vetting.invalid")
    mail["Auto-Submitted"] = "auto-generated"  # RFC 3834: no out-of-office answers
    if message.severity == "critical":
        mail["X-Priority"] = "1"
    mail.set_content(f"{message.body}\n\n{message.link}\n")
    return mail
