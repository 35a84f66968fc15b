"""Two web processes append to one run's log on PostgreSQL: what was acknowledged stays, whoever was stopped when."""

from __future__ import annotations

import errno
import fcntl
import time
from pathlib import Path

import psycopg
import pytest
from django.conf import settings
from django.db import DatabaseError, connection, transaction

from runs.files import logs as logfiles
from runs.files import storage
from runs.models import Run
from tests import factories
from tests.several.machines import Machine

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("shared_database")]


def append(run: Run, committed: int, data: bytes) -> None:
    """As a call of an agent does."""
    with transaction.atomic():
        length = logfiles.append(run.pk, committed, data)
        Run.objects.filter(pk=run.pk).update(log_bytes=length)


def test_a_process_that_was_stopped_does_not_undo_what_another_one_committed(tmp_path: Path) -> None:
    run = factories.queued()
    gate = tmp_path / "gate"

    def slow() -> None:
        with transaction.atomic():
            committed = Run.objects.get(pk=run.pk).log_bytes
            (tmp_path / "read").touch()
            while not gate.exists():
                time.sleep(0.01)
            with pytest.raises(OSError) as error:
                logfiles.append(run.pk, committed, b"mine\n")
            assert error.value.errno == errno.ESTALE
            transaction.set_rollback(True)

    stopped = Machine("one", slow)
    while not (tmp_path / "read").exists():
        time.sleep(0.01)
    append(run, 0, b"theirs\n")
    append(run, 7, b"theirs again\n")
    gate.touch()
    assert stopped.end() == 0
    run.refresh_from_db()
    assert logfiles.path(run.pk).read_bytes() == b"theirs\ntheirs again\n"
    assert run.log_bytes == 20


def test_while_a_stopped_process_has_the_file_nobody_else_writes() -> None:
    run = factories.queued()
    append(run, 0, b"one\n")
    with logfiles.path(run.pk).open("rb+") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        with pytest.raises(BlockingIOError):
            append(run, 4, b"two\n")
    append(run, 4, b"two\n")
    assert logfiles.path(run.pk).read_bytes() == b"one\ntwo\n"


def test_what_a_dead_process_left_behind_is_removed() -> None:
    run = factories.queued()
    append(run, 0, b"one\n")
    with logfiles.path(run.pk).open("ab") as file:
        file.write(b"never committed\n")
    append(run, 4, b"two\n")
    assert logfiles.path(run.pk).read_bytes() == b"one\ntwo\n"


def test_a_process_whose_transaction_was_ended_writes_nothing(shared_database: str) -> None:
    """PostgreSQL ends one that is idle for too long, for example while the process was stopped."""
    run = factories.queued()
    append(run, 0, b"one\n")
    with pytest.raises(DatabaseError), transaction.atomic():
        committed = Run.objects.select_for_update().get(pk=run.pk).log_bytes
        with psycopg.connect(shared_database, autocommit=True) as server:
            server.execute("SELECT pg_terminate_backend(%s)", [connection.connection.info.backend_pid])
        logfiles.append(run.pk, committed, b"two\n")
    assert logfiles.path(run.pk).read_bytes() == b"one\n"


def test_nothing_is_written_where_the_shared_storage_is_not_mounted(tmp_path: Path) -> None:
    run = factories.queued()
    settings.RUNS_ARE_SHARED = True
    try:
        with pytest.raises(OSError, match="is not mounted"):
            append(run, 0, b"one\n")
        settings.RUNS_DIR.mkdir(parents=True, exist_ok=True)
        assert not logfiles.path(run.pk).exists()
        (settings.RUNS_DIR / storage.MARK).touch()
        append(run, 0, b"one\n")
    finally:
        settings.RUNS_ARE_SHARED = False
    assert logfiles.path(run.pk).read_bytes() == b"one\n"
