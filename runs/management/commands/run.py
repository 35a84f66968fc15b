"""`./manage.py run cancel|release|retry|wake|again RUN`: what the run's page offers, from a terminal."""

from __future__ import annotations

import sys
from argparse import ArgumentParser
from typing import Any, NoReturn

from django.core.management.base import BaseCommand, CommandError

from hosts.nearest import did_you_mean
from runs import lifecycle
from runs.bench import service_state
from runs.desk import actions, doing, terminal
from runs.desk.actions import Action
from runs.desk.following import EXIT_USAGE
from runs.machine import NotAllowed
from runs.models import Run, StageRun
from runs.profiles import load as profiles
from runs.transition import Refused
from runs.wording import naming, remedies

WHO = "command line"


class Command(BaseCommand):
    help = "Cancel a run, release a held host, try a stage or wake the host once more, or vet the same host again."

    def add_arguments(self, parser: ArgumentParser) -> None:
        verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
        for action in (actions.CANCEL, actions.RELEASE, actions.RETRY, actions.WAKE):
            verb = verbs.add_parser(action.name, help=action.label, description=action.consequence)
            verb.add_argument("run", type=int, help="number of the run")
            if action is actions.RETRY:
                verb.add_argument("stage", nargs="?", default="", help="default: the only one that did not pass")
            elif action is actions.WAKE:
                verb.add_argument(
                    "--restart", action="store_true", help="once more, if it is on and the run may do that"
                )
            elif action.danger:
                verb.add_argument("--yes", action="store_true", help="ask nothing")
        again = verbs.add_parser("again", help="Vet again", description="Start another run of the same host.")
        again.add_argument("run", type=int, help="number of an ended run")
        again.add_argument("--profile", default="", help="default: that of the run")
        again.add_argument("--repair", default="", help="what was repaired, for the report")
        again.add_argument("--anyway", action="store_true", help="even if no host can boot from this bench")

    def handle(self, *args: Any, **options: Any) -> None:
        run = _run(options["run"])
        try:
            self.stdout.write(self._again(run, options) if options["verb"] == "again" else self._act(run, options))
        except (Refused, NotAllowed, profiles.ProfileError) as error:
            _usage(str(error))

    def _act(self, run: Run, options: dict[str, Any]) -> str:
        action = actions.BY_NAME[options["verb"]]
        if reason := actions.why_not(run, action):
            _usage(reason)
        if action is actions.RETRY:
            return doing.retry(run, _stage(run, options["stage"]), WHO)
        if action is actions.WAKE:
            return doing.wake(run, WHO, restart=options["restart"])
        self._confirm(run, action, yes=options["yes"])
        return doing.cancel(run, WHO) if action is actions.CANCEL else doing.release(run, WHO)

    def _confirm(self, run: Run, action: Action, *, yes: bool) -> None:
        if yes:
            return
        if not sys.stdin.isatty():
            _usage("no terminal to ask on: confirm with --yes")
        self.stderr.write(f"Run {run.pk} of {run.host}: {action.title} {action.consequence}", str)
        self.stderr.write("[y/N]: ", str, ending="")
        if sys.stdin.readline().strip().lower() not in ("y", "yes"):
            raise CommandError("nothing was changed")

    def _again(self, run: Run, options: dict[str, Any]) -> str:
        if service_state.is_silent() and not options["anyway"]:
            _usage(f"no worker is running that could do it: {remedies.restart('worker')}")
        profile = options["profile"] or run.profile_name
        new = lifecycle.start_run(
            run.host, profile_name=profile, who=WHO, repair=options["repair"], anyway=options["anyway"]
        )
        return f"run {new.pk} is queued; to follow it: {remedies.command(f'runs {new.pk} --follow')}"


def _run(number: int) -> Run:
    run: Run | None = Run.objects.filter(pk=number).select_related("host").first()
    if run is None:
        _usage(terminal.unknown_run(number))
    return run


def _stage(run: Run, wanted: str) -> str:
    """The stage to retry, by its identifier or its title, in any case."""
    rows = actions.retryable(run)
    titles = {row.name: naming.state_in_words(row.name) for row in rows}
    if wanted:
        found = [name for name, title in titles.items() if wanted.casefold() in (name.casefold(), title.casefold())]
        if found:
            return found[0]
        known = [*titles, *titles.values()]
        _usage(f"run {run.pk} has no stage {wanted!r} to retry{did_you_mean(wanted, known)}; {_offered(rows)}")
    if len(open_ones := [row for row in rows if row.outcome != "passed"] or rows) == 1:
        return open_ones[0].name
    _usage(f"name one stage; {_offered(rows)}")


def _offered(rows: list[StageRun]) -> str:
    return "there are " + ", ".join(f"{row.name} ({row.outcome})" for row in rows)


def _usage(message: str) -> NoReturn:
    raise CommandError(message, returncode=EXIT_USAGE)
