"""Hosts and runs in every state, with the kind of data that real ones leave: for view tests and screenshots.

`ALL_SCENES` names one function per situation an operator can meet; each makes a host with its newest run and
returns the run (None for a host that was never vetted).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import factory
from django.contrib.auth import get_user_model
from django.utils import timezone
from factory.django import DjangoModelFactory

from agent.contract import codec
from hosts.models import Health, Host, HostMac
from runs import hold
from runs.files import logs as logfiles
from runs.machine import STAGE_STATES, State
from runs.measurements import storing
from runs.models import (
    Actor,
    Artifact,
    Boot,
    Finding,
    LadderRung,
    Lease,
    Outcome,
    Run,
    RunEvent,
    Rung,
    Severity,
    SpecDiff,
    StageRun,
    Verdict,
)
from runs.stages import STAGES
from tests.talker import INVENTORY

ORDER = {stage.name: number for number, stage in enumerate(STAGES)}
PROFILE: dict[str, Any] = {
    "name": "quick",
    "title": "Quick",
    "description": "",
    "on_failure": "hold",
    "storage": {"mode": "read"},
    "sensors": {
        "cpu_temp_max_c": 98,
        "cpu_temp_max_c_warning": 90,
        "disk_temp_max_c": 75,
        "fan_fan_min_rpm": 300,
        "temp_critical_margin_c": 2,
    },
    "stages": {
        "InventoryCheck": {"timeout_s": 120, "expected_s": 10},
        "Firmware": {"timeout_s": 120, "expected_s": 5},
        "SMART": {"timeout_s": 600, "expected_s": 130},
        "CPUStress": {"timeout_s": 300, "params": {"duration_s": 120}},
        "Memory": {"timeout_s": 600, "params": {"duration_s": 120}},
        "Storage": {"timeout_s": 600, "expected_s": 90},
        "Network": {"timeout_s": 300, "params": {"duration_s": 30}},
        "Burn": {"timeout_s": 300, "params": {"duration_s": 60}},
        "GPU": {"timeout_s": 120, "expected_s": 20},
        "PSU": {"timeout_s": 120, "expected_s": 30},
    },
}
DISK, DIMM = "S4EVNX0M803122", "DIMM_A1"


class UserFactory(DjangoModelFactory):
    class Meta:
        model = get_user_model()
        django_get_or_create = ("username",)

    username = "operator"
    is_staff = True
    is_superuser = True


class HostFactory(DjangoModelFactory):
    class Meta:
        model = Host
        skip_postgeneration_save = True

    name = factory.Sequence(lambda n: f"pve-{n:02d}")
    expected = factory.LazyFunction(lambda: {"disks": [{"serial": DISK, "bus": "nvme", "size_mb": 1_907_729}]})

    @factory.post_generation
    def macs(self: Host, create: bool, given: Any, **kwargs: Any) -> None:
        HostMac.objects.create(host=self, mac=f"52:54:00:00:{self.pk // 256 % 256:02x}:{self.pk % 256:02x}")


class RunFactory(DjangoModelFactory):
    class Meta:
        model = Run

    host = factory.SubFactory(HostFactory)
    state = State.QUEUED
    profile_name = "quick"
    profile = factory.LazyFunction(lambda: PROFILE)
    requested_by = "operator"
    created_at = factory.LazyFunction(lambda: timezone.now() - timedelta(minutes=9))
    state_since = factory.LazyFunction(lambda: timezone.now() - timedelta(minutes=2))


class StageRunFactory(DjangoModelFactory):
    class Meta:
        model = StageRun

    run = factory.SubFactory(RunFactory)
    name = "SMART"
    order = factory.LazyAttribute(lambda stage_run: ORDER[stage_run.name])
    outcome = Outcome.PASSED
    go_at = factory.LazyFunction(lambda: timezone.now() - timedelta(minutes=2))
    ended_at = factory.LazyFunction(timezone.now)


class FindingFactory(DjangoModelFactory):
    class Meta:
        model = Finding

    stage_run = factory.SubFactory(StageRunFactory)
    run = factory.SelfAttribute("stage_run.run")
    code = "smart.pending_sectors"
    severity = Severity.CRITICAL
    component_kind = "disk"
    component = DISK
    message = "sda: 2 pending sectors"
    value = 2
    limit = 0
    unit = "sectors"


# --- parts of a run ----------------------------------------------------------------------------------------------


def climb(run: Run, upto: Rung = Rung.CLAIMED) -> None:
    """The boot ladder up to this rung."""
    at = run.started_at or run.created_at
    details = {Rung.DHCP: "10.77.0.23", Rung.SCRIPT: "10.77.0.23", Rung.HELLO: "10.77.0.23"}
    for gap_s, rung in zip((0.1, 21.4, 0.6, 1.9, 0.2, 1.1, 14.8, 0.3), Rung, strict=True):
        at += timedelta(seconds=gap_s)
        LadderRung.objects.create(run=run, boot=max(run.boot, 1), rung=rung, at=at, detail=details.get(rung, ""))
        if rung == upto:
            return


def pass_stages(run: Run, before: State) -> None:
    """Every stage before this one, passed; GPU is left out as on a host that has none."""
    at = (run.started_at or run.created_at) + timedelta(seconds=42)
    for name in STAGE_STATES[: STAGE_STATES.index(before)]:
        took = timedelta(seconds=35 if name != State.FIRMWARE else 4)
        skipped = name == State.GPU
        StageRunFactory(
            run=run,
            name=name,
            counts=not skipped,
            outcome=Outcome.NOT_TESTED if skipped else Outcome.PASSED,
            reason="not expected here" if skipped else "",
            go_at=at,
            ended_at=at + took,
            checks=[]
            if skipped
            else [
                {"name": "counters_quiet", "outcome": "passed", "reason": "", "component": ""},
                {"name": "self_test", "outcome": "not_tested", "reason": "the drive has none", "component": DISK},
            ],
            numbers={"seq_read_mb_s." + DISK: 3123.4} if name == State.STORAGE else {},
        )
        at += took


def be_in(run: Run, stage: State, **fields: Any) -> StageRun:
    fields = {"go_at": timezone.now() - timedelta(seconds=41)} | fields
    return StageRunFactory(run=run, name=stage, outcome=Outcome.RUNNING, ended_at=None, **fields)


def measure(run: Run, minutes: float = 8, step_s: int = 10) -> None:
    """Temperatures, fans and power that look like a load."""
    end = run.ended_at or timezone.now()
    count = int(minutes * 60 / step_s)
    batches = []
    for n in range(count):
        at, load = end - timedelta(seconds=(count - n) * step_s), 1 / (1 + math.exp((count / 3 - n) / 3))
        wave, at_ms = math.sin(n / 2.7), int(at.timestamp() * 1000)
        batch = (
            ("cpu", "CPU0", "temp", 41 + 33 * load + wave, "C"),
            ("cpu", "CPU1", "temp", 39 + 31 * load - wave, "C"),
            ("disk", DISK, "temp", 36 + 9 * load + wave / 3, "C"),
            ("fan", "FAN1", "fan", 4200 + 3900 * load + 60 * wave, "rpm"),
            ("fan", "FAN2", "fan", 4100 + 4000 * load - 60 * wave, "rpm"),
            ("psu", "PSU1", "power", 92 + 210 * load + 3 * wave, "W"),
        )
        batches.append((run.pk, [((part, name, kind, unit), at_ms, value) for kind, part, name, value, unit in batch]))
    storing.keep(batches)


def say(run: Run, *lines: tuple[str, str, str]) -> None:
    """Lines into the log: (level, stage, text)."""
    at = timezone.now().timestamp() - len(lines)
    data = "".join(logfiles.format_line(at + n, *line) for n, line in enumerate(lines)).encode()
    run.log_bytes = logfiles.append(run.pk, run.log_bytes, data)
    run.save(update_fields=["log_bytes"])


def tell(run: Run, kind: str = "stage_done", text: str = "", actor: Actor = Actor.AGENT, **fields: Any) -> RunEvent:
    return RunEvent.objects.create(run=run, kind=kind, text=text, actor=actor, **fields)


def started(state: State, *, minutes: float = 8, **fields: Any) -> Run:
    """A run in this state that was dispatched some minutes ago, with the events that led to it."""
    begun = timezone.now() - timedelta(minutes=minutes)
    run = RunFactory(state=state, started_at=begun, created_at=begun - timedelta(seconds=4), boot=1, **fields)
    tell(run, "queue", "profile quick", Actor.OPERATOR, who="operator", state_after=State.QUEUED, at=run.created_at)
    tell(
        run,
        "dispatch",
        "a slot is free",
        Actor.WORKER,
        state_before=State.QUEUED,
        state_after=State.WAITING_WOL,
        at=begun,
    )
    return run


def worker_at_work(until: datetime | None = None) -> None:
    """The pages see a worker's round that was done at this time, now by default."""
    Lease.objects.update_or_create(name=Lease.ROUND, defaults={"ticked_at": until or timezone.now()})


