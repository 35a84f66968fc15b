"""The messages between the agent and the orchestrator, as plain dataclasses and enums. Standard library only.

Policy is not here: order, time limits, thresholds and the disks that may be written travel in the answer to a claim. No
version is negotiated: both sides compute `codec.fingerprint()` over these definitions, and the two must be equal.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum, StrEnum
from typing import Any

HEARTBEAT_INTERVAL_S = 5.0
LOG_INTERVAL_S = 2.0
SENSOR_INTERVAL_S = 5.0
SAMPLE_INTERVAL_S = 2.0
MAX_MEASUREMENTS_PER_BATCH = 50
MAX_LOG_LINES_PER_BATCH = 500
TOKEN_PREFIX = "vt1."
# The kind of an adapter: a storage controller whose drives the kernel can't see.
HIDDEN_DRIVES = "hidden_drives"
# The kinds of signature for a disk, or a part of one, of which nothing is known.
UNREADABLE, NOT_PROBED = "unreadable", "not_probed"
# The beginning of the names of the checks that the agent adds to every stage. A stage neither makes nor judges them.
COUNTER_CHECKS = "counters."


class Outcome(StrEnum):
    """The result of a check or of a stage. There are always three."""

    PASSED = "passed"
    FAILED = "failed"
    NOT_TESTED = "not_tested"


class Cause(StrEnum):
    """Why something was not tested, if that decides how it counts. `bench`: the orchestrator's machine prevented the
    test. `not_expected`: this host has nothing to test in the stage. Every other cause is only in the reason."""

    BENCH = "bench"
    NOT_EXPECTED = "not_expected"


class Severity(StrEnum):
    CRITICAL = "critical"
    WARNING = "warning"
    INFO = "info"


class Cmd(StrEnum):
    """What the answer to a heartbeat tells the agent to do."""

    CONTINUE = "continue"
    SHUTDOWN = "shutdown"
    ABORT = "abort"
    RETRY_STAGE = "retry_stage"


class Gate(IntEnum):
    """The safety gates of docs/safety.md that the agent asks. (Gate 1 is the list of MACs that may boot.)"""

    RUN_TOKEN = 2
    WIPE_PROBE = 3
    DEVICES = 4
    DESTRUCTIVE_MODE = 5


class Mode(StrEnum):
    """What a claim allows: run the stages, or only hold the host open."""

    TEST = "test"
    HOLD = "hold"


# --- what is found -----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Finding:
    """One fault or observation of a stage. `component` is a disk serial, DIMM locator, NIC MAC, PSU or fan name,
    `CPU<n>`, GPU UUID, `BMC` or `system`. For any other device it is the kernel's own name (a PCI address), of kind
    system. `component_kind` is one of system, cpu, dimm, disk, nic, infiniband, gpu, adapter, hba, psu, fan, bmc."""

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
    """One question that a stage asked, with one of three results. If `topic` is in `not_expected`, the check is not
    required on this host. `reason` is for people; `cause` is `bench` if the check was not tested because of the
    orchestrator's machine."""

    name: str
    outcome: Outcome
    reason: str = ""
    component: str = ""
    topic: str = ""
    cause: Cause | None = None


@dataclass(frozen=True)
class CounterDelta:
    """An error counter that rose while a stage ran, for example `edac.ce` of DIMM_A1 from 0 to 3."""

    counter: str
    component_kind: str
    component: str
    before: int
    after: int


@dataclass(frozen=True)
class Signature:
    """Data that the wipe probe found on a disk: where, what kind, and a sentence about what a write would destroy."""

    where: str
    kind: str
    label: str
    words: str


@dataclass(frozen=True)
class Refusal:
    """A write that a safety gate refused: which gate (a `Gate`), which disk, and why."""

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
    """`size_mb` is None for a module of unknown size, and 0 for an empty slot. `ram_mb` is given if only a part of the
    module is RAM: 0 for persistent memory and for a cache. `speed_mts` is the present speed, `rated_mts` the most."""

    locator: str
    size_mb: int | None
    serial: str = ""
    part: str = ""
    manufacturer: str = ""
    speed_mts: int | None = None
    persistent: bool = False
    ram_mb: int | None = None
    rated_mts: int | None = None


