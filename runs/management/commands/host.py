"""`./manage.py host add|edit|expect NAME`: what the host's form and the page of adoption do, from a terminal.

`add` and `edit` are imports of a single host: every rule of a file of hosts holds, and none is written here again.
"""

from __future__ import annotations

import json
import sys
from argparse import ArgumentParser
from pathlib import Path
from typing import Any, NoReturn

import tablib
from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError

from hosts import bounds, expectations, file_errors, importing, wakemethods, yamllines
from hosts.fields import normalise_mac
from hosts.models import BootBinary, Host, IdleBoot, LocalBoot
from runs import adopting, lacking
from runs.desk import overview, terminal
from runs.desk.following import EXIT_USAGE
from runs.models import Run
from runs.profiles import load as profiles
from runs.transition import Refused
from runs.wording import remedies

WHO = "command line"
NEWEST = "newest"
_COLUMNS = (
    "profile_name", "wake_method", "idle_boot", "boot_binary", "kernel_args", "console", "boot_deadline_s",
    "local_boot", "local_drive", "notes", "tags",
)  # fmt: skip


class Command(BaseCommand):
    help = "Add a host, change it, or say what it is expected to be made of."

    def add_arguments(self, parser: ArgumentParser) -> None:
        verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
        add = verbs.add_parser("add", help="register a host")
        add.add_argument("host", help="its short name, as in the cluster")
        add.add_argument("--mac", action="append", default=[], help="the one it boots from first; may be repeated")
        edit = verbs.add_parser("edit", help="change a host")
        edit.add_argument("host")
        edit.add_argument("--add-mac", action="append", default=[], metavar="MAC")
        edit.add_argument("--remove-mac", action="append", default=[], metavar="MAC")
        edit.add_argument("--enable", dest="enabled", action="store_true", default=None)
        edit.add_argument("--disable", dest="enabled", action="store_false", help="its MACs get no answer")
        for verb in (add, edit):
            _columns(verb)
        expect = verbs.add_parser("expect", help="show or set what a host is expected to be made of")
        expect.add_argument("host")
        which = expect.add_mutually_exclusive_group()
        which.add_argument("--file", metavar="FILE", help="a spec as YAML; - is standard input")
        which.add_argument(
            "--adopt", nargs="?", const=NEWEST, metavar="RUN", help="what a run found (default: the newest one)"
        )
        expect.add_argument(
            "--has-no", action="append", default=[], metavar="WORD",
            help=f"the host has none of this, so it is not tested: {', '.join(expectations.NOT_EXPECTED)}",
        )  # fmt: skip
        expect.add_argument(
            "--has-no-untested", action="store_true",
            help="the host has none of what a run could not test for want of a sensor or a part: that of --adopt, else "
            "the newest one; what speaks against it is left out and named",
        )  # fmt: skip
        expect.add_argument("--dry-run", action="store_true", help="show what would change; change nothing")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            {"add": self._add, "edit": self._edit, "expect": self._expect}[options["verb"]](options)
        except (importing.ImportRefused, expectations.ExpectationError, Refused) as error:
            reasons = error.reasons if isinstance(error, importing.ImportRefused) else [str(error)]
            _usage("\n".join(reason.removeprefix("row 1: ") for reason in reasons))

    def _add(self, options: dict[str, Any]) -> None:
        name = options["host"]
        if Host.objects.filter(name=name).exists():
            _usage(f"there is a host {name} already: {remedies.command(f'host edit {name}')} changes it")
        _write(name, {**_given(options, {}), "macs": options["mac"]})
        start = remedies.command(f"vet {name}")
        if options["mac"]:
            self.stdout.write(f"{name} is registered. To vet it: {start}")
        else:
            more = remedies.command(f"host edit {name} --add-mac MAC")
            self.stdout.write(f"{name} is registered. It can't be vetted before it has a MAC address: {more}")

    def _edit(self, options: dict[str, Any]) -> None:
        host = _host(options["host"])
        row = _given(options, host.wake_options)
        if options["add_mac"] or options["remove_mac"]:
            row["macs"] = _macs(host, options["add_mac"], options["remove_mac"])
        if options["enabled"] is not None:
            row["enabled"] = options["enabled"]
        if not row:
            _usage(f"say what to change: {remedies.command('host edit --help')}")
        changed = _write(host.name, row)
        self.stdout.write(f"{host.name} is changed." if changed else f"{host.name} is like that already.")

    def _expect(self, options: dict[str, Any]) -> None:
        host = _host(options["host"])
        words = [*options["has_no"], *(self._untested(host, options) if options["has_no_untested"] else [])]
        if options["file"] and words:
            _usage("write what the host does not have into the file, as not_expected")
        if options["adopt"]:
            self._adopt(host, options["adopt"], words, dry=options["dry_run"])
        elif options["file"] or words:
            spec = _read(options["file"]) if options["file"] else _without(host.expected, words)
            self._state(host, spec, dry=options["dry_run"])
        elif options["has_no_untested"]:
            self.stdout.write(f"Nothing can be said not to be there by the newest run of {host}.")
        else:
            self.stdout.write(expectations.to_yaml(host.expected), ending="")

    def _untested(self, host: Host, options: dict[str, Any]) -> list[str]:
        """The words of what the run could not test, without those that something speaks against."""
        lacks = lacking.of(_found(host, options["adopt"] or NEWEST))
        for lack in lacks:
            if lack.doubt:
                why = f"left out, since {lack.doubt}; --has-no {lack.topic} says it all the same"
                self.stderr.write(f"{lack.topic}: {why}")
        return [lack.topic for lack in lacks if not lack.doubt]

    def _adopt(self, host: Host, wanted: str, words: list[str], *, dry: bool) -> None:
        run = _found(host, wanted)
        if reason := adopting.why_not(run):
            _usage(reason)
        _without(None, words)
        self._show(adopting.preview(run, has_no=words))
        notes = adopting.notes(run) if dry else adopting.adopt(run, who=WHO, has_no=words)
        for sentence in notes:
            self.stdout.write(str(terminal.plain(sentence)))
        if not dry:
            self.stdout.write(f"{host} is now expected to be as run {run.pk} found it.")

    def _state(self, host: Host, spec: dict[str, Any] | None, *, dry: bool) -> None:
        changed = adopting.changed_lines(host.expected, spec)
        self._show(changed)
        if not changed:
            self.stdout.write(f"{host} is expected to be like that already.")
        elif not dry:
            _write(host.name, {"expected": json.dumps(spec) if spec is not None else ""})
            self.stdout.write(f"The expected spec of {host} is changed.")

    def _show(self, lines: list[str]) -> None:
        for line in lines:
            self.stdout.write(str(terminal.plain(line)))