# --- situations --------------------------------------------------------------------------------------------------


def never_vetted() -> None:
    HostFactory(expected=None)


def queued() -> Run:
    return RunFactory(state=State.QUEUED)


def waiting() -> Run:
    run = started(State.WAITING_WOL, minutes=0.4)
    climb(run, Rung.WAKE_SENT)
    return run


def booting() -> Run:
    run = started(State.BOOTING, minutes=0.7)
    climb(run, Rung.INITRD)
    return run


def in_smart() -> Run:
    run = started(State.SMART, minutes=2, agent_address="10.77.0.24", last_seen=timezone.now())
    climb(run)
    pass_stages(run, State.SMART)
    progress = [
        {"item": DISK, "percent": 40.0, "doing": "short self-test", "eta_s": 71.0},
        {"item": "S4EVNX0M803455", "percent": 70.0, "doing": "short self-test", "eta_s": 36.0},
    ]
    be_in(run, State.SMART, progress=progress)
    measure(run, 2)
    say(run, ("info", "SMART", f"{DISK}: short self-test started"))
    return run


def in_storage() -> Run:
    run = started(State.STORAGE, agent_address="10.77.0.23", last_seen=timezone.now(), repair="DIMM_A1 replaced")
    climb(run)
    pass_stages(run, State.STORAGE)
    be_in(run, State.STORAGE, progress=[{"item": DISK, "percent": 62.5, "doing": "surface read", "eta_s": 34.0}])
    measure(run)
    memory = run.stage_runs.get(name="Memory")
    FindingFactory(
        stage_run=memory,
        severity=Severity.WARNING,
        component_kind="dimm",
        component=DIMM,
        code="spec.replaced",
        message="DIMM_A1: replaced, serial 2A91F0C7 instead of 19D1E001",
        value="2A91F0C7",
        limit="19D1E001",
        unit="",
    )
    SpecDiff.objects.create(
        run=run,
        stage_run=run.stage_runs.get(name="SpecValidate"),
        path="memory.dimms[DIMM_A1].serial",
        severity=Severity.WARNING,
        expected="19D1E001",
        actual="2A91F0C7",
        message="same slot, equivalent part: replaced",
    )
    say(
        run,
        *[("info", "Memory", f"pass {n}: 15872 MiB walked, 0 errors") for n in range(1, 26)],
        ("debug", "Storage", "nvme0n1: queue depth 32, block 1 MiB"),
        ("warning", "Storage", "nvme0n1: 71 °C, near its warning temperature of 75 °C"),
        ("info", "Storage", f"{DISK}: surface read 62 %"),
    )
    return run


