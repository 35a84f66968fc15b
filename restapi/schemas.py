"""What the REST API takes and answers. The OpenAPI document is made from this.

Keys may be added; none is removed and none changes its meaning within /rest/v1/.
"""

from __future__ import annotations

from typing import Annotated, Any, Generic, TypeVar

from ninja import Schema
from pydantic import ConfigDict, Field

from hosts.wakemethods import Verb

T = TypeVar("T")


class Error(Schema):
    """Why a call was not carried out, and what to do."""

    code: str = Field(description="a word for programs")
    error: str
    do: str


class RunRow(Schema):
    """A run as `vetting runs --json` lists it. Times are ISO 8601 in UTC."""

    run: int
    host: str
    state: str
    verdict: str | None = Field(description="passed, failed, incomplete or error; null if there is none (yet)")
    profile: str
    repair: str
    requested_by: str
    stopped_by: str
    created_at: str | None
    started_at: str | None
    ended_at: str | None


class Run(RunRow):
    """A run in full. `is_final`: nothing more happens by itself, it has ended or is held."""

    is_final: bool
    bench_error: str
    stages: dict[str, str] = Field(description="stage: outcome of its newest attempt, or running")
    stage_progress: list[dict[str, Any]]
    actions: list[str] = Field(description="what its state allows: cancel, release, retry, adopt")
    retryable: list[str] = Field(description="stages that can be retried")
    link: str


class HostRow(Schema):
    """A host as `vetting hosts --json` lists it."""

    name: str
    enabled: bool
    health: str
    profile: str
    tags: list[str]
    model: str
    macs: list[str]
    wake_method: str
    has_expected_spec: bool
    destructive_allowed: bool
    state: str
    last_verdict: str | None
    run: RunRow | None = Field(description="its newest run")


class PowerRow(Schema):
    """What somebody asked of a host's power. `said` is what came of it, once `done_at` is there."""

    verb: str
    who: str
    asked_at: str | None
    done_at: str | None
    failed: bool
    said: str


class Booting(Schema):
    """What a host boots with of its own, as on its form."""

    idle_boot: str
    boot_binary: str
    kernel_args: str
    console: str
    boot_deadline_s: int | None
    local_boot: str
    local_drive: int
    cycle_hung: bool


class Host(HostRow):
    """A host in full, with its newest runs."""

    power_verbs: list[str] = Field(description="what its way to wake can do with its power")
    power: list[PowerRow] = Field(description="what was asked of its power, newest first")
    booting: Booting

    notes: str
    dmi_uuid: str
    expected: dict[str, Any] | None
    writable_disks: list[str]
    runs: list[RunRow]


class Finding(Schema):
    """`counts` is false for those of an earlier boot, which the verdict does not count."""

    id: int
    stage: str
    attempt: int
    counts: bool
    at: str
    severity: str
    code: str
    component_kind: str
    component: str
    message: str
    value: Any = None
    limit: Any = None
    unit: str
    action: str
    advice: str


class Parts(Schema):
    """`parts` are those that a finding names, with what to do; `inventory` is everything that was found. Both are as
    in the report."""

    parts: list[dict[str, Any]]
    inventory: dict[str, Any] | None
    left_out: int


class Measurement(Schema):
    component_kind: str
    component: str
    name: str
    unit: str
    lowest: float
    mean: float
    highest: float
    count: int


class Difference(Schema):
    """Between the expected spec and what was found. `path` is what adopt takes."""

    path: str
    severity: str
    expected: Any = None
    actual: Any = None
    message: str


class File(Schema):
    """`address` is where it can be fetched."""

    name: str
    title: str
    address: str
    size: int | None = Field(description="bytes; null for what is made when it is fetched")


class ProfileRow(Schema):
    name: str
    title: str
    description: str
    writes: bool
    problem: str = Field(description="why it can't be used; empty if it can")


class Choice(Schema):
    """A profile for one host, as the host's page offers it."""

    name: str
    title: str
    description: str
    seconds: float
    writes: bool
    lost: list[str]
    only_read: list[str]
    refused: str


class Page(Schema, Generic[T]):
    """`next` is the `cursor` of the following page; null after the last one."""

    items: list[T]
    next: str | None


class Body(Schema):
    """A key that is not known is refused, so that a misspelt one is not ignored."""

    model_config = ConfigDict(extra="forbid")


class Ask(Body):
    dry_run: bool = Field(False, description="say what would be done, and do nothing")


class Start(Ask):
    profile: str = Field("", max_length=63, description="empty: the host's own")
    repair: str = Field("", max_length=200, description="what was repaired, for the report")
    may_destroy: bool = Field(False, description="must be true for a profile that writes to disks")
    anyway: bool = Field(False, description="even if no host can boot from this bench")
    restart_if_on: bool = Field(
        False, description="restart a host that is on, whatever runs on it; needs scope power, too"
    )


class Retry(Ask):
    stage: str = Field(max_length=16)


class Adopt(Ask):
    path: str = Field("", max_length=200, description="one difference; empty: everything that was found")


class Tags(Ask):
    tags: list[Annotated[str, Field(max_length=64)]] = Field(
        max_length=100, description="all tags that the host is to have; in small letters, at most 20"
    )


class Power(Ask):
    verb: Verb = Field(description="what to do; `power_verbs` of the host has what it can")
    may_stop: bool = Field(False, description="must be true for off, cycle and reset: what runs on it loses its power")


class PowerAsked(Schema):
    """`done` is false after a dry run. The worker does it at once; `power` of the host says what came of it."""

    done: bool
    host: str
    verb: str
    consequence: str = Field(description="what a verb that stops the host does; empty for others")


class Tagged(Schema):
    """`done` is false after a dry run. `tags` are those that the host has, or would have."""

    done: bool
    host: str
    tags: list[str]
    before: list[str]


class Plan(Schema):
    """What a start would do."""

    host: str
    profile: str
    seconds: float
    writes: bool
    lost: list[str]
    only_read: list[str]
    ahead: int = Field(description="runs that wait for a slot before it")
    starts_at_once: bool
    not_ready: str = Field(description="why no host can boot from this bench now; empty if one can")


class Done(Schema):
    """`done` is false after a dry run. `words` say what was, or would be, done; `changed_lines` are a diff of the
    expected spec."""

    done: bool
    words: list[str]
    changed_lines: list[str] = []
    run: RunRow
