"""What the agent itself takes of a processor while a test runs, on this machine: its own process at its real rates
(sensors every 2 s, log every 2 s, measurements and heartbeat every 5 s), against a server in another process.

The host is a made one, with the sysfs of a server: two sockets, 64 cores, 24 drives and 16 memory modules with a sensor
each, and 12 fans. The stage only waits, and tells of its progress on each drive every second, as Storage does.
"""

from __future__ import annotations

import json
import multiprocessing
import tempfile
import threading
import time
from multiprocessing.connection import Connection
from pathlib import Path

from agent.contract import wire
from agent.counters.counting import CounterBook
from agent.counters.kernel.log import KernelLog
from agent.host.hold import Hold
from agent.host.identity import Identity
from agent.link.client import Client
from agent.link.cmdline import Target
from agent.link.outbox import Outbox
from agent.link.results import Results
from agent.reports.progress import ProgressBoard
from agent.runtime import Runtime
from agent.session import Agent
from agent.stage import StageContext, StageReport
from tests.agent.conftest import Machine
from tests.agent.hardware import put
from tests.agent.orchestrator import TOKEN, Orchestrator, order

CORES, DRIVES, MODULES, FANS = 64, 24, 16, 12
SETTLES_S = 5.0


def main(seconds: float, as_json: bool) -> None:
    orchestrator = Orchestrator([order("Storage", timeout_s=seconds * 2)])
    ours, theirs = multiprocessing.Pipe()
    with orchestrator.serving() as url, tempfile.TemporaryDirectory() as directory:
        process = multiprocessing.get_context("fork").Process(target=_run, args=(url, Path(directory), seconds, theirs))
        process.start()
        taken = ours.recv()
        process.kill()
        process.join()
    figures = {
        "seconds": seconds,
        "core_percent": round(100 * taken["cpu_s"] / seconds, 2),
        "busiest_2_s_percent": round(100 * taken["busiest"], 2),
        "threads_ms": {name: round(1000 * used) for name, used in sorted(taken["threads"].items())},
        "measurements": len(orchestrator.measurements),
        "log_lines": len(orchestrator.log_lines),
    }
    print(json.dumps(figures) if as_json else figures)


def _run(url: str, directory: Path, seconds: float, to: Connection) -> None:
    """In a process of its own, which ends when the parent has heard."""
    root = directory / "root"
    made_host(root)

    def stage(ctx: StageContext) -> StageReport:
        _tell_progress(ctx, SETTLES_S)
        before, used, busiest = _used_by_thread(), time.process_time(), 0.0
        for _ in range(round(seconds / 2)):
            began = time.process_time()
            _tell_progress(ctx, 2.0)
            busiest = max(busiest, (time.process_time() - began) / 2.0)
        total = time.process_time() - used
        threads = {name: spent - before.get(name, 0.0) for name, spent in _used_by_thread().items()}
        to.send({"cpu_s": total, "busiest": busiest, "threads": threads})
        time.sleep(60)
        return StageReport(wire.Outcome.PASSED, "")

    _agent(url, directory, root, stage).run()


def _tell_progress(ctx: StageContext, seconds: float) -> None:
    board, began = ProgressBoard(ctx), time.monotonic()
    while (passed_s := time.monotonic() - began) < seconds:
        for number in range(DRIVES):
            board.tell(f"SERIAL{number:04}", passed_s % 100, "reading", 100.0)
        ctx.log("info", f"read {passed_s:.0f} s")
        time.sleep(max(0.0, min(1.0, seconds - passed_s)))


def _used_by_thread() -> dict[str, float]:
    """CPU seconds by the name of the thread."""
    threads = {thread.native_id: thread.name for thread in threading.enumerate()}
    return {
        name: int(Path(f"/proc/self/task/{number}/schedstat").read_text().split()[0]) / 1e9
        for number, name in threads.items()
    }


def _agent(url: str, directory: Path, root: Path, stage: object) -> Agent:
    outbox = Outbox("boot-1", directory / "spool")
    machine = Machine(directory / "authorized_keys")
    return Agent(
        Runtime(
            identity=Identity("boot-1", "8c1f4a5e-0000-4000-8000-0123456789ab", ["52:54:00:12:34:56"]),
            address=lambda: "127.0.0.1",
            root=root,
            directory=directory,
            in_image=True,
            client=Client(Target(url, 7, TOKEN)),
            outbox=outbox,
            results=Results(directory / "results"),
            book=CounterBook((), directory / "counters.json"),
            kernel_log=KernelLog(directory / "kmsg.position", outbox.log, "/nonexistent"),
            hold=Hold(directory, machine),
            power=machine,
            stages={"Storage": stage},
            console=lambda line: None,
            set_clock=lambda now: None,
        )
    )


def made_host(root: Path) -> None:
    for core in range(CORES):
        put(root, f"sys/devices/system/cpu/cpu{core}/cpufreq/scaling_cur_freq", 2_400_000 + core)
        put(root, f"sys/devices/system/cpu/cpu{core}/topology/physical_package_id", core // (CORES // 2))
    chips = iter(range(1000))
    for socket in range(2):
        chip = _chip(root, next(chips), "coretemp", range(CORES // 2 + 1), 60_000)
        put(root, f"{chip}/temp1_label", f"Package id {socket}")
    for number in range(DRIVES):
        chip = _chip(root, next(chips), "nvme", range(3), 40_000)
        put(root, f"{chip}/device/serial", f"SERIAL{number:04}")
    for number in range(MODULES):
        chip = _chip(root, next(chips), "jc42", range(1), 35_000)
        (root / f"sys/devices/0-{number:04}").mkdir()
        (root / chip / "device").symlink_to(f"../../../devices/0-{number:04}")
    board = _chip(root, next(chips), "nct6798", range(6), 30_000)
    for fan in range(1, FANS + 1):
        put(root, f"{board}/fan{fan}_input", 4_000 + fan)
    for zone in range(2):
        put(root, f"sys/class/powercap/intel-rapl:{zone}/name", f"package-{zone}")
        put(root, f"sys/class/powercap/intel-rapl:{zone}/energy_uj", 1_000_000)


def _chip(root: Path, number: int, name: str, inputs: range, millidegrees: int) -> str:
    chip = f"sys/class/hwmon/hwmon{number}"
    put(root, f"{chip}/name", name)
    for index in inputs:
        put(root, f"{chip}/temp{index + 1}_input", millidegrees + index)
        put(root, f"{chip}/temp{index + 1}_crit", 100_000)
    return chip
