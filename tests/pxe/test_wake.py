"""Waking: packets on a real wire, BMCs as real servers on loopback."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.db import OperationalError
from django.utils import timezone
from wakeonlan import create_magic_packet

from hosts import wakemethods, wakeoptions
from hosts.models import Host, HostMac
from hosts.wakemethods import Verb
from pxe import daemon, wake
from pxe.paths import Paths
from pxe.wake import power as wake_power
from pxe.wake.drivers import ipmi, operator
from pxe.wake.shape import WakeProblem, options_of
from runs import lifecycle
from runs.machine import State
from runs.models import Run, Rung, WakeRequest
from runs.transition import Refused
from tests.pxe.bmc import MEANT, Bmc, serving, slowly
from tests.pxe.network import Network
from tests.rows import a_host, a_run
from tests.work import do_jobs

pytestmark = pytest.mark.django_db
Bench = Callable[..., Paths]
MAC = "52:54:00:00:00:01"


def asked_for(host: Host) -> WakeRequest:
    run = a_run(host, state=State.WAITING_WOL, verdict="", boot=1, started_at=timezone.now())
    return WakeRequest.objects.create(run=run)


def a_while_passes(request: WakeRequest, seconds: float = 11) -> None:
    WakeRequest.objects.filter(pk=request.pk).update(last_sent_at=timezone.now() - timedelta(seconds=seconds))


def packets(listener: socket.socket) -> list[bytes]:
    """What has arrived by now; sending and arriving are one step on a veth cable."""
    found = []
    while True:
        try:
            found.append(listener.recv(2048))
        except BlockingIOError:
            return found


@pytest.fixture
def listener(network: Network) -> Iterator[socket.socket]:
    """Hears UDP port 9 on the machine's side."""
    with network.on_client():
        sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.bind(("0.0.0.0", 9))
    sock.setblocking(False)
    yield sock
    sock.close()


def test_magic_packets_reach_the_hosts_network_first_mac_first(
    bench: Bench, network: Network, listener: socket.socket
) -> None:
    host = a_host(mac=MAC)
    HostMac.objects.create(host=host, mac="52:54:00:00:00:02")
    request = asked_for(host)
    with network.on_server():
        wake.tick()
    assert packets(listener) == [create_magic_packet(MAC), create_magic_packet("52:54:00:00:00:02")]
    assert "10.77.0.255" in request.run.rungs.get(rung=Rung.WAKE_SENT).detail


def test_a_secure_on_password_stands_behind_each_packet(
    bench: Bench, network: Network, listener: socket.socket, settings: Any
) -> None:
    settings.BMC_PASSWORDS = {"VETTING_BMC_SECUREON": "00:11:22:33:44:55"}
    host = a_host(mac=MAC, wake_options={"secure_on_env": "VETTING_BMC_SECUREON"})
    heard: list[bytes] = []
    for _ in range(100):  # the cable may still be coming up
        with network.on_server():
            wake.wake(host)
        if heard := packets(listener):
            break
    assert heard == [create_magic_packet(MAC) + bytes.fromhex("001122334455")]


def test_a_secure_on_password_that_is_none_is_said_without_it(bench: Bench, settings: Any) -> None:
    settings.BMC_PASSWORDS = {"VETTING_BMC_SECUREON": "sesame"}
    with pytest.raises(WakeProblem, match="not six bytes") as caught:
        wake.wake(a_host(mac=MAC, wake_options={"secure_on_env": "VETTING_BMC_SECUREON"}))
    assert "sesame" not in str(caught.value)


def test_it_is_repeated_in_quick_succession_and_then_once_a_minute(
    bench: Bench, network: Network, listener: socket.socket
) -> None:
    bench(wake={"repeat": 3, "interval_s": 10})
    request = asked_for(a_host(mac=MAC))
    with network.on_server():
        for _ in range(6):
            wake.tick()
            wake.tick()
            a_while_passes(request)
        assert len(packets(listener)) == 3
        a_while_passes(request, 61)
        wake.tick()
        assert len(packets(listener)) == 1
    request.refresh_from_db()
    assert (request.sent, request.run.rungs.get(rung=Rung.WAKE_SENT).seen) == (4, 4)


