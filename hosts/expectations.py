"""The expected spec of a host: what it should be made of. Pure: text and dicts in, a checked dict or an
error out.

A key that is left out is not checked; an empty list means that there must be none. A spec never says which disks may be
written: if somebody writes `may_be_written`, it is dropped with a notice.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal, TypeVar, get_args

import yaml
from django.core.exceptions import ValidationError as DjangoValidationError
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StrictBool,
    ValidationError,
    model_validator,
)

from hosts import setup_settings, specpaths, specproblems, versions, yamllines
from hosts.fields import normalise_mac
from hosts.nearest import did_you_mean

_T = TypeVar("_T")
# The words of `not_expected`, and what each of them switches off.
NOT_EXPECTED: dict[str, str] = {
    "ecc": "ECC memory",
    "dimms": "memory modules",
    "bmc": "BMC",
    "redundancy": "redundant power supplies",
    "dcmi": "power reading",
    "bmc_limits": "the BMC's limits of voltages and temperatures",  # some are wrong for the board
    "thermal": "CPU temperature",
    "throttling": "counters of CPU throttling",  # AMD's CPUs have no such counters
    "microcode": "microcode",
    "aer": "PCIe error reports",
    "storage": "disks",
    "smart": "SMART",
    "network": "network",
    "link_speed": "link speed",
    "pcie_links": "PCIe links",
    "lldp": "LLDP",
    "mce": "machine checks",
    "gpu": "GPU",
    "gpu_load": "load on GPUs, and their state",  # without the maker's driver
    "gpu_memory": "memory errors of GPUs",  # without the maker's driver, and of cards without ECC
}
_Bus = Literal["nvme", "sata", "sas", "scsi", "virtio", "usb", "other"]
BUSES: tuple[str, ...] = get_args(_Bus)
LIKE_A_MAC = re.compile(r"([0-9A-Fa-f]{2}[:-]){5}[0-9A-Fa-f]{2}|([0-9A-Fa-f]{4}\.){2}[0-9A-Fa-f]{4}")
MAY_BE_WRITTEN = (
    "may_be_written was left out: permission to write is given on the host's form, disk by disk, with the serial typed"
)


class ExpectationError(ValueError):
    """The spec is wrong. The message has one line per problem, with its line or path and what is allowed."""


@dataclass(frozen=True)
class Read:
    """A spec that was read (None for an empty text) and the notices for the person who wrote it."""

    spec: dict[str, Any] | None
    notices: list[str] = field(default_factory=list)


def _number_as_text(value: Any) -> Any:
    """YAML reads a serial of digits as a number; keep it as the text that was written."""
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


def _clean(text: str) -> str:
    if not text.isprintable():  # control characters, and those that turn the direction of what is read
        raise ValueError("contains invisible characters")
    return text.strip()


def _mac(text: str) -> str:
    try:
        return normalise_mac(text)
    except DjangoValidationError as error:
        raise ValueError(error.messages[0]) from None


def _topic(word: str) -> str:
    if word not in NOT_EXPECTED:
        raise ValueError(f"known words are {', '.join(NOT_EXPECTED)}{did_you_mean(word, NOT_EXPECTED)}")
    return word


def _told_apart(stated: dict[str, _T]) -> dict[str, _T]:
    """Names are compared without regard to capitals and repeated blanks, MACs in one notation."""
    names = [_mac(name) if LIKE_A_MAC.fullmatch(name) else name for name in stated]
    twice = [name for name, times in Counter(map(versions.folded, names)).items() if times > 1]
    if twice:
        raise ValueError(f"{twice[0]!r} stands here twice")
    return dict(zip(names, stated.values(), strict=True))


Text = Annotated[str, BeforeValidator(_number_as_text), AfterValidator(_clean), Field(strict=True, max_length=128)]
Name = Annotated[Text, Field(min_length=1)]
Mac = Annotated[Text, AfterValidator(_mac)]
Versions = Annotated[dict[Name, Name], Field(min_length=1, max_length=versions.MOST), AfterValidator(_told_apart)]
Count = Annotated[int, Field(strict=True, ge=1, le=10**9)]


class Part(BaseModel):
    model_config = ConfigDict(extra="forbid")


class System(Part):
    manufacturer: Text | None = None
    product: Text | None = None
    serial: Text | None = None
    uuid: Text | None = None


class Cpu(Part):
    sockets: Count | None = None
    cores: Count | None = None
    model: Text | None = None


class Dimm(Part):
    """`locator` is the slot's name as the firmware spells it."""

    locator: Name
    size_mb: Count | None = None
    serial: Text | None = None
    part: Text | None = None
    speed_mts: Count | None = None
    # How much of it is RAM, if not all: persistent memory and its cache do not count.
    ram_mb: Annotated[int, Field(strict=True, ge=0, le=10**9)] | None = None


