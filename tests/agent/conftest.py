"""An agent made of its real runtime, but for the three that would change the machine the tests run on: logins, power
and the kernel's log are told what to do, and say what they were told."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from agent.contract import wire
from agent.counters.counting import CounterBook, Source
from agent.counters.kernel.log import KernelLog
from agent.events import Timing
from agent.host.hold import Hold
from agent.host.identity import Identity
from agent.link.client import Client
from agent.link.cmdline import Target
from agent.link.outbox import Outbox
from agent.link.results import Results
from agent.runtime import Runtime, Stage
from agent.session import Agent
from agent.stage import StageContext, StageReport
from tests.agent.orchestrator import TOKEN, Orchestrator

QUICK = Timing(
    retry_first_s=0.02,
    retry_cap_s=0.1,
    refused_s=0.1,
    hold_refresh_s=0.1,
    stop_timeout_s=0.5,
    flush_timeout_s=10.0,
    poweroff_timeout_s=0.05,
    heartbeat_s=0.05,
    sample_s=0.05,
    early_look_s=0.02,
)


@dataclass
class Machine:
    """Stands in for sshd and the power button. `actions` is what was done to it, in order."""

    key_file: Path
    actions: list[str] = field(default_factory=list)
    logged_in: list[str] = field(default_factory=list)

    def start(self) -> None:
        self.actions.append("sshd started")

    def stop(self) -> None:
        self.actions.append(f"sshd stopped, key {'there' if self.key_file.exists() else 'gone'}")

    def users(self) -> list[str]:
        return self.logged_in

    def arm_wake_on_lan(self) -> None:
        self.actions.append("armed")

    def off(self) -> None:
        self.actions.append("off")


@dataclass
class Bench:
    """Everything a test needs to run agents against one orchestrator on one machine."""

    orchestrator: Orchestrator
    url: str
    directory: Path
    root: Path
    machine: Machine
    kmsg: str = "/nonexistent"
    sources: tuple[Source, ...] = ()
    console: list[str] = field(default_factory=list)
    clock: list[float] = field(default_factory=list)

    def agent(self, stages: dict[str, Stage], boot_id: str = "boot-1") -> Agent:
        outbox = Outbox(boot_id, self.directory / "spool", log_interval_s=0.02, sensor_interval_s=0.05)
        return Agent(
            Runtime(
                identity=Identity(boot_id, "8c1f4a5e-0000-4000-8000-0123456789ab", ["52:54:00:12:34:56"]),
                address=lambda: "127.0.0.1",
                root=self.root,
                directory=self.directory,
                in_image=True,
                client=Client(Target(self.url, 7, TOKEN), timeout_s=2.0),
                outbox=outbox,
                results=Results(self.directory / "results"),
                book=CounterBook(self.sources, self.directory / "counters.json"),
                kernel_log=KernelLog(self.directory / "kmsg.position", outbox.log, self.kmsg),
                hold=Hold(self.directory, self.machine),
                power=self.machine,
                stages=stages,
                console=self._print,
                set_clock=self.clock.append,
            ),
            QUICK,
        )

    def _print(self, line: str) -> None:
        with self.orchestrator.changed:
            self.console.append(line)
            self.orchestrator.changed.notify_all()

    def wait_for_line(self, text: str) -> None:
        self.orchestrator.wait_for(lambda _: any(text in line for line in self.console))

    @contextlib.contextmanager
    def running(self, agent: Agent) -> Iterator[threading.Thread]:
        """The agent in a thread of its own; ended and waited for at the end of the block."""
        thread = threading.Thread(target=agent.run, daemon=True)
        thread.start()
        try:
            yield thread
        finally:
            agent.quit()
            thread.join(10)
            assert not thread.is_alive()

    def run_to_the_end(self, stages: dict[str, Stage]) -> None:
        with self.running(self.agent(stages)) as thread:
            thread.join(15)
            assert not thread.is_alive(), f"still running; heard {self.orchestrator.calls()}"


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Callable[[Orchestrator], Bench]]:
    """`bench(orchestrator)` starts to serve it."""
    directory, root = tmp_path / "run-vetting", tmp_path / "root"
    directory.mkdir()
    root.mkdir()
    with contextlib.ExitStack() as open_servers:

        def start(orchestrator: Orchestrator) -> Bench:
            url = open_servers.enter_context(orchestrator.serving())
            return Bench(orchestrator, url, directory, root, Machine(directory / "authorized_keys"))

        yield start


def passing(context: StageContext) -> StageReport:
    return StageReport(wire.Outcome.PASSED)


def failing(context: StageContext) -> StageReport:
    finding = wire.Finding("memory.miscompare", wire.Severity.CRITICAL, "dimm", "DIMM_A1", "DIMM_A1: 1 bit flipped")
    return StageReport(wire.Outcome.FAILED, "DIMM_A1: 1 bit flipped", findings=[finding])