def waiting_for_link() -> Run:
    run = started(State.NETWORK, agent_address="10.77.0.25", last_seen=timezone.now())
    climb(run)
    pass_stages(run, State.NETWORK)
    be_in(run, State.NETWORK, go_at=None)
    return run


def passed() -> Run:
    run = started(State.COMPLETED, minutes=75, verdict=Verdict.PASSED, host__health=Health.GOOD, log_bytes=0)
    run.ended_at = run.started_at + timedelta(minutes=11, seconds=8)
    run.save()
    climb(run)
    pass_stages(run, State.REPORTING)
    measure(run)
    for name, size in (("report.html", 48_211), ("report.json", 91_004)):
        Artifact.objects.create(run=run, name=name, path=f"{run.pk}/{name}", size=size)
    return run


def failed_unheld() -> Run:
    """It reset in the middle of Memory and nobody came back to hold it."""
    run = started(State.FAILED, minutes=20, verdict=Verdict.FAILED, host__health=Health.BAD)
    climb(run)
    pass_stages(run, State.MEMORY)
    lost = "the host came back by itself under another boot id; last seen 22:04:11 in Memory pass 3"
    stage = StageRunFactory(run=run, name="Memory", outcome=Outcome.FAILED, reason=lost)
    FindingFactory(
        stage_run=stage,
        code="system.lost",
        component_kind="system",
        component="system",
        message=lost,
        value=None,
        limit=None,
        unit="",
    )
    Run.objects.filter(pk=run.pk).update(stopped_by=f"Memory: failed, {lost}", ended_at=timezone.now())
    run.refresh_from_db()
    return run


