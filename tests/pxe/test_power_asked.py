"""What is asked of a host's power: by a person, for a host that hung, and after a run."""

from __future__ import annotations

import io
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.test import Client
from django.utils import timezone

from hosts.models import Host
from hosts.wakemethods import Verb
from pxe import wake
from pxe.wake import asked
from runs import lifecycle, power, watchdog
from runs.models import Lease, PowerRequest, Run, StageRun
from runs.transition import Refused
from tests.pxe.bmc import Bmc, serving, slowly
from tests.rows import a_host, a_run, a_stage
from tests.talker import EXPECTED, MAC, Talker
from tests.work import dispatch, do_jobs

pytestmark = pytest.mark.django_db


@pytest.fixture
def bmc(settings: Any) -> Iterator[Bmc]:
    settings.BMC_PASSWORDS = {"VETTING_BMC_NODE1": "sesame"}
    with serving() as server:
        yield server


@pytest.fixture
def host(bmc: Bmc) -> Host:
    wanted = {"url": bmc.url, "user": "admin", "password_env": "VETTING_BMC_NODE1"}
    return a_host(mac=MAC, expected=EXPECTED, wake_method="redfish", wake_options=wanted, cycle_hung=True)


@pytest.fixture
def operator(admin_client: Client) -> Client:
    return admin_client


def round_of_the_worker() -> None:
    wake.tick()
    do_jobs()


def resets(bmc: Bmc) -> list[str]:
    return [body["ResetType"] for method, _, _, body in bmc.sent if method == "POST"]


# --- a person -----------------------------------------------------------------------------------------------------


def test_a_verb_that_stops_the_host_is_asked_for_and_then_done_once(operator: Client, bmc: Bmc, host: Host) -> None:
    page = operator.post(f"/hosts/{host.name}/power/", {"verb": "cycle"})
    assert "loses its power" in page.content.decode() and not PowerRequest.objects.exists()
    operator.post(f"/hosts/{host.name}/power/", {"verb": "cycle", "confirmed": "yes"})
    for _ in range(3):
        round_of_the_worker()
    assert resets(bmc) == ["PowerCycle"]
    shown = operator.get(f"/hosts/{host.name}/").content.decode()
    assert "power cycle (Redfish)" in shown and "admin: power cycle" in " ".join(shown.split())


def test_a_verb_that_stops_nothing_is_done_without_a_question(operator: Client, bmc: Bmc, host: Host) -> None:
    operator.post(f"/hosts/{host.name}/power/", {"verb": "status"})
    round_of_the_worker()
    assert PowerRequest.objects.get().said == f"BMC {bmc.url}: off (Redfish)"


@pytest.mark.parametrize("verb", ["off", "cycle", "reset"])
def test_a_host_under_test_is_not_stopped(operator: Client, bmc: Bmc, host: Host, verb: str) -> None:
    a_run(host, state="Memory", verdict="")
    answer = operator.post(f"/hosts/{host.name}/power/", {"verb": verb, "confirmed": "yes"})
    assert answer.status_code == 409 and "Cancel the run first" in answer.content.decode()
    assert not PowerRequest.objects.exists()


def test_a_host_whose_test_began_after_the_question_is_not_stopped(operator: Client, bmc: Bmc, host: Host) -> None:
    lifecycle.ask_power(host, Verb.CYCLE, "admin")
    a_run(host, state="Memory", verdict="")
    round_of_the_worker()
    assert resets(bmc) == []
    request = PowerRequest.objects.get()
    assert request.failed and request.said.startswith("not done:") and "under test" in request.said


@pytest.mark.parametrize(("verb", "done"), [(Verb.OFF, False), (Verb.ON, True)])
def test_a_worker_that_was_away_stops_no_host(bmc: Bmc, host: Host, verb: Verb, done: bool) -> None:
    lifecycle.ask_power(host, verb, "admin")
    PowerRequest.objects.update(asked_at=timezone.now() - asked.STOPPED_WITHIN - timedelta(seconds=1))
    round_of_the_worker()
    assert bool(resets(bmc)) is done
    assert PowerRequest.objects.get().failed is not done


def changed(what: str, host: Host, bmc: Bmc) -> None:
    if what == "test":
        a_run(host, state="Memory", verdict="")
    elif what == "address":
        host.wake_options = {**host.wake_options, "user": "root"}
        host.save()
    else:
        a_host("node-2", "52:54:00:00:00:02", wake_method="ipmi", wake_options=ipmi_at(bmc))


def ipmi_at(bmc: Bmc) -> dict[str, Any]:
    return {"address": "127.0.0.1", "port": bmc.server_port, "user": "a", "password_env": "VETTING_BMC_A"}


