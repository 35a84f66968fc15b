"""One call to the orchestrator: sends a message of the contract, decodes the answer, raises one of `errors` on
failure."""

from __future__ import annotations

import contextlib
import http.client
import json
import random
from typing import TypeVar
from urllib.parse import urlsplit

from agent.contract import codec
from agent.link.cmdline import Target
from agent.link.errors import BadMessage, CallFailed, NotAllowed, TokenRefused, TooLarge, Unreachable
from agent.link.redact import printable, sendable

T = TypeVar("T")
TIMEOUT_S = 10.0
ANSWER_CAP_BYTES = 4 * 1024 * 1024
# The longest time for which an orchestrator may hold us off.
RETRY_AFTER_CAP_S = 60.0
# Hosts that were refused together return at different times: up to this fraction later than they were told.
SPREAD = 0.5
_BY_STATUS: dict[int, type[CallFailed]] = {
    401: TokenRefused,
    403: TokenRefused,
    408: Unreachable,
    409: NotAllowed,
    413: TooLarge,
    429: Unreachable,
}


class Client:
    """Keeps one connection open. Use it in one thread only. Every thread has a client of its own (`another`), so that a
    hanging call delays no other."""

    def __init__(self, target: Target, timeout_s: float = TIMEOUT_S) -> None:
        self.target = target
        self.timeout_s = timeout_s
        self._connection: http.client.HTTPConnection | None = None

    def another(self) -> Client:
        return Client(self.target, self.timeout_s)

    def post(self, call: str, message: object, answer: type[T]) -> T:
        """POST /api/v1/runs/{run}/{call}. Raises one of agent.link.errors. The caller decides whether to try again."""
        return self.post_encoded(call, encoded(message), answer)

    def post_encoded(self, call: str, body: bytes, answer: type[T]) -> T:
        """The same for a message that was encoded and stored earlier."""
        status, reply, retry_after_s = self._exchange(f"/api/v1/runs/{self.target.run}/{call}", body)
        if status != 200:
            raise _error(call, status, reply, retry_after_s)
        try:
            return codec.loads(answer, reply)
        except codec.WireError as error:
            raise BadMessage(f"the answer to {call}: {error}") from None

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _exchange(self, path: str, body: bytes) -> tuple[int, bytes, float]:
        """Send, and send once more on a new connection if the open one has failed. A message may arrive twice and
        counts once."""
        kept = self._connection is not None
        try:
            return self._once(path, body)
        except (OSError, http.client.HTTPException) as error:
            self.close()
            if not kept or isinstance(error, TimeoutError):
                raise Unreachable(f"{self.target.url}: {_error_text(error)}") from None
        try:
            return self._once(path, body)
        except (OSError, http.client.HTTPException) as error:
            self.close()
            raise Unreachable(f"{self.target.url}: {_error_text(error)}") from None

    def _once(self, path: str, body: bytes) -> tuple[int, bytes, float]:
        if self._connection is None:
            url = urlsplit(self.target.url)
            assert url.hostname, "cmdline.parse refuses an address without a host"
            self._connection = http.client.HTTPConnection(url.hostname, url.port, timeout=self.timeout_s)
        self._connection.request("POST", path, body, self._headers())
        response = self._connection.getresponse()
        reply = response.read(ANSWER_CAP_BYTES)
        if not response.isclosed():
            self.close()
        return response.status, reply, _seconds(response.getheader("Retry-After"))

    def _headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.target.token}", "Content-Type": "application/json"}


def encoded(message: object) -> bytes:
    """A message as bytes to send, without tokens, control characters and numbers that are not finite."""
    tree = sendable(codec.encode(message))
    return json.dumps(tree, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()


def spread(wait_s: float) -> float:
    """A wait before the next try, made longer by chance, so that many hosts don't come back at the same moment."""
    return wait_s * random.uniform(1, 1 + SPREAD)


def _error(call: str, status: int, reply: bytes, retry_after_s: float) -> CallFailed:
    kind = _BY_STATUS.get(status) or (Unreachable if status >= 500 else BadMessage)
    error = kind(f"{call} was answered {status}: {_reason(reply)}")
    if isinstance(error, Unreachable):
        error.retry_after_s = retry_after_s
    return error


def _seconds(retry_after: str | None) -> float:
    """The header Retry-After in seconds, up to the cap; 0 if it is missing or a date."""
    text = (retry_after or "").strip()
    return min(float(text), RETRY_AFTER_CAP_S) if text.isascii() and text.isdigit() else 0.0


def _reason(reply: bytes) -> str:
    with contextlib.suppress(ValueError, AttributeError, TypeError, KeyError):
        return printable(json.loads(reply)["error"])[:500]
    return printable(reply[:200].decode(errors="replace"))


def _error_text(error: Exception) -> str:
    return printable(str(error) or type(error).__name__)
