"""`manage.py demo`: a virtual host is registered, woken, booted over the network and vetted before your eyes."""

from __future__ import annotations

import shutil
import signal
import sys
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from runs.following import EXIT_CANCELLED, EXIT_FAILED, EXIT_INCOMPLETE, EXIT_PASSED
from tests.rack import machinefile
from tests.rack.errors import BadMachineFile, RackBroken
from tests.rack.life import Life
from tests.rack.outcome import Seen
from tests.rack.progress import Progress
from tests.rack.rack import Rack

MACHINE = settings.BASE_DIR / "tests" / "rack" / "machines" / "demo.yaml"
STATUS = {"passed": EXIT_PASSED, "failed": EXIT_FAILED}


class Command(BaseCommand):
    help = (
        "Vet a virtual host on this machine, in a network of its own: wake-up, PXE boot, every stage, report, with the "
        "dashboard open meanwhile. Needs root. Exit status as of `vet`: 0 passed, 1 failed, 2 incomplete or error."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--keep", action="store_true", help="stay up for looking around until Ctrl-C")
        parser.add_argument("--machine", type=Path, default=MACHINE, help="another machine file of the virtual rack")
        parser.add_argument("--port", type=int, default=8080, help="dashboard's port on localhost (0: any)")

    def handle(self, *args: Any, **options: Any) -> None:
        signal.signal(signal.SIGTERM, signal.default_int_handler)
        directory = settings.DATA_DIR / "demo"
        shutil.rmtree(directory, ignore_errors=True)
        try:
            seen = self._vet(directory, options)
        except (BadMachineFile, RackBroken) as error:
            raise CommandError(f"the demonstration could not be given: {error}", returncode=EXIT_INCOMPLETE) from None
        except KeyboardInterrupt:
            raise CommandError("interrupted; everything was cleaned up", returncode=EXIT_CANCELLED) from None
        sys.exit(EXIT_CANCELLED if seen.state == "Cancelled" else STATUS.get(seen.verdict or "", EXIT_INCOMPLETE))

    def _vet(self, directory: Path, options: dict[str, Any]) -> Seen:
        progress = Progress(sys.stdout, verbose=True)
        with Rack(machinefile.load(options["machine"]), directory=directory, progress=progress) as rack:
            port, password = self._open_dashboard(rack, options["port"]), rack.desk.ask("admin")
            self.stdout.write(f"\n  dashboard  http://127.0.0.1:{port}/   user rack   password {password}\n\n")
            seen = Life(rack).live()
            self._conclude(rack, seen)
            if options["keep"]:
                self.stdout.write(f"Everything stays up until Ctrl-C: http://127.0.0.1:{port}/")
                _wait_for_ctrl_c()
        return seen

    def _open_dashboard(self, rack: Rack, port: int) -> int:
        try:
            return rack.open_dashboard(port)
        except (OSError, RackBroken):
            return rack.open_dashboard(0)

    def _conclude(self, rack: Rack, seen: Seen) -> None:
        report = rack.orchestrator.data / "runs" / str(rack.run) / "report.html"
        self.stdout.write(f"\n  verdict    {seen.verdict or 'none'} ({seen.state})")
        self.stdout.write(
            f"  took       {seen.boot_s or 0:.0f} s from power-on to claim, {seen.run_s or 0:.0f} s of tests"
        )
        self.stdout.write(f"  report     {report}\n")


def _wait_for_ctrl_c() -> None:
    try:
        signal.pause()
    except KeyboardInterrupt:
        return