def boot_failed() -> Run:
    """It got its address and its iPXE, but never its script."""
    run = started(
        State.FAILED,
        minutes=25,
        verdict=Verdict.ERROR,
        bench_error="nothing claimed the run within 15 minutes: the boot stopped after iPXE was sent over TFTP",
    )
    climb(run, Rung.TFTP)
    return run


def held() -> Run:
    """A disk with pending sectors: held for a person."""
    run = started(
        State.FAILED_HOLDING, minutes=32, verdict=Verdict.FAILED, agent_address="10.77.0.23", host__health=Health.BAD
    )
    Boot.objects.create(run=run, number=1, nonce="n", agent_token_hash="h", claimed_at=run.started_at)
    climb(run)
    pass_stages(run, State.SMART)
    checks = [
        {"name": "health", "outcome": "passed", "reason": "", "component": DISK},
        {"name": "attributes", "outcome": "failed", "reason": "2 pending sectors", "component": DISK},
        {"name": "self_test", "outcome": "not_tested", "reason": "the drive has none", "component": "S4EVNX0M803455"},
    ]
    counters = [
        {"counter": "smart.reallocated", "component_kind": "disk", "component": DISK, "before": 0, "after": 8},
        {"counter": "edac.ce", "component_kind": "dimm", "component": DIMM, "before": 0, "after": 3},
    ]
    stage = StageRunFactory(
        run=run, name="SMART", outcome=Outcome.FAILED, reason="1 of 3 checks failed", checks=checks, counters=counters
    )
    FindingFactory(stage_run=stage, message="sda: 2 pending sectors, 0 allowed")
    FindingFactory(
        stage_run=stage,
        severity=Severity.WARNING,
        code="memory.corrected",
        component_kind="dimm",
        component=DIMM,
        message="DIMM_A1: 3 corrected memory errors while SMART ran",
        value=3,
        limit=0,
        unit="errors",
    )
    session = hold.open_session(run)
    session.host_key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJd3c7a4Jg6s7GNhY6yIYE2pZ0j1y4Wq0e2m3v8nL1aB root@vetting"
    session.users = ["root from 10.77.0.5"]
    session.save()
    Run.objects.filter(pk=run.pk).update(stopped_by="SMART: failed, sda: 2 pending sectors, 0 allowed")
    tell(
        run,
        "stage_failed",
        "SMART: failed, sda: 2 pending sectors, 0 allowed",
        state_before="SMART",
        state_after="Failed",
    )
    tell(run, "hold", "the host is held", state_before="Failed", state_after="FailedHolding", who="10.77.0.23")
    say(
        run,
        ("error", "SMART", "sda: 2 pending sectors, 0 allowed"),
        ("info", "", "held: sshd answers on 10.77.0.23 port 22"),
    )
    run.refresh_from_db()
    return run


