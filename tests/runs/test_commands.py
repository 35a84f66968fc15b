"""`hosts`, `runs` and following a run: as a table, as JSON, line by line and as a live picture."""

from __future__ import annotations

import io
import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.core.management.base import OutputWrapper
from rich.console import Console

from hosts import expectations
from hosts.models import Host, HostMac
from runs.desk import overview, terminal, watching
from runs.desk.overview import Standing
from runs.files import logs as logfiles
from runs.models import Run
from tests import factories, rows
from tests.database_work import watched

pytestmark = pytest.mark.django_db


def printed(*words: str) -> str:
    out = io.StringIO()
    call_command(*words, stdout=out)
    return out.getvalue()


@pytest.fixture
def inventory() -> dict[str, Host]:
    """One of each standing."""
    hosts = {
        name: rows.a_host(name, f"52:54:00:00:01:{n:02x}") for n, name in enumerate(("idle", "held", "new", "at-work"))
    }
    rows.a_run(hosts["idle"])
    rows.a_run(hosts["held"], state="FailedHolding", verdict="failed", stopped_by="SMART: failed")
    rows.a_run(hosts["at-work"], state="Memory", verdict="")
    Host.objects.filter(name="new").update(expected={"system": {"product": "R100"}}, health="bad", profile_name="deep")
    return hosts


# --- lists --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "names"),
    [
        ((), ["at-work", "held", "idle", "new"]),
        (("--state", "held"), ["held"]),
        (("--state", "vetting"), ["at-work"]),
        (("--state", "idle"), ["idle"]),
        (("--state", "never"), ["new"]),
        (("--state", "queued"), []),
        (("--health", "bad"), ["new"]),
        (("--profile", "deep"), ["new"]),
        (("--model", "R100"), ["new"]),
    ],
)
def test_hosts_are_listed_and_filtered(inventory: dict[str, Host], words: tuple[str, ...], names: list[str]) -> None:
    assert [host["name"] for host in json.loads(printed("hosts", "--json", *words))] == names
    table = printed("hosts", *words)
    assert all(name in table for name in names)


def _as_described(standing: Standing) -> dict[str, Any]:
    """What `hosts --json` has of a host, made from the objects."""
    host, run = standing.host, standing.run
    return {
        "name": host.name,
        "enabled": host.enabled,
        "health": host.health,
        "profile": host.profile_name,
        "tags": standing.host.tag_list,
        "model": host.model,
        "macs": host.mac_list,
        "wake_method": host.wake_method,
        "has_expected_spec": expectations.names_parts(host.expected),
        "destructive_allowed": host.destructive_allowed,
        "state": standing.state,
        "last_verdict": standing.last_verdict or None,
        "run": overview.run_as_data(run) if run else None,
    }


def test_the_json_of_all_hosts_is_what_their_objects_say(inventory: dict[str, Host]) -> None:
    assert printed("hosts", "--json", "--profile", "none such") == "[]\n"
    Host.objects.filter(name="held").update(enabled=False, expected={"pinned": ["x"]}, destructive_allowed=True)
    rows.a_run(inventory["idle"], state="Cancelled", verdict="", repair='tab\t"é" \u2028')
    Host.objects.create(name="without-mac", expected={"disks": []})
    HostMac.objects.create(host=inventory["new"], mac="02:00:00:00:00:01")
    whole = [_as_described(standing) for standing in overview.standings(Host.objects.all())]
    assert printed("hosts", "--json") == json.dumps(whole, indent=1) + "\n"
    assert printed("hosts", "--json", "--limit", "2") == json.dumps(whole[:2], indent=1) + "\n"