class Memory(Part):
    total_mb: Count | None = None
    ecc: StrictBool | None = None
    dimms: list[Dimm] | None = None


class Disk(Part):
    serial: Text | None = None
    wwn: Text | None = None
    bus: _Bus | None = None
    size_mb: Count | None = None
    model: Text | None = None
    may_be_written: StrictBool | None = Field(default=None, exclude=True)

    @model_validator(mode="after")
    def _identified(self) -> Disk:
        if not self.serial and not self.wwn:
            raise ValueError("a disk needs a serial or a wwn: give one")
        return self


# False is the same as nothing.
_Flag = Annotated[StrictBool, AfterValidator(lambda flag: flag or None)]


class Nic(Part):
    mac: Mac
    speed_mbit: Count | None = None
    # The switch, or the switch and its port, as LLDP names them: "sw1 Gi1/0/3".
    neighbour: Text | None = None
    # Without a cable on purpose.
    spare: _Flag | None = None
    # Cabled to a network without the bench.
    other_network: _Flag | None = None

    @model_validator(mode="after")
    def _says_one_thing(self) -> Nic:
        if self.spare and (self.speed_mbit or self.neighbour or self.other_network):
            raise ValueError(
                "a spare port has no speed_mbit, no neighbour and no other_network: leave out these, or spare"
            )
        return self


class Gpu(Part):
    uuid: Text | None = None
    model: Text | None = None

    @model_validator(mode="after")
    def _identified(self) -> Gpu:
        if not self.uuid and not self.model:
            raise ValueError("a GPU needs a uuid or a model: give one")
        return self


class InfinibandPort(Part):
    guid: Name
    speed_mbit: Count | None = None


class Adapter(Part):
    serial: Text | None = None
    model: Text | None = None
    # The kernel can't see the drives behind it.
    hidden_drives: _Flag | None = None

    @model_validator(mode="after")
    def _identified(self) -> Adapter:
        if not self.serial and not self.model:
            raise ValueError("an adapter needs a serial or a model: give one")
        return self


class Named(Part):
    name: Name


class Firmware(Part):
    """Firmware versions. The lists are by model or by the part's own name; the own name takes precedence."""

    bios: Text | None = None
    bmc: Text | None = None
    microcode: Text | None = None
    disks: Versions | None = None
    nics: Versions | None = None
    hbas: Versions | None = None


def _tpm_version(value: Any) -> Any:
    """YAML reads 2.0 as a number."""
    return "none" if value in (False, "off") else str(value) if isinstance(value, float) else value


def _on_or_off(value: Any) -> Any:
    return {"on": True, "off": False}.get(value, value) if isinstance(value, str) else value


_Switch = Annotated[StrictBool, BeforeValidator(_on_or_off)]
_Figures = Annotated[
    dict[Name, Count], Field(min_length=1, max_length=setup_settings.MOST), AfterValidator(_told_apart)
]


