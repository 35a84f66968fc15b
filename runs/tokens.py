"""Run tokens: `vt1.<run>.<boot>.<random>.<HMAC>`, one per boot.

The signature covers run, host, boot and the random part. It is checked first, in constant time, so that a wrong token
never reaches bcrypt, which is slow. The token is not stored: for each fetch of the boot script it is made from the
boot's nonce and the secret key. Its bcrypt hash is stored.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
import secrets
from collections import OrderedDict
from dataclasses import dataclass
from functools import lru_cache
from threading import Lock

import bcrypt
from django.conf import settings

from agent.contract.wire import TOKEN_PREFIX

# Matches anything that begins like a token. It is removed from logs and reports, which more people may read than may
# use a token.
_ANY = re.compile(re.escape(TOKEN_PREFIX) + r"[A-Za-z0-9._-]*")
REMOVED = "[token removed]"
_FORM = re.compile(r"vt1\.(\d{1,18})\.(\d{1,9})\.([A-Za-z0-9_-]{22})\.([A-Za-z0-9_-]{43})")
_PROCESS_KEY = secrets.token_bytes(32)
# More than the number of hosts under test at once. With too few places, every call would need bcrypt again.
_MEMO_SIZE = 32_768


def without_tokens(text: str) -> str:
    """The text without anything that begins like a token."""
    return _ANY.sub(REMOVED, text)


@dataclass(frozen=True)
class Token:
    """A well-formed token, not yet checked."""

    run: int
    boot: int
    nonce: str
    signature: str
    text: str


def new_nonce() -> str:
    """16 random bytes, URL-safe: 22 characters."""
    return secrets.token_urlsafe(16)


def make(run: int, host: int, boot: int, nonce: str) -> str:
    return f"vt1.{run}.{boot}.{nonce}.{_sign(run, host, boot, nonce)}"


def parse(text: str) -> Token | None:
    """The fields of a token, or None if the text does not have its form."""
    match = _FORM.fullmatch(text)
    return Token(int(match[1]), int(match[2]), match[3], match[4], text) if match else None


def signed_by_us(token: Token, host: int) -> bool:
    return hmac.compare_digest(token.signature, _sign(token.run, host, token.boot, token.nonce))


def hashed(token: str) -> str:
    """The bcrypt hash to store. bcrypt takes at most 72 bytes, so it gets the token's SHA-256."""
    return bcrypt.hashpw(_short(token), bcrypt.gensalt(settings.AGENT_TOKEN_BCRYPT_ROUNDS)).decode()


def matches(token: str, kept_hash: str) -> bool:
    """Compare a token with the stored hash. bcrypt runs once per token and process (91 ms at cost 10). After that a
    keyed digest of the token is remembered with the hash. Failures are not remembered."""
    digest = hmac.digest(_PROCESS_KEY, token.encode(), "sha256")
    known = _memo.get(kept_hash)
    if known is not None:
        return hmac.compare_digest(known, digest)
    if not bcrypt.checkpw(_short(token), kept_hash.encode()):
        return False
    _memo.put(kept_hash, digest)
    return True


@lru_cache(maxsize=4)
def _key(secret: str) -> bytes:
    return hashlib.sha256(b"vetting run token" + secret.encode()).digest()


def _sign(run: int, host: int, boot: int, nonce: str) -> str:
    digest = hmac.digest(_key(settings.SECRET_KEY), f"{run}|{host}|{boot}|{nonce}".encode(), "sha256")
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


def _short(token: str) -> bytes:
    return base64.b64encode(hashlib.sha256(token.encode()).digest())


class _Memo:
    """The last hashes that matched, each with the keyed digest of its token."""

    def __init__(self) -> None:
        self._known: OrderedDict[str, bytes] = OrderedDict()
        self._lock = Lock()

    def get(self, kept_hash: str) -> bytes | None:
        with self._lock:
            return self._known.get(kept_hash)

    def put(self, kept_hash: str, digest: bytes) -> None:
        with self._lock:
            self._known[kept_hash] = digest
            while len(self._known) > _MEMO_SIZE:
                self._known.popitem(last=False)


_memo = _Memo()
