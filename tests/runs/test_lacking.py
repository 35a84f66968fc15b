"""What a run could not test for want of a sensor or a part, and saying from its page that the host has none of it."""

from __future__ import annotations

import io
from typing import Any

import pytest
from django.core.management import call_command
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from agent.contract import codec, wire
from hosts.models import Host
from runs import adopting, lacking
from runs.desk import following
from runs.judging import required_checks
from runs.models import Run, StageRun
from runs.reports import document
from tests import factories, rows
from tests.pages import as_read
from tests.talker import INVENTORY

pytestmark = pytest.mark.django_db

PROFILE: dict[str, Any] = {
    "stages": {
        "InventoryCheck": {"required": ["cpu", "bmc"]},
        "CPUStress": {"required": ["compute", "temperature", "counters.thermal"]},
        "SMART": {"required": ["health"]},
    }
}


def check(name: str, outcome: str = "not_tested", topic: str = "", **more: Any) -> dict[str, Any]:
    return {"name": name, "outcome": outcome, "reason": f"why {name}", "component": "", "topic": topic, **more}


def a_run(host: Host | None = None, inventory: dict[str, Any] | None = None, **fields: Any) -> Run:
    host = host or rows.a_host("pve-1")
    found = {**codec.encode(INVENTORY), **(inventory or {})}
    return rows.a_run(host, verdict="incomplete", profile=PROFILE, inventory=found, **fields)


def a_first_run(**fields: Any) -> Run:
    """Of a machine without BMC and temperature sensors."""
    run = a_run(**fields)
    rows.a_stage(run, "InventoryCheck", "not_tested", checks=[check("cpu", "passed"), check("bmc", topic="bmc")])
    heat = [check("temperature", topic="thermal"), check("counters.thermal", topic="throttling")]
    rows.a_stage(run, "CPUStress", "not_tested", checks=[check("compute", "passed"), *heat])
    rows.a_stage(run, "SpecValidate", "not_tested", reason="no expected spec")
    return run


@pytest.fixture
def operator(client: Client) -> Client:
    client.force_login(factories.UserFactory(), backend="django.contrib.auth.backends.ModelBackend")
    return client


def not_expected(run: Run) -> list[str]:
    return list((Host.objects.get(pk=run.host_id).expected or {}).get("not_expected") or [])


def topics(run: Run) -> dict[str, str]:
    """Each topic that is offered, with its doubt."""
    return {lack.topic: lack.doubt for lack in lacking.of(Run.objects.get(pk=run.pk))}


def test_what_was_required_and_not_tested_is_offered_with_where_and_why() -> None:
    lacks = lacking.of(a_first_run())
    assert [(lack.topic, lack.words, lack.doubt) for lack in lacks] == [
        ("bmc", "BMC", ""), ("thermal", "CPU temperature", ""), ("throttling", "counters of CPU throttling", ""),
    ]  # fmt: skip
    assert lacks[1].checks == [lacking.Untested("CPU", "temperature", "", "why temperature")]


@pytest.mark.parametrize(
    "checks",
    [
        [check("health", component="SATA-1", topic="smart"), check("health", "passed", "smart", component="SATA-2")],
        [check("health", topic="smart"), check("health", "failed", "smart", component="SATA-2")],
        [check("health", topic="smart", cause="bench")],
        [check("self_test", topic="smart")],
        [check("health")],
    ],
    ids=["another passed", "another failed", "by the bench", "not required", "no topic"],
)
def test_what_the_host_has_or_a_run_can_do_without_is_not_offered(checks: list[dict[str, Any]]) -> None:
    run = a_run()
    rows.a_stage(run, "SMART", "not_tested", checks=checks)
    assert topics(run) == {}


