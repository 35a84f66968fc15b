"""Calls of many agents that are written together, on PostgreSQL: the statements are not those that the ORM makes."""

from __future__ import annotations

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from agentapi import together
from runs.files import logs as logfiles
from runs.models import Run, StageRun
from tests.agentapi.test_together import answered, heartbeat, log, sensor
from tests.invariants.conftest import claimed

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("shared_database")]


def test_all_that_a_group_sends_is_on_record() -> None:
    one, two = claimed(1), claimed(2)
    calls = [heartbeat(one), log(one, 1), sensor(one, 1), log(one, 2), heartbeat(two, 7.0), log(two, 1)]
    assert [answer and answer.status for answer in together.answer(calls)] == [200] * 6
    for talker, lines in ((one, ["line 1", "line 2"]), (two, ["line 1"])):
        run = Run.objects.get(pk=talker.run_id)
        text = logfiles.path(run.pk).read_text()
        assert [line.rpartition("SMART")[2].strip() for line in text.splitlines()] == lines
        assert run.log_bytes == len(text)
    assert StageRun.objects.get(run=two.run_id, outcome="").progress[0]["percent"] == 7.0
    assert Run.objects.get(pk=one.run_id).sensor_seq == 1


def test_the_logs_of_a_group_are_looked_after_by_one_statement() -> None:
    talkers = [claimed(number) for number in (1, 2, 3)]
    counts = []
    for group in (talkers[:1], talkers):
        calls = [log(talker, len(counts) + 1) for talker in group]
        with CaptureQueriesContext(connection) as asked:
            assert [answer.status for answer in answered(*calls)] == [200] * len(calls)
        counts.append(len(asked))
    assert counts[0] == counts[1]
