"""`python -m tests.rack.demo`: a virtual host is registered, woken, booted over the network and vetted before your
eyes, with the dashboard open meanwhile.

Exit status as of `vet`: 0 passed, 1 failed, 2 incomplete, error or no demonstration, 3 cancelled.
"""

from __future__ import annotations

import argparse
import shutil
import signal
import sys
from pathlib import Path

from tests.rack import machinefile
from tests.rack.__main__ import wait_for_ctrl_c
from tests.rack.errors import BadMachineFile, RackBroken
from tests.rack.life import Life
from tests.rack.outcome import Seen
from tests.rack.progress import Progress
from tests.rack.rack import Rack

ROOT = Path(__file__).resolve().parents[2]
DIRECTORY = ROOT / "var" / "demo"
MACHINE = ROOT / "tests" / "rack" / "machines" / "demo.yaml"
STATUS = {"passed": 0, "failed": 1}
INCOMPLETE, CANCELLED = 2, 3


def main(words: list[str] | None = None) -> int:
    options = _parser().parse_args(words)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    shutil.rmtree(DIRECTORY, ignore_errors=True)
    try:
        seen = _vet(options)
    except (BadMachineFile, RackBroken) as error:
        print(f"the demonstration could not be given: {error}", file=sys.stderr)
        return INCOMPLETE
    except KeyboardInterrupt:
        print("interrupted; everything was cleaned up", file=sys.stderr)
        return CANCELLED
    return CANCELLED if seen.state == "Cancelled" else STATUS.get(seen.verdict or "", INCOMPLETE)


def _vet(options: argparse.Namespace) -> Seen:
    progress = Progress(sys.stdout, verbose=True)
    with Rack(machinefile.load(options.machine), directory=DIRECTORY, progress=progress) as rack:
        port, password = _open_dashboard(rack, options.port), rack.desk.ask("admin")
        _say(f"\n  dashboard  http://127.0.0.1:{port}/   user rack   password {password}\n")
        seen = Life(rack).live()
        _conclude(rack, seen)
        if options.keep:
            _say(f"Everything stays up until Ctrl-C: http://127.0.0.1:{port}/")
            wait_for_ctrl_c()
    return seen


def _open_dashboard(rack: Rack, port: int) -> int:
    try:
        return rack.open_dashboard(port)
    except (OSError, RackBroken):
        return rack.open_dashboard(0)


def _conclude(rack: Rack, seen: Seen) -> None:
    report = rack.orchestrator.data / "runs" / str(rack.run) / "report.html"
    _say(f"\n  verdict    {seen.verdict or 'none'} ({seen.state})")
    _say(f"  took       {seen.boot_s or 0:.0f} s from power-on to claim, {seen.run_s or 0:.0f} s of tests")
    _say(f"  report     {report}\n")


def _say(text: str) -> None:
    print(text, flush=True)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m tests.rack.demo",
        description="Vets a virtual host on this machine, in a network of its own: wake-up, PXE boot, every stage, "
        "report, with the dashboard open meanwhile. Needs root.",
    )
    parser.add_argument("--keep", action="store_true", help="stay up for looking around until Ctrl-C")
    parser.add_argument("--machine", type=Path, default=MACHINE, help="another machine file of the virtual rack")
    parser.add_argument("--port", type=int, default=8080, help="dashboard's port on localhost (0: any)")
    return parser


if __name__ == "__main__":
    sys.exit(main())
