"""`vetting uninstall`: remove this installation. Without --yes it only says what would be removed."""

from __future__ import annotations

import json
import os
import subprocess
from argparse import ArgumentParser
from typing import Any, NoReturn

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.db import connection

from runs.desk.following import EXIT_USAGE
from runs.files import volatile
from vetting import uninstall
from vetting.uninstall import Places


class Command(BaseCommand):
    help = (
        "Remove this installation from the machine. Without --yes nothing is removed: it says what would be, and what "
        "stays. Data, backups and configuration stay unless --purge is given."
    )
    requires_system_checks = ()  # a wrong configuration must not keep it from being removed

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--purge", action="store_true", help="data, backups in it, configuration and user, too")
        parser.add_argument("--yes", action="store_true", help="do it")
        parser.add_argument("--anyway", action="store_true", help="even if runs go on or hosts are held")

    def handle(self, *args: Any, **options: Any) -> None:
        of = places()
        if not options["anyway"] and (why := _busy(of)):
            _usage(f"{why}; --anyway removes it all the same")
        if options["yes"] and os.geteuid() != 0:
            _usage("only root can remove it")
        database = "" if connection.vendor == "sqlite" else str(connection.settings_dict["NAME"])
        for step in list(uninstall.steps(of, purge=options["purge"])):
            self.stdout.write(f"{'done' if options['yes'] else 'would'}: {step.what}")
            if options["yes"]:
                step.take()
        for sentence in uninstall.what_stays(of, purge=options["purge"], database=database):
            self.stdout.write(sentence)
        if not options["yes"]:
            self.stdout.write("Nothing was removed: --yes does it.")


def places() -> Places:
    """Raises CommandError in a checkout, where nothing was installed."""
    path = settings.CONFIGURATION.path
    if not settings.INSTALLED or path is None:
        _usage("this is a checkout, no installation: delete its directory")
    memory = volatile.path(settings.PID_DIR)
    return Places(base=settings.BASE_DIR.parent, conf=path.parent, data=settings.DATA_DIR, memory=memory)


def _busy(of: Places) -> str:
    """Why it should stay for now; empty if no run goes on. Asked as the data's own user, not as root."""
    words = [str(of.command), "runs", "--live", "--json", "--limit", "0"]
    try:
        done = subprocess.run(words, capture_output=True, text=True, timeout=120, check=False)
        rows = json.loads(done.stdout) if done.returncode == 0 else None
    except (OSError, ValueError, subprocess.TimeoutExpired):
        rows = None
    if rows is None:
        return "it can't be read whether runs go on"
    names = ", ".join(sorted({str(row.get("host")) for row in rows})[:20])
    return f"runs go on, or hosts are held: {names}" if rows else ""


def _usage(message: str) -> NoReturn:
    raise CommandError(message, returncode=EXIT_USAGE)
