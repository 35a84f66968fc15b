"""The identity provider: its addresses and keys, and the ID token that it gives for a code. authlib knows the protocol;
here are the bounds, and what an ID token must have.

Imported only where somebody logs in or the provider is checked: few installations have one.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import requests
from authlib.common.errors import AuthlibBaseError
from authlib.integrations.django_client import DjangoIntegration, DjangoOAuth2App
from authlib.integrations.requests_client import OAuth2Session
from django.conf import settings
from joserfc.errors import ExpiredTokenError, InvalidClaimError, JoseError, MissingClaimError

from hosts.readable import readable
from pxe.timed import SCHEMES, Timed
from vetting.loginconfig import Oidc, is_safe_url
from vetting.oidc.refusal import LoginRefused, ProviderProblem

STEP_S, ANSWER_S = 5, 10
ANSWER_BYTES = 1 << 20
KEPT_S = 600
"""A key that the provider withdrew is accepted for so long."""
LEEWAY_S = 60
"""How far the two clocks may differ."""
ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA")
"""Signatures with a public key. Not `none`, and not HS256: its key would be the client's secret."""

_ADDRESSES = ("authorization_endpoint", "token_endpoint", "jwks_uri")
_DETAIL_CHARACTERS = 300


class _Session(OAuth2Session):  # type: ignore[misc]  # authlib has no types
    """Requests with a time limit and a limit on the answer. A redirect is not followed: the code and the client's
    secret are for the configured provider alone."""

    def request(self, method: str, url: str, *given: Any, **more: Any) -> requests.Response:
        more |= {"timeout": STEP_S, "allow_redirects": False, "stream": True}
        with Timed(ANSWER_S) as timed:
            for scheme in SCHEMES:
                self.mount(f"{scheme}://", timed)
            answer: requests.Response = super().request(method, url, *given, **more)
            body = bytearray()
            for piece in answer.iter_content(1024):
                body += piece
                if len(body) > ANSWER_BYTES:
                    break
            if timed.is_over or len(body) > ANSWER_BYTES:
                answer.close()
                raise requests.ConnectionError(f"its answer is longer than 1 MiB or takes over {ANSWER_S} s")
        answer._content = bytes(body)
        if 300 <= answer.status_code < 400:
            raise requests.TooManyRedirects(f"it answered {answer.status_code}, which is not followed")
        return answer


class _App(DjangoOAuth2App):  # type: ignore[misc]  # authlib has no types
    client_cls = _Session


@dataclass(frozen=True)
class Begun:
    """A login that was sent to the provider. `url` is where the browser goes; the rest is checked when it is back."""

    url: str
    state: str
    nonce: str
    code_verifier: str


@dataclass(frozen=True)
class _Kept:
    of: tuple[Oidc, str]
    app: _App
    until: float


_kept: _Kept | None = None


def forget() -> None:
    global _kept
    _kept = None


def begin(back: str) -> Begun:
    """`back` is the address that the provider sends the browser back to. Raises LoginRefused."""
    with _in_words():
        made = _app().create_authorization_url(back)
    return Begun(made["url"], made["state"], made["nonce"], made["code_verifier"])


def claims(code: str, nonce: str, code_verifier: str, back: str) -> dict[str, Any]:
    """The claims of the ID token that the provider gives for `code`: signed by its key, from this issuer, for this
    client, not expired, with this nonce. Raises LoginRefused."""
    with _in_words():
        app = _app()
        token = app.fetch_access_token(redirect_uri=back, code=code, code_verifier=code_verifier)
        if not isinstance(token.get("id_token"), str):
            raise ProviderProblem("its answer has no ID token")
        must = {
            "iss": {"essential": True, "value": app.server_metadata["issuer"]},
            "aud": {"essential": True, "value": app.client_id},
        }
        return dict(app.parse_id_token(token, nonce=nonce, claims_options=must, leeway=LEEWAY_S))


def _app() -> _App:
    global _kept
    oidc, now = settings.VETTING.login.oidc, time.monotonic()
    of = (oidc, settings.OIDC_SECRET)
    if _kept is None or _kept.of != of or _kept.until < now:
        _kept = _Kept(of, _made(oidc, discovered(oidc)), now + KEPT_S)
    return _kept.app