@pytest.mark.parametrize(
    ("name", "topic", "found", "doubt"),
    [
        ("bmc", "bmc", {"bmc": True}, "Inventory has found a BMC"),
        ("bmc", "ecc", {"memory": {"ecc": True}}, "Inventory has found ECC memory"),
        ("bmc", "ecc", {"memory": {"ecc": False}}, ""),
        ("bmc", "dimms", {}, "Inventory has found 1 memory module"),
        ("bmc", "network", {}, "Inventory has found 1 network port"),
        ("bmc", "storage", {}, "Inventory has found 1 disk"),
        ("bmc", "smart", {}, "Inventory has found 1 disk on NVMe, SATA or SAS"),
        ("bmc", "smart", {"disks": [{"serial": "V-1", "bus": "virtio"}]}, ""),
        ("bmc", "gpu_load", {"gpus": [{"model": "A"}, {"model": "B"}]}, "Inventory has found 2 GPUs"),
    ],
)
def test_what_was_found_speaks_against_it(name: str, topic: str, found: dict[str, Any], doubt: str) -> None:
    run = a_run(inventory=found)
    rows.a_stage(run, "InventoryCheck", "not_tested", checks=[check(name, topic=topic)])
    assert topics(run) == {topic: doubt}


def test_what_the_spec_lists_and_what_an_earlier_run_tested_speak_against_it() -> None:
    """A sensor that is gone is no sensor that the host never had."""
    host = rows.a_host("pve-1", expected={"firmware": {"bmc": "1.2"}})
    before = a_run(host)
    rows.a_stage(before, "CPUStress", checks=[check("temperature", "passed", "thermal")])
    run = a_first_run(host=host)
    doubts = {"bmc": "the expected spec lists it", "thermal": f"run {before.pk} has tested it", "throttling": ""}
    assert topics(run) == doubts
    Host.objects.update(compared_since=run.created_at)
    assert topics(run)["thermal"] == "", "it was other hardware"


def test_nothing_is_offered_while_the_run_goes_on() -> None:
    assert topics(a_first_run(state="Memory")) == {}
    assert topics(a_first_run(host=rows.a_host("pve-2", "52:54:00:00:00:02"), state="FailedHolding")) != {}


def test_one_proposal_after_the_first_run_adopts_and_says_what_is_not_there(operator: Client) -> None:
    run = a_first_run()
    page = as_read(operator.get(run.get_absolute_url()).content)
    assert "This host has none of these" in page and "why temperature" in page
    asked = as_read(operator.get(reverse("adopt", args=[run.pk])).content)
    for shown in ("Memory modules: 1", "DIMM_A1", "Disks: 1", "SATA-0001", 'value="thermal"'):
        assert shown in asked
    assert asked.count("checked") == 3
    operator.post(reverse("adopt", args=[run.pk]), {"path": "", "has_no": ["bmc", "thermal", "throttling"]})
    assert {"bmc", "gpu", "thermal", "throttling"} == set(not_expected(run))
    assert "BMC, CPU temperature, counters of CPU throttling" in run.events.get(kind="adopted").text
    assert topics(run) == {}
    assert 'id="lacking"' in page and "has none" not in as_read(operator.get(run.get_absolute_url()).content)


def test_a_host_that_is_said_to_have_none_passes_and_one_that_fails_there_still_fails(operator: Client) -> None:
    """Only what was not tested is taken off."""
    run = a_first_run()
    operator.post(reverse("not-there", args=[run.pk]), {"has_no": ["thermal"]})
    assert not_expected(run) == ["thermal"]
    required = required_checks.of_stage("CPUStress", PROFILE, None)
    done = [check("compute", "passed"), check("counters.thermal", "passed", "throttling")]
    for outcome, is_missing in (("not_tested", False), ("failed", True)):
        made = codec.decode(list[wire.Check], [*done, check("temperature", outcome, "thermal")])
        met = all(required_checks.is_met(one, made, not_expected(run)) for one in required)
        assert met is not is_missing


def test_one_of_them_is_said_by_its_own_button_and_nothing_else_is_ticked(operator: Client) -> None:
    run = a_first_run()
    address = reverse("not-there", args=[run.pk])
    page = as_read(operator.get(address, {"topic": "thermal"}).content)
    assert page.count("checked") == 1 and "+- thermal" in page
    answer = operator.post(address, {"has_no": ["thermal"]})
    assert answer.headers["Location"] == run.get_absolute_url()
    assert not_expected(run) == ["thermal"]
    assert [row.who for row in run.events.filter(kind="adopted")] == ["operator"]


def test_what_something_speaks_against_is_not_ticked(operator: Client) -> None:
    run = a_first_run(inventory={"bmc": True})
    page = as_read(operator.get(reverse("not-there", args=[run.pk])).content)
    assert page.count("checked") == 2 and "but Inventory has found a BMC" in page


