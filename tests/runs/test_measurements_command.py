"""`manage.py measurements`: every single value of a run, as lines and as CSV, in pieces."""

from __future__ import annotations

import csv
import io
import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection

from runs.measurements import reading, removing, storing
from runs.models import Run
from tests import rows
from tests.database_work import watched
from tests.runs.webprocess import ROOT, database_url

pytestmark = pytest.mark.django_db
BEGAN = datetime(2026, 11, 25, 22, 31, 7, 250_000, tzinfo=UTC)


def printed(*words: Any) -> tuple[str, str]:
    out, errors = io.StringIO(), io.StringIO()
    call_command("measurements", *map(str, words), stdout=out, stderr=errors)
    return out.getvalue(), errors.getvalue()


@pytest.fixture
def run() -> Run:
    """Two sensors; a message that came late, and one value twice at one time."""
    made = rows.a_run()
    fan = {"component": "FAN1", "name": "fan", "component_kind": "fan", "unit": "rpm"}
    rows.measured(made, 1200.0, 1200.0, at=BEGAN + timedelta(seconds=9), **fan)
    rows.measured(made, 41.0, 41.5, at=BEGAN, step_s=5)
    return made


def test_every_value_is_a_line_in_the_order_of_time(run: Run) -> None:
    text, errors = printed(run.pk)
    assert text.splitlines() == [
        "2026-11-25T22:31:07.250Z  cpu CPU0  temp  41.0 C",
        "2026-11-25T22:31:12.250Z  cpu CPU0  temp  41.5 C",
        "2026-11-25T22:31:16.250Z  fan FAN1  fan  1200.0 rpm",
        "2026-11-25T22:31:16.250Z  fan FAN1  fan  1200.0 rpm",
    ]
    assert errors == ""


def test_csv_has_headings_and_no_formula(run: Run) -> None:
    rows.measured(run, -3.25, at=BEGAN + timedelta(minutes=1), component='=1+"1",\x1b\n', unit="")
    found = list(csv.DictReader(io.StringIO(printed(run.pk, "--csv")[0])))
    assert [row["value"] for row in found] == ["41.0", "41.5", "1200.0", "1200.0", "-3.25"]
    assert list(found[0].values()) == ["2026-11-25T22:31:07.250Z", "cpu", "CPU0", "temp", "41.0", "C"]
    assert (found[4]["component"].startswith("'=1+"), "\x1b" in found[4]["component"]) == (True, False)


def test_many_are_read_in_pieces_each_once(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where more batches than one piece end at the same time."""
    monkeypatch.setattr(reading, "BATCHES", 7)
    for number in range(40):
        rows.measured(run, float(number), at=BEGAN + timedelta(seconds=number // 20))
    other = rows.a_run(rows.a_host("other", "52:54:00:00:00:09"))
    rows.measured(other, 99.0, at=BEGAN)
    with watched() as work:
        text, _ = printed(run.pk, "--csv")
    values = [float(row["value"]) for row in csv.DictReader(io.StringIO(text))]
    assert sorted(values) == sorted([41.0, 41.5, 1200.0, 1200.0, *map(float, range(40))])
    assert len(work.statements) == 1 + 1 + 42 // 7 + 1, "the run, the series, each piece, and that there is no more"
    assert work.rows == 1 + 2 + 42


def test_a_series_that_is_new_meanwhile_is_known(run: Run) -> None:
    values = reading.every(run.pk)
    first = next(values)
    for number in range(3):
        key = (f"DIMM{number}", "temp", "dimm", "C")
        storing.keep([(run.pk, [(key, int(BEGAN.timestamp() * 1000) + 10**6, 50.0)])])
    assert [first.component, *(one.component for one in values)].count("FAN1") == 2
    assert {one.component for one in reading.every(run.pk)} == {"CPU0", "FAN1", "DIMM0", "DIMM1", "DIMM2"}


def test_it_says_why_there_is_nothing(run: Run) -> None:
    assert printed(rows.a_run(rows.a_host("new", "52:54:00:00:00:07")).pk)[1].endswith("nothing was measured\n")
    removing.remove_values(run.pk)
    text, errors = printed(run.pk, "--csv")
    assert text == "time,kind,component,name,value,unit\n"
    assert errors.endswith(
        "they were removed (measurements.keep_every_value_days); the charts still have each minute\n"
    )


def test_an_unknown_run_ends_with_4(run: Run) -> None:
    with pytest.raises(CommandError, match=f"there is no run 999999; the newest is {run.pk}") as error:
        printed(999999)
    assert error.value.returncode == 4


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_a_reader_that_has_enough_is_no_error(run: Run) -> None:
    for number in range(300):
        rows.measured(run, *([1.0] * 50), at=BEGAN + timedelta(seconds=number))
    words = [sys.executable, "manage.py", "measurements", str(run.pk)]
    environment = {**os.environ, "DATABASE_URL": database_url(connection.settings_dict)}
    with subprocess.Popen(words, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None and process.stderr is not None
        assert process.stdout.readline().startswith(b"2026-11-25T22:31:07.250Z  cpu CPU0")
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == 0
