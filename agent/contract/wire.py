"""What the agent and the orchestrator say to each other: plain dataclasses and enums, standard library only.

Both sides import this module and nothing else of each other. Policy (order, time limits, thresholds, which disk may
be written) is not here: it travels in the answer to a claim. There is no version to negotiate: both sides compute
`codec.fingerprint()` over these definitions and it must be equal.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

HEARTBEAT_INTERVAL_S = 5.0
LOG_INTERVAL_S = 2.0
SENSOR_INTERVAL_S = 5.0
SAMPLE_INTERVAL_S = 2.0
MAX_MEASUREMENTS_PER_BATCH = 50
MAX_LOG_LINES_PER_BATCH = 500
TOKEN_PREFIX = "vt1."
# The reason of a stage that has nothing to test on this host: it does not count.
NOT_EXPECTED_HERE = "not expected here"
# So begins why something was not tested where the orchestrator's machine, and not the host, is the cause.
THE_BENCH = "bench: "
# The checks that the runtime adds to every stage begin so; a stage doesn't make them and doesn't judge them.
COUNTER_CHECKS = "counters."


class Outcome(StrEnum):
    """The result of a check or of a stage. Three, never two."""

    PASSED = "passed"
    FAILED = "failed"
    NOT_TESTED = "not_tested"


class Severity(StrEnum):
    CRITICAL = "critical"
    WARNING = "warning"
    INFO = "info"


class Cmd(StrEnum):
    """What a heartbeat's answer tells the agent to do."""

    CONTINUE = "continue"
    SHUTDOWN = "shutdown"
    ABORT = "abort"
    RETRY_STAGE = "retry_stage"


class Mode(StrEnum):
    """What a claim allows: run the stages, or only hold the host open."""

    TEST = "test"
    HOLD = "hold"


# --- what is found -----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Finding:
    """One thing a stage saw. `component` is a disk serial, DIMM locator, NIC MAC, PSU or fan name, `CPU<n>`,
    GPU UUID, `BMC`, `system`, or of kind system the kernel's own word for a device that is none of these (a PCI
    address); `component_kind` one of disk, dimm, nic, psu, fan, cpu, gpu, adapter, infiniband, bmc, system."""

    code: str
    severity: Severity
    component_kind: str
    component: str
    message: str
    value: float | str | None = None
    limit: float | str | None = None
    unit: str = ""


@dataclass(frozen=True)
class Check:
    """One question a stage asked, with one of three results. `topic` is the word of `not_expected` that takes it
    off."""

    name: str
    outcome: Outcome
    reason: str = ""
    component: str = ""
    topic: str = ""


@dataclass(frozen=True)
class CounterDelta:
    """An error counter that moved while a stage ran, e.g. `edac.ce` of DIMM_A1 from 0 to 3."""

    counter: str
    component_kind: str
    component: str
    before: int
    after: int


@dataclass(frozen=True)
class Signature:
    """One thing the wipe probe found on a disk: where, what, and in words what would be destroyed."""

    where: str
    kind: str
    label: str
    words: str


@dataclass(frozen=True)
class Refusal:
    """A write that the safety decision did not allow: which gate (1 to 5), on which disk, why."""

    gate: int
    serial: str
    reason: str
    signatures: list[Signature] = field(default_factory=list)
    digest: str = ""


@dataclass(frozen=True)
class Measurement:
    """One number: `name` such as `temp`, `fan`, `power`, `throughput`; `unit` such as `C`, `rpm`, `W`, `MB/s`."""

    time: float
    component_kind: str
    component: str
    name: str
    value: float
    unit: str


# --- the inventory -----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class System:
    manufacturer: str = ""
    product: str = ""
    serial: str = ""
    uuid: str = ""
    board: str = ""
    board_serial: str = ""


@dataclass(frozen=True)
class Cpu:
    sockets: int = 0
    cores: int = 0
    threads: int = 0
    model: str = ""
    microcode: str = ""


@dataclass(frozen=True)
class Dimm:
    """`size_mb` is None for a module that is there and whose size the firmware does not tell, 0 for an empty slot.
    `ram_mb` is what of it the system has as RAM where that is not all: 0 of persistent memory and of a cache."""

    locator: str
    size_mb: int | None
    serial: str = ""
    part: str = ""
    manufacturer: str = ""
    speed_mts: int | None = None
    persistent: bool = False
    ram_mb: int | None = None


