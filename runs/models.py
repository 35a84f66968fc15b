"""The rows of a run. The database is the only truth: pages, history and messages are made from these rows."""

from __future__ import annotations

from django.db import models
from django.urls import reverse
from django.utils import timezone

from hosts import wakemethods
from hosts.fields import BoundedText
from hosts.models import Host
from runs import frozen_profile
from runs.frozen_profile import FrozenProfile
from runs.machine import ENDED, State
from runs.querysets import RunQuerySet


class Verdict(models.TextChoices):
    NONE = "", "None yet"
    PASSED = "passed", "Passed"
    FAILED = "failed", "Failed"
    INCOMPLETE = "incomplete", "Incomplete"
    ERROR = "error", "Error (the bench)"


class Outcome(models.TextChoices):
    RUNNING = "", "Running"
    PASSED = "passed", "Passed"
    FAILED = "failed", "Failed"
    NOT_TESTED = "not_tested", "Not tested"


class Actor(models.TextChoices):
    OPERATOR = "operator"
    AGENT = "agent"
    WORKER = "worker"
    WATCHDOG = "watchdog"


class Run(models.Model):
    """One vetting of a host. Expected spec, disks and profile are copied here when it is queued."""

    host = models.ForeignKey(Host, on_delete=models.PROTECT, related_name="runs")
    state = models.CharField(max_length=16, default=State.REGISTERED)
    state_since = models.DateTimeField(default=timezone.now)
    verdict = models.CharField(max_length=10, blank=True, choices=Verdict.choices, default=Verdict.NONE)
    bench_error = BoundedText(blank=True, help_text="Why the verdict is error: the fault of the bench.")
    stopped_by = BoundedText(blank=True, help_text="Why the run ended early, in a sentence.")
    repair = models.CharField(max_length=200, blank=True, help_text="What was repaired, in the operator's words.")

    profile_name = models.CharField(max_length=64)
    profile = models.JSONField(default=dict, help_text="The whole profile as it was when queued, overrides applied.")
    expected = models.JSONField(null=True, blank=True)
    compared_since = models.DateTimeField(null=True, blank=True, help_text="The host's, as it was when queued.")
    disks = models.JSONField(default=list, help_text="wire.AllowedDisk rows as they were when queued.")
    destructive_allowed = models.BooleanField(default=False)
    inventory = models.JSONField(null=True, blank=True, help_text="wire.Inventory of the last InventoryCheck.")

    boot = models.PositiveIntegerField(default=0, help_text="Number of the newest boot expected or seen.")
    boot_deadline = models.DateTimeField(null=True, blank=True)
    last_seen = models.DateTimeField(null=True, blank=True, help_text="Last heartbeat or result of the agent.")
    site = models.CharField(max_length=64, blank=True, help_text="web.address of the machine that it booted from.")
    agent_address = models.GenericIPAddressField(null=True, blank=True)
    retry_stage = models.CharField(max_length=16, blank=True, help_text="Asked for; waits for a free slot.")
    left_to_disk_at = models.DateTimeField(
        null=True, blank=True, help_text="When its host, after the run, was sent to its own disk."
    )
    restart_if_on = models.BooleanField(default=False, help_text="A host that is on at the start is restarted.")
    report_due = models.BooleanField(default=False)
    report_at = models.DateTimeField(null=True, blank=True)
    files_removed_at = models.DateTimeField(null=True, blank=True, help_text="By the cap on the size of all files.")

    log_bytes = models.BigIntegerField(default=0, help_text="Committed length of the log file.")
    progress_seq = models.BigIntegerField(default=0, help_text="Rises when progress changed.")
    sensor_seq = models.BigIntegerField(default=0, help_text="Rises when measurements came.")
    rolled_up_to = models.BigIntegerField(default=0, help_text="The newest MeasurementBatch that is in SeriesHour.")

    requested_by = models.CharField(max_length=150, blank=True)
    created_at = models.DateTimeField(default=timezone.now)
    started_at = models.DateTimeField(null=True, blank=True, help_text="When it was dispatched.")
    ended_at = models.DateTimeField(null=True, blank=True)

    page_version: int
    """No column: what a page reads with the run (runs/desk/run_page.py)."""

    objects = RunQuerySet.as_manager()

    class Meta:
        ordering = ("-id",)
        permissions = [
            ("start_run", "Can start a run"),
            ("cancel_run", "Can cancel a run"),
            ("release_run", "Can release a held host"),
            ("retry_run", "Can retry a stage"),
            ("override_run", "Can override the wipe probe: what is on that disk is destroyed"),
            ("adopt_run", "Can adopt what a run found as expected"),
            ("report_run", "Can have a report written again"),
            ("take_hold_key", "Can take the key of a held host, which opens its root account"),
        ]
        indexes = [
            models.Index(fields=["state"]),
            models.Index(fields=["host", "-id", "state", "verdict", "state_since"], name="runs_newest"),
            models.Index(fields=["verdict", "-id"], name="runs_verdict"),
            models.Index(fields=["created_at"], name="runs_created"),
            models.Index(fields=["ended_at"], name="runs_ended"),
            models.Index(fields=["profile_name"], name="runs_profile"),
            models.Index(fields=["id"], condition=models.Q(report_due=True), name="runs_report_due"),
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["host"],
                # By the states that are over, so that a new stage is guarded without a change of the index.
                condition=~models.Q(state__in=sorted((*ENDED, State.FAILED))),
                name="one_live_or_held_run_per_host",
            )
        ]

    def __str__(self) -> str:
        return f"run {self.pk} of {self.host}"

    def get_absolute_url(self) -> str:
        return reverse("run", args=[self.pk])

    @property
    def is_over(self) -> bool:
        """Whether it has ended. (A Failed run may still become held.)"""
        return self.state in ENDED or self.state == State.FAILED

    @property
    def frozen(self) -> FrozenProfile:
        """`profile` with types."""
        return frozen_profile.read(self.profile)


