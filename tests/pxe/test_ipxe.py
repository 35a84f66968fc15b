"""GET /ipxe/{MAC}: who is given a token, and what everybody else boots."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from hosts.models import Host
from pxe import views
from pxe.paths import Paths
from runs import boots, ladder, lifecycle, transition
from runs.bench.allowance import OnceAMinute
from runs.machine import Event, State
from runs.models import Actor, Run, Rung
from tests.rows import a_host, a_run

pytestmark = pytest.mark.django_db
Bench = Callable[..., Paths]
MAC = "52:54:00:00:00:01"


def script(mac: str = MAC, address: str = "10.77.0.101") -> str:
    answer = Client().get(f"/ipxe/{mac}", REMOTE_ADDR=address)
    assert answer.status_code == 200
    assert answer["Cache-Control"] == "no-store"
    return answer.content.decode()


def lease(files: Paths, address: str = "10.77.0.101", mac: str = MAC) -> None:
    files.leases.write_text(f"1795474121 {mac} {address} * *\n")


def waiting_run(host: Host) -> Run:
    """Dispatched, as the dispatcher does it: a boot is expected, with its own token."""
    run = a_run(host, state=State.QUEUED, verdict="", started_at=timezone.now())
    with transition.locked(run.pk) as locked:
        transition.apply(locked, Event.DISPATCH, actor=Actor.WORKER)
    return run


def kernel_line(text: str) -> list[str]:
    return next(line.split() for line in text.splitlines() if line.startswith("kernel "))


def test_a_machine_with_a_run_boots_the_image_with_its_token(bench: Bench) -> None:
    run = waiting_run(a_host(mac=MAC))
    lease(bench(boot_files={"extra_args": "console=ttyS0"}))
    text = script()
    assert text.startswith("#!ipxe\n")
    words = kernel_line(text)
    assert words[1] == f"http://10.77.0.1:8001/boot/vmlinuz?run={run.pk}&boot=1"
    assert "vetting.url=http://10.77.0.1:8000" in words
    assert f"vetting.run={run.pk}" in words
    assert f"vetting.mac={MAC}" in words
    assert [word for word in words if word.startswith("vetting.token=vt1.")]
    assert words[-6:] == ["console=tty0", "noresume", "console=ttyS0", "||", "goto", "again"]
    initrds = [line.split()[1].split("?")[0] for line in text.splitlines() if line.startswith("initrd ")]
    assert initrds == [f"http://10.77.0.1:8001/boot/{name}" for name in ("initrd.zst", "agent.cpio")]


def test_a_run_whose_profile_orders_the_early_memory_test_has_it_on_the_kernels_line(bench: Bench) -> None:
    run = waiting_run(a_host(mac=MAC))
    profile = {"stages": {"Memory": {"params": {"early_test_patterns": 4}}}}
    Run.objects.filter(pk=run.pk).update(profile=profile)
    lease(bench())
    assert kernel_line(script())[-5:] == ["noresume", "memtest=4", "||", "goto", "again"]


def test_the_token_stays_the_same_on_every_repeat(bench: Bench) -> None:
    waiting_run(a_host(mac=MAC))
    lease(bench())
    assert script() == script()


@pytest.mark.parametrize("notation", ["52:54:00:00:00:01", "52-54-00-00-00-01", "525400000001", "5254.0000.0001"])
def test_the_mac_is_taken_in_any_notation(bench: Bench, notation: str) -> None:
    waiting_run(a_host(mac=MAC))
    lease(bench())
    assert "vetting.token=vt1." in script(notation)


def test_a_text_that_is_no_mac_is_400_and_comes_back_as_plain_text(bench: Bench) -> None:
    answer = Client().get("/ipxe/<script>alert(1)")
    assert answer.status_code == 400
    assert answer["Content-Type"].startswith("text/plain")


def test_a_registered_machine_without_a_run_boots_from_its_disk(bench: Bench) -> None:
    a_host(mac=MAC)
    lease(bench())
    text = script()
    assert "sanboot" in text and "exit" in text
    assert "vt1." not in text and "kernel" not in text


def test_a_host_set_to_power_off_powers_off_when_it_is_idle(bench: Bench) -> None:
    a_host(mac=MAC, idle_boot="poweroff")
    lease(bench())
    assert "\npoweroff" in script()


@pytest.mark.parametrize("state", [State.QUEUED, State.COMPLETED, State.CANCELLED, State.RELEASED])
def test_a_run_that_waits_or_is_over_boots_nothing_of_ours(bench: Bench, state: State) -> None:
    a_run(a_host(mac=MAC), state=state, verdict="")
    lease(bench())
    assert "vt1." not in script()


@pytest.fixture
def nothing_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(views, "_told", OnceAMinute())


def test_an_unknown_machine_is_told_so_on_its_screen_and_gets_no_token(
    bench: Bench, nothing_told: None, caplog: pytest.LogCaptureFixture
) -> None:
    waiting_run(a_host(mac=MAC))
    text = script("52:54:00:00:00:99")
    assert "52:54:00:00:00:99 is not registered" in text
    assert "vt1." not in text
    assert "52:54:00:00:00:99" in caplog.text


def test_who_asks_again_and_again_is_told_in_the_log_once_a_minute(
    bench: Bench, nothing_told: None, caplog: pytest.LogCaptureFixture
) -> None:
    for number in range(20):
        script(f"52:54:00:00:01:{number:02x}")
    lease(bench(), address="10.77.0.101")
    waiting_run(a_host(mac=MAC))
    for _ in range(20):
        script()
    assert len([one for one in caplog.records if "asked for by" in one.getMessage()]) == 1


def test_a_disabled_host_is_unknown(bench: Bench) -> None:
    Host.objects.filter(pk=a_host(mac=MAC).pk).update(enabled=False)
    assert "is not registered" in script()


def test_an_address_that_is_not_the_mac_s_lease_gets_no_token_and_is_on_record(bench: Bench) -> None:
    run = waiting_run(a_host(mac=MAC))
    lease(bench(), address="10.77.0.101")
    text = script(address="10.77.0.66")
    assert "vt1." not in text
    assert run.events.get(kind="script_refused").who == "10.77.0.66"
    run.refresh_from_db()
    assert run.state == State.WAITING_WOL
    assert "vetting.token=vt1." in script(address="10.77.0.101")


def test_without_a_lease_file_nobody_gets_a_token(bench: Bench) -> None:
    run = waiting_run(a_host(mac=MAC))
    assert "vt1." not in script()
    assert run.events.filter(kind="lease_unknown").exists()


CUT = f"1795474121 {MAC} 10.77.0.1"


@pytest.mark.parametrize("text", ["", CUT, "1795474121 52:54:00:00:00:77 10.77.0.107 * *\n"])
def test_a_machine_whose_lease_is_not_in_the_list_asks_again_and_the_run_says_why(bench: Bench, text: str) -> None:
    """dnsmasq empties the file before it writes it, and a full disk leaves it so."""
    run = waiting_run(a_host(mac=MAC))
    files = bench()
    files.leases.write_text(text)
    answer = script()
    assert f"chain --replace http://10.77.0.1:8000/ipxe/{MAC}" in answer
    assert "vt1." not in answer and "sanboot" not in answer and "kernel" not in answer
    assert "the disk may be full" in run.events.get(kind="lease_unknown").text
    assert not run.events.filter(kind="script_refused").exists()
    lease(files)
    assert "vetting.token=vt1." in script()


def test_a_list_of_leases_that_can_not_be_read_is_no_other_address(bench: Bench) -> None:
    run = waiting_run(a_host(mac=MAC))
    bench().leases.mkdir()  # root can read any file
    assert "chain --replace" in script()
    assert run.events.filter(kind="lease_unknown").exists()


@pytest.mark.parametrize("state", [State.FAILED_HOLDING, State.FAILED, "Memory"])
def test_a_host_to_be_held_does_not_boot_its_own_disk_for_want_of_its_lease(bench: Bench, state: str) -> None:
    run = a_run(a_host(mac=MAC), state=state, verdict="failed", started_at=timezone.now())
    boots.bind(boots.expect(run), boots.Machine("boot-1", "", (MAC,)))
    bench().leases.write_text("")
    answer = script()
    assert "chain --replace" in answer and "sanboot" not in answer


def test_a_host_with_nothing_to_boot_needs_no_lease(bench: Bench) -> None:
    a_run(a_host(mac=MAC), state=State.COMPLETED)
    bench().leases.write_text("")
    assert "sanboot" in script()


def test_a_boot_that_ended_without_its_lease_blames_the_bench_until_it_got_further(bench: Bench) -> None:
    run = waiting_run(a_host(mac=MAC))
    bench().leases.write_text("")
    lifecycle.record_rung(run, Rung.TFTP, boot=1)
    script()
    assert ladder.stopped_at(run).startswith("Our own fault: ") and "has no lease of" in ladder.stopped_at(run)
    lifecycle.record_rung(run, Rung.SCRIPT, boot=1)
    assert ladder.stopped_at(run).startswith("It has its boot script, but the kernel was not delivered")


def test_where_another_server_gives_out_addresses_the_lease_is_not_asked_for(bench: Bench) -> None:
    waiting_run(a_host(mac=MAC))
    bench(pxe={"mode": "proxy"})
    assert "vetting.token=vt1." in script()


def test_without_an_image_the_machine_waits_and_the_run_says_what_to_do(bench: Bench, settings: Any) -> None:
    run = waiting_run(a_host(mac=MAC))
    lease(bench())
    (settings.IMAGE_DIR / "vmlinuz").unlink()
    text = script()
    assert "kernel " not in text.replace("kernel,", "") and "chain --replace http://10.77.0.1:8000/ipxe/" in text
    assert "make image" in run.events.get(kind="image_missing").text


def test_it_takes_few_queries_whoever_asks(bench: Bench, django_assert_max_num_queries: Any) -> None:
    a_host(mac=MAC)
    lease(bench())
    with django_assert_max_num_queries(3):
        script()
