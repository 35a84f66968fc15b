"""`vetting.yaml`, the operator's settings, as types. A wrong value stops the start with its name and what is
allowed."""

from __future__ import annotations

import re
from datetime import time
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, ValidationError, model_validator

from hosts import specpaths, yamllines
from vetting import targets
from vetting.loginconfig import Login
from vetting.netbox.config import NetBox
from vetting.powercommands import Name, PowerCommand
from vetting.section import Section
from vetting.targets import AnyTarget


class ConfigError(Exception):
    """The configuration is wrong; the message names the place, the value and what is allowed."""


def _yaml_off(value: Any) -> Any:
    """YAML reads a bare `off` as false."""
    return "off" if value is False else value


class Web(Section):
    """Where this orchestrator listens, and the address at which the hosts under test reach it."""

    listen: str = "0.0.0.0"
    port: Annotated[int, Field(ge=1, le=65535)] = 8000
    boot_port: Annotated[int, Field(ge=1, le=65535)] = 8001
    address: str = Field(default="127.0.0.1", description="Address of this machine on the hosts' network.")
    public_url: str = Field(
        default="", description="The beginning of links in messages; empty: made of address and port."
    )
    tls: bool = Field(default=False, description="True behind an HTTPS proxy: cookies go over HTTPS only.")
    connections_per_address: Annotated[int, Field(ge=8, le=4096)] = Field(
        default=256, description="Connections from one address at once; behind a proxy all browsers have one address."
    )

    @property
    def agent_url(self) -> str:
        return f"http://{self.address}:{self.port}"

    @property
    def boot_url(self) -> str:
        return f"http://{self.address}:{self.boot_port}"

    @property
    def link_base(self) -> str:
        return (self.public_url or self.agent_url).rstrip("/")


class Pxe(Section):
    """`dhcp`: we are the DHCP server; `proxy`: the LAN has one already; `off`: dnsmasq is not ours to run."""

    mode: Annotated[Literal["dhcp", "proxy", "off"], BeforeValidator(_yaml_off)] = "off"
    interface: str = ""
    subnet: IPv4Network | None = None
    range_start: IPv4Address | None = None
    range_end: IPv4Address | None = None
    router: IPv4Address | None = None
    lease_minutes: Annotated[int, Field(ge=2)] = 60
    supervise: Literal["tick", "unit"] = Field(
        default="tick", description="tick: the worker starts dnsmasq itself; unit: a systemd unit runs it."
    )

    @model_validator(mode="after")
    def _complete(self) -> Pxe:
        if self.mode == "off":
            return self
        wanted = ["interface", "subnet"] + (["range_start", "range_end"] if self.mode == "dhcp" else [])
        missing = [name for name in wanted if not getattr(self, name)]
        if missing:
            raise ValueError(f"mode {self.mode} also needs {', '.join(missing)}")
        return self


class Dispatcher(Section):
    max_concurrent: Annotated[int, Field(ge=1, le=1000)] = 3


class Deadlines(Section):
    """Seconds and hours after which waiting ends. A stage's own deadline is in the profile."""

    boot_s: Annotated[float, Field(ge=10)] = 900
    heartbeat_s: Annotated[float, Field(ge=15)] = 600
    hold_hours: Annotated[float, Field(gt=0)] = 168


class Wake(Section):
    repeat: Annotated[int, Field(ge=1, le=100)] = 5
    interval_s: Annotated[float, Field(ge=1)] = 10
    commands: dict[Name, PowerCommand] = Field(
        default={}, description="Programs that hosts with the wake driver `command` choose from, by name."
    )


class Retention(Section):
    retention_days: Annotated[float, Field(gt=0)] = 90


class Measurements(Section):
    keep_every_value_days: Annotated[float, Field(gt=0)] | None = Field(
        default=None, description="Then only the figures of each minute stay; null: every value stays for ever."
    )


class Janitor(Section):
    interval_minutes: Annotated[float, Field(gt=0)] = 60
    most_gb: Annotated[float, Field(gt=0)] | None = Field(
        default=None, description="GB of all files of runs; beyond it those of the oldest go. null: only by age."
    )


class Iperf(Section):
    """The iperf3 servers on this machine. One run tests at a time; each NIC takes one port."""

    ports: list[Annotated[int, Field(ge=1, le=65535)]] = [5201, 5202, 5203, 5204]
    supervise: Annotated[Literal["tick", "unit", "off"], BeforeValidator(_yaml_off)] = "tick"
    link_mbit: Annotated[int, Field(ge=10)] = Field(default=1000, description="Speed of this machine's own link.")


class Bench(Section):
    """When this machine is fit to measure a host, and what happens if it is not. Limits apply over `window_s`."""

    cpu_pressure_max_percent: Annotated[float, Field(gt=0, le=100)] = 60
    waiting_per_core_max: Annotated[float, Field(gt=0)] = 5
    waiting_per_core_max_above_1g: Annotated[float, Field(gt=0)] = 1
    steal_max_percent: Annotated[float, Field(gt=0, le=100)] = 10
    throttled_max_percent: Annotated[float, Field(gt=0, le=100)] = 5
    window_s: Annotated[float, Field(ge=3, le=60)] = 10
    loopback_min_of_link: Annotated[float, Field(ge=0)] = 1.2
    port_errors_max_percent: Annotated[float, Field(gt=0, le=100)] = 0.1
    unfit_min_percent: Annotated[float, Field(ge=0, le=100)] = 5
    calm_wait_s: Annotated[float, Field(ge=0)] = 180
    network_tries: Annotated[int, Field(ge=1, le=20)] = 3
    busy_from_percent: Annotated[float, Field(gt=0, le=100)] = 40
    deadline_extends_max: Annotated[float, Field(ge=0, le=10)] = 1
    excuses_deadline_percent: Annotated[float, Field(ge=0, le=100)] = 50