def _columns(parser: ArgumentParser) -> None:
    """The options that `add` and `edit` share. Their rules are those of an import."""
    parser.add_argument("--profile", dest="profile_name", metavar="NAME")
    parser.add_argument("--wake", dest="wake_method", choices=list(wakemethods.every()), help="how it is woken")
    parser.add_argument(
        "--wake-option", action="append", default=[], metavar="KEY=VALUE",
        help="such as address=10.0.0.9; the value of password_env is a variable's name. KEY= removes it",
    )  # fmt: skip
    parser.add_argument("--idle-boot", choices=IdleBoot.values, help="what it boots without a run")
    parser.add_argument("--boot-program", dest="boot_binary", choices=BootBinary.values)
    parser.add_argument("--kernel-args", metavar="WORDS", help="added to its kernel's command line, such as nomodeset")
    parser.add_argument("--console", metavar="TTY", help="where the agent's lines go, such as ttyS1,115200n8")
    parser.add_argument(
        "--boot-deadline", dest="boot_deadline_s", metavar="SECONDS", help="from waking to the claim; '' is the default"
    )
    parser.add_argument("--local-boot", choices=LocalBoot.values, help="how it goes on to its own disk")
    parser.add_argument("--local-drive", metavar="NUMBER", help="that disk's number for drive; 128 is the first")
    parser.add_argument("--notes")
    parser.add_argument("--tags", help="all that it is to have, with spaces between them")


def _given(options: dict[str, Any], wake_options: dict[str, Any]) -> dict[str, Any]:
    """The columns that the options name."""
    row = {name: options[name] for name in _COLUMNS if options[name] is not None}
    if options["wake_option"]:
        row["wake_options"] = _wake_options(wake_options, options["wake_option"])
    return row


def _wake_options(before: dict[str, Any], given: list[str]) -> dict[str, Any]:
    after = dict(before)
    for pair in given:
        key, equals, value = pair.partition("=")
        if not key or not equals:
            _usage(f"{bounds.quoted(pair)} is no KEY=VALUE")
        after.pop(key, None)
        if value:
            after[key] = _value(value)
    return after


def _value(text: str) -> Any:
    """A number, true or false as YAML reads it; everything else is text."""
    try:
        data = yamllines.parse(text, "").data
    except yamllines.YamlError:
        return text
    return data if isinstance(data, bool | int) else text


def _macs(host: Host, added: list[str], removed: list[str]) -> list[str]:
    try:
        gone = {normalise_mac(mac) for mac in removed}
    except ValidationError as error:
        _usage(" ".join(error.messages))
    there = [row.mac for row in host.macs.all()]
    if unknown := sorted(gone - set(there)):
        _usage(f"{host} has no MAC {', '.join(unknown)}; it has {', '.join(there) or 'none'}")
    return [mac for mac in there if mac not in gone] + added


def _write(name: str, row: dict[str, Any]) -> bool:
    """Whether something changed. Raises ImportRefused."""
    dataset = tablib.Dataset((name, *row.values()), headers=["name", *row])
    plan = importing.plan(dataset, overview.busy_hosts, frozenset(profiles.titles()))
    for _ in importing.write(plan, overview.busy_hosts):
        pass
    return bool(plan.new or plan.changed)


def _without(spec: dict[str, Any] | None, words: list[str]) -> dict[str, Any] | None:
    """The spec, in which these words are not expected. Raises ExpectationError for a word that is unknown."""
    return expectations.read(json.dumps(lacking.with_topics(spec, words))).spec


def _read(name: str) -> dict[str, Any] | None:
    """The spec in this file, or in standard input for `-`."""
    try:
        text = sys.stdin.read(yamllines.MAX_BYTES + 1) if name == "-" else Path(name).read_text(encoding="utf-8")
    except OSError as error:
        _usage(file_errors.in_words(error, name))
    except UnicodeDecodeError:
        _usage(f"{name} is no UTF-8 text")
    return expectations.read(text, "standard input" if name == "-" else name).spec


def _found(host: Host, wanted: str) -> Run:
    """The run whose inventory is adopted."""
    if wanted == NEWEST:
        newest: Run | None = host.runs.with_parts().first()
        if newest is None:
            _usage(f"no run of {host} has found anything yet: {remedies.command(f'vet {host}')}")
        return newest
    run: Run | None = host.runs.filter(pk=int(wanted)).first() if wanted.isdecimal() and len(wanted) < 10 else None
    if run is None:
        _usage(f"{host} has no run {wanted}: {remedies.command(f'runs --host {host}')} lists them")
    return run


def _host(name: str) -> Host:
    host: Host | None = Host.objects.filter(name=name).first()
    if host is None:
        _usage(terminal.unknown_host(name))
    return host


def _usage(message: str) -> NoReturn:
    raise CommandError(message, returncode=EXIT_USAGE)
