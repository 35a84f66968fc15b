"""`manage.py admin_user [NAME] [--role ROLE]`: make an account, or give an existing one a new password or role."""

from __future__ import annotations

import getpass
import sys
from argparse import ArgumentParser
from typing import Any

from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError

from runs.wording import remedies
from vetting import roles
from vetting.commandline import EXIT_USAGE

SUPERUSER = "superuser"


class Command(BaseCommand):
    help = "Make an account that may log in, or give one a new password or role."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("name", nargs="?", default="admin", help="name of the account (default: admin)")
        parser.add_argument(
            "--role",
            choices=[*roles.ROLES, SUPERUSER],
            help=f"Without it a new account becomes {SUPERUSER}, who may do everything; an old one keeps its role. "
            + " ".join(f"{role} {words}." for role, words in roles.SUMMARIES.items()),
        )
        parser.add_argument("--password-stdin", action="store_true", help="Read the password from standard input.")
        parser.add_argument("--keep-password", action="store_true", help="Change the role and ask for no password.")
        parser.add_argument("--if-missing", action="store_true", help="Do nothing when an administrator exists.")

    def handle(self, *args: Any, name: str, role: str | None, if_missing: bool, **options: Any) -> None:
        users = get_user_model().objects
        if if_missing and users.filter(is_superuser=True, is_active=True).exists():
            self.stdout.write("An administrator exists already: nothing was changed.")
            return
        user = users.filter(username=name).first() or get_user_model()(username=name)
        new, kept = user.pk is None, options["keep_password"]
        role = role or (SUPERUSER if new or user.is_superuser else None)
        group = _group(user, role)
        if not kept:
            password = sys.stdin.readline().rstrip("\r\n") if options["password_stdin"] else _asked()
            user.set_password(_checked(password, user))
        elif new:
            raise CommandError(
                f"there is no account {name}: leave out --keep-password to make it", returncode=EXIT_USAGE
            )
        _save(user, role, group)
        done = "made" if new else "keeps its password" if kept else "has a new password"
        self.stdout.write(f"Administrator {name} {done}." if user.is_superuser else f"{name} {done}, {_role(user)}.")


def _group(user: Any, role: str | None) -> Group | None:
    """The role's group; None for a superuser, who needs none, and if the role does not change."""
    if role in (None, SUPERUSER):
        return None
    if user.is_superuser:
        raise CommandError(
            f"{user.username} is a superuser, who may do everything whatever the role: another superuser takes that "
            "status away in the administration, under Users",
            returncode=EXIT_USAGE,
        )
    if (group := Group.objects.filter(name=role).first()) is None:
        raise CommandError(f"there is no group {role}: {remedies.command('migrate')} makes it", returncode=EXIT_USAGE)
    return group


def _save(user: Any, role: str | None, group: Group | None) -> None:
    user.is_active = user.is_staff = True
    user.is_superuser = role == SUPERUSER
    user.save()
    if group is not None:
        user.groups.remove(*Group.objects.filter(name__in=roles.ROLES))
        user.groups.add(group)


def _role(user: Any) -> str:
    names = ", ".join(user.groups.order_by("name").values_list("name", flat=True))
    return f"role {names}" if names else "no role, so it may do nothing: give it one with --role"


def _asked() -> str:
    if not sys.stdin.isatty():
        raise CommandError("no terminal to ask on: give the password with --password-stdin", returncode=EXIT_USAGE)
    password = getpass.getpass("Password: ")
    if getpass.getpass("Again: ") != password:
        raise CommandError("the two passwords differ: nothing was changed", returncode=EXIT_USAGE)
    return password


def _checked(password: str, user: Any) -> str:
    try:
        validate_password(password, user)
    except ValidationError as error:
        raise CommandError(" ".join(error.messages), returncode=EXIT_USAGE) from None
    return password
