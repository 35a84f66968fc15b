"""`manage.py api_token list|make|revoke`: the tokens with which programs use the REST API."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from typing import Any, NoReturn

from django.contrib.auth import get_user_model
from django.core.management.base import BaseCommand, CommandError

from hosts.command_line import command
from restapi import scopes, tokens
from restapi.models import ApiToken
from runs.desk.following import EXIT_USAGE


class Command(BaseCommand):
    help = (
        "List, make or revoke the tokens of the REST API. `make` prints the new token alone to standard output, once. "
        "A token does what its scopes allow, and never more than its account may do."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("do", choices=["list", "make", "revoke"])
        parser.add_argument("account", nargs="?", default="", help="with `list`: only of this one")
        parser.add_argument("name", nargs="?", default="", help="of the token, with `make` and `revoke`")
        parser.add_argument(
            "--scope",
            action="append",
            choices=list(scopes.BY_NAME),
            help="with `make`, may be repeated (default: read). "
            + " ".join(f"{scope.name}: {scope.title}." for scope in scopes.SCOPES),
        )
        parser.add_argument("--days", type=int, help="with `make`: how long it is valid (default: without an end)")
        parser.add_argument("--json", action="store_true", help="with `list`: as a JSON list")

    def handle(self, *args: Any, do: str, account: str, name: str, **options: Any) -> None:
        if do == "list":
            return self._list(account, as_json=options["json"])
        if not account or not name:
            _usage(f"usage: {command(f'api_token {do} ACCOUNT NAME')}")
        user = get_user_model().objects.filter(username=account).first()
        if user is None:
            _usage(f"there is no account {account}: {command(f'admin_user {account}')} makes it")
        if do == "revoke":
            return self._revoke(user, name)
        try:
            made = tokens.make(user, name, options["scope"] or [scopes.READ.name], options["days"])
        except tokens.TokenRefused as refused:
            raise CommandError(str(refused), returncode=EXIT_USAGE) from None
        self.stderr.write(f"This is token {name} of {account}. It is not shown again; only its hash is kept.", str)
        self.stdout.write(made.secret)

    def _revoke(self, user: Any, name: str) -> None:
        gone, _ = ApiToken.objects.filter(user=user, name=name).delete()
        if not gone:
            _usage(f"{user.get_username()} has no token {name!r}: {command('api_token list')} shows all")
        self.stdout.write(f"Token {name} of {user.get_username()} is revoked.")

    def _list(self, account: str, *, as_json: bool) -> None:
        rows = ApiToken.objects.select_related("user").order_by("user__username", "name")
        told = [_told(row) for row in (rows.filter(user__username=account) if account else rows)]
        if as_json:
            self.stdout.write(json.dumps(told, indent=1))
            return
        for row in told:
            self.stdout.write("  ".join(f"{key} {value or 'never'}" for key, value in row.items()))
        if not told:
            self.stdout.write("There is no token.")


def _told(row: ApiToken) -> dict[str, Any]:
    moments = {name: getattr(row, name) for name in ("created_at", "expires_at", "last_used_at")}
    return {
        "account": row.user.get_username(),
        "name": row.name,
        "begins": row.begins,
        "scopes": row.scopes_in_words,
        **{name: moment.isoformat(timespec="seconds") if moment else None for name, moment in moments.items()},
    }


def _usage(message: str) -> NoReturn:
    raise CommandError(message, returncode=EXIT_USAGE)
