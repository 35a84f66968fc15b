"""`./manage.py completion bash`: a script that teaches the shell our commands, their options, hosts and runs.

The script contains commands and options; it asks for names of hosts, profiles and runs when Tab is pressed.
"""

from __future__ import annotations

from argparse import ArgumentParser
from collections.abc import Callable, Iterator
from typing import Any

from django.core.management import get_commands, load_command_class
from django.core.management.base import BaseCommand

from hosts.models import Host
from runs.models import Run
from runs.profiles import load as profiles
from runs.wording import remedies
from vetting.commandline import DJANGOS_OPTIONS, listed, verbs

_NEWEST_RUNS = 50

VALUES: dict[str, Callable[[], Iterator[str]]] = {
    "hosts": lambda: Host.objects.values_list("name", flat=True).iterator(),
    "profiles": lambda: iter(profiles.names()),
    "held-runs": lambda: (str(pk) for pk in Run.objects.held().values_list("pk", flat=True)),
    "runs": lambda: (str(pk) for pk in Run.objects.order_by("-pk").values_list("pk", flat=True)[:_NEWEST_RUNS]),
}
_POSITIONAL = {
    ("host edit", "host"): "hosts",
    ("host expect", "host"): "hosts",
    ("run cancel", "run"): "runs",
    ("run release", "run"): "held-runs",
    ("run retry", "run"): "held-runs",
    ("run again", "run"): "runs",
    ("run wake", "run"): "runs",
    ("report", "run"): "runs",
    ("power", "host"): "hosts",
    ("vet", "host"): "hosts",
    ("hosts", "host"): "hosts",
    ("runs", "run"): "runs",
    ("measurements", "run"): "runs",
    ("export", "run"): "runs",
    ("hold", "run"): "held-runs",
}
_OF_OPTION = {"--host": "hosts", "--profile": "profiles", "--adopt": "runs"}

_SCRIPT = """\
# Completion of Vetting's commands. bash: put this line into ~/.bashrc, zsh: into ~/.zshrc (after compinit)
#   source <(./manage.py completion {shell})
{preamble}_vetting() {{
    local program=${{COMP_WORDS[0]}} word=${{COMP_WORDS[COMP_CWORD]}} before=${{COMP_WORDS[COMP_CWORD-1]}} words=""
    if [ "$COMP_CWORD" -eq 1 ]; then
        words="{commands}"
    else
        case "${{COMP_WORDS[1]}} $before" in
{options_with_values}
            *)
                case "${{COMP_WORDS[1]}}" in
{positionals}
                esac ;;
        esac
        case "$word" in -*)
            case "${{COMP_WORDS[1]}}" in
{options}
            esac ;;
        esac
    fi
    COMPREPLY=($(compgen -W "$words" -- "$word"))
}}
complete -F _vetting manage.py ./manage.py vetting
"""


class Command(BaseCommand):
    help = f"Print a completion script for a shell: source <({remedies.command('completion bash')})"
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("shell", choices=["bash", "zsh"], nargs="?", default="bash")
        parser.add_argument("--values", choices=sorted(VALUES), help="print these names, one a line, and no script")

    def handle(self, *args: Any, **options: Any) -> None:
        if kind := options["values"]:
            self.stdout.write("\n".join(VALUES[kind]()))
        else:
            self.stdout.write(script(options["shell"]), ending="")


def script(shell: str) -> str:
    parsers = dict(_parsers())
    return _SCRIPT.format(
        shell=shell,
        preamble="autoload -U bashcompinit && bashcompinit\n" if shell == "zsh" else "",
        commands=" ".join(sorted(parsers)),
        options="\n".join(_case(16, name, f'words="{" ".join(_options(p))}"') for name, p in parsers.items()),
        options_with_values="\n".join(dict.fromkeys(line for name, p in parsers.items() for line in _valued(name, p))),
        positionals="\n".join(line for name, p in parsers.items() for line in _positional(name, p)),
    )


def _parsers() -> Iterator[tuple[str, ArgumentParser]]:
    """Our own commands; Django's many others are seldom typed here."""
    apps = get_commands()
    for name in sorted({*listed(), "check"}):
        yield name, load_command_class(str(apps[name]), name).create_parser("manage.py", name)


def _options(parser: ArgumentParser) -> list[str]:
    every = [parser, *verbs(parser).values()]
    actions = (action for one in every for action in one._actions)
    shown = (option for action in actions for option in action.option_strings if option.startswith("--"))
    return sorted(set(shown) - DJANGOS_OPTIONS)


def _valued(name: str, parser: ArgumentParser) -> Iterator[str]:
    """Options of this command that take one of a set of words, or a name that is asked for."""
    for action in parser._actions:
        for option in set(action.option_strings) - DJANGOS_OPTIONS:
            if option in _OF_OPTION:
                yield _case(12, f'"{name} {option}"', _asked(_OF_OPTION[option]))
            elif action.choices:
                yield _case(12, f'"{name} {option}"', f'words="{" ".join(map(str, action.choices))}"')
    for verb, one in verbs(parser).items():
        yield from _valued_in_verb(name, verb, one)


def _valued_in_verb(name: str, verb: str, parser: ArgumentParser) -> Iterator[str]:
    """What follows the verb, and its options that take one of a set of words."""
    for action in parser._actions:
        if not action.option_strings and (kind := _POSITIONAL.get((f"{name} {verb}", action.dest))):
            yield _case(12, f'"{name} {verb}"', _asked(kind))
    yield from _valued(name, parser)


def _positional(name: str, parser: ArgumentParser) -> Iterator[str]:
    for action in parser._actions:
        if action.option_strings:
            continue
        if kind := _POSITIONAL.get((name, action.dest)):
            yield _case(20, name, _asked(kind))
        elif action.choices:
            yield _case(20, name, f'words="{" ".join(map(str, action.choices))}"')


def _asked(kind: str) -> str:
    return f'words=$("$program" completion --values {kind} 2>/dev/null)'


def _case(indent: int, pattern: str, words: str) -> str:
    return f"{' ' * indent}{pattern}) {words} ;;"
