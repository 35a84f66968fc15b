"""`manage.py web`: become the web process (daphne) that vetting.yaml describes. Runs the system checks first."""

from __future__ import annotations

import os
import sys
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand


class Command(BaseCommand):
    help = "Serve the dashboard, the agents and the boot files, as vetting.yaml says."

    def handle(self, *args: Any, **options: Any) -> None:
        web = settings.VETTING.web
        listen = ["-b", web.listen, "-p", str(web.port), "--no-server-name", "--verbosity", "0"]
        os.chdir(settings.BASE_DIR)
        os.execv(sys.executable, [sys.executable, "-m", "daphne", *listen, "vetting.asgi:application"])