class Boot(models.Model):
    """One boot of a run. `number` counts from 1. The first boot tests; a later one holds the host, or tests if a retry
    was asked for. The token is not stored: it is made from `nonce` and the secret key when needed, and checked against
    its bcrypt hash."""

    run = models.ForeignKey(Run, on_delete=models.CASCADE, related_name="boots")
    number = models.PositiveIntegerField()
    nonce = models.CharField(max_length=32)
    agent_token_hash = models.CharField(max_length=72)
    created_at = models.DateTimeField(default=timezone.now)
    claimed_at = models.DateTimeField(null=True, blank=True)
    dead_at = models.DateTimeField(null=True, blank=True, help_text="From here on the token is refused.")
    boot_id = models.CharField(max_length=64, blank=True, help_text="The kernel's, bound at the claim.")
    dmi_uuid = models.CharField(max_length=64, blank=True)
    macs = models.JSONField(default=list)
    bmc_watchdog = models.JSONField(default=dict, blank=True, help_text="The BMC's watchdog when this boot began.")
    log_seq = models.BigIntegerField(default=0)
    sensor_seq = models.BigIntegerField(default=0)

    class Meta:
        ordering = ("run", "number")
        constraints = [models.UniqueConstraint(fields=["run", "number"], name="one_boot_per_number")]


class Rung(models.TextChoices):
    """The boot ladder, in order."""

    WAKE_SENT = "wake_sent", "Wake sent"
    DHCP = "dhcp", "DHCP answered"
    TFTP = "tftp", "iPXE sent over TFTP"
    SCRIPT = "script", "Boot script fetched"
    KERNEL = "kernel", "Kernel sent"
    INITRD = "initrd", "Initrd sent"
    HELLO = "hello", "Agent said hello"
    CLAIMED = "claimed", "Run claimed"


class LadderRung(models.Model):
    """A rung that a boot reached, and when it first did; `seen` counts repeats."""

    run = models.ForeignKey(Run, on_delete=models.CASCADE, related_name="rungs")
    boot = models.PositiveIntegerField()
    rung = models.CharField(max_length=16, choices=Rung.choices)
    at = models.DateTimeField()
    detail = models.CharField(max_length=200, blank=True)
    seen = models.PositiveIntegerField(default=1)

    class Meta:
        ordering = ("at", "id")
        constraints = [models.UniqueConstraint(fields=["run", "boot", "rung"], name="one_row_per_rung")]


