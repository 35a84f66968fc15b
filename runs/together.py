"""Heartbeats, log lines and measurements of many agents, written together: one statement for each table.

The rules are those of `intake`, which handles one call. Here the rows were read before (`callers`), the answers are
computed in memory, and `write` stores what has changed. A call that would need a query, or that changes more than these
rows, is not taken: `Alone` is raised, and the call is handled by itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from django.db import connection
from django.utils import timezone

from agent.contract import wire
from hosts import bounds
from runs import answers, intake, left_out, measurements
from runs.callers import Caller
from runs.files import logs as logfiles
from runs.machine import HELD, TESTING
from runs.models import Boot, Run, StageRun

_PLAIN = frozenset((*TESTING, *HELD))
_BOOTS = (
    f"UPDATE {Boot._meta.db_table} SET log_seq = asked.column2, sensor_seq = asked.column3 FROM (VALUES %s) AS asked"
    f" WHERE {Boot._meta.db_table}.id = asked.column1 AND {Boot._meta.db_table}.log_seq = asked.column4"
    f" AND {Boot._meta.db_table}.sensor_seq = asked.column5"
)
_RUNS = (
    f"UPDATE {Run._meta.db_table} SET log_bytes = asked.column2, sensor_seq = {Run._meta.db_table}.sensor_seq"
    f" + asked.column3 FROM (VALUES %s) AS asked WHERE {Run._meta.db_table}.id = asked.column1"
)
_HEARD = (
    f"UPDATE {Run._meta.db_table} SET last_seen = asked.column2, progress_seq = {Run._meta.db_table}.progress_seq"
    f" + asked.column3 FROM (VALUES %s) AS asked WHERE {Run._meta.db_table}.id = asked.column1"
)
_PROGRESS = (
    f"UPDATE {StageRun._meta.db_table} SET progress = asked.column2 FROM (VALUES %s) AS asked"
    f" WHERE {StageRun._meta.db_table}.id = asked.column1"
)


class Alone(Exception):
    """This call has to be handled by itself."""


class Stale(Exception):
    """Another process has changed a row since it was read. Nothing of the group may be committed."""


@dataclass
class _Sent:
    """The data that one boot has sent (log text, batches of measurements), and the numbers that its row had before."""

    boot: Boot
    log_seq: int
    sensor_seq: int
    text: list[str] = field(default_factory=list)
    text_chars: int = 0
    batches: list[list[wire.Measurement]] = field(default_factory=list)


class Together:
    """Collects what calls change. The order of the calls of one boot is kept."""

    def __init__(self) -> None:
        self._heard: dict[int, int] = {}
        self._progress: dict[int, StageRun] = {}
        self._sent: dict[int, _Sent] = {}

    def heartbeat(self, caller: Caller, message: wire.Heartbeat) -> wire.HeartbeatAnswer:
        run, stage_run = intake.claimed(caller.boot, message.boot_id), caller.stage_run
        is_testing, at_work = run.state in TESTING, (message.stage, message.attempt)
        if run.state not in _PLAIN or is_testing != (stage_run is not None) or answers.tells_retry(stage_run, at_work):
            raise Alone
        progress = intake.new_progress(stage_run, message)
        self._heard[run.pk] = self._heard.get(run.pk, 0) + (progress is not None)
        if progress is not None and stage_run is not None:
            stage_run.progress = progress
            self._progress[stage_run.pk] = stage_run
        return answers.heartbeat_answer(run, stage_run, at_work)

    def log_lines(self, caller: Caller, message: wire.LogBatch) -> wire.Accepted:
        boot, run = caller.boot, intake.claimed(caller.boot, message.boot_id)
        if message.seq > boot.log_seq:
            sent, text = self._of(boot), intake.log_text(message.lines)
            if run.log_bytes + sent.text_chars + len(text) >= bounds.RUN_LOG.most:
                raise Alone
            sent.text.append(text)
            sent.text_chars += len(text)
            boot.log_seq = message.seq
        return wire.Accepted(boot.log_seq)

    def measurements(self, caller: Caller, message: wire.SensorBatch) -> wire.Accepted:
        boot, run = caller.boot, intake.claimed(caller.boot, message.boot_id)
        if message.seq > boot.sensor_seq:
            sent = self._of(boot)
            if not intake.has_room(run, len(sent.batches)) or intake.may_break_limit(run, message.measurements):
                raise Alone
            sent.batches.append(message.measurements)
            boot.sensor_seq = message.seq
        return wire.Accepted(boot.sensor_seq)

    def write(self) -> None:
        """Store everything, in the caller's transaction. Raises Stale, and OSError of a log file."""
        sent = list(self._sent.values())
        logs = [one for one in sent if one.text]
        parts = [(one.boot.run_id, one.boot.run.log_bytes, "".join(one.text).encode()) for one in logs]
        for one, length in zip(logs, logfiles.append_all(parts) if parts else (), strict=True):
            one.boot.run.log_bytes = length
        self._write_boots(sent)
        _update(_RUNS, [(one.boot.run_id, one.boot.run.log_bytes, len(one.batches)) for one in sent])
        now = connection.ops.adapt_datetimefield_value(timezone.now())
        _update(_HEARD, [(run, now, changed) for run, changed in self._heard.items()])
        _update(_PROGRESS, [(pk, _json(stage_run.progress)) for pk, stage_run in self._progress.items()])
        batches = [(one.boot.run_id, batch) for one in sent for batch in one.batches]
        if batches:
            left_out.count_beyond_curves(measurements.store(batches))

    def _write_boots(self, sent: list[_Sent]) -> None:
        """The numbers of the last batches, unless another process has moved one meanwhile: then a batch of this group
        may be stored already."""
        rows = [(one.boot.pk, one.boot.log_seq, one.boot.sensor_seq, one.log_seq, one.sensor_seq) for one in sent]
        if _update(_BOOTS, rows) != len(rows):
            raise Stale("another process has answered one of them meanwhile")

    def _of(self, boot: Boot) -> _Sent:
        if boot.pk not in self._sent:
            self._sent[boot.pk] = _Sent(boot, boot.log_seq, boot.sensor_seq)
        return self._sent[boot.pk]


def _update(statement: str, rows: Sequence[tuple[Any, ...]]) -> int:
    """Run the statement with the values in `rows`. Returns how many rows of the table it changed."""
    if not rows:
        return 0
    row = f"({', '.join(['%s'] * len(rows[0]))})"
    with connection.cursor() as cursor:
        cursor.execute(statement.replace("%s", ", ".join([row] * len(rows))), [value for row in rows for value in row])
        changed: int = cursor.rowcount
    return changed


def _json(progress: list[Any]) -> Any:
    return StageRun._meta.get_field("progress").get_db_prep_save(progress, connection)
