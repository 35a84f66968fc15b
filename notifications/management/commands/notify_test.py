"""`manage.py notify_test [--target NAME]`: send a test message now, say for each target what came of it."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from hosts.nearest import did_you_mean
from notifications import trial
from runs.desk.following import EXIT_USAGE


class Command(BaseCommand):
    help = "Send a test message to every notification target, or to one, and report what came of it."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--target", help="Name of one target in vetting.yaml; default: all.")

    def handle(self, *args: Any, target: str | None, **options: Any) -> None:
        names = trial.names()
        if not names:
            raise CommandError("vetting.yaml has no notifications.targets: nothing to test", returncode=EXIT_USAGE)
        if target and target not in names:
            there = f"there is: {', '.join(names)}"
            raise CommandError(f"no target {target!r}; {there}{did_you_mean(target, names)}", returncode=EXIT_USAGE)
        failed = []
        for name, problem in trial.send([target] if target else names):
            self.stdout.write(f"{name}: {problem or 'delivered'}")
            failed += [name] if problem else []
        if failed:
            raise CommandError(f"{len(failed)} not delivered: {', '.join(failed)}")
