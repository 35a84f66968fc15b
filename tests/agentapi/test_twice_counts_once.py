"""Every message may arrive twice, late, broken or oversized."""

from __future__ import annotations

import time

import pytest

from agent.contract import wire
from runs import intake, lifecycle, transition
from runs.files import logs as logfiles
from runs.machine import Event
from runs.measurements import reading
from runs.models import Actor, Run
from tests import work
from tests.talker import SERIAL, Talker

pytestmark = pytest.mark.postgresql

FINDING = wire.Finding("smart.wear", wire.Severity.WARNING, "disk", SERIAL, "sda: 91 % worn", 91, 90, "%")
TEMPERATURE = wire.Measurement(1.0, "cpu", "CPU0", "temp", 61.5, "C")


def test_a_result_sent_twice_is_answered_alike_and_kept_once(talker: Talker, run: Run) -> None:
    talker.boot_and_claim()
    talker.pass_stages_until("SMART")
    first = talker.result("SMART", findings=[FINDING])
    assert talker.result("SMART", findings=[FINDING]) == first
    assert run.findings.filter(code="smart.wear").count() == 1
    assert run.events.filter(state_after="CPUStress").exclude(kind="rung").count() == 1


def test_a_claim_sent_twice_starts_one_stage(talker: Talker, run: Run) -> None:
    assert talker.boot_and_claim() == talker.claim()
    assert run.stage_runs.count() == 1


def test_a_log_batch_sent_twice_is_written_once(talker: Talker, run: Run) -> None:
    talker.boot_and_claim()
    assert talker.log("one", seq=1).seq == 1
    assert talker.log("one", seq=1).seq == 1
    talker.log("two", seq=2)
    assert [line.rsplit(maxsplit=1)[-1] for line in logfiles.path(run.pk).read_text().splitlines()] == [
        "one",
        "two",
    ]


def test_measurements_sent_twice_are_kept_once(talker: Talker, run: Run) -> None:
    talker.boot_and_claim()
    batch = wire.SensorBatch("boot-1", 1, [TEMPERATURE])
    for _ in range(2):
        assert talker.post("sensor", batch, wire.Accepted).seq == 1
    assert reading.count(run_id=run.pk) == 1


def test_a_warning_hides_no_critical_finding_and_that_hides_its_own_repeats(talker: Talker, run: Run) -> None:
    Run.objects.filter(pk=run.pk).update(
        profile=run.profile | {"sensors": {"cpu_temp_max_c": 98, "cpu_temp_max_c_warning": 85}}
    )
    intake._sensor_limits.cache_clear()  # another test's run had this number, too
    talker.boot_and_claim()
    _measure(talker, 90.0, 91.0, 100.0, 101.0, 90.0)
    assert [finding.severity for finding in run.findings.all()] == ["warning", "critical"]


def test_a_limit_is_broken_by_two_samples_in_a_row_also_of_two_batches(talker: Talker, run: Run) -> None:
    Run.objects.filter(pk=run.pk).update(profile=run.profile | {"sensors": {"cpu_temp_max_c": 98}})
    intake._sensor_limits.cache_clear()
    talker.boot_and_claim()
    _measure(talker, 99.0, 60.0, 127.0, 60.0)
    assert not run.findings.exists()
    _measure(talker, 99.0, 100.0, first=5)
    assert [finding.value for finding in run.findings.all()] == [100.0]


def test_one_sample_of_a_host_whose_clock_is_wrong_is_one(talker: Talker, run: Run) -> None:
    Run.objects.filter(pk=run.pk).update(profile=run.profile | {"sensors": {"cpu_temp_max_c": 98}})
    intake._sensor_limits.cache_clear()
    talker.boot_and_claim()
    for seq in range(1, 20, 2):
        _measure(talker, 127.0, 60.0, first=seq, since=0.0)
    assert not run.findings.exists()


def _measure(talker: Talker, *values: float, first: int = 1, since: float | None = None) -> None:
    """A batch for each, the samples 2 s apart."""
    begin = time.time() - 60 if since is None else since
    for seq, value in enumerate(values, start=first):
        measured = wire.Measurement(begin + 2 * seq, "cpu", "CPU0", "temp", value, "C")
        talker.post("sensor", wire.SensorBatch("boot-1", seq, [measured]), wire.Accepted)


def test_a_hold_sent_twice_keeps_its_key_and_updates_who_is_in(talker: Talker, run: Run) -> None:
    talker.boot_and_claim()
    talker.result("InventoryCheck", "failed", reason="no lshw")
    assert talker.hold().authorized_key == talker.hold(users=["root from 10.0.0.9"]).authorized_key
    assert run.holds.get().users == ["root from 10.0.0.9"]