def held_by_wipe_probe() -> Run:
    """Storage would have written over a ZFS pool; gate 3 refused. No fault of the hardware."""
    run = started(State.FAILED_HOLDING, minutes=14, verdict=Verdict.INCOMPLETE, agent_address="10.77.0.26")
    Boot.objects.create(run=run, number=1, nonce="n", agent_token_hash="h", claimed_at=run.started_at)
    climb(run)
    pass_stages(run, State.STORAGE)
    refusal = {
        "gate": 3,
        "serial": DISK,
        "reason": "holds data",
        "digest": "d" * 64,
        "signatures": [
            {"where": "/dev/nvme0n1p3", "kind": "zfs_member", "label": "rpool", "words": "ZFS member of pool rpool"},
            {"where": "/dev/nvme0n1", "kind": "gpt", "label": "", "words": "GPT partition table with 3 partitions"},
        ],
    }
    StageRunFactory(
        run=run,
        name="Storage",
        outcome=Outcome.NOT_TESTED,
        reason="gate 3: the wipe probe found data",
        refusals=[refusal],
    )
    hold.open_session(run)
    Run.objects.filter(pk=run.pk).update(stopped_by="Storage: not tested, gate 3: the wipe probe found data")
    run.refresh_from_db()
    return run


def held_by_spec() -> Run:
    """A disk is missing and another one is there: held before anything was tested."""
    run = started(State.FAILED_HOLDING, minutes=6, verdict=Verdict.FAILED, agent_address="10.77.0.27")
    Run.objects.filter(pk=run.pk).update(inventory=codec.encode(INVENTORY), expected=run.host.expected)
    climb(run)
    pass_stages(run, State.SPEC_VALIDATE)
    words = "2 differences, 1 critical"
    stage = StageRunFactory(run=run, name="SpecValidate", outcome=Outcome.FAILED, reason=words)
    for path, severity, expected, actual, message in (
        (f"disks[{DISK}]", Severity.CRITICAL, run.host.expected["disks"][0], None, f"disk {DISK}: missing"),
        ("disks[SATA-0001]", Severity.WARNING, None, {"serial": "SATA-0001", "bus": "sata"}, "sda: not expected"),
    ):
        SpecDiff.objects.create(
            run=run, stage_run=stage, path=path, severity=severity, expected=expected, actual=actual, message=message
        )
        code = "spec.missing" if actual is None else "spec.unexpected"
        component = path.removeprefix("disks[").removesuffix("]")
        FindingFactory(
            stage_run=stage, severity=severity, code=code, component=component, message=message,
            value=None, limit=None, unit="",
        )  # fmt: skip
    hold.open_session(run)
    Run.objects.filter(pk=run.pk).update(stopped_by=f"SpecValidate: failed, disk {DISK}: missing")
    run.refresh_from_db()
    return run


def passed_without_spec() -> Run:
    """All that was tested passed; with nothing to compare with, that is incomplete."""
    run = started(State.COMPLETED, minutes=40, verdict=Verdict.INCOMPLETE, host__expected=None, ended_at=timezone.now())
    Run.objects.filter(pk=run.pk).update(inventory=codec.encode(INVENTORY))
    climb(run)
    pass_stages(run, State.REPORTING)
    run.stage_runs.filter(name="SpecValidate").update(
        outcome=Outcome.NOT_TESTED, reason="no expected spec: adopt what was found, or enter one", checks=[]
    )
    run.refresh_from_db()
    return run


def cancelled() -> Run:
    run = started(State.CANCELLED, minutes=200, ended_at=timezone.now() - timedelta(minutes=190))
    return run


def released() -> Run:
    run = started(State.RELEASED, minutes=900, verdict=Verdict.FAILED, host__health=Health.BAD, ended_at=timezone.now())
    stage = StageRunFactory(run=run, name="CPUStress", outcome=Outcome.FAILED)
    FindingFactory(
        stage_run=stage,
        code="thermal.throttled",
        component_kind="cpu",
        component="CPU1",
        message="CPU1: throttled 214 times at 100 °C",
        value=100,
        limit=95,
        unit="C",
    )
    return run


ALL_SCENES: tuple[Callable[[], Run | None], ...] = (
    never_vetted, queued, waiting, booting, in_smart, in_storage, waiting_for_link, passed, failed_unheld, boot_failed,
    held, held_by_wipe_probe, held_by_spec, passed_without_spec, cancelled, released,
)  # fmt: skip


def for_every_state() -> list[Run]:
    """One host per situation."""
    return [run for scene in ALL_SCENES if (run := scene()) is not None]