class WakeRequest(models.Model):
    """Asks pxe's wake tick to wake the run's host. The tick repeats it until the machine is seen, the deadline passes,
    or the BMC has refused the login too often. A BMC that has accepted (`woken_at`) is asked no more."""

    run = models.ForeignKey(Run, on_delete=models.CASCADE, related_name="wakes")
    requested_at = models.DateTimeField(default=timezone.now)
    sent = models.PositiveIntegerField(default=0)
    last_sent_at = models.DateTimeField(null=True, blank=True)
    woken_at = models.DateTimeField(null=True, blank=True)
    problem = models.CharField(max_length=400, blank=True)
    refusals = models.PositiveSmallIntegerField(default=0, help_text="Logins that the BMC refused.")
    restart_allowed_at = models.DateTimeField(
        null=True, blank=True, help_text="When somebody last allowed to restart a host that is on; else: at the start."
    )
    restarted_at = models.DateTimeField(
        null=True, blank=True, help_text="Right before a host that was on was restarted: it is done once."
    )


class PowerReason(models.TextChoices):
    ASKED = "asked", "Somebody asked for it"
    HUNG = "hung", "The host hung under test"
    AFTER = "after", "The run is over"


class PowerRequest(models.Model):
    """Asks pxe's tick to do one thing with a host's power (`verb`: hosts.wakemethods.Verb), once. It is due from
    `due_at` on, in hand without a `due_at`, and over from `done_at` on: `said` has what was done, or why it was not.
    From `begun_at` on the host may have been stopped."""

    host = models.ForeignKey(Host, on_delete=models.CASCADE, related_name="power_requests")
    run = models.ForeignKey(Run, null=True, blank=True, on_delete=models.CASCADE, related_name="power_requests")
    verb = models.CharField(max_length=16)
    reason = models.CharField(max_length=8, choices=PowerReason.choices, default=PowerReason.ASKED)
    who = models.CharField(max_length=150, blank=True)
    asked_at = models.DateTimeField(default=timezone.now)
    due_at = models.DateTimeField(null=True, blank=True, default=timezone.now)
    tries = models.PositiveSmallIntegerField(default=0)
    begun_at = models.DateTimeField(null=True, blank=True)
    done_at = models.DateTimeField(null=True, blank=True)
    failed = models.BooleanField(default=False)
    said = models.CharField(max_length=400, blank=True)

    class Meta:
        ordering = ("-id",)
        indexes = [models.Index(fields=["due_at"], condition=models.Q(done_at=None), name="runs_power_due")]
        constraints = [
            models.UniqueConstraint(
                fields=["run", "reason"],
                condition=~models.Q(reason="asked"),
                name="one_power_request_per_run_and_reason",
            )
        ]

    def __str__(self) -> str:
        return f"{self.verb} of {self.host}"

    @property
    def words(self) -> str:
        return wakemethods.WORDS[wakemethods.Verb(self.verb)]