class Settings(Part):
    """What the setup of the board and of cards sets. `sriov` is by MAC or PCI slot, `power_limits` by zone and name."""

    virtualization: _Switch | None = None
    iommu: _Switch | None = None
    iommu_groups: Count | None = None
    sriov: _Figures | None = None
    boot_mode: Literal["uefi", "bios"] | None = None
    secure_boot: _Switch | None = None
    smt: _Switch | None = None
    numa_nodes: Count | None = None
    c_states: Text | None = None
    power_limits: _Figures | None = None
    boot_order: Annotated[list[Name], Field(max_length=setup_settings.MOST)] | None = None
    tpm: Annotated[Literal["2.0", "1.2", "none"], BeforeValidator(_tpm_version)] | None = None
    memory_mts: Count | None = None


class Expected(Part):
    """The whole spec. `pinned` lists paths of texts that must be exactly so, such as `firmware.bios`."""

    system: System | None = None
    cpu: Cpu | None = None
    memory: Memory | None = None
    disks: list[Disk] | None = None
    nics: list[Nic] | None = None
    gpus: list[Gpu] | None = None
    infiniband: list[InfinibandPort] | None = None
    adapters: list[Adapter] | None = None
    psus: list[Named] | None = None
    fans: list[Named] | None = None
    firmware: Firmware | None = None
    settings: Settings | None = None
    pinned: Annotated[list[Name], Field(max_length=256)] | None = None
    not_expected: list[Annotated[Name, AfterValidator(_topic)]] | None = None


PARTS = tuple(Expected.model_fields)
PATHS = specpaths.table(Expected)
ABOUT_OTHERS = frozenset({"pinned", "not_expected"})


def read(text: str, source: str = "expected spec") -> Read:
    """Read a spec from YAML (JSON is YAML too). Raises ExpectationError with the line of every problem."""
    try:
        document = yamllines.parse(text, source)
    except yamllines.YamlError as error:
        raise ExpectationError(str(error)) from None
    if document.data is None:
        return Read(None)
    spec = _checked(document.data, document)
    return Read(spec, [MAY_BE_WRITTEN] if _speaks_of_writing(document.data) else [])


def read_document(document: yamllines.Document) -> dict[str, Any]:
    """Read a spec that is part of a larger file. Raises ExpectationError with the line of every problem."""
    return _checked(document.data, document)


def normalise(data: Any) -> dict[str, Any]:
    """Normalise a spec that our code made: JSON-ready types, identifiers in one notation, no `may_be_written`. Pins are
    not checked here: they are checked when a person writes them and when a host is compared. Raises
    ExpectationError."""
    return _shaped(data, yamllines.Document(data, "expected spec"))


def names_parts(spec: dict[str, Any] | None) -> bool:
    """Whether the spec has anything to compare with. `not_expected` and `pinned` name no part. An empty list does: it
    says that there must be none."""
    return any(stated not in (None, {}) for key, stated in (spec or {}).items() if key not in ABOUT_OTHERS)


def to_yaml(spec: dict[str, Any] | None) -> str:
    """As a person edits it, its keys in the schema's order (PostgreSQL keeps none); empty for no spec."""
    if spec is None:
        return ""
    return yaml.dump(_in_order(spec), Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=110)


def _in_order(spec: dict[str, Any]) -> dict[str, Any]:
    try:
        return Expected.model_validate(spec).model_dump(mode="json", exclude_none=True)
    except ValidationError:
        return spec  # made by an older schema: shown unchanged, and refused when it is saved


def _checked(data: Any, document: yamllines.Document) -> dict[str, Any]:
    spec = _shaped(data, document)
    if wrong := specproblems.of_pins(spec, document, PATHS):
        raise ExpectationError(wrong)
    return spec


def _shaped(data: Any, document: yamllines.Document) -> dict[str, Any]:
    try:
        spec = Expected.model_validate(data).model_dump(mode="json", exclude_none=True)
    except ValidationError as error:
        raise ExpectationError(specproblems.of_shape(error, document, PATHS)) from None
    if wrong := specproblems.of_names(spec, document):
        raise ExpectationError(wrong)
    return spec


def _speaks_of_writing(data: Any) -> bool:
    disks = data.get("disks") if isinstance(data, dict) else None
    return any(disk.get("may_be_written") is not None for disk in disks or [])


class _Dumper(yaml.SafeDumper):
    def ignore_aliases(self, data: Any) -> bool:
        return True