def _made(oidc: Oidc, found: dict[str, Any]) -> _App:
    ways = found.pop("token_endpoint_auth_methods_supported")
    kwargs = {"scope": " ".join(oidc.scopes), "code_challenge_method": "S256"}
    if settings.OIDC_SECRET and "client_secret_basic" not in ways and "client_secret_post" in ways:
        kwargs["token_endpoint_auth_method"] = "client_secret_post"
    return _App(
        DjangoIntegration("oidc"),
        name="oidc",
        client_id=oidc.client_id,
        client_secret=settings.OIDC_SECRET or None,
        client_kwargs=kwargs,
        **found,
    )


def discovered(oidc: Oidc) -> dict[str, Any]:
    """What we use of the provider's configuration. Raises ProviderProblem, requests.RequestException."""
    said = _fetched(oidc.discovery)
    issuer = said.get("issuer")
    if not isinstance(issuer, str) or (oidc.issuer and issuer != oidc.issuer):
        raise ProviderProblem(f"login.oidc.issuer is {oidc.issuer!r}, and the provider calls itself {issuer!r:.200}")
    for name in _ADDRESSES:
        if not isinstance(said.get(name), str) or not is_safe_url(said[name]):
            raise ProviderProblem(f"its {name} is {said.get(name)!r:.200}: an address with https:// is needed")
    signs = said.get("id_token_signing_alg_values_supported") or ["RS256"]
    usable = [name for name in ALGORITHMS if name in signs]
    if not usable:
        raise ProviderProblem(f"it signs with {signs!r:.200}, and none of them is accepted: {', '.join(ALGORITHMS)}")
    return {
        "issuer": issuer,
        **{name: said[name] for name in _ADDRESSES},
        "id_token_signing_alg_values_supported": usable,
        "token_endpoint_auth_methods_supported": said.get("token_endpoint_auth_methods_supported")
        or ["client_secret_basic"],
    }


def _fetched(url: str) -> dict[str, Any]:
    with _Session() as session:
        answer = session.request("GET", url, withhold_token=True)
        answer.raise_for_status()
        said = answer.json()
    if not isinstance(said, dict):
        raise ProviderProblem(f"{url} is no JSON object")
    return said


def problem(oidc: Oidc) -> str:
    """What is wrong with the provider, seen from here; empty if its configuration and keys can be read."""
    try:
        keys = _fetched(discovered(oidc)["jwks_uri"]).get("keys")
        return "" if isinstance(keys, list) and keys else "its jwks_uri has no keys"
    except ProviderProblem as wrong:
        return str(wrong)
    except (requests.RequestException, ValueError, RecursionError) as error:
        return f"{oidc.discovery} can't be read: {error!r:.200}"


_DOWN = "The identity provider can't be reached or is not set up for Vetting. Try again later"
_CLAIMS = {
    "nonce": "The answer of the identity provider belongs to another login. Start again from the login page",
    "aud": "The identity provider's answer is for another application. An administrator must check the client",
    "iss": "The answer is from another identity provider. An administrator must check the issuer",
}
_NOT_TRUSTED = "The answer of the identity provider is not signed or not complete as it must be, and was not accepted"
_EXPIRED = "The answer of the identity provider has expired. Start again; if that does not help, a clock is wrong"
_REFUSED = "The identity provider refused this login. Start again from the login page"


@contextmanager
def _in_words() -> Iterator[None]:
    """Make LoginRefused of whatever the provider did wrong. An exception of requests can hold a URL, but no secret: we
    send those in the body or a header."""
    try:
        yield
    except ExpiredTokenError as error:
        raise LoginRefused(_EXPIRED, _cut(error)) from None
    except (InvalidClaimError, MissingClaimError) as error:
        told = next((words for claim, words in _CLAIMS.items() if repr(claim) in str(error)), _NOT_TRUSTED)
        raise LoginRefused(told, _cut(error)) from None
    except JoseError as error:
        raise LoginRefused(_NOT_TRUSTED, _cut(error)) from None
    except AuthlibBaseError as error:
        raise LoginRefused(_REFUSED, _cut(error)) from None
    except (ProviderProblem, requests.RequestException) as error:
        raise LoginRefused(_DOWN, _cut(error)) from None
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:  # JSON of an unexpected form
        raise LoginRefused(_NOT_TRUSTED, f"its answer could not be understood: {_cut(error)}") from None


def _cut(error: Exception) -> str:
    return readable(f"{type(error).__name__}: {error}").replace("\n", " ")[:_DETAIL_CHARACTERS]