@pytest.mark.parametrize("state", [State.BOOTING, State.CANCELLED, State.FAILED])
def test_a_run_that_no_longer_waits_is_not_woken(
    bench: Bench, network: Network, listener: socket.socket, state: State
) -> None:
    request = asked_for(a_host(mac=MAC))
    Run.objects.filter(pk=request.run_id).update(state=state)
    with network.on_server():
        wake.tick()
        wake.send(request.pk)
    assert packets(listener) == []


def test_of_two_workers_one_sends(bench: Bench) -> None:
    request = asked_for(a_host(mac=MAC))
    again = WakeRequest.objects.get(pk=request.pk)
    assert wake._claim(request)
    assert not wake._claim(again)


def test_a_packet_that_cannot_leave_is_a_problem_told_once_and_tried_again(bench: Bench, network: Network) -> None:
    bench(web={"address": "10.77.0.77"})
    request = asked_for(a_host(mac=MAC))
    with network.on_server():
        wake.tick()
        a_while_passes(request)
        wake.tick()
    request.refresh_from_db()
    assert "web.address" in request.problem and request.sent == 2
    assert request.run.events.filter(kind="wake_problem").count() == 1
    bench()
    a_while_passes(request)
    with network.on_server():
        wake.tick()
    request.refresh_from_db()
    assert request.problem == "" and request.run.rungs.filter(rung=Rung.WAKE_SENT).exists()


def test_a_host_without_a_mac_says_what_is_missing(bench: Bench) -> None:
    host = a_host(mac=MAC)
    host.macs.all().delete()
    with pytest.raises(WakeProblem, match="no MAC address"):
        wake.wake(host)


def test_a_person_is_asked_once_and_nothing_is_sent(bench: Bench) -> None:
    request = asked_for(a_host(wake_method="operator"))
    for _ in range(3):
        wake.tick()
        a_while_passes(request)
    assert request.run.events.filter(kind="wake_by_hand").count() == 1
    assert not request.run.rungs.exists()


def test_every_driver_is_a_choice_in_the_inventory() -> None:
    assert sorted(wake.DRIVERS) == sorted(name for name, _ in wakemethods.choices())


def test_a_host_whose_driver_was_removed_is_told_and_keeps_no_other_from_waking(bench: Bench) -> None:
    gone, other = (
        asked_for(a_host("gone", wake_method="fax")),
        asked_for(a_host("other", MAC.replace("01", "02"), wake_method="operator")),
    )
    wake.tick()
    gone.refresh_from_db()
    assert f"there is no wake driver 'fax': choose one of {', '.join(wake.DRIVERS)} on" in gone.problem
    assert other.run.events.filter(kind="wake_by_hand").exists()


@pytest.mark.parametrize("subnet", [None, "10.77.0.0/24"])
def test_a_host_is_woken_though_web_address_is_a_name(
    bench: Bench, network: Network, listener: socket.socket, subnet: str | None
) -> None:
    """As it may be where somebody else does DHCP: the packet leaves as the kernel routes it."""
    bench(web={"address": "vetting.example.org"}, pxe={"mode": "off", "subnet": subnet})
    request = asked_for(a_host(mac=MAC))
    with network.on_server():
        wake.tick()
    request.refresh_from_db()
    assert packets(listener) == ([create_magic_packet(MAC)] if subnet else [])
    assert ("Network is unreachable; set pxe.subnet" in request.problem) == (subnet is None)