class StageRun(models.Model):
    """One attempt of one stage. `outcome` is empty while it runs or waits for its go. Its deadline counts from
    `go_at`."""

    run = models.ForeignKey(Run, on_delete=models.CASCADE, related_name="stage_runs")
    name = models.CharField(max_length=16)
    order = models.PositiveSmallIntegerField()
    attempt = models.PositiveIntegerField(default=1)
    boot = models.PositiveIntegerField(default=1)
    outcome = models.CharField(max_length=10, blank=True, choices=Outcome.choices, default=Outcome.RUNNING)
    counts = models.BooleanField(default=True, help_text="Off: not in the profile or not expected on this host.")
    reason = BoundedText(blank=True)
    by_retry = models.BooleanField(default=False, help_text="The agent is in a hold and must be told to come back.")
    timeout_s = models.FloatField(default=0)
    restarts = models.PositiveSmallIntegerField(default=0)
    created_at = models.DateTimeField(default=timezone.now)
    go_at = models.DateTimeField(null=True, blank=True)
    ended_at = models.DateTimeField(null=True, blank=True)
    link_until = models.DateTimeField(null=True, blank=True, help_text="Until when the bench's link is lent to it.")
    bench = BoundedText(blank=True, help_text="Why the bench can't measure yet, or could not.")
    bench_since = models.DateTimeField(null=True, blank=True, help_text="Since when it waits for a fit bench.")
    progress = models.JSONField(default=list, help_text="wire.Progress rows of the last heartbeat.")
    checks = models.JSONField(default=list)
    counters = models.JSONField(default=list)
    numbers = models.JSONField(default=dict)
    refusals = models.JSONField(default=list)
    evidence = models.JSONField(default=dict)

    class Meta:
        ordering = ("order", "attempt")
        indexes = [
            models.Index(fields=["link_until"], condition=models.Q(link_until__isnull=False), name="runs_link_lent"),
        ]
        constraints = [models.UniqueConstraint(fields=["run", "name", "attempt"], name="one_row_per_attempt")]


class Severity(models.TextChoices):
    CRITICAL = "critical"
    WARNING = "warning"
    INFO = "info"


class Finding(models.Model):
    """One thing that a stage saw (wire.Finding). `value` and `limit` are a number, a text or null."""

    run = models.ForeignKey(Run, on_delete=models.CASCADE, related_name="findings")
    stage_run = models.ForeignKey(StageRun, on_delete=models.CASCADE, related_name="findings")
    code = models.CharField(max_length=64)
    severity = models.CharField(max_length=8, choices=Severity.choices)
    component_kind = models.CharField(max_length=16)
    component = models.CharField(max_length=128)
    message = BoundedText()
    value = models.JSONField(null=True, blank=True)
    limit = models.JSONField(null=True, blank=True)
    unit = models.CharField(max_length=16, blank=True)
    at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ("id",)
        indexes = [
            # A part by how its serial begins. Without the class, PostgreSQL has no beginnings in its index.
            models.Index(
                fields=["component", "run"], name="runs_finding_part", opclasses=["text_pattern_ops", "int8_ops"]
            ),
        ]


class SpecDiff(models.Model):
    """One difference between expected spec and inventory, at a `path` such as `memory.dimms[DIMM_A1].serial`."""

    run = models.ForeignKey(Run, on_delete=models.CASCADE, related_name="spec_diffs")
    stage_run = models.ForeignKey(StageRun, on_delete=models.CASCADE, related_name="spec_diffs")
    path = models.CharField(max_length=200)
    severity = models.CharField(max_length=8, choices=Severity.choices)
    expected = models.JSONField(null=True, blank=True)
    actual = models.JSONField(null=True, blank=True)
    message = BoundedText()
    adopted_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ("id",)


class Series(models.Model):
    """What one sensor of a run measures, e.g. temp of CPU0 in C."""

    run = models.ForeignKey(Run, on_delete=models.CASCADE, related_name="series", db_index=False)
    component_kind = models.CharField(max_length=16)
    component = models.CharField(max_length=128)
    name = models.CharField(max_length=32)
    unit = models.CharField(max_length=16)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["run", "component", "name", "component_kind", "unit"], name="one_series_per_sensor"
            )
        ]


class MeasurementBatch(models.Model):
    """Measurements as one message of an agent brought them, packed (`runs/measurements/packing.py`). Times are in
    milliseconds since 1970. `hottest` is the highest temperature among them."""

    run = models.ForeignKey(Run, on_delete=models.CASCADE, related_name="batches", db_index=False)
    first_ms = models.BigIntegerField()
    last_ms = models.BigIntegerField()
    hottest = models.FloatField(null=True)
    samples = models.BinaryField()

    class Meta:
        indexes = [models.Index(fields=["run", "last_ms", "id"], name="runs_batch_by_time")]