@dataclass(frozen=True)
class Memory:
    """`total_mb` is what the kernel sees, 0 where it was not asked. `installed_mb` is what it should see of the modules
    that the firmware lists, 0 where the firmware does not tell that of each."""

    total_mb: int = 0
    installed_mb: int = 0
    ecc: bool | None = None
    dimms: list[Dimm] = field(default_factory=list)


@dataclass(frozen=True)
class Disk:
    """`name` is the kernel's (sda), `bus` one of nvme, sata, sas, scsi, virtio, usb, other; `size_mb` in MiB."""

    name: str
    serial: str
    wwn: str
    bus: str
    size_mb: int
    model: str = ""
    firmware: str = ""
    rotational: bool = False


@dataclass(frozen=True)
class Nic:
    """`speed_mbit` is the negotiated one, None when there is no link or the driver does not say."""

    name: str
    mac: str
    driver: str = ""
    firmware: str = ""
    speed_mbit: int | None = None
    link: bool = False
    pci: str = ""
    model: str = ""


@dataclass(frozen=True)
class Gpu:
    uuid: str
    model: str = ""
    pci: str = ""


@dataclass(frozen=True)
class InfinibandPort:
    """A port without a MAC: `name` is the kernel's with the port's number (mlx5_0/1), `guid` its own number, empty
    where its driver tells none. `link` is that of the cable: whether a subnet manager has set it up is not asked."""

    name: str
    guid: str
    pci: str = ""
    model: str = ""
    link: bool = False
    speed_mbit: int | None = None


@dataclass(frozen=True)
class Adapter:
    """A card of `kind` storage, infiniband or accelerator by its PCI `slot`; `serial` is the number in its
    configuration space, empty where it has none of its own. All functions of one card are one."""

    slot: str
    kind: str
    model: str = ""
    serial: str = ""


@dataclass(frozen=True)
class Psu:
    name: str
    present: bool = True
    ok: bool | None = None


@dataclass(frozen=True)
class Fan:
    """How fast it turns, or in percent of its full speed where its BMC tells it so."""

    name: str
    rpm: float | None = None
    percent: float | None = None


@dataclass(frozen=True)
class AdapterFirmware:
    """A storage adapter by its PCI `slot`. `version` is empty where its driver tells none (MegaRAID)."""

    slot: str
    driver: str = ""
    model: str = ""
    version: str = ""


@dataclass(frozen=True)
class Firmware:
    bios: str = ""
    bios_date: str = ""
    bmc: str = ""
    adapters: list[AdapterFirmware] = field(default_factory=list)


@dataclass(frozen=True)
class Inventory:
    """Everything InventoryCheck collected. `missing_tools` names what could not be asked, so that absence of a part
    is never mistaken for absence of a tool."""

    system: System = field(default_factory=System)
    cpu: Cpu = field(default_factory=Cpu)
    memory: Memory = field(default_factory=Memory)
    disks: list[Disk] = field(default_factory=list)
    nics: list[Nic] = field(default_factory=list)
    gpus: list[Gpu] = field(default_factory=list)
    infiniband: list[InfinibandPort] = field(default_factory=list)
    adapters: list[Adapter] = field(default_factory=list)
    psus: list[Psu] = field(default_factory=list)
    fans: list[Fan] = field(default_factory=list)
    firmware: Firmware = field(default_factory=Firmware)
    bmc: bool = False
    missing_tools: list[str] = field(default_factory=list)


# --- hello and claim ---------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Hello:
    """POST /api/v1/runs/{id}/hello: I am up. `boot_id` is the kernel's, `contract` the fingerprint."""

    boot_id: str
    address: str
    macs: list[str]
    dmi_uuid: str
    contract: str


@dataclass(frozen=True)
class HelloAnswer:
    """`cmd` is `abort` on a contract mismatch, with the `reason` in words; `now` the orchestrator's clock."""

    cmd: Cmd
    reason: str = ""
    now: float = 0.0


@dataclass(frozen=True)
class Claim:
    """POST …/claim: the token is checked and bound to this machine."""

    boot_id: str
    dmi_uuid: str
    macs: list[str]


@dataclass(frozen=True)
class StageOrder:
    """One stage as the profile wants it. `params` are what to run (the unit is in the name: `_s` seconds, `_mb` MiB),
    `limits` what passes; `required` the checks that may not be missing; `attempt` counts from 1."""

    name: str
    title: str
    attempt: int
    timeout_s: float
    params: dict[str, Any]
    limits: dict[str, Any]
    required: list[str]
    writes: bool = False


