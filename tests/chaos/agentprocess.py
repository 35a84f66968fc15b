"""The agent of one boot of one machine, as a process: the real loop, client, spool and results over stages that follow
a script. Everything that was answered is written into a journal. Imports nothing of the server.

    python -m tests.chaos.agentprocess FILE
"""

from __future__ import annotations

import json
import random
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from agent.contract import codec, wire
from agent.contract.stages import SPECS
from agent.counters.counting import CounterBook
from agent.counters.kernel.log import KernelLog
from agent.events import Timing
from agent.host.hold import Hold
from agent.host.identity import Identity
from agent.link.client import Client
from agent.link.cmdline import Target
from agent.link.outbox import Outbox
from agent.link.results import Results
from agent.runtime import Runtime
from agent.session import Agent
from agent.stage import StageContext, StageReport

T = TypeVar("T")
TIMING = Timing(
    retry_first_s=0.1,
    retry_cap_s=1.0,
    refused_s=1.0,
    hold_refresh_s=1.0,
    stop_timeout_s=2.0,
    flush_timeout_s=5.0,
    poweroff_timeout_s=0.1,
    heartbeat_s=0.7,
    sample_s=60.0,
)
STAGES = tuple(SPECS)
LINES, MEASURED = 3, 4


@dataclass(frozen=True)
class Script:
    """What this machine is, and does. `fails_in` is the stage in which its disk is bad, empty where it is a good one;
    `demands` are the checks that each stage must show."""

    number: int
    url: str
    run: int
    token: str
    boot_id: str
    mac: str
    uuid: str
    directory: str
    journal: str
    seed: int
    fails_in: str
    demands: dict[str, list[str]]
    inventory: dict[str, Any]


class Journaling(Client):
    """The agent's client, which writes down what was answered."""

    journal = Path()

    def another(self) -> Client:
        return Journaling(self.target, self.timeout_s)

    def post_encoded(self, call: str, body: bytes, answer: type[T]) -> T:
        reply = super().post_encoded(call, body, answer)
        if call in ("log", "sensor", "result"):
            with self.journal.open("a") as file:
                file.write(json.dumps({"call": call, "run": self.target.run, "body": json.loads(body)}) + "\n")
        return reply


class Door(Hold):
    """Nobody logs in."""

    def prepare(self) -> str:
        return "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ1uDT0ExampleExampleExampleExampleExampl host"


class Switch:
    """The power button, and the door."""

    def __init__(self, off: Path) -> None:
        self._off = off

    def start(self) -> None: ...

    def stop(self) -> None: ...

    def users(self) -> list[str]:
        return []

    def arm_wake_on_lan(self) -> None: ...

    def off(self) -> None:
        self._off.touch()


def main(file: str) -> None:
    script = Script(**json.loads(Path(file).read_text()))
    Journaling.journal = Path(script.journal)
    agent = Agent(_runtime(script), TIMING)
    signal.signal(signal.SIGTERM, lambda *_: agent.quit())
    agent.run()


def _runtime(script: Script) -> Runtime:
    directory, root = Path(script.directory), Path(script.directory) / "root"
    root.mkdir(exist_ok=True)
    outbox = Outbox(script.boot_id, directory / "spool", log_interval_s=0.2, sensor_interval_s=0.4)
    switch = Switch(directory / "off")
    return Runtime(
        identity=Identity(script.boot_id, script.uuid, [script.mac]),
        address=lambda: "127.0.0.1",
        root=root,
        directory=directory,
        in_image=True,
        client=Journaling(Target(script.url, script.run, script.token), timeout_s=5.0),
        outbox=outbox,
        results=Results(directory / "results"),
        book=CounterBook((), directory / "counters.json"),
        kernel_log=KernelLog(directory / "kmsg.position", outbox.log, "/nonexistent"),
        hold=Door(directory, switch),
        power=switch,  # type: ignore[arg-type]
        stages={name: _stage(script, name) for name in STAGES},
        console=lambda line: print(line, flush=True),
        set_clock=lambda seconds: None,
    )


def _stage(script: Script, name: str) -> Callable[[StageContext], StageReport]:
    """Says lines and numbers that never come again, each marked as this machine's, and takes a while."""

    def carry_out(context: StageContext) -> StageReport:
        dice = random.Random(f"{script.seed} {script.number} {name}")
        for _ in range(LINES):
            context.log("info", f"line {script.number}-{time.monotonic_ns()}")
            for _ in range(MEASURED):
                value = float(time.monotonic_ns() // 1000 % 10**12)
                context.measure(wire.Measurement(time.time(), "fan", f"machine-{script.number}", "fan", value, "rpm"))
                time.sleep(0.001)
            context.stop.wait(dice.uniform(0.05, 0.3))
        checks = [wire.Check(one.rstrip("."), wire.Outcome.PASSED) for one in script.demands.get(name, [])]
        if script.fails_in == name:
            bad = wire.Finding("smart.pending_sectors", wire.Severity.CRITICAL, "disk", "SATA", "sda: 2 pending", 2, 0)
            return StageReport(wire.Outcome.FAILED, bad.message, checks, [bad])
        inventory = codec.decode(wire.Inventory, script.inventory) if name == "InventoryCheck" else None
        return StageReport(wire.Outcome.PASSED, "", checks, inventory=inventory)

    return carry_out


if __name__ == "__main__":
    main(sys.argv[1])