@dataclass(frozen=True)
class Memory:
    """`total_mb` is what the kernel sees, 0 if it was not read. `installed_mb` is what the kernel should see by the
    modules that the firmware lists, 0 if the firmware does not give the size of each."""

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
    """`speed_mbit` is the negotiated speed, None without a link or if the driver does not give it."""

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
    """A port without a MAC. `name` is the kernel's name with the port's number (mlx5_0/1). `guid` is its own number,
    empty if the driver gives none. `link` is the state of the cable, not of the subnet manager."""

    name: str
    guid: str
    pci: str = ""
    model: str = ""
    link: bool = False
    speed_mbit: int | None = None


@dataclass(frozen=True)
class Adapter:
    """A card of `kind` storage, infiniband, accelerator, network (one that no driver took) or hidden_drives (a storage
    controller whose drives the kernel can't see) at PCI `slot`. `serial` is the number in its configuration space,
    empty if it has none. All functions of one card are one adapter."""

    slot: str
    kind: str
    model: str = ""
    serial: str = ""


@dataclass(frozen=True)
class Psu:
    """`present` is None if its sensor gives no reading. (Agents of earlier versions said false then.)"""

    name: str
    present: bool | None = True
    ok: bool | None = None


@dataclass(frozen=True)
class Fan:
    """Its speed in rpm, or in percent of full speed if the BMC gives that."""

    name: str
    rpm: float | None = None
    percent: float | None = None


@dataclass(frozen=True)
class AdapterFirmware:
    """A storage adapter at PCI `slot`. `version` is empty if the driver gives none (MegaRAID)."""

    slot: str
    driver: str = ""
    model: str = ""
    version: str = ""


@dataclass(frozen=True)
class Firmware:
    """`bmc` is the BMC's revision (13.05), `bmc_aux` its four further bytes as ipmitool prints them; empty if it
    reports none."""

    bios: str = ""
    bios_date: str = ""
    bmc: str = ""
    adapters: list[AdapterFirmware] = field(default_factory=list)
    bmc_aux: str = ""


@dataclass(frozen=True)
class Unready:
    """A controller whose parts were not all there when they were listed, or udev itself. `slot` is its PCI address,
    empty for udev. `kind` is storage, network, or any (udev). `buses` are those of the disks that may be behind it,
    empty for every bus. `most` is how many disks (by serial number) or ports it can have, None if that is not known.
    `why` is a sentence."""

    slot: str
    kind: str
    why: str
    buses: list[str] = field(default_factory=list)
    most: int | None = None


@dataclass(frozen=True)
class VirtualFunctions:
    """A PCI function that offers virtual functions (SR-IOV): `most` at most, `enabled` of them now."""

    slot: str
    most: int
    enabled: int | None = None


@dataclass(frozen=True)
class PowerLimit:
    """A limit of a processor's power: `zone` such as `package-0`, `name` such as `long_term`."""

    zone: str
    name: str
    watts: float


@dataclass(frozen=True)
class Settings:
    """What a setup sets (the board's, or a card's), as the running system sees it. None means not read, and proves
    nothing. Something that is known not to be there has a value: False, 0, `none`, an empty list."""

    virtualization: bool | None = None
    virtualization_locked: bool | None = None
    iommu: bool | None = None
    iommu_groups: int | None = None
    sriov: list[VirtualFunctions] | None = None
    boot_mode: str | None = None
    secure_boot: bool | None = None
    smt: bool | None = None
    numa_nodes: int | None = None
    c_states: list[str] | None = None
    power_limits: list[PowerLimit] | None = None
    boot_order: list[str] | None = None
    tpm: str | None = None


@dataclass(frozen=True)
class Inventory:
    """Everything that InventoryCheck collected. `missing_tools` names the sources that could not be read, and `unready`
    what had not delivered its parts, so that nobody takes a missing tool for a missing part."""

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
    unready: list[Unready] = field(default_factory=list)
    settings: Settings = field(default_factory=Settings)