@pytest.mark.parametrize("what", ["test", "address", "another host's BMC"])
@pytest.mark.parametrize("when", ["before", "meanwhile"])
def test_what_holds_when_the_host_would_be_stopped_decides(
    bmc: Bmc, host: Host, monkeypatch: pytest.MonkeyPatch, what: str, when: str
) -> None:
    lifecycle.ask_power(host, Verb.OFF, "admin")
    if when == "before":
        changed(what, host, bmc)
    else:
        slowly(monkeypatch, lambda: changed(what, host, bmc))
    round_of_the_worker()
    assert resets(bmc) == []
    request = PowerRequest.objects.get()
    assert request.failed and request.said.startswith("not done:") and request.begun_at is None


def test_an_order_of_before_the_clock_was_set_back_is_late_at_once(bmc: Bmc, host: Host) -> None:
    lifecycle.ask_power(host, Verb.OFF, "admin")
    to_come = timezone.now() + timedelta(hours=6)
    PowerRequest.objects.update(asked_at=to_come, due_at=to_come)
    round_of_the_worker()
    assert resets(bmc) == [] and PowerRequest.objects.get().said.startswith("not done: the worker came to it ")


@pytest.mark.parametrize("verb", [Verb.OFF, Verb.CYCLE, Verb.ON])
def test_a_second_order_waits_for_the_first(bmc: Bmc, host: Host, verb: Verb) -> None:
    lifecycle.ask_power(host, Verb.CYCLE, "anna")
    with pytest.raises(Refused, match="power cycle of node-1, asked for by anna, is not done yet"):
        lifecycle.ask_power(host, verb, "bert")
    lifecycle.ask_power(host, Verb.STATUS, "bert")
    round_of_the_worker()
    assert resets(bmc) == ["PowerCycle"]
    lifecycle.ask_power(host, verb, "bert")


def test_two_hosts_with_one_bmc_are_not_stopped(operator: Client, bmc: Bmc, host: Host) -> None:
    changed("another host's BMC", host, bmc)
    answer = operator.post(f"/hosts/{host.name}/power/", {"verb": "off", "confirmed": "yes"})
    assert answer.status_code == 409 and "node-1 and node-2 have the same BMC" in answer.content.decode()
    assert operator.post(f"/hosts/{host.name}/power/", {"verb": "status"}).status_code == 302


def test_a_page_of_before_the_name_went_to_another_host_stops_neither(operator: Client, host: Host) -> None:
    sent = {"verb": "off", "confirmed": "yes", "number": f"{host.pk}"}
    Host.objects.filter(pk=host.pk).update(name="node-2")
    a_host("node-1", "52:54:00:00:00:02", wake_method="redfish", wake_options=host.wake_options)
    assert operator.post("/hosts/node-1/power/", sent).status_code == 409
    assert not PowerRequest.objects.exists()


@pytest.mark.parametrize("begun", [True, False])
def test_an_order_whose_process_was_killed_is_over_and_never_done_again(bmc: Bmc, host: Host, begun: bool) -> None:
    lifecycle.ask_power(host, Verb.OFF, "admin")
    begun_at = timezone.now() if begun else None
    PowerRequest.objects.update(due_at=None, tries=1, begun_at=begun_at)
    round_of_the_worker()
    request = PowerRequest.objects.get()
    assert resets(bmc) == [] and request.failed and request.done_at
    assert request.said.startswith("whether it was done is not known" if begun else "not done")
    lifecycle.ask_power(host, Verb.OFF, "admin")


def test_what_a_driver_has_not_is_neither_offered_nor_done(operator: Client) -> None:
    host = a_host("wol", "52:54:00:00:00:09")
    page = operator.get(f"/hosts/{host.name}/").content.decode()
    assert 'value="on"' in page and 'value="cycle"' not in page
    assert operator.post(f"/hosts/{host.name}/power/", {"verb": "cycle", "confirmed": "yes"}).status_code == 409


def test_what_the_bmc_refuses_stands_on_the_page(operator: Client, bmc: Bmc, host: Host, settings: Any) -> None:
    settings.BMC_PASSWORDS = {"VETTING_BMC_NODE1": "wrong-one"}
    operator.post(f"/hosts/{host.name}/power/", {"verb": "on"})
    for _ in range(3):
        round_of_the_worker()
    assert "answered 401" in operator.get(f"/hosts/{host.name}/").content.decode()
    assert bmc.logins_refused == 2, "one login by name and password, one by a session"


# --- from a terminal ----------------------------------------------------------------------------------------------


