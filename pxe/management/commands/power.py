"""`./manage.py power HOST VERB`: do one thing with a host's power, or read it, from a terminal."""

from __future__ import annotations

import sys
from argparse import ArgumentParser
from typing import Any, NoReturn

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from hosts.models import Host
from hosts.nearest import did_you_mean
from hosts.readable import readable
from hosts.wakemethods import WORDS, Verb
from pxe.wake.power import act
from pxe.wake.shape import Stop, WakeProblem
from runs import lifecycle, power
from runs.desk import terminal
from runs.desk.following import EXIT_USAGE
from runs.models import Actor, PowerRequest, Run

WHO = "command line"


class Command(BaseCommand):
    help = "Turn a host on or off, restart it, read whether it is on, or have its next boot come from the network."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("host", help="name of a registered host")
        parser.add_argument("verb", metavar="VERB", help=", ".join(Verb))
        parser.add_argument("--yes", action="store_true", help="ask nothing")

    def handle(self, *args: Any, **options: Any) -> None:
        host, verb = _host(options["host"]), _verb(options["verb"])
        if reason := power.why_not(host, verb):
            _usage(reason)
        self._confirm(host, verb, yes=options["yes"])
        asked = PowerRequest(host=host, verb=verb, who=WHO, due_at=None, run=Run.objects.busy_on(host))
        try:
            said = readable(act(host, verb, Stop(lambda: _not_any_more(asked), lambda: _begin(asked))))
        except WakeProblem as problem:
            self._note(asked, readable(str(problem)), failed=True)
            raise CommandError(readable(str(problem))) from None
        self._note(asked, said)
        self.stdout.write(said)

    def _confirm(self, host: Host, verb: Verb, *, yes: bool) -> None:
        consequence = power.consequence(verb)
        if yes or not consequence:
            return
        if not sys.stdin.isatty():
            _usage("no terminal to ask on: confirm with --yes")
        self.stderr.write(f"{WORDS[verb].capitalize()} of {host.name}? {consequence}", str)
        self.stderr.write("[y/N]: ", str, ending="")
        if sys.stdin.readline().strip().lower() not in ("y", "yes"):
            raise CommandError("nothing was changed")

    def _note(self, asked: PowerRequest, said: str, *, failed: bool = False) -> None:
        """The page of the host says it, and the history of its run that is going on."""
        if asked.verb == Verb.STATUS:
            return
        asked.done_at, asked.said, asked.failed = timezone.now(), said[:400], failed
        asked.save()
        if run := Run.objects.busy_on(asked.host):
            lifecycle.note(run, "power", actor=Actor.OPERATOR, who=WHO, text=f"{asked.words}: {said}")


def _not_any_more(asked: PowerRequest) -> str:
    """Since the question a test may have begun, or somebody may have changed the host's entry."""
    host = Host.objects.get(pk=asked.host_id)
    return power.changed_since(host, asked.asked_at) or power.why_not(host, Verb(asked.verb))


def _begin(asked: PowerRequest) -> bool:
    """On record before it is done: a command that is killed has then said who did it."""
    asked.begun_at = timezone.now()
    asked.save()
    return True


def _host(name: str) -> Host:
    host: Host | None = Host.objects.filter(name=name).first()
    if host is None:
        _usage(terminal.unknown_host(name))
    return host


def _verb(word: str) -> Verb:
    try:
        return Verb(word)
    except ValueError:
        _usage(
            f"there is no verb {word!r}{did_you_mean(word, [verb.value for verb in Verb])}; there are {', '.join(Verb)}"
        )


def _usage(message: str) -> NoReturn:
    raise CommandError(message, returncode=EXIT_USAGE)
