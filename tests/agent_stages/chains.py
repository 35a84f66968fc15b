"""From a recording to its result, for every tool whose output a verdict rests on: the functions that a run uses, on the
text instead of the tool. Where a stage asks no more of a tool than whether it answered, that is the result."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import cache, partial
from pathlib import Path

from agent import judge
from agent.contract import wire
from agent.disk_writes import verified_writes
from agent.exercises import cpu_load, disk_speed, drive_self_tests, gpu_load, memory_load, surface, throughput
from agent.exercises.surface import Segment, Surface
from agent.host.shell import Completed
from agent.loads import dcgm, fio, gpu_burn, stress_ng
from agent.loads.iperf3 import Direction
from agent.parsing import ParseError
from agent.probes.bmc import ipmitool
from agent.probes.gpu import nvidia_smi
from agent.probes.network import addresses
from agent.probes.network.nics import NicState, Traffic
from agent.probes.smart.smartctl import Device
from agent.reports.partial_report import PartialReport
from agent.reports.progress import ProgressBoard
from agent.stage import StageContext, settle
from agent.stages.burn import stage as burn
from agent.stages.inventory_check import links
from agent.stages.network import light
from agent.stages.network import stage as network
from agent.stages.storage import stage as storage
from tests.agent_stages.contexts import INVENTORY, context

Judge = Callable[[str], str]
SIZE = 64 << 20
(DISK,) = INVENTORY.disks
MAC, SERVER = "52:54:00:00:00:09", "10.0.0.1"
CARDS = [nvidia_smi.NvidiaGpu(f"GPU-{n}", "A100", f"0000:3{n}:00.0", memory_mb=81559) for n in range(2)]
# How fast the card on test is: what the recordings of iperf3 carry is enough, or is not.
SLOW_CARD, FAST_CARD = 1_000, 200_000


@cache
def ctx(stage: str) -> StageContext:
    """The memory of a stage is written by none of these."""
    bench = wire.IperfServer(SERVER, [5201], FAST_CARD, 8)
    return context(stage, Path("/nonexistent"), iperf=bench)


def done(text: str) -> Completed:
    """Exit status 0: what the tool says must do by itself."""
    return Completed(["tool"], 0, stdout=text)


def outcome(report: PartialReport) -> str:
    if any(finding.severity is wire.Severity.CRITICAL for finding in report.findings):
        return "failed"
    return settle(report.checks, [check.name for check in report.checks], []).outcome.value


def of_kind(kind: str, stage: str) -> Judge:
    """As `manage.py judge` has it."""
    return lambda text: str(judge.judge(ctx(stage), kind, text)["outcome"])


# --- disks ---------------------------------------------------------------------------------------------------------


def verified_write(text: str) -> str:
    return outcome(verified_writes.judge(done(text), Segment(0, SIZE), "S1"))


def surface_read(text: str) -> str:
    segment, read, report = Segment(0, SIZE), Surface(), PartialReport()
    read.bad += [(one.offset // 512, one.length // 512) for one in fio.io_errors(text)]
    surface.take(done(text), segment, read)
    storage.judge(ctx("Storage"), DISK, SIZE, [segment], read, report)
    return outcome(report)


def speed(text: str) -> str:
    return outcome(disk_speed.judge(ctx("Storage"), [DISK], done(text)))


def three_jobs(text: str) -> str:
    """The one job of a recording, as the three that measure how fast a disk reads."""
    (job,) = json.loads(text[text.find("{") :])["jobs"]
    names = ("sequential", "random", fio.AGAIN)
    return json.dumps({"jobs": [{**job, "jobname": f"{name} /dev/{DISK.name}"} for name in names]})


def burnt_disk(text: str) -> str:
    return outcome(burn.judge_disk(DISK, done(text)))


def nvme_self_test(text: str) -> str:
    """Whether the drive's own test may begin."""
    drive = drive_self_tests.Drive(Device("/dev/nvme0"), "nvme0", "S1")
    try:
        drive_self_tests.minutes_of_controller(drive, done(text))
    except drive_self_tests.NotStarted as error:
        return error.check.outcome.value
    return "passed"


