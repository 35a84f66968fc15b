"""What the REST API does is what the pages do, under the same conditions, and the history says who did it."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.admin.models import LogEntry

from hosts.models import Host
from runs.machine import State
from runs.models import PowerRequest, Run
from tests import factories, rows, work
from tests.restapi.caller import ALL, Caller
from tests.talker import EXPECTED, Talker
from vetting import roles

pytestmark = pytest.mark.django_db


@pytest.fixture
def caller() -> Caller:
    return Caller()


def a_host(**fields: Any) -> Host:
    return rows.a_host(expected=EXPECTED, **fields)


def who_did(run: Run, kind: str) -> str:
    return run.events.filter(kind=kind).latest("pk").who


def test_a_start_queues_a_run_and_a_second_one_is_refused(caller: Caller) -> None:
    host = a_host()
    told = caller.post(f"/hosts/{host.name}/start", 201, repair="DIMM_A1 replaced")
    run = Run.objects.get()
    assert (told["run"], told["state"], told["profile"], told["repair"]) == (
        run.pk, "Queued", "quick", "DIMM_A1 replaced"
    )  # fmt: skip
    assert run.requested_by == who_did(run, "queue") == str(caller.token)
    assert f"run {run.pk}" in caller.post(f"/hosts/{host.name}/start", 409)["error"]
    assert Run.objects.count() == 1


def test_a_dry_start_says_what_would_be_and_does_nothing(caller: Caller) -> None:
    host = a_host(destructive_allowed=True)
    host.writable_disks.create(serial="SATA-0001", allowed_by="somebody")
    plan = caller.post(f"/hosts/{host.name}/start", profile="quick-write", dry_run=True)
    assert plan["writes"] and "SATA-0001" in plan["lost"][0] and plan["seconds"] > 0
    assert not Run.objects.exists()


def test_a_profile_that_writes_needs_a_word_of_its_own(caller: Caller) -> None:
    host = a_host(destructive_allowed=True)
    told = caller.post(f"/hosts/{host.name}/start", 409, profile="quick-write")
    assert "may_destroy" in told["do"] and not Run.objects.exists()
    caller.post(f"/hosts/{host.name}/start", 201, profile="quick-write", may_destroy=True)


@pytest.mark.parametrize(
    ("fields", "body", "words"),
    [
        ({"enabled": False}, {}, "disabled"),
        ({}, {"profile": "no-such"}, "no profile"),
        ({}, {"profile": "quick-write", "may_destroy": True}, "does not allow"),
    ],
)
def test_what_the_page_refuses_is_refused(
    caller: Caller, fields: dict[str, Any], body: dict[str, Any], words: str
) -> None:
    host = a_host(**fields)
    told = caller.post(f"/hosts/{host.name}/start", 409, **body)
    assert told["code"] == "refused" and words in told["error"] and not Run.objects.exists()


def test_a_run_is_cancelled_once(caller: Caller) -> None:
    run = factories.in_storage()
    dry = caller.post(f"/runs/{run.pk}/cancel", dry_run=True)
    assert (dry["done"], dry["run"]["state"]) == (False, "Storage")
    done = caller.post(f"/runs/{run.pk}/cancel")
    assert (done["done"], done["run"]["state"]) == (True, "Cancelled")
    assert who_did(run, "cancel") == str(caller.token)
    assert "not possible" in caller.post(f"/runs/{run.pk}/cancel", 409)["error"]


def held(host: Host) -> Run:
    """A host that failed its first stage and is held."""
    talker = Talker(host)
    talker.boot_and_claim()
    talker.result("InventoryCheck", "failed", reason="no disk")
    talker.hold()
    return Run.objects.get(pk=talker.run_id)


def test_a_held_host_is_retried_and_released(caller: Caller) -> None:
    host = a_host()
    caller.post(f"/hosts/{host.name}/start", 201)
    run = held(host)
    assert "can't be retried" in caller.post(f"/runs/{run.pk}/retry", 409, stage="Burn")["error"]
    assert caller.post(f"/runs/{run.pk}/retry", stage="InventoryCheck", dry_run=True)["done"] is False
    caller.post(f"/runs/{run.pk}/retry", stage="InventoryCheck")
    run.refresh_from_db()
    assert run.retry_stage == State.INVENTORY_CHECK and who_did(run, "retry_asked") == str(caller.token)
    done = caller.post(f"/runs/{run.pk}/release")
    assert done["run"]["state"] not in ("FailedHolding", "InventoryCheck")
    assert who_did(run, "release") == str(caller.token)
    work.dispatch()


def test_differences_are_adopted_one_by_one_or_all(caller: Caller) -> None:
    run = factories.held_by_spec()
    paths = [row["path"] for row in caller.get(f"/runs/{run.pk}/differences")]
    before = run.host.expected
    dry = caller.post(f"/runs/{run.pk}/adopt", path=paths[0], dry_run=True)
    assert dry["changed_lines"] and not dry["done"]
    run.host.refresh_from_db()
    assert run.host.expected == before
    caller.post(f"/runs/{run.pk}/adopt", path=paths[0])
    left = [row["path"] for row in caller.get(f"/runs/{run.pk}/differences")]
    assert paths[0] not in left and who_did(run, "adopted") == str(caller.token)
    assert "still open" in caller.post(f"/runs/{run.pk}/adopt", 409, path=paths[0])["error"]
    caller.post(f"/runs/{run.pk}/adopt")
    assert caller.get(f"/runs/{run.pk}/differences") == []


@pytest.mark.parametrize("scope", [scope for scope in ALL if scope != "read"])
def test_a_token_without_the_scope_does_nothing(scope: str) -> None:
    run, host = factories.held_by_spec(), a_host(mac="52:54:00:00:aa:01")
    caller = Caller(roles.ADMINISTRATOR, *(name for name in ALL if name != scope))
    path = f"/hosts/{host.name}/{scope}" if scope in ("start", "tags", "power") else f"/runs/{run.pk}/{scope}"
    body: dict[str, Any] = {"retry": {"stage": "SMART"}, "tags": {"tags": ["prod"]}, "power": {"verb": "on"}}.get(
        scope, {}
    )
    before = run.events.count()
    told = caller.post(path, 403, **body)
    assert f"scope {scope}" in told["do"]
    assert (run.events.count(), Run.objects.count()) == (before, 1)
    assert not Host.objects.exclude(tags="").exists()


def test_tags_are_set_as_a_whole_and_the_history_says_by_whom() -> None:
    host, other, caller = a_host(tags="old"), rows.a_host("other", "52:54:00:00:00:02"), Caller(roles.ADMINISTRATOR)
    dry = caller.post(f"/hosts/{host.name}/tags", tags=["Rack3", "prod"], dry_run=True)
    assert dry == {"done": False, "host": host.name, "tags": ["prod", "rack3"], "before": ["old"]}
    assert not LogEntry.objects.exists()
    caller.post(f"/hosts/{host.name}/tags", tags=["Rack3", "prod"])
    entry = LogEntry.objects.get()
    assert (entry.object_id, entry.user) == (str(host.pk), caller.token.user)
    assert str(caller.token) in entry.change_message and "prod rack3" in entry.change_message
    assert [row["name"] for row in caller.get("/hosts", tag="rack3")["items"]] == [host.name]
    assert {row["name"]: row["tags"] for row in caller.get("/hosts")["items"]} == {
        host.name: ["prod", "rack3"], other.name: []
    }  # fmt: skip
    assert caller.get("/hosts", tag="rack")["items"] == []
    caller.post(f"/hosts/{host.name}/tags", tags=[])
    assert caller.get(f"/hosts/{host.name}")["tags"] == []


@pytest.mark.parametrize("wrong", [["a b!"], ["x" * 33], [f"t{n}" for n in range(21)], "prod", [7], None])
def test_what_is_no_tag_is_refused_and_changes_nothing(wrong: Any) -> None:
    host = a_host(tags="old")
    Caller(roles.ADMINISTRATOR).post(f"/hosts/{host.name}/tags", 400, tags=wrong)
    host.refresh_from_db()
    assert host.tags == "old"


def test_an_operator_s_token_sets_no_tags(caller: Caller) -> None:
    assert "change hosts" in caller.post(f"/hosts/{a_host().name}/tags", 403, tags=["prod"])["error"]


def with_a_bmc(**fields: Any) -> Host:
    options = {"address": "10.0.0.9", "user": "a", "password_env": "VETTING_BMC_A"}
    return a_host(wake_method="ipmi", wake_options=options, **fields)


def test_a_host_is_stopped_only_by_a_word_of_its_own(caller: Caller) -> None:
    host = with_a_bmc(kernel_args="nomodeset")
    assert "may_stop" in caller.post(f"/hosts/{host.name}/power", 409, verb="off")["do"]
    assert not caller.post(f"/hosts/{host.name}/power", verb="off", dry_run=True)["done"]
    assert not PowerRequest.objects.exists()
    assert caller.post(f"/hosts/{host.name}/power", verb="off", may_stop=True)["done"]
    told = caller.get(f"/hosts/{host.name}")
    assert (told["power"][0]["verb"], told["power"][0]["who"]) == ("off", str(caller.token))
    assert "cycle" in told["power_verbs"] and told["booting"]["kernel_args"] == "nomodeset"


@pytest.mark.parametrize("verb", ["off", "cycle", "reset"])
def test_a_host_under_test_is_stopped_by_no_token(caller: Caller, verb: str) -> None:
    rows.a_run(host := with_a_bmc(), state="Memory", verdict="")
    assert "under test" in caller.post(f"/hosts/{host.name}/power", 409, verb=verb, may_stop=True)["error"]
    assert not PowerRequest.objects.exists()


def test_a_start_restarts_a_host_only_with_the_scope_for_its_power() -> None:
    host = with_a_bmc()
    Caller(roles.OPERATOR, "read", "start").post(f"/hosts/{host.name}/start", 403, restart_if_on=True)
    assert not Run.objects.exists()
    Caller(roles.OPERATOR, "read", "start", "power").post(f"/hosts/{host.name}/start", 201, restart_if_on=True)
    assert Run.objects.get().restart_if_on