class SeriesHour(models.Model):
    """The measurements of one series in one hour (counted from 1970), and packed in `minutes` those of each minute:
    count, lowest, highest and total. It has all batches of the run up to `Run.rolled_up_to`."""

    series = models.ForeignKey(Series, on_delete=models.CASCADE, related_name="hours", db_index=False)
    hour = models.PositiveIntegerField()
    count = models.BigIntegerField()
    lowest = models.FloatField()
    highest = models.FloatField()
    total = models.FloatField()
    minutes = models.BinaryField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["series", "hour"], name="one_row_per_series_and_hour")]


class Artifact(models.Model):
    """A file of a run, below the run's directory."""

    run = models.ForeignKey(Run, on_delete=models.CASCADE, related_name="artifacts")
    name = models.CharField(max_length=200)
    path = models.CharField(max_length=400)
    size = models.BigIntegerField()
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ("name",)
        indexes = [models.Index(fields=["created_at"], name="runs_artifact_age")]
        constraints = [models.UniqueConstraint(fields=["run", "name"], name="one_artifact_per_name")]


class LeftOut(models.Model):
    """How many of one kind were sent and not kept, because `hosts.bounds` allows no more. `whole` names the artifact
    that has all of them. `stage_run` is empty for log lines and measurements, which belong to the run."""

    run = models.ForeignKey(Run, on_delete=models.CASCADE, related_name="left_out")
    stage_run = models.ForeignKey(StageRun, null=True, blank=True, on_delete=models.CASCADE, related_name="left_out")
    what = models.CharField(max_length=16)
    count = models.BigIntegerField()
    whole = models.CharField(max_length=200, blank=True)

    class Meta:
        ordering = ("id",)


class HoldSession(models.Model):
    """One hold of a host, with a key pair of its own. The private key is stored encrypted until it is downloaded or the
    hold ends."""

    run = models.ForeignKey(Run, on_delete=models.CASCADE, related_name="holds")
    boot = models.PositiveIntegerField()
    opened_at = models.DateTimeField(default=timezone.now)
    closed_at = models.DateTimeField(null=True, blank=True)
    public_key = models.TextField()
    private_key_sealed = models.TextField(blank=True)
    downloaded_at = models.DateTimeField(null=True, blank=True)
    address = models.GenericIPAddressField(null=True, blank=True)
    port = models.PositiveIntegerField(default=22)
    host_key = models.TextField(blank=True)
    users = models.JSONField(default=list)

    class Meta:
        ordering = ("id",)


class Override(models.Model):
    """An operator saw what the wipe probe found on one disk, and lets this Storage attempt write over it."""

    run = models.ForeignKey(Run, on_delete=models.CASCADE, related_name="overrides")
    boot = models.PositiveIntegerField()
    stage = models.CharField(max_length=16, default=State.STORAGE)
    attempt = models.PositiveIntegerField()
    serial = models.CharField(max_length=128)
    digest = models.CharField(max_length=64)
    given_by = models.CharField(max_length=150)
    given_at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["run", "stage", "attempt", "serial"], name="one_override_per_attempt")
        ]


class RunEvent(models.Model):
    """The outbox: one row for every change of state and every other line of the history. History, live pages and
    messages read it. `kind` is an event of the machine, or a word such as `token_refused`. `tells` is the kind of
    message to send, or empty. `data` of an event that gives a slot has `slots`, how many there are; of one that changes
    the spec of a run under way, `not_expected`, the topics that it adds there."""

    run = models.ForeignKey(Run, on_delete=models.CASCADE, related_name="events")
    at = models.DateTimeField(default=timezone.now)
    actor = models.CharField(max_length=16, choices=Actor.choices)
    who = models.CharField(max_length=150, blank=True, help_text="Which operator, address or worker.")
    kind = models.CharField(max_length=32)
    state_before = models.CharField(max_length=16, blank=True)
    state_after = models.CharField(max_length=16, blank=True)
    text = BoundedText(blank=True)
    data = models.JSONField(default=dict, blank=True)
    tells = models.CharField(max_length=24, blank=True)

    # PostgreSQL assigns ids before the commit: a row can appear after one with a higher id, but not after so many more.
    LATE_ROWS = 200

    class Meta:
        ordering = ("id",)


