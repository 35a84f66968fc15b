"""Accounts of the identity provider: made at the first login, and their roles taken anew at each one."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.conf import settings
from django.contrib.auth.models import Group, User
from django.contrib.auth.validators import UnicodeUsernameValidator
from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.db import IntegrityError, transaction

from hosts.readable import readable
from vetting.models import ProviderAccount
from vetting.oidc.refusal import LoginRefused

MOST_GROUPS = 5000
_NAME_CHARACTERS, _SUBJECT_CHARACTERS = 150, 255


def account(claims: dict[str, Any]) -> User:
    """The user of these claims, which were checked, with the roles that the claims give. Raises LoginRefused."""
    if _left_out(claims):
        raise LoginRefused(
            "The identity provider left your groups out, since you have too many. An administrator must let it send "
            "roles, or only some groups",
            f"the claim {settings.VETTING.login.oidc.groups_claim} of {_who(claims)} was left out (_claim_names)",
        )
    try:
        with transaction.atomic():
            user = _updated(claims)
    except IntegrityError:
        told = "Another login made this account at the same moment. Log in again"
        raise LoginRefused(told, f"the account of {_who(claims)} was made by another login meanwhile") from None
    if user is None:
        raise LoginRefused(
            "Your account at the identity provider has no role in Vetting. An administrator can give it one",
            f"{_who(claims)} has no value in {settings.VETTING.login.oidc.groups_claim} that login.oidc.roles maps",
        )
    return user


def _updated(claims: dict[str, Any]) -> User | None:
    """None if no role is left: an account that was known is then switched off."""
    issuer, subject = str(claims["iss"]), str(claims["sub"])
    if not subject or len(subject) > _SUBJECT_CHARACTERS:
        raise LoginRefused("The identity provider's answer names nobody", f"sub has {len(subject)} characters")
    groups = list(Group.objects.filter(name__in=roles(claims)))
    known = ProviderAccount.objects.select_related("user").filter(issuer=issuer, subject=subject).first()
    if known is None:
        return _given(_new(claims, issuer, subject), claims, groups) if groups else None
    _refuse_local(known)
    if not groups:
        _switch_off(known)
        return None
    ProviderAccount.objects.filter(pk=known.pk).update(switched_off=False)
    return _given(known.user, claims, groups)


def _refuse_local(known: ProviderAccount) -> None:
    name = known.user.get_username()
    if known.user.is_superuser:
        told = f"{name} is a superuser here, and logs in with its password"
        raise LoginRefused(told, f"{name} is a superuser")
    if not known.user.is_active and not known.switched_off:
        told = f"The account {name} was switched off in Vetting. An administrator can switch it on"
        raise LoginRefused(told, f"{name} was switched off by an administrator")


def _switch_off(known: ProviderAccount) -> None:
    known.user.groups.clear()
    if known.user.is_active:
        User.objects.filter(pk=known.user.pk).update(is_active=False)
        ProviderAccount.objects.filter(pk=known.pk).update(switched_off=True)


def _new(claims: dict[str, Any], issuer: str, subject: str) -> User:
    name = _username(claims)
    if User.objects.filter(username__iexact=name).exists():
        raise LoginRefused(
            f"There is an account {name} in Vetting already, and it is not yours at the identity provider. An "
            "administrator can rename or delete it",
            f"{_who(claims)} would be {name}, which is another account",
        )
    user = User(username=name)
    user.set_unusable_password()
    user.save()
    ProviderAccount.objects.create(user=user, issuer=issuer, subject=subject)
    return user


def _username(claims: dict[str, Any]) -> str:
    claim = settings.VETTING.login.oidc.username_claim
    given = claims.get(claim)
    name = User.normalize_username(given) if isinstance(given, str) else ""
    try:
        UnicodeUsernameValidator()(name)
    except ValidationError:
        name = ""
    if not name or len(name) > _NAME_CHARACTERS:
        raise LoginRefused(
            "The identity provider sent no name that can be a user name here. An administrator must check "
            "login.oidc.username_claim",
            f"{claim} of {_who(claims)} is {given!r:.100}: 1 to 150 letters, digits and @ . + - _ are allowed",
        )
    return name


def _given(user: User, claims: dict[str, Any], groups: Iterable[Group]) -> User:
    user.is_active = user.is_staff = True
    user.first_name, user.last_name = (_text(claims, name) for name in ("given_name", "family_name"))
    user.email = _email(claims)
    user.save()
    user.groups.set(groups)
    return user


def _text(claims: dict[str, Any], name: str) -> str:
    given = claims.get(name)
    return readable(given).strip()[:_NAME_CHARACTERS] if isinstance(given, str) else ""


def _email(claims: dict[str, Any]) -> str:
    given = claims.get("email")
    try:
        validate_email(given)
    except ValidationError:
        return ""
    return str(given)


def roles(claims: dict[str, Any]) -> set[str]:
    oidc = settings.VETTING.login.oidc
    values = _values(claims, oidc.groups_claim)
    return {one.role for one in oidc.roles if one.value in values}


def _values(claims: dict[str, Any], claim: str) -> set[str]:
    """The texts of the claim: of the one with exactly this name, else where its dots lead."""
    found: Any = claims
    if claim in claims:
        found = claims[claim]
    else:
        for part in claim.split("."):
            found = found.get(part) if isinstance(found, dict) else None
    given = [found] if isinstance(found, str) else found if isinstance(found, list) else []
    return {one for one in given[:MOST_GROUPS] if isinstance(one, str)}


def _left_out(claims: dict[str, Any]) -> bool:
    """Whether the provider says that the groups are somewhere else (OpenID Connect Core, 5.6.2), as Entra does for more
    than 200: then we don't know them, which is not the same as none."""
    elsewhere = claims.get("_claim_names")
    return isinstance(elsewhere, dict) and settings.VETTING.login.oidc.groups_claim in elsewhere


def _who(claims: dict[str, Any]) -> str:
    return readable(f"sub {claims.get('sub')!r:.100}")