# --- cores, memory, cards ------------------------------------------------------------------------------------------


def cores(text: str) -> str:
    report = PartialReport()
    cpu_load.record(report, "CPU0", 2, stress_ng.judge(done(""), text), text)
    return outcome(report)


def patterns(text: str) -> str:
    found = memory_load.judge_stress("patterns", 64, done(text), [])
    return outcome(PartialReport([found.check], found.findings))


def bit_patterns(text: str) -> str:
    found = memory_load.judge_patterns("bit_patterns", 1, done(text), [])
    return outcome(PartialReport([found.check], found.findings))


def gpus_burnt(text: str) -> str:
    report = PartialReport()
    gpu_load.each(nvidia_smi.Answer(CARDS), report, done(text), lambda: gpu_burn.parse(text), gpu_load.burned)
    return outcome(report)


def gpus_diagnosed(cards: int, text: str) -> str:
    report, answer = PartialReport(), nvidia_smi.Answer(CARDS[:cards])
    gpu_load.each(answer, report, done(text), lambda: dcgm.parse(text), gpu_load.diagnosed)
    return outcome(report)


# --- network -------------------------------------------------------------------------------------------------------


def state(speed_mbit: int) -> NicState:
    return NicState("eno1", MAC, "igb", "0000:01:00.0", True, speed_mbit, "full")


def carried(direction: Direction, speed_mbit: int, text: str) -> str:
    report, stage = PartialReport(), ctx("Network")
    link = throughput.Link(stage, state(speed_mbit), "10.0.0.2", report, ProgressBoard(stage))
    counted = Traffic(0, 0), Traffic(10**18, 10**18)
    measured = throughput.read(done(text), direction, lambda ways: throughput.went_elsewhere(ways, *counted))
    if isinstance(measured, dict):
        found, unproven = throughput.weigh(link, direction, measured)
    else:
        found, unproven = [], throughput.Unproven(measured if isinstance(measured, str) else measured.words)
    throughput.judge(link, throughput.CHECK, [(direction, found, unproven)])
    return outcome(report)


def calm(text: str) -> str:
    """A recording of iperf3 in which no processor was at its end."""
    document = json.loads(text)
    document["end"]["cpu_utilization_percent"] |= {"host_total": 20.0, "remote_total": 20.0}
    return json.dumps(document)


def loss(text: str) -> str:
    report = PartialReport()
    network.judge_loss(ctx("Network"), state(1000), SERVER, done(text), report)
    return outcome(report)


def linked(text: str) -> str:
    report = PartialReport()
    links.judge_nic(wire.Nic("eno1", MAC), done(text), report)
    return outcome(report)


def lit(text: str) -> str:
    """A port whose module measures its light."""
    report = PartialReport()
    light.judge(state(1000), done(text), report)
    return outcome(report) if report.checks else "not_tested"


def addressed(text: str) -> str:
    """Whether each card on test has an address to measure by."""
    try:
        found = addresses.parse(text)
    except ParseError:
        return "not_tested"
    return "passed" if {"enp0s1", "enp0s2"} <= found.keys() else "not_tested"


# --- what is only asked --------------------------------------------------------------------------------------------


def power(text: str) -> str:
    try:
        ipmitool.parse_dcmi_power(text)
    except ParseError:
        return "not_tested"
    return "passed"


diagnosed_one, diagnosed_two = partial(gpus_diagnosed, 1), partial(gpus_diagnosed, 2)
out_on_slow, out_on_fast = partial(carried, Direction.OUT, SLOW_CARD), partial(carried, Direction.OUT, FAST_CARD)
both_on_slow, both_on_fast = partial(carried, Direction.BOTH, SLOW_CARD), partial(carried, Direction.BOTH, FAST_CARD)
