"""The SSH key pair of a hold. Each hold has a new one; the private key is stored encrypted, can be downloaded once, and
is deleted when the hold ends.

`cryptography` is imported where it is used: it takes 9 MB, and most of our processes never make or open a key.
"""

from __future__ import annotations

import base64
import hashlib
import shlex
from typing import TYPE_CHECKING

from django.conf import settings
from django.utils import timezone

from runs.models import HoldSession, Run

if TYPE_CHECKING:
    from cryptography.fernet import Fernet


def open_session(run: Run) -> HoldSession:
    """A new key pair for this boot of the run; any older one of the run is closed."""
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    close_sessions(run)
    private = Ed25519PrivateKey.generate()
    public = private.public_key().public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH)
    secret = private.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.OpenSSH, serialization.NoEncryption()
    )
    return HoldSession.objects.create(
        run=run,
        boot=run.boot,
        public_key=f"{public.decode()} vetting-run-{run.pk}",
        private_key_sealed=_box().encrypt(secret).decode(),
        address=run.agent_address,
    )


def close_sessions(run: Run) -> None:
    """Close the run's holds and delete their private keys."""
    HoldSession.objects.filter(run=run, closed_at=None).update(closed_at=timezone.now(), private_key_sealed="")


def renew(run: Run) -> HoldSession:
    """Make another key pair. Address, port and host key of the hold stay."""
    old = current(run)
    session = open_session(run)
    if old is not None:
        session.boot, session.address, session.port = old.boot, old.address, old.port
        session.host_key, session.users = old.host_key, old.users
        session.save(update_fields=["boot", "address", "port", "host_key", "users"])
    return session


def current(run: Run) -> HoldSession | None:
    return HoldSession.objects.filter(run=run, closed_at=None).order_by("-id").first()


def ssh_command(session: HoldSession, key_file: str = "") -> str:
    """The command to log in; empty before the host has sent its address.

    `IdentitiesOnly`: ssh offers this key and none of the ssh-agent's. `HostKeyAlias`: the next run at this address has
    another host key.
    """
    if not session.address:
        return ""
    name = f"vetting-run-{session.run_id}"
    options = f"-o IdentitiesOnly=yes -o HostKeyAlias={name}"
    return f"ssh -i {shlex.quote(key_file or f'{name}.key')} {options} -p {session.port} root@{session.address}"


def unseal(session: HoldSession) -> str:
    """The private key as an OpenSSH file. Raises InvalidKey if it was encrypted under another secret key."""
    from cryptography.fernet import InvalidToken

    try:
        return _box().decrypt(session.private_key_sealed.encode()).decode()
    except InvalidToken:
        raise InvalidKey("the secret key has changed since: press 'New key'") from None


class InvalidKey(Exception):
    """The kept key can't be opened; the message says what to do."""


def _box() -> Fernet:
    from cryptography.fernet import Fernet

    return Fernet(base64.urlsafe_b64encode(hashlib.sha256(b"vetting hold key" + settings.SECRET_KEY.encode()).digest()))
