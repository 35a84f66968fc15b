"""`login` of vetting.yaml: how people log in."""

from __future__ import annotations

from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import Field, model_validator

from vetting.section import Section

WELL_KNOWN = "/.well-known/openid-configuration"
Short = Annotated[str, Field(max_length=200)]


class RoleOfValue(Section):
    """Who has `value` in the claim `groups_claim` gets `role`."""

    value: Annotated[str, Field(min_length=1, max_length=200)]
    role: Literal["viewer", "operator", "administrator"]


class Oidc(Section):
    """An identity provider that speaks OpenID Connect. Without `issuer` and `discovery_url` there is none."""

    issuer: Short = Field(default="", description="What the provider calls itself; empty: taken from discovery_url.")
    discovery_url: Short = Field(default="", description=f"Its configuration; empty: the issuer and {WELL_KNOWN}.")
    client_id: Short = ""
    client_secret_env: Short = Field(default="", description="The variable of secrets.env that has the secret.")
    client_secret_file: Path | None = Field(default=None, description="Or the file that has it, and nothing else.")
    scopes: Annotated[list[Short], Field(max_length=20)] = ["openid", "profile", "email"]
    username_claim: Short = "preferred_username"
    groups_claim: Short = Field(default="groups", description="A claim of the ID token; a dot leads into a claim.")
    roles: Annotated[list[RoleOfValue], Field(max_length=200)] = []
    button: Annotated[str, Field(min_length=1, max_length=60)] = "Single sign-on"

    @property
    def is_on(self) -> bool:
        return bool(self.issuer or self.discovery_url)

    @property
    def discovery(self) -> str:
        return self.discovery_url or self.issuer.rstrip("/") + WELL_KNOWN

    @model_validator(mode="after")
    def _complete(self) -> Oidc:
        if not self.is_on:
            return self
        if missing := [name for name in ("client_id", "roles") if not getattr(self, name)]:
            raise ValueError(f"a login by OpenID Connect also needs {', '.join(missing)}")
        if wrong := [url for url in (self.issuer, self.discovery_url) if url and not is_safe_url(url)]:
            raise ValueError(f"{wrong[0]} must begin with https:// (http:// is allowed on this machine only)")
        if "openid" not in self.scopes:
            raise ValueError("scopes must have openid: without it there is no ID token")
        if self.client_secret_env and self.client_secret_file:
            raise ValueError("give client_secret_env or client_secret_file, not both")
        return self


class Login(Section):
    hide_local: bool = Field(default=False, description="The login page shows no password form, unless it is asked to.")
    oidc: Oidc = Oidc()

    @model_validator(mode="after")
    def _somebody_gets_in(self) -> Login:
        if self.hide_local and not self.oidc.is_on:
            raise ValueError("hide_local needs oidc: the login page would show nothing")
        return self


def is_safe_url(url: str) -> bool:
    """Whether nobody on the way can change what is sent: HTTPS, or HTTP on this machine."""
    try:
        parts = urlsplit(url)
        if parts.scheme == "https":
            return bool(parts.hostname)
        return parts.scheme == "http" and _is_loopback(parts.hostname or "")
    except ValueError:
        return False


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
