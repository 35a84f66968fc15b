"""`manage.py web`: become the web process that vetting.yaml describes. Runs the system checks first."""

from __future__ import annotations

import os
import sys
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandParser

# The backlog is of connections that wait to be taken: a thousand hosts may come at once, after a loss of power.
# Without a limit on its end, uvicorn would wait for open pages for ever.
SERVERS = {
    "daphne": "-e tcp:port={port}:interface={escaped}:backlog=1024 --no-server-name --verbosity 0",
    "uvicorn": "--host {listen} --port {port} --backlog 1024 --ws none --no-server-header --no-access-log "
    "--log-level warning --timeout-keep-alive 60 --timeout-graceful-shutdown 5",
}


class Command(BaseCommand):
    help = "Serve the dashboard, the agents and the boot files, as vetting.yaml says."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--server", choices=SERVERS, default="daphne", help="uvicorn needs a proxy before it (docs/operations.md)"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        web = settings.VETTING.web
        names = {"listen": web.listen, "escaped": web.listen.replace(":", r"\:"), "port": web.port}
        words = [word.format(**names) for word in SERVERS[options["server"]].split()]
        os.chdir(settings.BASE_DIR)
        os.execv(sys.executable, [sys.executable, "-m", options["server"], *words, "vetting.asgi:application"])
