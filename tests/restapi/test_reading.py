"""What the REST API shows is what pages and commands show."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest
from django.core.management import call_command
from django.test import Client

from restapi.middleware import BODY_BYTES
from runs.models import Finding, Run
from runs.reports import exports
from runs.reports import write as report
from tests import factories, rows
from tests.restapi.caller import Caller, account
from vetting import roles

pytestmark = pytest.mark.django_db


@pytest.fixture
def caller() -> Caller:
    return Caller(roles.VIEWER, "read")


def from_the_terminal(*arguments: str) -> Any:
    out = io.StringIO()
    call_command(*arguments, "--json", stdout=out)
    return json.loads(out.getvalue())


def every(caller: Caller, path: str, **query: Any) -> list[Any]:
    """All pages of a list."""
    found, cursor = [], ""
    while True:
        page = caller.get(path, cursor=cursor, **query)
        found += page["items"]
        if page["next"] is None:
            return found
        assert page["items"]
        cursor = page["next"]


def test_hosts_and_runs_are_those_of_the_commands_page_by_page(caller: Caller) -> None:
    factories.for_every_state()
    factories.never_vetted()
    assert every(caller, "/hosts", limit=2) == from_the_terminal("hosts")
    assert every(caller, "/runs", limit=3) == from_the_terminal("runs", "--limit", "0")
    for name in ("pve-00", *[host["name"] for host in from_the_terminal("hosts")][:2]):
        if name != "pve-00":
            assert caller.get(f"/hosts/{name}") == from_the_terminal("hosts", name)


@pytest.mark.parametrize(
    ("what", "option", "word"),
    [("hosts", "health", "bad"), ("hosts", "state", "held"), ("hosts", "profile", "quick"), ("hosts", "model", "R100"),
     ("runs", "verdict", "failed"), ("runs", "state", "Storage")],
)  # fmt: skip
def test_filters_select_what_those_of_the_commands_select(caller: Caller, what: str, option: str, word: str) -> None:
    factories.for_every_state()
    rows.a_host("with-model", mac="52:54:00:00:aa:01", expected={"system": {"product": "R100"}})
    found = every(caller, f"/{what}", **{option: word})
    assert found == from_the_terminal(what, f"--{option}", word) != []
    assert len(found) < len(every(caller, f"/{what}")) or option == "profile"


def test_live_runs_are_those_that_go_on_or_are_held(caller: Caller) -> None:
    factories.passed()
    held, going = factories.held(), factories.in_storage()
    assert {run["run"] for run in every(caller, "/runs", live="true")} == {held.pk, going.pk}
    assert [run["run"] for run in every(caller, "/runs", host=held.host.name)] == [held.pk]


def test_a_run_says_where_it_stands_and_what_can_be_done(caller: Caller) -> None:
    going, held, passed = factories.in_smart(), factories.held(), factories.passed()
    now = caller.get(f"/runs/{going.pk}")
    assert (now["is_final"], now["stages"]["SMART"], now["verdict"]) == (False, "running", None)
    assert now["stage_progress"][0]["percent"] == 40.0 and now["actions"] == ["cancel"]
    now = caller.get(f"/runs/{held.pk}")
    assert (now["is_final"], now["verdict"]) == (True, "failed") and {"retry", "release"} <= set(now["actions"])
    assert "SMART" in now["retryable"] and now["link"].endswith(f"/runs/{held.pk}/")
    assert caller.get(f"/runs/{passed.pk}")["actions"] == []


def test_findings_say_what_to_do_and_can_be_filtered(caller: Caller) -> None:
    run = factories.held()
    found = every(caller, f"/runs/{run.pk}/findings", limit=1)
    assert [one["id"] for one in found] == list(Finding.objects.filter(run=run).values_list("pk", flat=True))
    disk = every(caller, f"/runs/{run.pk}/findings", component=factories.DISK, severity="critical")
    assert [(one["code"], one["action"], one["stage"]) for one in disk] == [
        ("smart.pending_sectors", "replace_part", "SMART")
    ]
    assert disk[0]["advice"]


def test_parts_measurements_and_differences_are_those_of_the_report(caller: Caller) -> None:
    run = factories.held_by_spec()
    factories.measure(run)
    report.write(run)
    content = exports.content_of(run)
    got = caller.get(f"/runs/{run.pk}/parts")
    assert (got["parts"], got["inventory"]) == (content["parts"], content["inventory"])
    assert every(caller, f"/runs/{run.pk}/measurements", limit=2) == content["measurements"] != []
    paths = [row["path"] for row in caller.get(f"/runs/{run.pk}/differences")]
    assert paths == [row["path"] for row in content["changes"]["against_expected"]] != []


def test_files_are_those_of_the_page(caller: Caller) -> None:
    run = factories.held()
    report.write(run)
    operator = Client()
    operator.force_login(account(), backend="django.contrib.auth.backends.ModelBackend")
    listed = {row["name"]: row for row in caller.get(f"/runs/{run.pk}/files")}
    assert {"report.json", "report.html", "run.log", *exports.BY_NAME} <= listed.keys()
    for name in ("junit.xml", "findings.csv", "parts.csv"):
        answer = caller.client.get(listed[name]["address"])
        assert answer.status_code == 200
        assert answer.getvalue() == operator.get(f"/runs/{run.pk}/export/{name}").getvalue()
        assert answer.headers["Content-Disposition"].startswith("attachment")
    kept = caller.client.get(listed["report.json"]["address"])
    assert json.loads(kept.getvalue())["run"]["id"] == run.pk
    assert "pending sectors" in caller.client.get(listed["run.log"]["address"]).getvalue().decode()
    caller.get(f"/runs/{run.pk}/files/no-such", 404)
    assert "junit.xml" in caller.get(f"/runs/{run.pk}/export/no-such", 404)["error"]


def test_profiles_are_those_of_the_start_form(caller: Caller) -> None:
    run = factories.passed()
    names = [row["name"] for row in caller.get("/profiles")]
    assert {"quick", "deep-write"} <= set(names)
    assert caller.get("/profiles/quick")["stages"]["Memory"]["timeout_s"] > 0
    assert "quick" in caller.get("/profiles/no-such", 404)["error"]
    choices = {row["name"]: row for row in caller.get(f"/hosts/{run.host.name}/profiles")}
    assert set(choices) == set(names) and choices["quick"]["seconds"] > 0
    assert choices["quick-write"]["writes"] and choices["quick-write"]["refused"]


def test_what_has_not_changed_is_not_sent_again(caller: Caller) -> None:
    run = factories.in_storage()
    for path in (f"/runs/{run.pk}", "/hosts", f"/runs/{run.pk}/findings"):
        answer = caller.client.get(f"/rest/v1{path}")
        assert "no-cache" in answer.headers["Cache-Control"]
        again = caller.get(path, 304, headers={"If-None-Match": answer.headers["ETag"]})
        assert again.getvalue() == b""
        caller.get(path, 200, headers={"If-None-Match": '"another"'})
    tag = caller.client.get(f"/rest/v1/runs/{run.pk}").headers["ETag"]
    Run.objects.filter(pk=run.pk).update(stopped_by="changed")
    caller.get(f"/runs/{run.pk}", 200, headers={"If-None-Match": tag})


@pytest.mark.parametrize(
    ("path", "query", "words"),
    [
        ("/hosts", {"helth": "bad"}, "did you mean 'health'"),
        ("/hosts", {"health": "sick"}, "health"),
        ("/hosts", {"limit": "0"}, "limit"),
        ("/runs", {"limit": "501"}, "limit"),
        ("/runs", {"cursor": "²"}, "cursor"),
        ("/runs", {"state": "Nowhere"}, "state"),
        ("/runs/1", {"verbose": "1"}, "verbose"),
    ],
)
def test_a_wrong_parameter_is_named(caller: Caller, path: str, query: dict[str, str], words: str) -> None:
    told = caller.get(path, 400, **query)
    assert told["code"] == "not_understood" and words in told["error"]


@pytest.mark.parametrize(
    "path",
    ["/hosts/nobody", "/runs/999999", "/runs/999999/findings", "/no-such-thing", "/", "/runs/abc", "/hosts/a%2Fb"],
)
def test_what_is_not_there_is_404_in_the_same_shape(caller: Caller, path: str) -> None:
    assert caller.get(path, 404)["code"] == "not_there"


def test_a_number_that_no_column_holds_another_method_and_odd_bytes_have_the_same_shape(caller: Caller) -> None:
    caller.get("/runs/99999999999999999999999", 404)
    assert caller.post("/hosts", 405)["code"] == "no_such_method"
    assert caller.client.get("/rest/v1/hosts?health=%00").json().keys() == {"code", "error", "do"}
    assert caller.client.delete("/rest/v1/runs/1").headers["Allow"] == "GET"


def test_a_body_that_is_too_large_or_no_json_is_refused(caller: Caller) -> None:
    run = factories.in_storage()
    path = f"/rest/v1/runs/{run.pk}/cancel"
    for body, status in (
        (b" " * (BODY_BYTES + 1), 413), (b"{", 400), (b"[" * 5_000, 400), (b'{"dry_run": "\\ud800"}', 400),
        (b"\xff", 400), (b"[]", 400), (b'{"dry": true}', 400), (b"null", 400),
    ):  # fmt: skip
        answer = caller.client.post(path, body, content_type="application/json")
        assert answer.status_code == status and answer.json().keys() == {"code", "error", "do"}, body[:20]


def test_the_document_is_for_operators_and_loads_nothing_from_elsewhere(client: Client, caller: Caller) -> None:
    assert client.get("/rest/v1/openapi.json").status_code == 302
    assert Client(headers={"Authorization": "Bearer vta_x"}).get("/rest/v1/openapi.json").status_code == 401
    client.force_login(account(), backend="django.contrib.auth.backends.ModelBackend")
    document = client.get("/rest/v1/openapi.json").json()
    assert document == caller.get("/openapi.json")
    assert len(document["paths"]) >= 20 and "http" not in json.dumps(document["servers"])
    assert client.get("/rest/v1/docs").status_code == 404