def test_the_json_of_all_hosts_reads_no_documents_and_asks_as_often_for_many(inventory: dict[str, Host]) -> None:
    with watched() as few:
        printed("hosts", "--json")
    Host.objects.bulk_create(Host(name=f"n-{n}", expected={"disks": []}) for n in range(1000))
    with watched() as many:
        printed("hosts", "--json")
    assert len(few.statements) == len(many.statements) == 3
    assert (few.rows, many.rows) == (4 + 3 + 4, 1004 + 3 + 4), "hosts, newest runs, MACs"
    assert not [sql for sql, _ in many.statements if '"inventory"' in sql or '"wake_options"' in sql]


def test_a_host_says_how_it_stands(inventory: dict[str, Host]) -> None:
    (held,) = json.loads(printed("hosts", "--json", "--state", "held"))
    assert (held["state"], held["last_verdict"], held["run"]["state"]) == ("held", "failed", "FailedHolding")
    assert held["macs"] == ["52:54:00:00:01:01"]


def test_one_host_is_shown_with_its_spec_and_runs(inventory: dict[str, Host]) -> None:
    page = printed("hosts", "new")
    assert "product: R100" in page
    whole = json.loads(printed("hosts", "held", "--json"))
    assert [run["stopped_by"] for run in whole["runs"]] == ["SMART: failed"]


@pytest.mark.parametrize(
    ("words", "states"),
    [
        ((), ["Memory", "FailedHolding", "Completed"]),
        (("--host", "held"), ["FailedHolding"]),
        (("--verdict", "passed"), ["Completed"]),
        (("--state", "Memory"), ["Memory"]),
        (("--live",), ["Memory", "FailedHolding"]),
        (("--limit", "1"), ["Memory"]),
    ],
)
def test_runs_are_listed_newest_first(inventory: dict[str, Host], words: tuple[str, ...], states: list[str]) -> None:
    assert [run["state"] for run in json.loads(printed("runs", "--json", *words))] == states
    assert all(state in printed("runs", *words) for state in states)


def test_one_run_is_shown_and_its_report_is_its_json() -> None:
    run = factories.held()
    page = printed("runs", str(run.pk), "--log")
    assert "verdict failed" in page and "2 pending sectors" in page and "sshd answers" in page
    assert json.loads(printed("runs", str(run.pk), "--json"))["run"]["id"] == run.pk


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("hosts", "nobody"), "there is no host 'nobody'; registered: at-work"),
        (("runs", "999999"), "there is no run 999999; the newest is"),
        (("runs", "--host", "nobody"), "there is no host 'nobody'"),
    ],
)
def test_what_is_not_there_ends_with_4(inventory: dict[str, Host], words: tuple[str, ...], says: str) -> None:
    with pytest.raises(CommandError, match=says) as error:
        printed(*words)
    assert error.value.returncode == 4


def test_an_empty_inventory_says_what_to_do() -> None:
    assert "There are no hosts yet. Add one in the administration" in printed("hosts")
    with pytest.raises(CommandError, match=r"there is no host 'nobody'\. There are no hosts yet"):
        printed("hosts", "nobody")


def test_a_list_that_the_options_leave_empty_says_so(inventory: dict[str, Host]) -> None:
    assert "No host matches these options." in printed("hosts", "--state", "queued")


def test_text_from_hardware_is_shown_as_text(inventory: dict[str, Host]) -> None:
    Host.objects.filter(name="new").update(
        expected={"system": {"product": "[red]R\x1b[31m1\u202e00"}}, notes="one\n[bold]two\x1b]0;title\x07"
    )
    for page in (printed("hosts"), printed("hosts", "new")):
        assert "\x1b" not in page and "\u202e" not in page and "\x07" not in page
        assert "[red]R[31m100" in page or "[red]" in page


@pytest.mark.parametrize("command", ["hosts", "runs"])
def test_a_list_asks_as_much_for_many_hosts_as_for_few(command: str, django_assert_max_num_queries: Any) -> None:
    for number in range(25):
        rows.a_run(rows.a_host(f"n-{number}", f"52:54:00:00:02:{number:02x}"))
    with django_assert_max_num_queries(6):
        printed(command, "--json")


# --- following ----------------------------------------------------------------------------------------------------


