"""The command line of the agent.

`python3 -m agent` takes the orchestrator's address, the run and the token from the kernel command line. On any machine,
`--selftest` tests the tester (`agent.tester_proof.made_faults`), and `--judge` judges recorded outputs (`agent.judge`).
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
import traceback
from functools import partial
from pathlib import Path

from agent.counters import sources, sysfs_counters
from agent.counters.counting import CounterBook
from agent.counters.kernel.log import KernelLog
from agent.disk_writes import diskio
from agent.host import clock, identity
from agent.host.children import RUNNING
from agent.host.hold import Hold, Sshd
from agent.host.power import Power
from agent.link import cmdline
from agent.link.client import Client
from agent.link.outbox import Outbox
from agent.link.redact import printable, redact
from agent.link.results import Results
from agent.runtime import Runtime
from agent.session import Agent
from agent.stage_functions import STAGES

STATE = Path("/run/vetting")
NICENESS = -10
OOM_SCORE_ADJ = -1000
EX_USAGE, EX_CONFIG = 64, 78
# If one of these threads dies, the host looks dead, or it looks alive and does nothing. The agent survives without any
# other thread.
VITAL_THREADS = ("heartbeat", "outbox", "stage")


def main(argv: list[str]) -> int:
    """Returns the exit status."""
    if argv == ["--selftest"]:
        from agent.tester_proof import made_faults

        return made_faults.main()
    if argv == ["--judge"]:
        from agent import judge

        return judge.main()
    if argv:
        print(f"vetting-agent: unknown argument {argv[0]}; it takes --selftest, --judge, or none", file=sys.stderr)
        return EX_USAGE
    try:
        target = cmdline.parse(Path("/proc/cmdline").read_text())
    except cmdline.BadCommandLine as error:
        print(f"vetting-agent: {redact(str(error))}: was this host booted by the orchestrator?", file=sys.stderr)
        return EX_CONFIG
    _serve(target)
    return 0


def _serve(target: cmdline.Target) -> None:
    """Do what the orchestrator orders, until the host is about to power off or systemd ends this process."""
    _raise_priority()
    sysfs_counters.poll_machine_checks_often(identity.ROOT)
    agent = Agent(assemble(target, STATE))
    _lock_disks(agent.runtime)
    signal.signal(signal.SIGTERM, lambda *_: agent.quit())
    threading.excepthook = _on_thread_error
    try:
        agent.run()
    finally:
        RUNNING.kill_all()


def assemble(target: cmdline.Target, directory: Path, root: Path = identity.ROOT) -> Runtime:
    """The runtime of an agent on a real host."""
    me = identity.read(root)
    outbox = Outbox(me.boot_id, directory / "spool")
    runtime = Runtime(
        identity=me,
        address=lambda: identity.local_address(target.url),
        root=root,
        directory=directory,
        in_image=identity.in_image(root),
        client=Client(target),
        outbox=outbox,
        results=Results(directory / "results"),
        book=CounterBook((), directory / "counters.json", outbox.log),
        kernel_log=KernelLog(directory / "kmsg.position", outbox.log),
        hold=Hold(directory, Sshd()),
        power=Power(outbox.log, root),
        stages=STAGES,
        console=partial(print, flush=True),
        set_clock=clock.of_this_boot,
        slow_sensors=sources.SLOW_SENSORS,
    )
    runtime.book.sources = sources.of(runtime.names)
    return runtime


def _lock_disks(runtime: Runtime) -> None:
    """Make all disks read-only again. An agent that was killed during a write could not do it, and the udev rule may
    have failed."""
    if runtime.in_image:
        for trouble in diskio.make_all_read_only(runtime.root):
            runtime.say("error", f"a disk could not be made read-only: {trouble}")


def _raise_priority() -> None:
    """Raise this process above the load that it starts: without CPU time its heartbeat stops, and the host looks dead.
    The systemd unit does the same."""
    with contextlib.suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, 0, min(NICENESS, os.getpriority(os.PRIO_PROCESS, 0)))
    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text(str(OOM_SCORE_ADJ))


def _on_thread_error(args: threading.ExceptHookArgs) -> None:
    """Log an error in a thread. If the thread is vital, end the agent: systemd starts it again, and it resumes the
    stage. Any other thread may fail, because a restart would meet the same error and cost the stage."""
    name = args.thread.name if args.thread else ""
    trace = "".join(traceback.format_exception(args.exc_type, args.exc_value, args.exc_traceback))
    print(printable(f"vetting-agent: thread {name} failed:\n{trace}"), flush=True)
    if name in VITAL_THREADS:
        RUNNING.kill_all()
        os._exit(1)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
