"""A machine file: one virtual computer, what happens to it during its run, and what must come of that.

`load` reads one; a word that is not known is an error that lists the known ones. Sizes of memory and disks
are MiB, LBAs count 512-byte sectors, `after_s` counts from the first entry of the run into `when`.
"""

from __future__ import annotations

import uuid
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints, ValidationError, model_validator

from runs.machine import State
from runs.stages import BY_NAME
from tests.rack.bmc.sensors import EVENT_TEXTS
from tests.rack.errors import BadMachineFile
from tests.rack.wording import explain

Mac = Annotated[str, StringConstraints(pattern=r"^[0-9a-fA-F]{2}(:[0-9a-fA-F]{2}){5}$", to_lower=True)]
# NVMe and ATA have 20 characters for it; a comma would end the option on QEMU's command line.
Serial = Annotated[str, StringConstraints(pattern=r"^[^,]{1,20}$")]
Wwn = Annotated[str, StringConstraints(pattern=r"^0x[0-9a-fA-F]{16}$", to_lower=True)]
# What its clock says in UTC when it is switched on.
Moment = Annotated[str, StringConstraints(pattern=r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d$")]
# The firmware's strings end at their first NUL.
Said = Annotated[str, StringConstraints(pattern=r"^[^\x00]{0,64}$")]
Lba = Annotated[int, Field(ge=0)]
Positive = Annotated[int, Field(gt=0)]
StageName = Literal[tuple(BY_NAME)]  # type: ignore[valid-type]
Content = Literal["ext4", "lvm", "zfs-partition", "ceph", "raid", "gpt", "blank"]
# When memory of kind `late` goes bad: about when a shortened Memory has filled it; minutes after a real start.
LATE_AFTER_S = {"short": 10.0, "real": 120.0}
GUEST_STATES = (State.BOOTING, *(State(name) for name in BY_NAME), State.FAILED, State.FAILED_HOLDING)


class Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class System(Part):
    """What the firmware says of the whole machine (SMBIOS types 0 to 2), in whatever characters its maker used. A
    serial left out is made from the machine's name."""

    bios_vendor: Said = "Vetting"
    bios_version: Said = "rack-1"
    manufacturer: Said = "Vetting"
    product: Said = "Virtual rack"
    serial: Said | None = None
    board: Said = "Rack board"


class Dimm(Part):
    """A memory module as the firmware lists it (SMBIOS type 17). It is rated for the speed at which it runs, unless
    the file says otherwise."""

    locator: Said
    size_mb: Positive
    serial: Said
    part: Said = "ACME-DIMM"
    manufacturer: Said = "ACME"
    speed_mts: Positive = 3200
    rated_mts: Positive | None = None


class BadRam(Part):
    """A cell of a memory module that does not keep what was written: `bit` of the 64-bit word at `offset_mb`.

    It is bad from switching on, or from `after_s` after the run's first entry into Memory; a `late` one always by the
    latter. `stuck` and, in the end, `late` have it read as `value`. `flip` inverts it every `every_s` (0: once), and
    `coupling` whenever the same bit of the other word of its 16 bytes has changed."""

    dimm: Said
    offset_mb: Annotated[float, Field(ge=0)]
    bit: Annotated[int, Field(ge=0, le=63)]
    kind: Literal["stuck", "flip", "coupling", "late"]
    every_s: Annotated[float, Field(ge=0)] = 5
    value: Literal[0, 1] = 1
    after_s: Annotated[float, Field(ge=0)] | None = None


class Disk(Part):
    """A disk and what is wrong with it. `content` is what was on it before the machine was first switched
    on."""

    bus: Literal["nvme", "sata", "scsi", "virtio", "usb"]
    size_mb: Positive
    serial: Serial
    wwn: Wwn | None = None
    content: Content = "blank"
    bad_sectors: tuple[Lba, ...] = ()
    bad_writes: tuple[Lba, ...] = ()
    corrupt_after_write: tuple[Lba, ...] = ()
    bps_total: Positive | None = None
    iops_total: Positive | None = None

    @model_validator(mode="after")
    def _the_content_fits(self) -> Disk:
        if self.content == "zfs-partition" and self.size_mb < 128:
            raise ValueError(f"size_mb: {self.serial} with a ZFS partition needs 128 at least to be recognised")
        return self

    @model_validator(mode="after")
    def _faults_lie_on_the_disk(self) -> Disk:
        last = self.size_mb * 2048 - 1
        for word in ("bad_sectors", "bad_writes", "corrupt_after_write"):
            beyond = [lba for lba in getattr(self, word) if lba > last]
            if beyond:
                raise ValueError(f"{word}: LBA {beyond[0]} is beyond the end of {self.serial}, whose last is {last}")
        return self


# The others are cards of conventional PCI.
ON_PCIE = ("e1000e", "virtio", "igb")


class Nic(Part):
    """`speed_mbit` is what the card negotiates; `rate_mbit` and `loss_percent` are what the cable really
    carries. The bench is not in the `other` network."""

    model: Literal["e1000e", "e1000", "virtio", "igb"]
    mac: Mac
    speed_mbit: Positive = 1000
    rate_mbit: Positive | None = None
    loss_percent: Annotated[float, Field(ge=0, le=100)] = 0
    link: Literal["up", "down"] = "up"
    network: Literal["bench", "other"] = "bench"

    @model_validator(mode="after")
    def _only_virtio_chooses_its_speed(self) -> Nic:
        if self.model != "virtio" and self.speed_mbit != 1000:
            raise ValueError(
                f"speed_mbit: a {self.model} always negotiates 1000; only virtio can say {self.speed_mbit}"
            )
        return self


class Psu(Part):
    name: Annotated[str, StringConstraints(min_length=1, max_length=16)]
    ok: bool = True


class Fan(Part):
    name: Annotated[str, StringConstraints(min_length=1, max_length=16)]
    rpm: Annotated[int, Field(ge=0, le=25500)]


class SelEntry(Part):
    """An entry of the BMC's event log: what `sensor` (a PSU or fan by name) said, in one of the event's own
    texts."""

    sensor: str
    text: str


class ArmedWatchdog(Part):
    """The BMC's watchdog, which the firmware starts at each boot: it does `action` after so many `seconds`, unless
    somebody stops it."""

    use: Literal["BIOS FRB2", "BIOS/POST", "OS Load", "SMS/OS", "OEM"] = "OS Load"
    action: Literal["Hard Reset", "Power Down", "Power Cycle"] = "Hard Reset"
    seconds: Annotated[float, Field(gt=0, le=6553)]


class Bmc(Part):
    present: bool = False
    watchdog: ArmedWatchdog | None = None
    psus: tuple[Psu, ...] = ()
    fans: tuple[Fan, ...] = ()
    sel: tuple[SelEntry, ...] = ()

    @model_validator(mode="after")
    def _parts_need_a_bmc(self) -> Bmc:
        if not self.present and (self.psus or self.fans or self.sel or self.watchdog):
            raise ValueError("psus, fans, sel and watchdog are of a BMC, but present is false")
        return self

    @model_validator(mode="after")
    def _the_log_speaks_of_its_parts(self) -> Bmc:
        for entry in self.sel:
            self.check_event(entry.sensor, entry.text)
        return self

    def check_event(self, sensor: str, text: str) -> None:
        """Raises ValueError when the BMC has no such part, or that part cannot say this."""
        kinds = {
            **{psu.name.lower(): "psu" for psu in self.psus},
            **{fan.name.lower(): "fan" for fan in self.fans},
        }
        if sensor.lower() not in kinds:
            raise ValueError(f"the event log speaks of {sensor}; the BMC's parts are {sorted(kinds)}")
        texts = EVENT_TEXTS[kinds[sensor.lower()]]
        if text.lower() not in [known.lower() for known in texts]:
            raise ValueError(f"unknown text {text!r} for {sensor}; known are: {', '.join(texts)}")


EventName = Literal[
    "nvme_critical_warning", "mce", "link_down", "link_up", "link_flap", "stop", "quit", "system_reset",
    "sel_entry", "psu_fail", "aer", "agent_kill", "web_kill", "worker_kill", "dnsmasq_kill",
]  # fmt: skip
# What `kind` may say; the first is meant where it is left out.
KINDS = {"mce": ("fatal", "corrected"), "aer": ("corrected", "uncorrected")}
TARGETED = {
    "aer": "the MAC of a NIC or the serial of an NVMe disk",
    "nvme_critical_warning": "the serial of an NVMe disk",
    "link_down": "the MAC of a NIC",
    "link_up": "the MAC of a NIC",
    "link_flap": "the MAC of a NIC",
    "sel_entry": "the name of a PSU or fan",
    "psu_fail": "the name of a PSU",
}


class Event(Part):
    """Something that happens to the machine, or to the orchestrator, while the run is on."""

    when: State
    do: EventName
    after_s: Annotated[float, Field(ge=0)] = 0
    target: str | None = None
    value: Annotated[int, Field(ge=0, le=255)] = 4
    kind: Literal["fatal", "corrected", "uncorrected"] | None = None
    text: str = ""
    times: Positive = 3

    @model_validator(mode="after")
    def _a_target_where_one_is_needed(self) -> Event:
        if self.do in TARGETED and self.target is None:
            raise ValueError(f"{self.do} needs target: {TARGETED[self.do]}")
        if self.do not in TARGETED and self.target is not None:
            raise ValueError(f"{self.do} takes no target")
        return self

    @model_validator(mode="after")
    def _a_kind_that_it_has(self) -> Event:
        kinds: tuple[str, ...] = KINDS.get(self.do, ())
        if self.kind is not None and self.kind not in kinds:
            known = f"known are: {', '.join(kinds)}" if kinds else "it takes none"
            raise ValueError(f"{self.do}: unknown kind {self.kind!r}; {known}")
        if kinds and self.kind is None:
            object.__setattr__(self, "kind", kinds[0])
        return self


class Shortage(Part):
    """What the orchestrator's machine lacks: processors, for which so many `busy_loops` compete `during` a time, or a
    fast port of its own, all the time."""

    busy_loops: Annotated[int, Field(ge=0, le=1000)] = 0
    during: Literal["measurement", "Network", "run"] = "measurement"
    port_mbit: Positive | None = None


class OperatorStep(Part):
    """What the person at the dashboard does. `override_wipe` names a serial, `retry_stage` a stage."""

    do: Literal["override_wipe", "retry_stage", "release", "cancel"]
    when: State = State.FAILED_HOLDING
    after_s: Annotated[float, Field(ge=0)] = 0
    serial: Serial | None = None
    stage: StageName | None = None

    @model_validator(mode="after")
    def _the_step_says_on_what(self) -> OperatorStep:
        if self.do == "override_wipe" and self.serial is None:
            raise ValueError("override_wipe needs serial: the disk that may be wiped")
        if self.do == "retry_stage" and self.stage is None:
            raise ValueError("retry_stage needs stage: the stage to run again")
        return self


class Outcome(Part):
    """What must come of it. A disk that the operator lets be wiped is to be untouched until then.
    `components` are exactly those blamed; `found_in` says of a component in which stage it must be blamed; `findings`
    and `warnings` must be among those there were; `untouched` are serials whose image must not change by a byte. A key
    left out is not compared. `sound` are parts that nothing may be blamed on, whatever else comes of it."""

    state: State | None = None
    verdict: Literal["passed", "failed", "incomplete", "error"] | None = None
    stage: StageName | None = None
    components: tuple[str, ...] | None = None
    sound: tuple[str, ...] = ()
    found_in: dict[str, StageName] = {}
    findings: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    untouched: tuple[Serial, ...] = ()
    ssh: bool = False


def _tpm_version(value: Any) -> Any:
    """YAML reads 2.0 as a number, and `on` and `off` as true and false."""
    return {True: "2.0", False: "none"}[value] if isinstance(value, bool) else str(value)


class BadCore(Part):
    """A processor, by the kernel's number, that calculates wrongly with probability `p` at each pass through an
    instruction of the comparison of the cores, in one kind of `operation` only if that is given."""

    cpu: Annotated[int, Field(ge=0)]
    p: Annotated[float, Field(gt=0, le=1)]
    operation: Literal["hash", "cipher", "integer", "float", "compression"] | None = None


class Settings(Part):
    """What the machine's setup sets. What is left out is as QEMU has it, and nothing is expected of it."""

    virtualization: bool | None = None
    iommu: bool | None = None
    smt: bool | None = None
    numa_nodes: Annotated[int, Field(ge=1, le=8)] | None = None
    tpm: Annotated[Literal["2.0", "1.2", "none"], BeforeValidator(_tpm_version)] | None = None


class Machine(Part):
    name: Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9-]{0,40}$")]
    firmware: Literal["uefi", "bios"] = "uefi"
    boot: Literal["pxe", "direct"] = "pxe"
    cpus: Annotated[int, Field(ge=1, le=64)] = 2
    memory_mb: Positive = 2560
    clock: Moment | None = None
    system: System = System()
    settings: Settings = Settings()
    dimms: tuple[Dimm, ...] = ()
    interleaving_kb: Positive | None = None
    bad_ram: tuple[BadRam, ...] = ()
    bad_core: BadCore | None = None
    disks: tuple[Disk, ...] = ()
    nics: tuple[Nic, ...]
    pcie: Literal["root_ports"] | None = None
    bmc: Bmc = Bmc()
    bench: Shortage = Shortage()
    wake: Literal["magic-packet", "operator", "ipmi", "redfish"] = "magic-packet"
    cycle_hung: bool = False
    destructive: bool = False
    profile: str = "quick"
    durations: Literal["short", "real"] = "short"
    overrides: dict[str, Any] = {}
    expected: dict[str, Any] | None = None
    events: tuple[Event, ...] = ()
    operator: tuple[OperatorStep, ...] = ()
    boot_deadline_s: Annotated[int, Field(ge=10)] = 300
    limit_s: Positive = 900
    outcome: Outcome

    @model_validator(mode="after")
    def _what_the_rack_cannot_do_is_refused(self) -> Machine:
        if not self.nics:
            raise ValueError("nics: a machine needs at least one, or it cannot boot over the network")
        if self.cycle_hung and self.wake not in ("ipmi", "redfish"):
            raise ValueError(f"cycle_hung: wake: {self.wake} can't power-cycle the machine; ipmi and redfish can")
        return self

    @model_validator(mode="after")
    def _fill_the_memory_slots(self) -> Machine:
        if not self.dimms:
            only = Dimm(locator="DIMM_A1", size_mb=self.memory_mb, serial=f"D-{self.name}")
            object.__setattr__(self, "dimms", (only,))
        return self

    @model_validator(mode="after")
    def _processors_fit_the_settings(self) -> Machine:
        share = self.sockets * self.threads
        if self.cpus % share:
            raise ValueError(
                f"cpus: {self.cpus} can't be shared by {self.sockets} NUMA nodes and {self.threads} threads"
            )
        if self.settings.numa_nodes and self.bad_ram:
            raise ValueError("bad_ram: the memory of a machine with numa_nodes can't be made bad")
        return self

    @model_validator(mode="after")
    def _equal_modules_are_interleaved(self) -> Machine:
        sizes = [dimm.size_mb for dimm in self.dimms]
        if self.interleaving_kb and (len(sizes) < 2 or len(set(sizes)) > 1 or sum(sizes) != self.memory_mb):
            wanted = f"two modules or more of one size, {self.memory_mb} MiB together"
            raise ValueError(f"interleaving_kb: needs {wanted}; there are {sizes}")
        return self

    @model_validator(mode="after")
    def _the_bad_core_is_there(self) -> Machine:
        if self.bad_core and self.bad_core.cpu >= self.cpus:
            raise ValueError(f"bad_core: there is no cpu {self.bad_core.cpu}; the last one is {self.cpus - 1}")
        return self

    @model_validator(mode="after")
    def _bad_cells_lie_in_a_module(self) -> Machine:
        for bad in self.bad_ram:
            self._check_cell(bad)
        return self

    def _check_cell(self, bad: BadRam) -> None:
        locators = [dimm.locator for dimm in self.dimms]
        if bad.dimm not in locators:
            raise ValueError(f"bad_ram: no module is called {bad.dimm}; there are {locators}")
        index = locators.index(bad.dimm)
        if bad.offset_mb >= self.dimms[index].size_mb:
            raise ValueError(
                f"bad_ram: offset_mb {bad.offset_mb:g} is beyond the end of {bad.dimm}, which has "
                f"{self.dimms[index].size_mb} MiB"
            )
        if sum(dimm.size_mb for dimm in self.dimms[:index]) + bad.offset_mb >= self.memory_mb:
            raise ValueError(
                f"bad_ram: offset_mb {bad.offset_mb:g} of {bad.dimm} is beyond the {self.memory_mb} MiB of memory_mb"
            )

    @model_validator(mode="after")
    def _names_lead_somewhere(self) -> Machine:
        for event in self.events:
            self._check_target(event)
        serials = {disk.serial for disk in self.disks}
        named = {step.serial for step in self.operator if step.serial} | set(self.outcome.untouched)
        if named - serials:
            raise ValueError(f"no disk has the serial {sorted(named - serials)[0]}; there are {sorted(serials)}")
        return self

    def _check_target(self, event: Event) -> None:
        known: dict[str, list[str]] = {
            "nvme_critical_warning": self._nvme_serials,
            "psu_fail": [psu.name for psu in self.bmc.psus],
            "sel_entry": [part.name for part in (*self.bmc.psus, *self.bmc.fans)],
            "aer": [*(nic.mac for nic in self.nics if nic.model in ON_PCIE), *self._nvme_serials],
            "link_down": [nic.mac for nic in self.nics],
            "link_up": [nic.mac for nic in self.nics],
            "link_flap": [nic.mac for nic in self.nics],
        }
        if event.do in known and (event.target or "").lower() not in [name.lower() for name in known[event.do]]:
            raise ValueError(f"{event.do}: target {event.target} is none of {known[event.do]}")
        if event.do == "sel_entry":
            self.bmc.check_event(event.target or "", event.text)

    @property
    def _nvme_serials(self) -> list[str]:
        return [disk.serial for disk in self.disks if disk.bus == "nvme"]

    @property
    def has_root_ports(self) -> bool:
        """Each card and NVMe disk is behind a PCIe root port of its own: asked for, or needed by an event."""
        return self.pcie == "root_ports" or any(event.do == "aer" for event in self.events)

    def goes_bad_after_s(self, bad: BadRam) -> float | None:
        """Seconds after the first entry into Memory; None: from switching on."""
        return LATE_AFTER_S[self.durations] if bad.kind == "late" and bad.after_s is None else bad.after_s

    @property
    def sockets(self) -> int:
        return self.settings.numa_nodes or 1

    @property
    def threads(self) -> int:
        """Threads of each core."""
        return 2 if self.settings.smt else 1

    @property
    def uuid(self) -> str:
        """The system UUID: the same at every run of the same file."""
        return str(uuid.uuid5(uuid.NAMESPACE_DNS, f"{self.name}.rack.vetting"))

    @property
    def serial(self) -> str:
        return f"RACK-{self.name}" if self.system.serial is None else self.system.serial


def load(path: Path) -> Machine:
    """Reads and checks a machine file; raises BadMachineFile with every mistake in it, one a line."""
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise BadMachineFile(f"{path}: {error}") from error
    if not isinstance(content, dict):
        raise BadMachineFile(f"{path}: a machine file is a mapping with name, disks, nics, outcome and so on")
    return parse(content, str(path))


def parse(content: dict[str, Any], source: str) -> Machine:
    """`source` is what the error messages call the file."""
    try:
        return Machine.model_validate(content)
    except ValidationError as error:
        raise BadMachineFile("\n".join(f"{source}: {line}" for line in explain(error, Machine))) from error
