"""HTTP to a BMC within bounds: one address, so many bytes per answer, so many seconds in all, however it drips.

What a BMC does to a connection is a sentence here (WakeProblem); which HTTP status it answers is for the caller."""

from __future__ import annotations

import json
import socket
import ssl
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urljoin, urlsplit

import requests
import urllib3

from pxe.timed import Timed
from pxe.wake.shape import WakeProblem

TOTAL_S = 60.0
CONNECT_S, READ_S = 5.0, 20.0
# A system with all its links is below 100 kB.
ANSWER_BYTES = 1024 * 1024
_PIECE_BYTES = 4096
_PORTS = {"http": 80, "https": 443}


class Bounds(Timed):
    """For one wake, from `with` on. `who` begins every sentence: host and BMC."""

    def __init__(self, who: str, url: str, total_s: float = TOTAL_S) -> None:
        self.who, self.url, self._origin = who, url, origin(url)
        self.refused_logins = 0
        super().__init__(total_s)

    def address(self, path: str) -> str:
        """What the BMC names must lie on the BMC itself: the password goes nowhere else. Raises WakeProblem."""
        try:
            address = urljoin(self.url, path) if path else ""
            ours = origin(address) == self._origin
        except (ValueError, TypeError, AttributeError):
            ours = False
        if not ours:
            raise WakeProblem(f"{self.who} names a place that is not its own: {str(path)[:100]!r}: look at the BMC")
        return address

    def send(self, request: requests.PreparedRequest, *given: Any, **more: Any) -> requests.Response:
        """Send a request to the BMC and read the whole answer, within the bounds. Raises WakeProblem."""
        self.address(request.url or "")
        what = f"{request.method} {urlsplit(request.url or '').path[:100]}"
        left_s = self._until - time.monotonic()
        if left_s <= 0:
            raise self._too_late()
        more |= {"stream": True, "timeout": (min(CONNECT_S, left_s), min(READ_S, left_s))}
        with self._in_words(what):
            answer = super().send(request, *given, **more)
            answer._content = self._body(answer, what)
        if self.is_over:
            raise self._too_late()
        answer._content_consumed = True  # type: ignore[attr-defined]  # requests has it, its types leave it out
        self._count_login(answer)
        self._judge(answer, what)
        return answer

    def _body(self, answer: requests.Response, what: str) -> bytes:
        body = bytearray()
        for piece in answer.iter_content(_PIECE_BYTES):
            body += piece
            if len(body) > ANSWER_BYTES:
                answer.close()
                raise WakeProblem(
                    f"{self.who}: {what}: more than {ANSWER_BYTES >> 20} MiB in one answer, the rest was not read: "
                    "is that address a BMC? Update its firmware"
                )
        answer.close()
        return bytes(body)

    def _judge(self, answer: requests.Response, what: str) -> None:
        """An answer that does what was asked is a JSON object, or empty."""
        if 300 <= answer.status_code < 400:
            self._judge_redirect(answer, what)
        elif answer.status_code < 400 and answer.content.strip():
            self._judge_json(answer.content, what)

    def _judge_redirect(self, answer: requests.Response, what: str) -> None:
        """A redirect is followed on the BMC itself, as to the same path with a slash, if the request stays what it is:
        a POST that becomes a GET would do nothing, and be answered well."""
        keeps_method = answer.request.method in ("GET", "HEAD") or answer.status_code in (307, 308)
        try:
            ours = origin(urljoin(answer.url, answer.headers["Location"])) == self._origin
        except (KeyError, ValueError):
            ours = False
        if not (ours and keeps_method):
            raise WakeProblem(
                f"{self.who}: {what} answered {answer.status_code} and sends elsewhere, which is not followed: "
                "give the address that it leads to as `url` in the wake options"
            )

    def _count_login(self, answer: requests.Response) -> None:
        """How many logins the BMC has refused, until it has accepted one by a session."""
        request = answer.request
        body = request.body if isinstance(request.body, bytes) else str(request.body or "").encode()
        by_session = request.method == "POST" and b'"Password"' in body
        if answer.status_code in (401, 403) and (by_session or "Authorization" in request.headers):
            self.refused_logins += 1
        elif by_session and answer.ok:
            self.refused_logins = 0

    def _judge_json(self, content: bytes, what: str) -> None:
        try:
            said = json.loads(content)
        except (ValueError, RecursionError):
            kind = "a web page" if content.lstrip()[:1] == b"<" else "what is no JSON"
            raise WakeProblem(
                f"{self.who}: {what} answered with {kind}, not with Redfish: check `url`, and that Redfish is "
                "switched on in the BMC"
            ) from None
        if not isinstance(said, dict):
            raise WakeProblem(
                f"{self.who}: {what} answered with a {type(said).__name__}, not with a JSON object: "
                "update the BMC's firmware, or wake this host by IPMI"
            )

    @contextmanager
    def _in_words(self, what: str) -> Iterator[None]:
        try:
            yield
        except (requests.RequestException, urllib3.exceptions.HTTPError, OSError) as error:
            if self.is_over:
                raise self._too_late() from None
            raise WakeProblem(f"{self.who}: {what}: {_words(error)}") from None

    def _too_late(self) -> WakeProblem:
        return WakeProblem(
            f"{self.who}: not done within {self._total_s:.0f} s, it answers too slowly: restart the BMC, "
            "check its network"
        )


def origin(url: str) -> tuple[str, str, int]:
    """Scheme, host and port. Raises ValueError for what is no address of a web server."""
    parts = urlsplit(url)
    if parts.scheme not in _PORTS or not parts.hostname:
        raise ValueError(f"{url[:100]!r} is no address")
    return parts.scheme, parts.hostname, parts.port or _PORTS[parts.scheme]


def _words(error: BaseException) -> str:
    """What happened to the connection, and who must do what."""
    chain = list(_chain(error))
    if certificate := [one for one in chain if isinstance(one, ssl.SSLCertVerificationError)]:
        return (
            f"its certificate is not trusted ({certificate[0].verify_message}): give the BMC one that this machine "
            "trusts, or write verify_tls: false into the host's wake options"
        )
    for kinds, words in _WORDS:
        if any(isinstance(one, kinds) for one in chain):
            return words
    return f"the connection failed ({type(error).__name__}): check address and network of the BMC"


_WORDS: tuple[tuple[Any, str], ...] = (
    (ConnectionRefusedError, "it refuses the connection: check `url`, and that Redfish is switched on in the BMC"),
    ((ssl.SSLError, requests.exceptions.SSLError), "no TLS connection: does `url` begin with https where it should?"),
    ((socket.gaierror, urllib3.exceptions.NameResolutionError), "its name is not known: write its address into `url`"),
    (
        (requests.exceptions.ConnectTimeout, urllib3.exceptions.ConnectTimeoutError),
        f"it can't be reached within {CONNECT_S:.0f} s: check power, cable and address of the BMC",
    ),
    (
        (requests.exceptions.Timeout, urllib3.exceptions.TimeoutError, TimeoutError),
        f"no answer within {READ_S:.0f} s: restart the BMC",
    ),
    (
        (ConnectionResetError, urllib3.exceptions.ProtocolError, requests.exceptions.ChunkedEncodingError),
        "it broke the connection off: restart the BMC, update its firmware",
    ),
)


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    """The error, what it is made of and what it came from."""
    seen: list[BaseException] = []
    todo: list[Any] = [error]
    while todo:
        one = todo.pop(0)
        if isinstance(one, BaseException) and one not in seen:
            seen.append(one)
            yield one
            todo += [one.__cause__, one.__context__, getattr(one, "reason", None), *one.args]
