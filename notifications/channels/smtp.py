"""Mail. The secret is the password of `user`. Port 465 is TLS from the start, others after `starttls`."""

from __future__ import annotations

import smtplib
import ssl
from email.message import EmailMessage
from email.utils import formatdate, make_msgid

from notifications.channel import DeliveryFailed, Target
from notifications.kinds import Message

KIND = "smtp"
IMPLICIT_TLS_PORT = 465


def send(target: Target, secret: str, message: Message, timeout_s: float) -> None:
    where = f"{target.host}:{target.port}"
    try:
        with _connect(target, timeout_s) as server:
            if target.starttls and target.port != IMPLICIT_TLS_PORT:
                server.starttls(context=ssl.create_default_context())
            if target.user:
                server.login(target.user, secret)
            server.send_message(_mail(target, message))
    except TimeoutError:
        raise DeliveryFailed(f"{where}: no answer within {timeout_s:g} s") from None
    except smtplib.SMTPResponseException as error:
        raise DeliveryFailed(f"{where}: answered {error.smtp_code}") from None
    except (OSError, smtplib.SMTPException) as error:
        if isinstance(error.__context__, TimeoutError):  # smtplib calls that a disconnect
            raise DeliveryFailed(f"{where}: no answer within {timeout_s:g} s") from None
        raise DeliveryFailed(f"{where}: cannot be reached or refused ({type(error).__name__})") from None


def _connect(target: Target, timeout_s: float) -> smtplib.SMTP:
    if target.port == IMPLICIT_TLS_PORT:
        return smtplib.SMTP_SSL(target.host, target.port, timeout=timeout_s, context=ssl.create_default_context())
    return smtplib.SMTP(target.host, target.port, timeout=timeout_s)


def _mail(target: Target, message: Message) -> EmailMessage:
    mail = EmailMessage()
    mail["Subject"] = f"[vetting] {message.title}"
    mail["From"] = target.sender
    mail["To"] = ", ".join(target.to)
    mail["Date"] = formatdate(localtime=True)
    mail["Message-ID"] = make_msgid(domain="vetting.invalid")
    mail["Auto-Submitted"] = "auto-generated"  # RFC 3834: no out-of-office answers
    if message.severity == "critical":
        mail["X-Priority"] = "1"
    mail.set_content(f"{message.body}\n\n{message.link}\n")
    return mail