@pytest.mark.parametrize("sent", [["smart"], ["nonsense"], []])
def test_what_the_run_did_not_lack_is_refused(operator: Client, sent: list[str]) -> None:
    run = a_first_run()
    assert operator.post(reverse("not-there", args=[run.pk]), {"has_no": sent}).status_code == 409
    if sent:
        assert operator.post(reverse("adopt", args=[run.pk]), {"has_no": sent}).status_code == 409
    assert Host.objects.get().expected is None


def test_a_run_that_lacked_nothing_has_no_such_page(operator: Client) -> None:
    assert operator.get(reverse("not-there", args=[factories.passed().pk])).status_code == 409


def test_a_held_run_is_judged_by_it_after_a_retry(operator: Client) -> None:
    run = a_first_run(state="FailedHolding")
    adopting.say_not_there(run, ["thermal"], "ada")
    run.refresh_from_db()
    assert run.expected == {"not_expected": ["thermal"]}


def test_the_page_of_all_parts_does_not_claim_a_spec_that_came_later(operator: Client) -> None:
    run = factories.held_by_spec()
    StageRun.objects.filter(run=run, name="SpecValidate").update(ended_at=run.state_since)
    judged, address = f"the spec by which run {run.pk} was judged", reverse("spec", args=[run.pk])
    assert judged in as_read(operator.get(address).content)
    adopting.adopt(run, who="ada")
    page = as_read(operator.get(address).content)
    assert judged not in page and "was not judged by it" in page


def test_adopting_after_the_end_leaves_the_earlier_page_as_it_was(operator: Client) -> None:
    run = a_first_run()
    adopting.adopt(run, who="ada")
    page = as_read(operator.get(reverse("spec", args=[run.pk])).content)
    assert "nothing was compared" in page and "judged" not in page.partition("<table")[0]


# --- from a terminal ---------------------------------------------------------------------------------------------


def said(*words: str) -> tuple[str, str]:
    out, err = io.StringIO(), io.StringIO()
    call_command("host", *words, stdout=out, stderr=err)
    return out.getvalue(), err.getvalue()


def test_the_same_proposal_from_a_terminal() -> None:
    run = a_first_run(inventory={"bmc": True})
    assert list(following.advice(run))[-1] == (
        "if the host is as it should be: ./manage.py host expect pve-1 --adopt --has-no-untested "
        "(--dry-run shows what that changes)"
    )
    shown, warned = said("expect", "pve-1", "--adopt", "--has-no-untested", "--dry-run")
    assert "+- thermal" in shown and "bmc: left out, since Inventory has found a BMC" in warned
    assert Host.objects.get().expected is None
    said("expect", "pve-1", "--adopt", "--has-no-untested", "--has-no", "lldp")
    assert {"thermal", "throttling", "lldp"} <= set(not_expected(run)) and "bmc" not in not_expected(run)
    assert Host.objects.get().expected["disks"]


def test_what_is_untested_is_said_alone_too_and_then_there_is_nothing_left_to_say() -> None:
    run = a_first_run()
    said("expect", "pve-1", "--has-no-untested")
    assert not_expected(run) == ["bmc", "thermal", "throttling"]
    assert said("expect", "pve-1", "--has-no-untested")[0].startswith("Nothing can be said not to be there")
    assert list(following.advice(Run.objects.get())) == [
        "if the host is as it should be: ./manage.py host expect pve-1 --adopt (--dry-run shows what that changes)"
    ]


def test_a_report_lists_no_topic_that_was_said_after_the_last_result() -> None:
    run = rows.a_run(state="FailedHolding", verdict="failed", expected={"not_expected": ["gpu"]})
    stage = rows.a_stage(run, "SMART", "failed", ended_at=timezone.now())
    adopting.say_not_there(run, ["bmc"])
    run.refresh_from_db()
    assert run.expected == {"not_expected": ["gpu", "bmc"]}
    assert document.document(run)["not_expected"] == ["gpu"]
    stage.ended_at = timezone.now()
    stage.save()
    assert document.document(run)["not_expected"] == ["gpu", "bmc"], "the retry was judged by it"