@dataclass(frozen=True)
class AllowedDisk:
    """A disk of the host's expected spec, frozen when the run was queued."""

    serial: str
    wwn: str
    bus: str
    size_mb: int
    may_be_written: bool


@dataclass(frozen=True)
class OverrideFlags:
    """Lets Storage go on over what the wipe probe listed: any difference to what is found then refuses again."""

    run: int
    boot: int
    stage: str
    attempt: int
    serial: str
    digest: str


@dataclass(frozen=True)
class ClaimAnswer:
    """`next_state` names the stage to run now; `go` false means idle with heartbeats until a heartbeat says go.
    In mode `hold` there are no stages and no disks: the only thing left to do is /hold."""

    mode: Mode
    run: int
    boot: int
    host: str
    stages: list[StageOrder]
    disks: list[AllowedDisk]
    destructive_allowed: bool
    write_mode: bool
    not_expected: list[str]
    expected: dict[str, Any]
    sensor_limits: dict[str, float]
    iperf: dict[str, Any]
    next_state: str
    attempt: int
    go: bool
    override_flags: list[OverrideFlags] = field(default_factory=list)


# --- while it runs -----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Progress:
    """How far one thing of a stage is: `item` a disk serial, core or port; `percent` 0 to 100; `doing` in words."""

    item: str
    percent: float
    doing: str = ""
    eta_s: float | None = None


@dataclass(frozen=True)
class Heartbeat:
    """POST …/heartbeat, every 5 s. `stage` is what runs now, empty when idle."""

    boot_id: str
    stage: str
    attempt: int
    uptime_s: float
    progress: list[Progress] = field(default_factory=list)


@dataclass(frozen=True)
class HeartbeatAnswer:
    """`retry_stage` comes with `stage`, `attempt` and `override_flags`; `go` tells an idle agent that
    `next_state`'s stage may start; for `link_s` seconds more a stage that uses the bench's link only when nobody else
    does (Burn) may use it."""

    cmd: Cmd
    next_state: str
    attempt: int
    go: bool
    stage: str = ""
    override_flags: list[OverrideFlags] = field(default_factory=list)
    reason: str = ""
    link_s: float = 0.0


@dataclass(frozen=True)
class LogLine:
    """`level` one of debug, info, warning, error; `stage` what ran when it was said."""

    time: float
    level: str
    stage: str
    text: str


@dataclass(frozen=True)
class LogBatch:
    """POST …/log. `seq` counts batches of one boot from 1: a batch sent twice counts once."""

    boot_id: str
    seq: int
    lines: list[LogLine]


@dataclass(frozen=True)
class SensorBatch:
    """POST …/sensor: up to 50 measurements. `seq` as in LogBatch, counted apart."""

    boot_id: str
    seq: int
    measurements: list[Measurement]


@dataclass(frozen=True)
class Accepted:
    """The answer to a batch: the highest sequence number on record."""

    seq: int


@dataclass(frozen=True)
class Result:
    """POST …/result: one attempt of one stage is over. `inventory` comes with InventoryCheck, `numbers` are the key
    figures (`{"seq_read_mb_s.SATA-0001": 512.3}`), `refusals` what the safety gates did not allow."""

    boot_id: str
    stage: str
    attempt: int
    outcome: Outcome
    reason: str
    started: float
    ended: float
    checks: list[Check] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    counters: list[CounterDelta] = field(default_factory=list)
    numbers: dict[str, float] = field(default_factory=dict)
    refusals: list[Refusal] = field(default_factory=list)
    inventory: Inventory | None = None
    evidence: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class ResultAnswer:
    """`next_state` is the run's state now: a stage to run when `go`, Failed (then /hold), Completed or Cancelled."""

    next_state: str
    attempt: int
    go: bool
    cmd: Cmd = Cmd.CONTINUE
    reason: str = ""


@dataclass(frozen=True)
class Hold:
    """POST …/hold: the host is held. `host_key` is the public SSH host key in OpenSSH form; `users`
    who is logged in."""

    boot_id: str
    address: str
    port: int
    host_key: str
    users: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class HoldAnswer:
    """`authorized_key` is one OpenSSH public key line: the only key that may log in."""

    authorized_key: str
    next_state: str


MESSAGES: tuple[type, ...] = (
    Hello,
    HelloAnswer,
    Claim,
    ClaimAnswer,
    Heartbeat,
    HeartbeatAnswer,
    LogBatch,
    SensorBatch,
    Accepted,
    Result,
    ResultAnswer,
    Hold,
    HoldAnswer,
)