class WebOutage(models.Model):
    """A time in which our web process at this site did not answer. It counts against no deadline of the site's hosts;
    without a site, of no host."""

    site = models.CharField(max_length=64, blank=True)
    started_at = models.DateTimeField()
    ended_at = models.DateTimeField()


class BenchShortage(models.Model):
    """A time in which the bench was short of something. `weight` says how many times over its limit it was at worst.

    `cpu`, `port` and `link`: it could not measure, and what was measured then fails no host. `link`: its own port had
    none, so it heard of no host. `busy`: it most likely could; a host that was slow then is measured once more.

    What concerns a port counts for the hosts of its site only; without a site, for all.
    """

    CPU, PORT, LINK, BUSY = "cpu", "port", "link", "busy"

    kind = models.CharField(max_length=8)
    site = models.CharField(max_length=64, blank=True)
    why = BoundedText()
    weight = models.FloatField(default=1)
    started_at = models.DateTimeField()
    ended_at = models.DateTimeField(db_index=True)


class Job(models.Model):
    """A call that takes longer than the worker's round may (runs/jobs.py). It runs from `handed_at` on. A job that
    neither runs nor is due was put aside. `number` is the number of its newest try, `tries` how many failed since it
    was asked for."""

    call = models.CharField(max_length=100)
    args = models.TextField(default="[]", help_text="A JSON list.")
    title = models.CharField(max_length=60)
    run = models.ForeignKey(Run, null=True, blank=True, on_delete=models.CASCADE, related_name="jobs")
    limit_s = models.PositiveIntegerField()
    most_tries = models.PositiveSmallIntegerField(default=1)
    is_long = models.BooleanField(default=False)
    asked_at = models.DateTimeField(default=timezone.now)
    due_at = models.DateTimeField(null=True, blank=True)
    number = models.PositiveIntegerField(default=0)
    tries = models.PositiveSmallIntegerField(default=0)
    handed_at = models.DateTimeField(null=True, blank=True)
    started_at = models.DateTimeField(null=True, blank=True)
    holder = models.CharField(max_length=120, blank=True, help_text="Machine and process of the newest try.")
    failed_at = models.DateTimeField(null=True, blank=True)
    problem = models.TextField(blank=True, help_text="Why the last try failed.")

    class Meta:
        ordering = ("id",)
        indexes = [models.Index(fields=["handed_at", "due_at"])]
        constraints = [models.UniqueConstraint(fields=["call", "args"], name="one_job_per_call_and_arguments")]

    def __str__(self) -> str:
        return f"{self.title} of run {self.run_id}" if self.run_id else self.title

    @property
    def is_put_aside(self) -> bool:
        return self.due_at is None and self.handed_at is None


class Lease(models.Model):
    """A row by `name`, of one of five kinds.

    - `ROUND` is held by the machine that leads, `round_of(machine)` by the process that does this machine's rounds:
      `holder`, until `until`. `ticked_at` is when the round was last seen to go on; its age shows whether the worker
      lives. `paused` has the ticks that took too long, and when each is tried again.
    - `SWEEP`: `ticked_at` is when the last sweep was asked for, `position` the run behind which the next one goes on.
    - `ROLL_UP`: `ticked_at` likewise, `position` the MeasurementBatch up to which the runs were looked at.
    - `web_of(site)`: `web_seen_at` is when the web process of this site last answered.
    """

    ROUND, SWEEP, ROLL_UP = "round", "sweep", "roll_up"

    name = models.CharField(max_length=100, primary_key=True)
    holder = models.CharField(max_length=120, blank=True, help_text="As runs/bench/process.py names it.")
    until = models.DateTimeField(null=True, blank=True)
    ticked_at = models.DateTimeField(null=True, blank=True)
    web_seen_at = models.DateTimeField(null=True, blank=True)
    paused = models.JSONField(default=dict)
    position = models.BigIntegerField(default=0)

    @staticmethod
    def round_of(machine: str) -> str:
        return f"{Lease.ROUND} {machine}"

    @staticmethod
    def web_of(site: str) -> str:
        return f"web {site}"