def said(*words: str) -> str:
    out = io.StringIO()
    call_command("power", *words, stdout=out, stderr=io.StringIO())
    return out.getvalue().strip()


def test_the_command_does_it_at_once(bmc: Bmc, host: Host) -> None:
    assert said(host.name, "status") == f"BMC {bmc.url}: off (Redfish)"
    assert said(host.name, "off", "--yes").endswith("power off (Redfish)") and resets(bmc) == ["ForceOff"]


def test_the_command_looks_again_after_the_question(bmc: Bmc, host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

        def readline(self, *_: Any) -> str:
            a_run(host, state="Memory", verdict="")
            return "y\n"

    monkeypatch.setattr("sys.stdin", Terminal())
    with pytest.raises(CommandError, match="is under test"):
        said(host.name, "off")
    assert resets(bmc) == [] and PowerRequest.objects.get().failed


def test_what_the_command_did_stands_on_the_hosts_page(operator: Client, bmc: Bmc, host: Host) -> None:
    said(host.name, "cycle", "--yes")
    page = " ".join(operator.get(f"/hosts/{host.name}/").content.decode().split())
    assert "command line: power cycle" in page


@pytest.mark.parametrize(
    ("words", "status", "answer"),
    [
        (["node-1", "cylce", "--yes"], 4, "did you mean 'cycle'"),
        (["node-2", "status"], 4, "did you mean 'node-1'"),
        (["node-1", "off"], 4, "confirm with --yes"),
        (["node-1", "on"], 1, "answered 500"),
    ],
)
def test_a_wrong_call_and_a_failure_have_their_exit_status(
    bmc: Bmc, host: Host, words: list[str], status: int, answer: str
) -> None:
    bmc.plays["GET /redfish/v1/Systems/1"] = lambda bmc: bmc.say(500, {})
    with pytest.raises(CommandError, match=answer) as error:
        said(*words)
    assert error.value.returncode == status and bmc.sent == []


# --- a host that hung ---------------------------------------------------------------------------------------------


@pytest.fixture
def hung(host: Host) -> Run:
    """Claimed and then silent, until the watchdog looked."""
    Lease.objects.create(name=Lease.web_of("127.0.0.1"), web_seen_at=timezone.now())
    lifecycle.start_run(host, profile_name="quick")
    Talker(host).boot_and_claim()
    return silent(Run.objects.get())


def silent(run: Run) -> Run:
    then = timezone.now() - timedelta(seconds=601)
    Run.objects.filter(pk=run.pk).update(last_seen=then)
    StageRun.objects.filter(run=run).update(created_at=then, go_at=then)
    watchdog.tick()
    run.refresh_from_db()
    assert (run.state, run.verdict) == ("Failed", "failed")
    return run


def test_a_hung_host_is_cycled_once_and_has_failed_all_the_same(operator: Client, bmc: Bmc, hung: Run) -> None:
    for _ in range(3):
        round_of_the_worker()
    assert resets(bmc) == ["PowerCycle"] and bmc.sent[0][3]["Boot"]["BootSourceOverrideTarget"] == "Pxe"
    assert hung.events.get(kind="power_cycled").text.startswith("the host hung and was power-cycled: BMC ")
    assert "was power-cycled" in operator.get(f"/runs/{hung.pk}/").content.decode()
    assert hung.findings.get().code == "system.lost"


def test_no_retry_turns_the_hang_into_a_pass(bmc: Bmc, hung: Run) -> None:
    round_of_the_worker()
    Run.objects.filter(pk=hung.pk).update(state="FailedHolding")
    with pytest.raises(Refused, match="was power-cycled: another try would not show"):
        lifecycle.ask_retry(hung, "InventoryCheck")


def test_a_retry_of_a_host_that_was_not_cycled_is_possible(bmc: Bmc, host: Host) -> None:
    run = a_run(host, state="FailedHolding", verdict="failed")
    a_stage(run, "InventoryCheck", "failed")
    lifecycle.ask_retry(run, "InventoryCheck")
    run.refresh_from_db()
    assert run.retry_stage == "InventoryCheck"


def test_off_is_off(bmc: Bmc, host: Host) -> None:
    Host.objects.update(cycle_hung=False)
    Lease.objects.create(name=Lease.web_of("127.0.0.1"), web_seen_at=timezone.now())
    lifecycle.start_run(host, profile_name="quick")
    Talker(host).boot_and_claim()
    silent(Run.objects.get())
    round_of_the_worker()
    assert bmc.sent == [] and not PowerRequest.objects.filter(reason="hung").exists()


@pytest.mark.parametrize("change", ["late", "held", "heard"])
def test_a_host_that_may_be_somebody_elses_by_now_is_left_alone(bmc: Bmc, hung: Run, change: str) -> None:
    now = timezone.now()
    if change == "late":
        PowerRequest.objects.update(asked_at=now - asked.HUNG_WITHIN - timedelta(seconds=1))
    elif change == "held":
        Run.objects.update(state="FailedHolding")
    else:
        Run.objects.update(last_seen=now + timedelta(seconds=1))
    round_of_the_worker()
    assert bmc.sent == []
    assert hung.events.get(kind="power_cycle_failed").text.startswith("not power-cycled: the ")
    assert not power.was_cycled(hung)


def test_a_host_of_another_run_is_not_cycled(bmc: Bmc, host: Host, hung: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    slowly(monkeypatch, lambda: a_run(host, state="Memory", verdict=""))
    round_of_the_worker()
    assert bmc.sent == [] and "of the host has begun" in hung.events.get(kind="power_cycle_failed").text


def test_a_host_that_may_have_been_cycled_is_not_retried_either(bmc: Bmc, hung: Run) -> None:
    PowerRequest.objects.update(due_at=None, tries=1, begun_at=timezone.now())
    round_of_the_worker()
    assert "is not known" in hung.events.get(kind="power_cycle_failed").text
    Run.objects.filter(pk=hung.pk).update(state="FailedHolding")
    with pytest.raises(Refused, match="another try would not show"):
        lifecycle.ask_retry(hung, "InventoryCheck")


def test_a_driver_that_cannot_cycle_says_so(hung: Run) -> None:
    Host.objects.update(wake_method="wol")
    round_of_the_worker()
    assert hung.events.get(kind="power_cycle_failed").text == "not power-cycled: Wake-on-LAN has no power cycle"


# --- after the run ------------------------------------------------------------------------------------------------


@pytest.fixture
def released(host: Host) -> Run:
    run = a_run(host, state="FailedHolding", verdict="failed", last_seen=timezone.now())
    lifecycle.release(run)
    return run


def after(run: Run) -> str:
    """What the page says in the end, however often it is looked."""
    for _ in range(asked.MOST_READS + 2):
        PowerRequest.objects.filter(done_at=None).update(due_at=timezone.now())
        round_of_the_worker()
    return power.of_run(run)["after"].said


def test_a_host_is_looked_at_some_time_after_its_release(bmc: Bmc, released: Run) -> None:
    round_of_the_worker()
    assert bmc.asked == [] and power.of_run(released)["after"].said == ""


def test_a_host_that_is_off_is_said_to_be(operator: Client, bmc: Bmc, released: Run) -> None:
    assert after(released) == "off"
    page = " ".join(operator.get(f"/runs/{released.pk}/").content.decode().split())
    assert "<dt>Power after the run</dt> <dd>off</dd>" in page


def test_a_host_that_stays_on_is_said_to_be(bmc: Bmc, released: Run) -> None:
    bmc.power = "On"
    assert after(released).startswith("still on ")


def test_a_host_that_was_sent_to_its_own_disk_is_said_to_be(bmc: Bmc, released: Run) -> None:
    bmc.power = "On"
    assert Talker(released.host).fetch_script().kind == "local"
    assert after(released).startswith("on, and sent to its own disk at ")


def test_what_cannot_be_read_is_not_known(bmc: Bmc, released: Run) -> None:
    Host.objects.update(wake_method="wol")
    assert after(released) == "not known: Wake-on-LAN can't read it"


def test_a_bmc_that_does_not_answer_leaves_it_not_known(bmc: Bmc, released: Run) -> None:
    bmc.plays["GET /redfish/v1/Systems/1"] = lambda bmc: bmc.say(500, {})
    assert after(released).startswith("not known: node-1: BMC ")


def test_nothing_is_done_twice_of_two_workers(bmc: Bmc, host: Host) -> None:
    lifecycle.ask_power(host, Verb.ON, "anna")
    request = PowerRequest.objects.get()
    asked.do(request.pk)
    asked.do(request.pk)
    assert resets(bmc) == ["On"]


def test_a_start_restarts_a_host_that_is_on_only_if_that_was_ticked(operator: Client, bmc: Bmc, host: Host) -> None:
    bmc.power = "On"
    page = operator.post(f"/hosts/{host.name}/start/", {"profile": "quick"}).content.decode()
    assert 'name="restart"' in page
    operator.post(
        f"/hosts/{host.name}/start/", {"profile": "quick", "confirmed": "yes", "anyway": "yes", "restart": "yes"}
    )
    dispatch()
    round_of_the_worker()
    assert resets(bmc) == ["PowerCycle"]