# --- hello and claim ---------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Hello:
    """POST /api/v1/runs/{id}/hello: the host is up. `boot_id` is the kernel's, `contract` is the fingerprint."""

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
class BmcWatchdog:
    """The BMC's watchdog timer as the agent found it when this boot began. `use` and `action` are ipmitool's words (OS
    Load, Hard Reset); `left_s` is what was left of its time. `stopped`: it was running, and the agent has stopped it.
    `expired` are the uses of a timer that has run out since the BMC's flags were cleared, `logged` the newest entries
    of the BMC's event log about it."""

    use: str = ""
    action: str = ""
    was_running: bool = False
    stopped: bool = False
    left_s: float = 0.0
    expired: list[str] = field(default_factory=list)
    logged: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Claim:
    """POST …/claim: the token is checked and bound to this machine. `bmc_watchdog` is None on a host without such a
    timer."""

    boot_id: str
    dmi_uuid: str
    macs: list[str]
    bmc_watchdog: BmcWatchdog | None = None


@dataclass(frozen=True)
class StageOrder:
    """One stage as the profile orders it. `params` say what to run (the unit is in the name: `_s` seconds, `_mb` MiB),
    `limits` what passes, `required` which checks must be made. `attempt` counts from 1."""

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
    """A disk in the host's expected spec, as it was when the run was queued."""

    serial: str
    wwn: str
    bus: str
    size_mb: int
    may_be_written: bool


@dataclass(frozen=True)
class OverrideFlags:
    """Allows Storage to write although the wipe probe found data. It is valid only for exactly the data that was
    listed: if the probe finds anything else, Storage refuses again."""

    run: int
    boot: int
    stage: str
    attempt: int
    serial: str
    digest: str


@dataclass(frozen=True)
class IperfServer:
    """The bench's iperf3 server, one process per port. Without an address or a port there is none. `server_link_mbit`
    is the speed of the bench's own link, 0 if unknown; `server_cpus` is how many processors the bench has."""

    address: str = ""
    ports: list[int] = field(default_factory=list)
    server_link_mbit: int = 0
    server_cpus: int = 1


@dataclass(frozen=True)
class ClaimAnswer:
    """`next_state` names the stage to run now. With `go` false the agent idles and sends heartbeats until an answer
    says go. In mode `hold` there are no stages and no disks, and the agent may only call /hold."""

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
    iperf: IperfServer
    next_state: str
    attempt: int
    go: bool
    override_flags: list[OverrideFlags] = field(default_factory=list)


# --- while it runs -----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Progress:
    """How far the work on one `item` is: a disk serial, core or port. `percent` is 0 to 100, `doing` a short text."""

    item: str
    percent: float
    doing: str = ""
    eta_s: float | None = None


@dataclass(frozen=True)
class Heartbeat:
    """POST …/heartbeat, every 5 s. `stage` is the one that runs now, empty when idle."""

    boot_id: str
    stage: str
    attempt: int
    uptime_s: float
    progress: list[Progress] = field(default_factory=list)


@dataclass(frozen=True)
class HeartbeatAnswer:
    """`retry_stage` comes with `stage`, `attempt` and `override_flags`. `go` tells an idle agent that the stage
    `next_state` may start. For `link_s` seconds, a stage that borrows the bench's link (Burn) may use it."""

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
    """`level` is one of debug, info, warning, error; `stage` is the one that ran then."""

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
    """POST …/sensor: up to 50 measurements. `seq` as in LogBatch, with a count of its own."""

    boot_id: str
    seq: int
    measurements: list[Measurement]


@dataclass(frozen=True)
class Accepted:
    """The answer to a batch: the highest sequence number on record."""

    seq: int


@dataclass(frozen=True)
class Result:
    """POST …/result: one attempt of one stage has ended. `inventory` comes with InventoryCheck. `numbers` are the key
    figures (`{"seq_read_mb_s.SATA-0001": 512.3}`). `refusals` are the writes that the safety gates refused. `cause` is
    `not_expected` if the stage was not tested because this host has nothing to test in it."""

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
    cause: Cause | None = None


@dataclass(frozen=True)
class ResultAnswer:
    """`next_state` is the run's state now: a stage to run when `go` is set, Failed (call /hold then), Completed or
    Cancelled."""

    next_state: str
    attempt: int
    go: bool
    cmd: Cmd = Cmd.CONTINUE
    reason: str = ""


@dataclass(frozen=True)
class Hold:
    """POST …/hold: the host is held. `host_key` is the public SSH host key in OpenSSH form, `users` are those logged
    in."""

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
