"""NetBox's REST API (https://netboxlabs.com/docs/netbox/integrations/rest-api/) within bounds: lists page by page, a
change, a new object. Nothing here can delete.

pynetbox was not taken: it follows the address of the next page wherever that leads, with the token, makes calls of its
own when an attribute is missing, and bounds no answer.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping
from types import TracebackType
from typing import Any, NoReturn
from urllib.parse import urlsplit

import requests
import urllib3
from requests.auth import AuthBase

from hosts.readable import readable
from pxe.timed import SCHEMES, Timed
from vetting.netbox.config import NetBox

PAGE = 100
MOST = 20_000
"""Objects of one list. A filter that finds more is most likely wrong."""
CONNECT_S, READ_S, ANSWER_S = 5.0, 20.0, 60.0
ANSWER_BYTES = 8 * 2**20
"""A page of 100 devices with custom fields is below 1 MiB."""
WAITS, WAIT_MOST_S = 2, 20.0
_PIECE, _TOLD = 64 * 1024, 300
_NEW_TOKENS = "nbt_"
"""How tokens of version 2 begin, from NetBox 4.5 on."""

Row = dict[str, Any]


class NetBoxProblem(Exception):
    """What NetBox did, and who must do what. Holds no secret."""


class NotThere(NetBoxProblem):
    """404."""


class _Token(AuthBase):
    """As `auth`, so that no .netrc takes its place."""

    def __init__(self, token: str) -> None:
        self._value = f"{'Bearer' if token.startswith(_NEW_TOKENS) else 'Token'} {token}"

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers["Authorization"] = self._value
        return request


class Client:
    """For one command or job, from `with` on. Every method raises NetBoxProblem."""

    def __init__(self, config: NetBox, token: str) -> None:
        self.base = config.url.rstrip("/")
        self._who = f"NetBox ({urlsplit(self.base).netloc.rpartition('@')[2]})"
        self._session = requests.Session()
        self._session.auth, self._session.verify = _Token(token), config.verify_tls
        self._session.headers["Accept"] = "application/json"
        if not config.verify_tls:
            urllib3.disable_warnings(urllib3.exceptions.InsecureRequestWarning)

    def __enter__(self) -> Client:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._session.close()

    def listed(self, path: str, **query: Any) -> Iterator[Row]:
        """All objects of a list, such as `dcim/devices`. The address that NetBox gives for the next page is not used:
        behind a proxy it is often wrong."""
        seen = 0
        while True:
            page = self._call("GET", path, params={**query, "limit": PAGE, "offset": seen, "ordering": "id"})
            rows = page.get("results")
            if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
                raise NetBoxProblem(f"{self._who}: GET {path} is no list of objects: is netbox.url a NetBox?")
            yield from rows
            seen += len(rows)
            if not rows or not page.get("next"):
                return
            if seen >= MOST:
                raise NetBoxProblem(
                    f"{self._who}: more than {MOST:,} objects in {path}: narrow netbox.tags, sites or roles"
                )

    def newest(self, path: str, most: int, **query: Any) -> list[Row]:
        """The newest objects of a list that has a time of creation."""
        rows = self._call("GET", path, params={**query, "limit": most, "ordering": "-created"}).get("results")
        return [row for row in rows if isinstance(row, dict)] if isinstance(rows, list) else []

    def change(self, path: str, number: int, fields: Mapping[str, Any]) -> None:
        """Change these fields of one object; its others stay."""
        self._call("PATCH", f"{path}/{number}", json=fields)

    def add(self, path: str, fields: Mapping[str, Any]) -> None:
        self._call("POST", path, json=fields)

    def _call(self, method: str, path: str, **more: Any) -> Row:
        """One call. It waits if NetBox asks for that (429, 503), WAITS times at most."""
        what = f"{method} {path}"
        for waits_left in range(WAITS, -1, -1):
            status, headers, body = self._sent(method, path, what, more)
            if status not in (429, 503) or not waits_left:
                break
            time.sleep(_asked_to_wait_s(headers))
        if status >= 300:
            self._refuse(status, what, body)
        try:
            said = json.loads(body)
        except (ValueError, RecursionError):
            kind = "a web page" if body.lstrip()[:1] == b"<" else "what is no JSON"
            raise NetBoxProblem(
                f"{self._who}: {what} answered with {kind}: is netbox.url the address of NetBox, without /api?"
            ) from None
        if not isinstance(said, dict):
            raise NetBoxProblem(f"{self._who}: {what} answered with no JSON object: is netbox.url a NetBox?")
        return said

    def _sent(self, method: str, path: str, what: str, more: Mapping[str, Any]) -> tuple[int, Mapping[str, str], bytes]:
        """Status, headers and body of one answer. A redirect is not followed: the token is for this address alone."""
        url = f"{self.base}/api/{path}/"
        given = {"timeout": (CONNECT_S, READ_S), "allow_redirects": False, "stream": True, **more}
        too_slow = NetBoxProblem(f"{self._who}: {what}: its answer takes over {ANSWER_S:.0f} s: look at NetBox")
        with Timed(ANSWER_S) as timed:
            for scheme in SCHEMES:
                self._session.mount(f"{scheme}://", timed)
            try:
                with self._session.request(method, url, **given) as answer:
                    body = self._body(answer, what)
            except (requests.RequestException, urllib3.exceptions.HTTPError, OSError, ValueError) as error:
                raise (too_slow if timed.is_over else NetBoxProblem(f"{self._who}: {what}: {_words(error)}")) from None
            if timed.is_over:
                raise too_slow
        return answer.status_code, answer.headers, body

    def _body(self, answer: requests.Response, what: str) -> bytes:
        body = bytearray()
        while piece := answer.raw.read1(_PIECE, decode_content=True):
            body += piece
            if len(body) > ANSWER_BYTES:
                raise NetBoxProblem(f"{self._who}: {what}: more than {ANSWER_BYTES >> 20} MiB in one answer")
        return bytes(body)

    def _refuse(self, status: int, what: str, body: bytes) -> NoReturn:
        kind = NotThere if status == 404 else NetBoxProblem
        words = "it failed: look at NetBox's log, and try again later" if status >= 500 else _STATUS.get(status, "")
        if 300 <= status < 400:
            words = "it sends elsewhere, which is not followed: set netbox.url to where it leads"
        raise kind(f"{self._who}: {what} answered {status}{words and f', {words}'}{_detail(body)}") from None


_STATUS = {
    400: "it does not take what was sent",
    401: "it does not accept the token: make one in NetBox and put it where netbox.token_env or token_file says",
    403: "the token may not do this, or is not accepted: in NetBox, give its user the permission, allow writing for "
    "the token, and look at its expiry and allowed addresses",
    404: "there is no such address: is netbox.url the address of NetBox, without /api?",
    429: "it asks for fewer calls: try again later",
}


def _asked_to_wait_s(headers: Mapping[str, str]) -> float:
    given = headers.get("Retry-After", "")
    return min(float(given), WAIT_MOST_S) if given.isascii() and given.isdigit() else 1.0


def _detail(body: bytes) -> str:
    """What NetBox says of an error, if it is JSON."""
    try:
        said = json.loads(body)
    except (ValueError, RecursionError):
        return ""
    told = said.get("detail", said) if isinstance(said, dict) else said
    return f": {readable(told if isinstance(told, str) else json.dumps(told))[:_TOLD]}" if told else ""


def _words(error: Exception) -> str:
    """What happened to the connection. The text of such an exception has the whole address, so it is not shown."""
    if isinstance(error, requests.exceptions.SSLError):
        return "its certificate is not trusted: give NetBox one that this machine trusts, or set netbox.verify_tls"
    if isinstance(error, requests.ConnectTimeout):
        return f"it can't be reached within {CONNECT_S:.0f} s: check netbox.url and the network"
    if isinstance(error, requests.Timeout | urllib3.exceptions.TimeoutError | TimeoutError):
        return f"no answer within {READ_S:.0f} s: look at NetBox"
    return f"it can't be reached ({type(error).__name__}): check netbox.url and the network"
