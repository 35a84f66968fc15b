"""The same code on PostgreSQL: its tables from nothing, and what wakes the live pages there."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from tests.runs import postgresql
from tests.runs.conftest import PASSWORD
from tests.runs.test_live_stream import _events, listening
from tests.runs.webprocess import WebProcess

pytestmark = pytest.mark.slow

LIMIT_S = 30
PREPARE = f"""
from tests import factories
user = factories.UserFactory()
user.set_password({PASSWORD!r})
user.save()
print("run", factories.RunFactory().pk)
"""
# In a transaction of its own, once kept and once not.
TELL = """
from django.db import transaction
from runs.models import Run
from tests import factories
with transaction.atomic():
    event = factories.tell(Run.objects.get(), "stage_done", state_after="CPUStress")
    transaction.set_rollback({rolled_back})
print("event", event.pk)
"""


@pytest.fixture(scope="module")
def orchestrator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WebProcess]:
    """A web process, not yet started, over a database that `migrate` made from nothing, with one run."""
    programs = postgresql.binaries()
    if programs is None:
        pytest.skip("no PostgreSQL server here: apt-get install postgresql")
    with postgresql.server(programs) as url:
        process = WebProcess(tmp_path_factory.mktemp("web"), url)
        process.manage("migrate", "--verbosity", "0")
        process.manage("shell", "--verbosity", "0", "-c", PREPARE)
        yield process


def tell(orchestrator: WebProcess, *, rolled_back: bool = False) -> int:
    """A row of the outbox from another process; its id."""
    said = orchestrator.manage("shell", "--verbosity", "0", "-c", TELL.format(rolled_back=rolled_back))
    return int(said.split()[-1])


LIMITS = """
from django.db import connection
from runs.database import limits as dblimits
for limits in (None, dblimits.AGENT):
    if limits:
        dblimits.use(limits)
    connection.close()
    with connection.cursor() as cursor:
        for name in ("lock_timeout", "statement_timeout", "idle_in_transaction_session_timeout"):
            cursor.execute(f"SHOW {name}")
            print(cursor.fetchone()[0], end=" ")
"""


def test_each_kind_of_process_has_its_time_limits(orchestrator: WebProcess) -> None:
    said = orchestrator.manage("shell", "--verbosity", "0", "-c", LIMITS)
    assert said.split() == ["1min", "0", "0", "6s", "8s", "8s"], "a command's, and a migration's; then an agent's"


def test_the_migrations_describe_the_models(orchestrator: WebProcess) -> None:
    orchestrator.manage("makemigrations", "--check", "--dry-run")


def test_a_commit_rings_the_bell_and_a_rollback_does_not(orchestrator: WebProcess) -> None:
    with psycopg.connect(orchestrator.environment["DATABASE_URL"], autocommit=True) as connection:
        connection.execute("LISTEN vetting_live")
        tell(orchestrator, rolled_back=True)
        tell(orchestrator)
        assert [heard.channel for heard in connection.notifies(timeout=LIMIT_S, stop_after=1)] == ["vetting_live"]
        connection.execute("SELECT 1")  # whatever rang is sent with an answer
        assert list(connection.notifies(timeout=0)) == []


def test_an_event_of_another_process_reaches_an_open_page(orchestrator: WebProcess) -> None:
    orchestrator.start()
    try:
        with listening(orchestrator.log_in("operator", PASSWORD), "dash") as events:
            number = tell(orchestrator)
            told = next(json.loads(data) for kind, _, data in events if kind == "run")
    finally:
        assert orchestrator.stop() == 0
    assert (told["id"], told["state"]) == (number, "CPUStress")


def insert(connection: psycopg.Connection[Any], text: str) -> None:
    """A row of the outbox, not yet committed."""
    connection.execute(
        """INSERT INTO runs_runevent (run_id, at, actor, who, kind, state_before, state_after, text, data, tells)
           SELECT min(id), now(), 'worker', '', 'note', '', '', %s, '{}', '' FROM runs_run""",
        [text],
    )


def test_a_page_is_sent_what_was_committed_after_a_row_with_a_higher_id(orchestrator: WebProcess) -> None:
    url = orchestrator.environment["DATABASE_URL"]
    orchestrator.start()
    try:
        client = orchestrator.log_in("operator", PASSWORD)
        with psycopg.connect(url) as late, psycopg.connect(url) as early:
            run = late.execute("SELECT min(id) FROM runs_run").fetchone()
            assert run is not None
            asked = {"channel": f"run-{run[0]}", "with": "parts"}
            with client.stream("GET", "/events/", params=asked) as response:
                sent = (json.loads(data) for kind, _, data in _events(response.iter_lines()) if kind == "parts")
                insert(late, "the lower id")
                insert(early, "the higher id")
                early.commit()
                first = next(one for one in sent if "the higher id" in one["html"])
                late.commit()
                second = next(one for one in sent if _rows_of(one) not in ("", _rows_of(first)))
        rows = client.get(f"/runs/{run[0]}/history/").text
    finally:
        assert orchestrator.stop() == 0
    assert "the higher id" in rows and "the lower id" in rows
    assert second["version"] == first["version"] + 1


def _rows_of(sent: dict[str, Any]) -> str:
    """The digest of the history's rows, where the parts that were sent say it."""
    found = re.search(r'id="history" data-on="run" data-digest="([0-9a-f]+)"', sent["html"])
    return found[1] if found else ""
