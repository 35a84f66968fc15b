"""Signs what leaves an installation, so that a copy of it can be checked anywhere and years later.

The signature is Ed25519 (RFC 8032) over the bytes of the file, 64 bytes in a file of its own beside it. So other tools
can check it, too, for example `openssl pkeyutl -verify -pubin -inkey KEY -rawin -in FILE -sigfile FILE.sig`.

The key follows from the secret key by HKDF (RFC 5869). So all machines of an installation sign with the same, and
nothing more has to be kept safe. Another secret key gives another signing key: keep the public one.
"""

from __future__ import annotations

import base64
import hashlib
from functools import cache
from typing import TYPE_CHECKING

from django.conf import settings

if TYPE_CHECKING:  # these modules take 10 MB of memory, and most processes sign nothing
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

SUFFIX = ".sig"
_PURPOSE = b"vetting report signature 1"


class BadKey(Exception):
    """The text says why it is no public key that could have signed."""


def sign(data: bytes) -> bytes:
    """64 bytes."""
    return _private(settings.SECRET_KEY).sign(data)


def public_key() -> bytes:
    """The public key of this installation, as PEM."""
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    return _private(settings.SECRET_KEY).public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def is_genuine(data: bytes, signature: bytes, key: bytes) -> bool:
    """Whether the owner of this public key (PEM) signed exactly these bytes. Raises BadKey."""
    from cryptography.exceptions import InvalidSignature

    try:
        _read(key).verify(signature, data)
    except InvalidSignature:
        return False
    return True


def fingerprint(key: bytes) -> str:
    """`SHA256:…` of a public key (PEM), to compare by eye. Raises BadKey."""
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    digest = hashlib.sha256(_read(key).public_bytes(Encoding.Raw, PublicFormat.Raw)).digest()
    return f"SHA256:{base64.b64encode(digest).decode().rstrip('=')}"


def _read(key: bytes) -> Ed25519PublicKey:
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    from cryptography.hazmat.primitives.serialization import load_pem_public_key

    try:
        found = load_pem_public_key(key)
    except (ValueError, UnsupportedAlgorithm):
        raise BadKey("it is no public key in PEM form") from None
    if not isinstance(found, Ed25519PublicKey):
        raise BadKey("it is no Ed25519 key")
    return found


@cache
def _private(secret: str) -> Ed25519PrivateKey:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.hazmat.primitives.kdf.hkdf import HKDF

    seed = HKDF(algorithm=SHA256(), length=32, salt=None, info=_PURPOSE).derive(secret.encode())
    return Ed25519PrivateKey.from_private_bytes(seed)