NotificationKind = Literal["StageFailed", "SpecMismatch", "HoldingOpened", "RunCompleted"]


class Route(Section):
    """Which kinds and severities, about which hosts, go to which targets; an empty list means all."""

    kinds: list[NotificationKind] = []
    severities: list[Literal["critical", "info"]] = []
    hosts: list[str] = Field(default=[], description="Patterns of names, such as pve-*.")
    tags: list[str] = Field(default=[], description="Hosts that have one of these tags.")
    to: list[str]


def _clock(value: Any) -> Any:
    """YAML reads a bare 22:00 as the number 1320."""
    if not isinstance(value, str) or not re.fullmatch(r"\d\d:\d\d", value):
        raise ValueError('write the time in quotes, such as "22:00"')
    return value


class Quiet(Section):
    """Hours in which messages to these targets wait, in the time zone of the pages; no targets means all."""

    after: Annotated[time, BeforeValidator(_clock)]
    until: Annotated[time, BeforeValidator(_clock)]
    targets: list[str] = []
    severities: list[Literal["critical", "info"]] = ["info"]

    @model_validator(mode="after")
    def _ends(self) -> Quiet:
        if self.after == self.until:
            raise ValueError("quiet hours begin and end at the same time")
        return self


class Notifications(Section):
    targets: list[AnyTarget] = []
    routes: list[Route] = []
    quiet: list[Quiet] = []
    burst_after: Annotated[int, Field(ge=1)] | None = Field(
        default=10, description="Messages to a target in 10 minutes; further ones come as one. null: each by itself."
    )

    @model_validator(mode="after")
    def _known(self) -> Notifications:
        names = {target.name for target in self.targets}
        named = [("a route", route.to) for route in self.routes] + [("quiet", quiet.targets) for quiet in self.quiet]
        for where, wanted in named:
            if unknown := set(wanted) - names:
                told = f"{where} names {', '.join(sorted(unknown))}"
                raise ValueError(f"{told}; targets are {sorted(names) or 'none'}")
        return self


class BootFiles(Section):
    image_dir: Path | None = Field(
        default=None, description="The directory of the built live image; default DATA/image."
    )
    extra_initrd: Path | None = Field(
        default=None, description="For development: one more cpio archive that every host loads."
    )
    extra_args: str = Field(default="", description="Added to every kernel command line, e.g. console=ttyS0.")


class Config(Section):
    role: Literal["all", "relay"] = Field(
        default="all", description="relay: this machine only serves the hosts near it; another one leads."
    )
    web: Web = Web()
    login: Login = Login()
    pxe: Pxe = Pxe()
    dispatcher: Dispatcher = Dispatcher()
    deadlines: Deadlines = Deadlines()
    wake: Wake = Wake()
    artifacts: Retention = Retention()
    logs: Retention = Retention()
    measurements: Measurements = Measurements()
    janitor: Janitor = Janitor()
    iperf3: Iperf = Iperf()
    bench: Bench = Bench()
    notifications: Notifications = Notifications()
    netbox: NetBox = NetBox()
    boot_files: BootFiles = BootFiles()
    profiles_dir: Path | None = Field(
        default=None, description="Profiles of your own; one with the name of a shipped profile replaces it."
    )


_PATHS = specpaths.table(Config)


def load(path: Path | None) -> Config:
    """Read `path`; the defaults if it is None. Raises ConfigError naming file, place, value and what is allowed."""
    if path is None:
        return Config()
    try:
        document = yamllines.parse(path.read_text(encoding="utf-8"), str(path))
    except OSError as error:
        raise ConfigError(
            f"{path}: cannot be read ({error.strerror}); set VETTING_CONFIG to an existing file"
        ) from None
    except (yamllines.YamlError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: not YAML: {error}") from None
    return parse(document.data or {}, str(path), document)


def parse(data: Any, source: str, document: yamllines.Document | None = None) -> Config:
    """Check a document that was read; its line numbers go into the errors."""
    try:
        return Config.model_validate(data)
    except ValidationError as error:
        raise ConfigError(explain(error, document or yamllines.Document(data, source))) from None


def explain(error: ValidationError, document: yamllines.Document) -> str:
    """One line per problem: the place, the given value, what is allowed, and the most likely correction."""
    lines = []
    for problem in error.errors():
        loc = tuple(problem["loc"])
        place = ".".join(map(str, loc)) or "top level"
        given = "" if problem["type"] in ("missing", "extra_forbidden") else f" (given: {problem['input']!r})"
        known = {**_PATHS, **targets.paths(loc, document.data)}
        meant = specpaths.known_instead(loc, known) if problem["type"] == "extra_forbidden" else ""
        where = document.where(loc) if document.lines else document.source
        lines.append(f"{where}: {place}: {problem['msg']}{given}{meant and f'; {meant}'}")
    return "\n".join(lines)