def test_a_result_after_the_failure_is_kept_as_evidence(talker: Talker, run: Run) -> None:
    talker.boot_and_claim()
    with transition.locked(run.pk) as current:
        transition.apply(current, Event.HEARTBEAT_DEADLINE, actor=Actor.WATCHDOG, why="silent for 600 s")
    answer = talker.result("InventoryCheck")
    assert (answer.next_state, answer.cmd) == ("Failed", wire.Cmd.ABORT)
    assert run.stage_runs.get().outcome == "failed"
    assert run.events.filter(kind="late_result").count() == 1
    assert talker.heartbeat().cmd is wire.Cmd.ABORT
    talker.hold()
    run.refresh_from_db()
    assert run.state == "FailedHolding", "a late hold is accepted"


def test_a_late_hold_of_a_superseded_run_is_refused(talker: Talker, run: Run) -> None:
    talker.boot_and_claim()
    talker.result("InventoryCheck", "failed", reason="no lshw")
    lifecycle.start_run(run.host, profile_name="quick")
    talker.hold(status=409)


def test_a_result_for_a_stage_that_is_not_running_is_refused(talker: Talker, run: Run) -> None:
    talker.boot_and_claim()
    talker.result("Storage", status=409)


@pytest.mark.parametrize(
    ("body", "path"),
    [
        (b"nonsense", ""),
        (b'{"boot_id": "boot-1"}', "stage"),
        (b'{"boot_id": "boot-1", "stage": "", "attempt": "1", "uptime_s": 1}', "attempt"),
        (b'{"boot_id": "boot-1", "stage": "", "attempt": 1, "uptime_s": 1, "x": 1}', "x"),
        (
            b'{"boot_id": "boot-1", "stage": "", "attempt": 1, "uptime_s": 1, "progress": [{"item": 3}]}',
            "progress[0].percent",
        ),
        (b"[" * 100_000, ""),
    ],
)
def test_a_broken_message_is_a_400_that_names_the_path(talker: Talker, run: Run, body: bytes, path: str) -> None:
    talker.boot_and_claim()
    assert talker.post("heartbeat", body, status=400)["path"] == path


def test_a_body_over_the_limit_is_a_413(talker: Talker, run: Run, settings: object) -> None:
    settings.AGENT_BODY_LIMIT_BYTES = 1000
    talker.boot_and_claim()
    talker.log("x" * 2000, status=413)


def test_control_characters_and_tokens_never_reach_the_log(talker: Talker, run: Run) -> None:
    talker.boot_and_claim()
    talker.log(f"\x1b[31mred\x00 {talker.token} <script>")
    text = logfiles.path(run.pk).read_text()
    assert "\x1b" not in text and "\x00" not in text and talker.token not in text and "<script>" in text


def test_a_message_of_another_boot_is_refused(talker: Talker, run: Run) -> None:
    talker.boot_and_claim()
    talker.boot_id = "boot-7"
    talker.heartbeat(status=403)


def test_the_result_that_failed_the_run_sent_twice_is_kept_once(talker: Talker, run: Run) -> None:
    talker.boot_and_claim()
    talker.pass_stages_until("SMART")
    first = talker.result("SMART", "failed", findings=[FINDING])
    assert talker.result("SMART", "failed", findings=[FINDING]) == first
    talker.hold()
    talker.result("SMART", "failed", findings=[FINDING])
    assert run.findings.filter(code="smart.wear").count() == 1
    assert not run.events.filter(kind="late_result").exists()


def test_a_late_result_is_kept_once_and_makes_a_new_report_due(talker: Talker, run: Run) -> None:
    talker.boot_and_claim()
    with transition.locked(run.pk) as current:
        transition.apply(current, Event.HEARTBEAT_DEADLINE, actor=Actor.WATCHDOG, why="silent for 600 s")
    Run.objects.filter(pk=run.pk).update(report_due=False)
    for _ in range(2):
        talker.result("InventoryCheck", findings=[FINDING])
    run.refresh_from_db()
    assert run.report_due
    assert run.findings.filter(code="smart.wear").count() == 1


def test_a_hello_of_another_contract_is_answered_alike_when_it_comes_twice(talker: Talker, run: Run) -> None:
    work.dispatch()
    talker.fetch_script()
    assert talker.hello(contract="another") == talker.hello(contract="another")
    assert not run.events.filter(kind="token_refused").exists()
