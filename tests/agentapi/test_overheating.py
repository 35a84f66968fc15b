"""A load that was stopped because a part was too hot: what the orchestrator keeps of it, and what its page shows."""

from __future__ import annotations

import pytest
from django.test import Client
from django.urls import reverse
from django.utils.html import escape

from agent.contract import wire
from runs.models import Run
from tests import factories
from tests.talker import SERIAL, Talker

pytestmark = pytest.mark.django_db

CPU = "CPU0: 98 C (Package id 0), limit 97 C: the load was stopped"
DISK = f"{SERIAL}: 83 C (Composite), limit 82 C: the load was stopped"


def hot(kind: str, name: str, message: str, value_c: float, limit_c: float) -> wire.Finding:
    return wire.Finding("thermal.critical", wire.Severity.CRITICAL, kind, name, message, value_c, limit_c, "C")


BOTH = [hot("cpu", "CPU0", CPU, 98.0, 97.0), hot("disk", SERIAL, DISK, 83.0, 82.0)]


@pytest.mark.parametrize("outcome", ["failed", "passed", "not_tested"])
def test_overheating_fails_the_stage_and_blames_each_part(talker: Talker, run: Run, outcome: str) -> None:
    talker.boot_and_claim()
    talker.pass_stages_until("CPUStress")
    answer = talker.result("CPUStress", outcome, findings=BOTH, reason=CPU if outcome == "failed" else "")
    run.refresh_from_db()
    stage = run.stage_runs.get(name="CPUStress")
    assert (answer.next_state, stage.outcome, run.verdict) == ("Failed", "failed", "failed")
    rows = {(row.component, row.code, row.value, row.limit) for row in stage.findings.all()}
    assert rows == {("CPU0", "thermal.critical", 98.0, 97.0), (SERIAL, "thermal.critical", 83.0, 82.0)}


def test_the_page_and_the_log_show_part_sensor_reading_and_limit(talker: Talker, run: Run, client: Client) -> None:
    talker.boot_and_claim()
    talker.pass_stages_until("CPUStress")
    talker.log(CPU)
    talker.result("CPUStress", "failed", findings=BOTH, reason=CPU)
    client.force_login(factories.UserFactory(), backend="django.contrib.auth.backends.ModelBackend")
    page = client.get(run.get_absolute_url()).content.decode()
    findings = client.get(reverse("run-parts", args=[run.pk]), {"part": "findings"}).content.decode()
    assert page.count(escape(CPU)) >= 2, "as a finding and as a line of the log"
    assert escape(CPU) in findings and escape(DISK) in findings
    assert "Check fan, heatsink and paste" in findings