def test_a_driver_that_fails_unforeseen_is_told_on_its_run_and_keeps_no_other_from_waking(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    bad, good = (asked_for(a_host(name, MAC[:-1] + name[-1], wake_method="operator")) for name in ("pve-1", "pve-2"))
    real = operator.Machine.on

    def fails_once(machine: operator.Machine) -> str:
        if machine.host.name == "pve-1":
            raise TypeError("secret-token")
        return real(machine)

    monkeypatch.setattr(operator.Machine, "on", fails_once)
    wake.tick()
    bad.refresh_from_db()
    assert "pve-1: waking it failed, by a fault of ours (TypeError)" in bad.problem
    assert "secret-token" not in bad.problem
    assert bad.run.events.filter(kind="wake_problem").count() == 1
    assert good.run.events.filter(kind="wake_by_hand").exists()


# --- a BMC that speaks Redfish, on loopback
# ----------------------------------------------------------------------


@pytest.fixture
def bmc(settings: Any) -> Iterator[Bmc]:
    settings.BMC_PASSWORDS = {"VETTING_BMC_NODE1": "sesame"}
    with serving() as server:
        yield server


def with_bmc(bmc: Bmc, **options: Any) -> Host:
    wanted = {"url": bmc.url, "user": "admin", "password_env": "VETTING_BMC_NODE1"} | options
    return a_host(wake_method="redfish", wake_options=wanted)


def test_redfish_boots_from_the_network_once_and_powers_on(bench: Bench, bmc: Bmc) -> None:
    request = asked_for(with_bmc(bmc))
    wake.send(request.pk)
    boot = {"Boot": {"BootSourceOverrideEnabled": "Once", "BootSourceOverrideTarget": "Pxe"}}
    assert bmc.sent == [
        ("PATCH", "/redfish/v1/Systems/1", 'W/"7"', boot),
        ("POST", bmc.reset_path, None, {"ResetType": "On"}),
    ]
    assert request.run.rungs.filter(rung=Rung.WAKE_SENT).exists()


def test_a_machine_that_is_on_is_left_alone(bench: Bench, bmc: Bmc) -> None:
    bmc.power = "On"
    request = asked_for(with_bmc(bmc))
    wake.send(request.pk)
    assert bmc.sent == []
    request.refresh_from_db()
    assert "is on already" in request.problem


@pytest.mark.parametrize("target", ["http://127.0.0.1:1/steal", "//127.0.0.1:1/steal"])
def test_the_password_goes_to_no_other_place_that_a_bmc_names(bench: Bench, bmc: Bmc, target: str) -> None:
    bmc.reset_path = target
    with pytest.raises(WakeProblem, match="not its own"):
        wake.wake(with_bmc(bmc))


def test_a_wrong_password_is_said_without_the_password(bench: Bench, bmc: Bmc, settings: Any) -> None:
    settings.BMC_PASSWORDS = {"VETTING_BMC_NODE1": "wrong-one"}
    with pytest.raises(WakeProblem, match="answered 401") as caught:
        wake.wake(with_bmc(bmc))
    assert "wrong-one" not in str(caught.value)


@pytest.mark.parametrize("name", ["VETTING_SECRET_KEY", "DATABASE_URL", "VETTING_BMC_OTHER"])
def test_no_other_secret_can_be_named_as_a_password(bench: Bench, bmc: Bmc, name: str) -> None:
    with pytest.raises(WakeProblem, match="VETTING_BMC_"):
        wake.wake(with_bmc(bmc, password_env=name))
    assert bmc.sent == []


def test_a_refused_password_is_sent_twice_and_no_more_until_somebody_asks(
    bench: Bench, bmc: Bmc, settings: Any
) -> None:
    settings.BMC_PASSWORDS = {"VETTING_BMC_NODE1": "wrong-one"}
    request = asked_for(with_bmc(bmc))
    for _ in range(6):
        wake.tick()
        do_jobs()
        a_while_passes(request, 61)
    assert bmc.logins_refused == 2
    request.refresh_from_db()
    assert "answered 401" in request.problem and 'press "Wake again"' in request.problem
    settings.BMC_PASSWORDS = {"VETTING_BMC_NODE1": "sesame"}
    lifecycle.wake_again(request.run, who="anna")
    wake.tick()
    assert do_jobs() == 1 and bmc.sent[-1][3] == {"ResetType": "On"}


def test_a_bmc_that_does_not_answer_is_tried_on_and_on(bench: Bench, bmc: Bmc) -> None:
    request = asked_for(with_bmc(bmc, url="http://127.0.0.1:9"))
    for _ in range(4):
        wake.tick()
        do_jobs()
        a_while_passes(request, 61)
    request.refresh_from_db()
    assert (request.sent, request.refusals) == (4, 0)


def test_waking_again_is_refused_to_a_run_that_waits_for_no_wake() -> None:
    with pytest.raises(Refused, match="does not wait for its host to wake"):
        lifecycle.wake_again(a_run(a_host(), state=State.CANCELLED))


def test_a_machine_that_is_on_is_restarted_only_if_that_was_allowed(bench: Bench, bmc: Bmc) -> None:
    bmc.power = "On"
    host = with_bmc(bmc)
    with pytest.raises(WakeProblem, match="is on already; nothing was sent"):
        wake.wake(host)
    assert bmc.sent == []
    done = wake.wake(host, restart=MEANT)
    assert bmc.sent[-1][3] == {"ResetType": "PowerCycle"} and done.endswith("once, power cycle (Redfish)")


def on_and_restarted(bmc: Bmc) -> WakeRequest:
    """A host that is on, and a run that may restart it, which has just been asked for."""
    bmc.power = "On"
    request = asked_for(with_bmc(bmc))
    Run.objects.filter(pk=request.run_id).update(restart_if_on=True, created_at=timezone.now())
    return request


def resets(bmc: Bmc) -> list[str]:
    return [body["ResetType"] for method, _, _, body in bmc.sent if method == "POST"]


def test_a_host_is_restarted_once_though_a_worker_died_right_after_it(bench: Bench, bmc: Bmc) -> None:
    request = on_and_restarted(bmc)
    wake.send(request.pk)
    assert resets(bmc) == ["PowerCycle"]
    WakeRequest.objects.update(woken_at=None)  # as if it had been killed before it noted that
    wake.send(request.pk)
    request.refresh_from_db()
    assert resets(bmc) == ["PowerCycle"] and "it was restarted once" in request.problem


@pytest.mark.parametrize("change", ["long ago", "long to come", "address", "another host's BMC"])
def test_a_host_is_not_restarted_when_the_leave_is_void(bench: Bench, bmc: Bmc, change: str) -> None:
    """By what holds before anything is sent."""
    request = on_and_restarted(bmc)
    run, over = request.run, wake.RESTART_WITHIN + timedelta(seconds=1)
    if change == "address":
        run.host.save()
    elif change == "another host's BMC":
        a_host("node-2", "52:54:00:00:00:02", wake_method="redfish", wake_options={"url": f"{bmc.url}/"})
    else:
        asked = timezone.now() + (over if change == "long to come" else -over)
        Run.objects.filter(pk=run.pk).update(created_at=asked)
        Host.objects.update(updated_at=asked)
    wake.send(request.pk)
    assert bmc.sent == []
    request.refresh_from_db()
    assert "is on already; nothing was sent" in request.problem


def test_a_run_that_is_cancelled_while_the_bmc_takes_its_time_restarts_no_host(
    bench: Bench, bmc: Bmc, monkeypatch: pytest.MonkeyPatch
) -> None:
    request = on_and_restarted(bmc)
    slowly(monkeypatch, lambda: Run.objects.filter(pk=request.run_id).update(state=State.CANCELLED))
    wake.send(request.pk)
    assert resets(bmc) == []


@pytest.mark.parametrize("restart", [True, False])
def test_waking_again_allows_a_restart_only_where_it_says_so(bench: Bench, bmc: Bmc, restart: bool) -> None:
    request = on_and_restarted(bmc)
    Run.objects.update(created_at=timezone.now() - 2 * wake.RESTART_WITHIN)
    lifecycle.wake_again(request.run, who="anna", restart=restart)
    wake.send(request.pk)
    assert resets(bmc) == (["PowerCycle"] if restart else [])


@pytest.mark.parametrize(("power", "sent"), [("Off", ["PushPowerButton"]), ("On", []), ("", [])])
def test_a_power_button_is_not_pressed_at_a_machine_that_may_be_on(
    bench: Bench, bmc: Bmc, power: str, sent: list[str]
) -> None:
    bmc.power, bmc.resets = power, ["PushPowerButton", "ForceOff"]
    host = with_bmc(bmc)
    try:
        wake_power.act(host, Verb.ON, MEANT)
    except WakeProblem as problem:
        assert "does not say that it is off" in str(problem)
    assert resets(bmc) == sent


def test_a_bmc_is_asked_by_a_job_and_no_more_once_it_has_worked(bench: Bench, bmc: Bmc) -> None:
    request = asked_for(with_bmc(bmc))
    wake.tick()
    assert bmc.sent == []
    assert do_jobs() == 1
    a_while_passes(request)
    wake.tick()
    assert do_jobs() == 0


def test_a_bmc_whose_job_could_not_be_asked_for_has_not_been_asked(
    bench: Bench, bmc: Bmc, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*words: object, **more: object) -> None:
        raise OperationalError("database is locked")

    asked_for(with_bmc(bmc))
    with monkeypatch.context() as patched, pytest.raises(OperationalError):
        patched.setattr(wake.jobs, "ask", refuse)
        wake.tick()
    wake.tick()
    assert do_jobs() == 1
    assert WakeRequest.objects.get().sent == 1


# --- IPMI
# --------------------------------------------------------------------------------------------------------


def with_ipmi(**options: Any) -> Host:
    wanted = {"address": "127.0.0.1", "user": "admin", "password_env": "VETTING_BMC_NODE1"} | options
    return a_host(wake_method="ipmi", wake_options=wanted)


def test_the_password_is_no_argument_of_ipmitool(settings: Any) -> None:
    settings.BMC_PASSWORDS = {"VETTING_BMC_NODE1": "sesame"}
    words = ipmi.command(options_of(with_ipmi(), ipmi.Options), "chassis", "power", "on")
    assert "sesame" not in words and "-E" in words
    assert words[:4] == ["ipmitool", "-v", "-I", "lanplus"] and words[-3:] == ["chassis", "power", "on"]


def test_the_options_of_a_bmc_reach_ipmitool_and_its_key_does_not(settings: Any) -> None:
    settings.BMC_PASSWORDS = {"VETTING_BMC_NODE1": "sesame", "VETTING_BMC_KG": "open"}
    given = {"port": 6230, "cipher": 17, "privilege": "ADMINISTRATOR", "kg_env": "VETTING_BMC_KG"}
    options = options_of(with_ipmi(**given), ipmi.Options)
    words = ipmi.command(options, "chassis", "power", "on")
    assert [words[words.index(flag) + 1] for flag in ("-p", "-C", "-L")] == ["6230", "17", "ADMINISTRATOR"]
    assert "-K" in words and "open" not in words and ipmi.environment(options)["IPMI_KGKEY"] == "open"


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"address": "10.0.0.9:6230"}, "`address` must be without a port: write that as `port`"),
        ({"address": "-v"}, "`address` must be an address"),
        ({"cipher": 0}, "`cipher` must be between 1 and 17"),
        ({"privilege": "ROOT"}, "`privilege` must be OPERATOR or ADMINISTRATOR"),
    ],
)
def test_a_wrong_option_is_named_before_anything_is_sent(given: dict[str, Any], words: str, settings: Any) -> None:
    settings.BMC_PASSWORDS = {"VETTING_BMC_NODE1": "sesame"}
    with pytest.raises(WakeProblem, match=words):
        wake.wake(with_ipmi(**given))
    options = {"address": "10.0.0.9", "user": "admin", "password_env": "VETTING_BMC_NODE1"} | given
    assert words.replace("`", "") in wakeoptions.problems("ipmi", options)[0].replace("`", "")


