"""An identity provider on loopback that speaks OpenID Connect, with keys that are made here. It checks what a client
must send, and can answer wrongly."""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote_plus, urlencode, urlsplit

from joserfc import jwt
from joserfc.jwk import RSAKey

CLIENT, SECRET = "vetting", "the client's secret, 5f2c"
Sign = Callable[[dict[str, Any]], str]


def new_key(kid: str) -> RSAKey:
    return RSAKey.generate_key(2048, {"kid": kid, "use": "sig", "alg": "RS256"})


def unsigned(claims: dict[str, Any]) -> str:
    parts = ({"alg": "none", "typ": "JWT"}, claims)
    return ".".join(base64.urlsafe_b64encode(json.dumps(one).encode()).rstrip(b"=").decode() for one in parts) + "."


@dataclass
class Provider:
    """`claims` are put over those of a good ID token; None takes a claim out. `sign` makes the token of them."""

    url: str
    key: RSAKey
    claims: dict[str, Any] = field(default_factory=dict)
    sign: Sign | None = None
    codes_once: bool = True
    token_status: int = 200
    configuration: dict[str, Any] = field(default_factory=dict)
    refused: list[str] = field(default_factory=list)
    _codes: dict[str, dict[str, str]] = field(default_factory=dict)

    def answer(self, where: str, **person: Any) -> str:
        """What the browser brings back from `where`, to which the client sent it, for this person."""
        address, asked = where.partition("?")[0], {name: one for name, [one] in parse_qs(urlsplit(where).query).items()}
        assert address == f"{self.url}/authorize" and asked["client_id"] == CLIENT and asked["response_type"] == "code"
        assert asked["code_challenge_method"] == "S256" and "openid" in asked["scope"].split()
        assert len(asked["state"]) >= 20 and len(asked["nonce"]) >= 20
        code = secrets.token_urlsafe(16)
        self._codes[code] = {**asked, "person": json.dumps(person)}
        return urlencode({"code": code, "state": asked["state"]})

    def token(self, sent: dict[str, str], authorization: str) -> dict[str, Any]:
        asked = self._codes.get(sent.get("code", ""))
        if asked is None:
            return self._refuse("the code is unknown or was used")
        if self.codes_once:
            del self._codes[sent["code"]]
        if unquote_plus(base64.b64decode(authorization.removeprefix("Basic ")).decode()) != f"{CLIENT}:{SECRET}":
            return self._refuse("the client's secret is wrong")
        verifier = hashlib.sha256(sent["code_verifier"].encode()).digest()
        if base64.urlsafe_b64encode(verifier).rstrip(b"=").decode() != asked["code_challenge"]:
            return self._refuse("the code_verifier is wrong")
        if (sent["grant_type"], sent["redirect_uri"]) != ("authorization_code", asked["redirect_uri"]):
            return self._refuse("grant_type or redirect_uri is wrong")
        now = int(time.time())
        good = {"iss": self.url, "aud": CLIENT, "iat": now, "exp": now + 300, "nonce": asked["nonce"]}
        claims = {**good, **json.loads(asked["person"]), **self.claims}
        claims = {name: value for name, value in claims.items() if value is not None}
        return {"access_token": "opaque", "token_type": "Bearer", "id_token": (self.sign or self.signed)(claims)}

    def signed(self, claims: dict[str, Any]) -> str:
        return jwt.encode({"alg": "RS256", "kid": self.key.kid}, claims, self.key)

    def _refuse(self, why: str) -> dict[str, Any]:
        self.refused.append(why)
        return {"error": "invalid_grant", "error_description": why}

    def document(self) -> dict[str, Any]:
        return {
            "issuer": self.url,
            "authorization_endpoint": f"{self.url}/authorize",
            "token_endpoint": f"{self.url}/token",
            "jwks_uri": f"{self.url}/keys",
            "id_token_signing_alg_values_supported": ["RS256", "HS256", "none"],
            **self.configuration,
        }


@contextmanager
def identity_provider(key: RSAKey) -> Iterator[Provider]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.path == "/.well-known/openid-configuration":
                return self.say(200, provider.document())
            self.say(200, {"keys": [provider.key.as_dict(private=False)]})

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            sent = {name: one for name, [one] in parse_qs(body).items()}
            said = provider.token(sent, self.headers.get("Authorization", ""))
            self.say(400 if "error" in said else provider.token_status, said)

        def say(self, status: int, what: dict[str, Any]) -> None:
            text = json.dumps(what).encode()
            self.send_response(status)
            if status in (302, 307):
                self.send_header("Location", f"{provider.url}/token")
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        def log_message(self, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        provider = Provider(f"http://127.0.0.1:{server.server_address[1]}", key)
        thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        try:
            yield provider
        finally:
            server.shutdown()
            thread.join()
