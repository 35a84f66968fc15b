"""`./manage.py vet HOST`: start a run, follow it, and exit with a status for its verdict."""

from __future__ import annotations

import json
import sys
from argparse import ArgumentParser
from typing import Any, NoReturn

from django.core.management.base import BaseCommand, CommandError

from hosts.models import Host
from runs import freeze, lifecycle
from runs.bench import service_state
from runs.desk import following, terminal, watching
from runs.models import Run
from runs.profiles import estimate
from runs.profiles import load as profiles
from runs.transition import Refused
from runs.wording import remedies
from runs.wording.formatting import duration, off_by


class Command(BaseCommand):
    help = (
        "Vet a host: wake it, boot it, test it, and end with the verdict. Exit status 0 passed, 1 failed, 2 incomplete "
        "or error, 3 cancelled, 4 usage. Ctrl-C stops following, not the run."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("host", help="name of a registered host")
        parser.add_argument("--profile", default="", help="profile to use (default: the host's own)")
        parser.add_argument("--repair", default="", help="what was repaired, for the report")
        parser.add_argument("--anyway", action="store_true", help="start it even if no host can boot from this bench")
        parser.add_argument("--restart", action="store_true", help="restart the host if it is on, whatever runs on it")
        parser.add_argument("--no-wait", action="store_true", help="start it and return")
        parser.add_argument("--log", action="store_true", help="show the log, too (in a terminal: key l)")
        parser.add_argument("--json", action="store_true", help="one JSON object per change, for scripts")

    def handle(self, *args: Any, **options: Any) -> None:
        host = self._host(options["host"])
        self._say_what_it_takes(host, options)
        run = self._start(host, options)
        if options["no_wait"]:
            self.stdout.write(json.dumps(following.as_data(run)) if options["json"] else f"run {run.pk} is queued")
            return
        watching.watch(run, self, as_json=options["json"], with_log=options["log"])
        if (percent := estimate.error_percent(run)) is not None:
            self.stderr.write(f"time taken: {off_by(percent)}")
        if not options["json"]:
            for line in following.advice(run):
                self.stderr.write(line)
        sys.exit(following.exit_status(run))

    def _host(self, name: str) -> Host:
        host = Host.objects.filter(name=name).first()
        if host is None:
            self._usage(terminal.unknown_host(name))
        return host

    def _say_what_it_takes(self, host: Host, options: dict[str, Any]) -> None:
        """Before the start, print the estimated duration and what will be written; not for scripts."""
        try:
            profile = profiles.load(options["profile"] or host.profile_name)
        except profiles.ProfileError as error:
            self._usage(str(error))
        written = freeze.what_is_written(host, profile)
        takes = duration(estimate.of_host(host, profile))
        self.stderr.write(f"{profile['title']} on {host.name}: about {takes}. {' '.join(written)}")

    def _start(self, host: Host, options: dict[str, Any]) -> Run:
        if service_state.is_silent() and not options["anyway"]:
            self._usage(f"no worker is running that could do it: {remedies.restart('worker')}")
        try:
            return lifecycle.start_run(
                host,
                profile_name=options["profile"],
                who="command line",
                repair=options["repair"],
                anyway=options["anyway"],
                restart_if_on=options["restart"],
            )
        except lifecycle.NotReady as error:
            self._usage(f"{error}. Who knows better: --anyway")
        except (Refused, profiles.ProfileError) as error:
            self._usage(f"{error}{_how_to_follow(host)}")

    def _usage(self, message: str) -> NoReturn:
        raise CommandError(message, returncode=following.EXIT_USAGE)

    def create_parser(self, prog_name: str, subcommand: str, **kwargs: Any) -> Any:
        parser = super().create_parser(prog_name, subcommand, **kwargs)
        # argparse would exit with 2, which means incomplete here. Its class is Django's to choose.
        parser.error = lambda message: parser.exit(  # type: ignore[method-assign]
            following.EXIT_USAGE, f"{parser.format_usage()}{prog_name} {subcommand}: {message}\n"
        )
        return parser


def _how_to_follow(host: Host) -> str:
    run = Run.objects.busy_on(host)
    return f"; to follow it: {remedies.command(f'runs {run.pk} --follow')}" if run else ""