def test_a_uefi_machine_is_told_to_boot_as_one(settings: Any) -> None:
    settings.BMC_PASSWORDS = {"VETTING_BMC_NODE1": "sesame"}
    assert ipmi.boot_device(options_of(with_ipmi(), ipmi.Options))[-1] == "options=efiboot"


def test_a_bios_machine_is_not(settings: Any) -> None:
    settings.BMC_PASSWORDS = {"VETTING_BMC_NODE1": "sesame"}
    assert ipmi.boot_device(options_of(with_ipmi(efi=False), ipmi.Options)) == ("chassis", "bootdev", "pxe")


def test_a_bmc_that_does_not_answer_is_named(bench: Bench, settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    if not daemon.which("ipmitool"):
        pytest.skip("ipmitool is not installed: apt install ipmitool")
    settings.BMC_PASSWORDS = {"VETTING_BMC_NODE1": "sesame"}
    monkeypatch.setattr(ipmi, "TIMEOUT_S", 1.0)
    with pytest.raises(WakeProblem, match=r"BMC 127\.0\.0\.1: ipmitool chassis power status"):
        wake.wake(with_ipmi())


def test_a_host_is_woken_again_though_the_clock_was_set_back_since() -> None:
    later = timezone.now() + timedelta(hours=5)
    request = WakeRequest.objects.create(run=a_run(a_host(), state="WaitingWoL"), sent=1, last_sent_at=later)
    assert list(wake.due(timezone.now())) == [request]
