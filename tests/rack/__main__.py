"""`python -m tests.rack FILE`: runs one machine file against a fresh orchestrator. See docs/rack.md.

Exit status: 0 the outcome is met, 1 it is not, 2 the file is bad, 3 the rack itself broke.
"""

from __future__ import annotations

import argparse
import json
import signal
import sys
from pathlib import Path
from types import FrameType

from tests.rack import life, machinefile, outcome
from tests.rack.errors import BadMachineFile, RackBroken
from tests.rack.machinefile import Machine
from tests.rack.progress import Progress
from tests.rack.rack import DEFAULT_IMAGE, Rack

MET, NOT_MET, BAD_FILE, BROKEN = 0, 1, 2, 3


def main(words: list[str] | None = None) -> int:
    options = _parser().parse_args(words)
    for number in (signal.SIGINT, signal.SIGTERM):  # a shell's background jobs start with the first one ignored
        signal.signal(number, _end)
    progress = Progress(verbose=options.verbose)
    try:
        return _run(machinefile.load(options.file), options, progress)
    except BadMachineFile as error:
        print(error, file=sys.stderr)
        return BAD_FILE
    except RackBroken as error:
        progress.say(f"the rack broke: {error}")
        return BROKEN
    except KeyboardInterrupt:
        progress.say("interrupted; everything was cleaned up")
        return 128 + signal.SIGINT


def _run(machine: Machine, options: argparse.Namespace, progress: Progress) -> int:
    with Rack(machine, directory=options.work, image=options.image, progress=progress) as rack:
        if options.dashboard is not None:
            port, password = rack.open_dashboard(options.dashboard), rack.desk.ask("admin")
            progress.say(f"dashboard: http://127.0.0.1:{port}/  user rack, password {password}")
        seen, failures = life.vet(rack)
        for failure in failures:
            progress.say(f"outcome not met: {failure}")
        if options.keep:
            progress.say("the machine stays as it is until Ctrl-C")
            wait_for_ctrl_c()
    print(json.dumps(outcome.line(machine.name, seen, not failures)), flush=True)
    return NOT_MET if failures else MET


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.rack", description="Vets one virtual machine.")
    parser.add_argument("file", type=Path, help="the machine file")
    parser.add_argument("--keep", action="store_true", help="leave machine and orchestrator up until Ctrl-C")
    parser.add_argument("--verbose", action="store_true", help="show progress inside stages, too")
    parser.add_argument("--work", type=Path, metavar="DIR", help="keep logs and database here")
    parser.add_argument("--image", type=Path, metavar="DIR", default=DEFAULT_IMAGE, help="the built live image")
    parser.add_argument("--dashboard", type=int, metavar="PORT", help="open the dashboard at 127.0.0.1:PORT (0: any)")
    return parser


def _end(_signal: int, _frame: FrameType | None) -> None:
    """Both clean up as Ctrl-C does."""
    raise KeyboardInterrupt


def wait_for_ctrl_c() -> None:
    try:
        signal.pause()
    except KeyboardInterrupt:
        return


if __name__ == "__main__":
    sys.exit(main())
