"""The command line: `vetting COMMAND`, in a checkout `./manage.py COMMAND`.

It lists our own commands. Django's others work, too, and `help --commands` names all of them. A wrong call ends with
status 4 for every command of ours, and the answer names the word that was probably meant.
"""

from __future__ import annotations

import argparse
import re
import sys
from argparse import ArgumentParser
from collections.abc import Iterator
from functools import partial
from typing import Any, NoReturn

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.core.management import ManagementUtility, get_commands, load_command_class
from django.core.management.base import BaseCommand, CommandError, SystemCheckError

from hosts.nearest import did_you_mean
from vetting import version

EXIT_USAGE = 4
OURS = frozenset({"hosts", "runs", "vetting", "notifications", "pxe", "agentapi", "restapi"})
"""The apps whose commands are listed."""
DJANGOS_OPTIONS = frozenset(
    {"--version", "--settings", "--pythonpath", "--traceback", "--no-color", "--force-color", "--skip-checks",
     "--verbosity", "-v"}
)  # fmt: skip
GROUPS: dict[str, tuple[str, ...]] = {
    "Vet hosts": ("vet", "runs", "run", "power", "hold", "report", "export", "measurements", "verify"),
    "The inventory": ("hosts", "host"),
    "This machine": (
        "setup",
        "doctor",
        "admin_user",
        "api_token",
        "notify_test",
        "machines",
        "completion",
        "uninstall",
    ),
    "The data": ("backup", "restore", "migrate", "janitor", "move_database"),
    "How it judges": ("findings", "judge", "selftest"),
    "Processes, started by systemd": ("up", "web", "vetworker", "keep"),
}
"""Each command in the group under which the help lists it; those in none come last."""
_CHOICE = re.compile(r"invalid choice: '(?P<word>[^']*)'")
_UNKNOWN = re.compile(r"unrecognized arguments: (?P<word>--[\w-]+)")


class CommandLine(ManagementUtility):
    def __init__(self, argv: list[str]) -> None:
        super().__init__([_program(argv), *argv[1:]])
        self.prog_name = self.argv[0]

    def execute(self) -> None:
        try:
            settings.INSTALLED_APPS  # noqa: B018  # reads vetting.yaml
        except ImproperlyConfigured as error:
            sys.exit(f"The configuration is wrong:\n{error}")
        if self.argv[1:] in (["--version"], ["version"]):
            sys.stdout.write(f"{version.sentence()}\n")
            return
        super().execute()

    def main_help_text(self, commands_only: bool = False) -> str:
        return str(super().main_help_text(commands_only)) if commands_only else "\n".join(_help(self.prog_name))

    def fetch_command(self, subcommand: str) -> BaseCommand:
        known = get_commands()
        if subcommand not in known:
            meant = did_you_mean(subcommand, listed())
            sys.stderr.write(f"there is no command {subcommand!r}{meant}\n`{self.prog_name} help` lists them\n")
            sys.exit(EXIT_USAGE)
        command = super().fetch_command(subcommand)
        return _ours(command) if known[subcommand] in OURS else command


def listed() -> list[str]:
    """The commands that the help lists."""
    return sorted({name for name, app in get_commands().items() if app in OURS} | {"migrate"})


def verbs(parser: ArgumentParser) -> dict[str, ArgumentParser]:
    """The parsers of a command whose first word is a verb, as in `run cancel`."""
    return {
        verb: one
        for action in parser._actions
        if isinstance(action, argparse._SubParsersAction)
        for verb, one in action.choices.items()
    }


def _program(argv: list[str]) -> str:
    try:
        return "vetting" if settings.INSTALLED else argv[0]
    except ImproperlyConfigured:
        return argv[0]


def _help(program: str) -> Iterator[str]:
    yield f"{version.sentence()}\n\nusage: {program} COMMAND …, and {program} COMMAND --help for one of these:"
    there = get_commands()
    left = [name for name in listed() if not any(name in names for names in GROUPS.values())]
    for title, names in {**GROUPS, "More": tuple(left)}.items():
        lines = [f"  {name:15} {_first_sentence(str(there[name]), name)}" for name in names if name in there]
        if lines:
            yield "\n".join(["", title, *lines])
    yield f"\nExit status: {', '.join(f'{status} {words}' for status, words in EXITS.items())}."


EXITS: dict[int, str] = {
    0: "done, passed or nothing found",
    1: "failed or something found",
    2: "vet: incomplete or error; selftest: not proven",
    3: "vet: cancelled",
    4: "a wrong call",
    130: "Ctrl-C",
}
"""The exit statuses of all commands. docs/operations.md has the same."""


def _first_sentence(app: str, name: str) -> str:
    said = " ".join(str(load_command_class(app, name).help).split())
    return re.split(r"(?<=[.:])\s", said)[0].rstrip(".:")


def _ours(command: BaseCommand) -> BaseCommand:
    make, execute = command.create_parser, command.execute

    def create_parser(*args: Any, **kwargs: Any) -> Any:
        parser = make(*args, **kwargs)
        for one in (parser, *verbs(parser).values()):
            _hide_djangos_options(one)
            one.error = partial(_wrong_call, one)  # type: ignore[method-assign]  # of an object that Django made
        return parser

    def executed(*args: Any, **options: Any) -> str | None:
        try:
            return execute(*args, **options)
        except SystemCheckError:
            raise
        except CommandError as error:
            if options.get("traceback"):
                raise
            command.stderr.write(str(error))
            sys.exit(error.returncode)

    command.create_parser = create_parser  # type: ignore[method-assign]  # argparse's class is Django's to choose
    command.execute = executed  # type: ignore[method-assign]  # Django would begin the message with the name of a class
    return command


def _hide_djangos_options(parser: ArgumentParser) -> None:
    for action in parser._actions:
        if DJANGOS_OPTIONS.intersection(action.option_strings):
            action.help = argparse.SUPPRESS


def _wrong_call(parser: ArgumentParser, message: str) -> NoReturn:
    parser.exit(EXIT_USAGE, f"{parser.format_usage()}{parser.prog}: {message}{_meant(parser, message)}\n")


def _meant(parser: ArgumentParser, message: str) -> str:
    if match := _CHOICE.search(message):
        choices = [str(word) for action in parser._actions for word in action.choices or ()]
        return did_you_mean(match["word"], choices)
    if match := _UNKNOWN.search(message):
        every = (parser, *verbs(parser).values())
        options = [word for one in every for action in one._actions for word in action.option_strings]
        return did_you_mean(match["word"], [word for word in options if word not in DJANGOS_OPTIONS])
    return ""
