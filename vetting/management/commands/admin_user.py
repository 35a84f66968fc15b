"""`manage.py admin_user [NAME]`: make the administrator, or give an existing one a new password."""

from __future__ import annotations

import getpass
import sys
from argparse import ArgumentParser
from typing import Any

from django.contrib.auth import get_user_model
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError


class Command(BaseCommand):
    help = "Make the administrator who may log in, or set a new password."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("name", nargs="?", default="admin")
        parser.add_argument("--password-stdin", action="store_true", help="Read the password from standard input.")
        parser.add_argument("--if-missing", action="store_true", help="Do nothing when an administrator exists.")

    def handle(self, *args: Any, name: str, password_stdin: bool, if_missing: bool, **options: Any) -> None:
        users = get_user_model().objects
        if if_missing and users.filter(is_superuser=True, is_active=True).exists():
            self.stdout.write("An administrator exists already: nothing was changed.")
            return
        user = users.filter(username=name).first() or get_user_model()(username=name)
        new = user.pk is None
        user.set_password(_checked(_from_stdin() if password_stdin else _asked(), user))
        user.is_active = user.is_staff = user.is_superuser = True
        user.save()
        self.stdout.write(f"Administrator {name} {'made' if new else 'has a new password'}.")


def _from_stdin() -> str:
    return sys.stdin.readline().rstrip("\r\n")


def _asked() -> str:
    if not sys.stdin.isatty():
        raise CommandError("no terminal to ask on: give the password with --password-stdin")
    password = getpass.getpass("Password: ")
    if getpass.getpass("Again: ") != password:
        raise CommandError("the two are not the same: nothing was changed")
    return password


def _checked(password: str, user: Any) -> str:
    try:
        validate_password(password, user)
    except ValidationError as error:
        raise CommandError(" ".join(error.messages)) from None
    return password