def test_in_a_pipe_what_happened_comes_line_by_line() -> None:
    run = factories.held()
    lines = printed("runs", str(run.pk), "--follow", "--log").splitlines()
    assert any(line.endswith("FailedHolding: the host is held") for line in lines)
    assert any("sshd answers on 10.77.0.23" in line for line in lines)
    assert any("verdict failed" in line for line in lines)


def test_a_host_that_waits_for_a_person_says_so() -> None:
    run = factories.waiting()
    factories.tell(run, "wake", "nothing is sent to pve-00: press its power button")
    assert "press its power button" in printed("runs", str(run.pk))


def test_as_json_each_change_is_one_line() -> None:
    run = factories.passed()
    (line,) = printed("runs", str(run.pk), "--follow", "--json").splitlines()
    assert json.loads(line)["verdict"] == "passed"


@pytest.mark.postgresql
def test_the_log_is_read_on_from_where_it_was_left() -> None:
    run = factories.queued()
    size = logfiles.append(run.pk, 0, logfiles.format_line(0, "info", "SMART", "first").encode())
    Run.objects.filter(pk=run.pk).update(log_bytes=size)
    offset, lines = logfiles.since(run.pk, 0, size)
    assert (offset, [line.text for line in lines]) == (size, ["first"])
    size = logfiles.append(run.pk, size, logfiles.format_line(1, "info", "SMART", "second").encode())
    assert [line.text for line in logfiles.since(run.pk, offset, size)[1]] == ["second"]
    assert logfiles.since(run.pk, size, size) == (size, [])
    assert logfiles.since(run.pk + 999, 0, 10) == (0, [])


class ScriptedKeys(terminal.Keys):
    """Presses these keys, one each time somebody waits, and releases the run when there are none left."""

    def __init__(self, run: Run, keys: str) -> None:
        super().__init__(sys.stdin)
        self.run, self.left = run, list(keys)

    def pressed(self, timeout_s: float) -> str:
        if self.left:
            return self.left.pop(0)
        Run.objects.filter(pk=self.run.pk).update(state="Released", verdict="failed")
        return ""


@pytest.mark.parametrize(("keys", "shown"), [("", False), ("l", True), ("x", False)])
def test_key_l_shows_the_log_in_the_live_picture(keys: str, shown: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    run = factories.in_storage()

    @contextmanager
    def scripted() -> Iterator[terminal.Keys]:
        yield ScriptedKeys(run, keys)

    monkeypatch.setattr(terminal, "keys", scripted)
    out = io.StringIO()
    console = Console(file=out, force_terminal=True, width=120, height=60, color_system=None)
    watching._live(run, console, with_log=False)
    assert (f"{factories.DISK}: surface read 62 %" in out.getvalue()) == shown
    assert "Ctrl-C stops following" in out.getvalue()
    assert "verdict failed" in out.getvalue()


def test_keys_come_one_by_one_from_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    person, program = os.openpty()
    with os.fdopen(program, "r", closefd=True) as stdin:
        monkeypatch.setattr(sys, "stdin", stdin)
        with terminal.keys() as keys:
            assert keys.pressed(0) == ""
            os.write(person, b"l")
            assert keys.pressed(5) == "l"
    os.close(person)


def test_without_a_terminal_no_key_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO("l"))
    with terminal.keys() as keys:
        assert keys.pressed(0) == ""


def test_ctrl_c_stops_following_and_not_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    run = factories.in_storage()
    command = type("Command", (), {"stdout": OutputWrapper(io.StringIO()), "stderr": OutputWrapper(io.StringIO())})()

    def interrupted(*args: Any, **kwargs: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(watching, "_watch", interrupted)
    with pytest.raises(SystemExit, match="130"):
        watching.watch(run, command, as_json=False, with_log=False)
    assert f"runs {run.pk} --follow" in command.stderr._out.getvalue()
    assert Run.objects.get(pk=run.pk).state == "Storage"
