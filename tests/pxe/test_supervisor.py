"""The real dnsmasq, started, signalled, killed and found again."""

from __future__ import annotations

import errno
import os
import select
import signal
import socket
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest
from django.utils import timezone

from pxe import daemon, dnsmasqlog, supervisor
from pxe.paths import Paths
from pxe.supervisor import Action
from runs.bench import faults
from runs.bench.problems import problems
from runs.machine import State
from runs.models import Rung
from tests.pxe import dhcpclient
from tests.pxe.conftest import tick
from tests.pxe.network import Network
from tests.rows import a_host, a_run

pytestmark = pytest.mark.django_db
Bench = Callable[..., Paths]
KNOWN, OTHER, STRANGER = "52:54:00:00:00:01", "52:54:00:00:00:02", "52:54:00:00:00:99"
# dnsmasq asks by ping for three seconds whether a new address is in use, before it offers it.
PING_S = 6.0


def runs(pid: int) -> bool:
    """Not ended; a zombie, which waits for its parent to look, has."""
    return psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE


def gone(pid: int) -> None:
    """Wait until this process has ended."""
    watch = os.pidfd_open(pid)
    assert select.select([watch], [], [], 5)[0], f"process {pid} did not end"
    os.close(watch)


def test_it_is_back_with_the_next_tick_after_sigkill_and_still_answers(dnsmasq_bench: Bench, network: Network) -> None:
    a_host(mac=KNOWN)
    first = tick(network)
    assert first is not None
    os.kill(first, signal.SIGKILL)
    gone(first)
    second = tick(network)
    assert second not in (None, first)
    with network.on_client():
        assert dhcpclient.discover(KNOWN, wait_s=PING_S) is not None


def test_it_outlives_whoever_started_it(dnsmasq_bench: Bench, network: Network) -> None:
    pid = tick(network)
    assert os.getsid(pid or 0) not in (os.getsid(0), 0)
    stat = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    assert int(stat[1]) != os.getpid()


def test_nothing_is_done_twice_when_nothing_has_changed(dnsmasq_bench: Bench, network: Network) -> None:
    files = dnsmasq_bench()
    a_host(mac=KNOWN)
    pid = tick(network)
    before = files.hosts.stat().st_mtime_ns, files.conf.stat().st_mtime_ns, files.log.read_text()
    for _ in range(3):
        assert tick(network) == pid
    assert (files.hosts.stat().st_mtime_ns, files.conf.stat().st_mtime_ns, files.log.read_text()) == before


def test_another_configuration_restarts_it(dnsmasq_bench: Bench, network: Network) -> None:
    first = tick(network)
    dnsmasq_bench(pxe={"lease_minutes": 7})
    a_host(mac=KNOWN)
    tick(network)
    second = tick(network)
    assert second not in (None, first)
    with network.on_client():
        answer = dhcpclient.discover(KNOWN, wait_s=PING_S)
    assert answer is not None and int.from_bytes(answer.options[51], "big") == 7 * 60


def test_one_that_lost_its_pid_file_is_replaced_and_not_doubled(dnsmasq_bench: Bench, network: Network) -> None:
    files = dnsmasq_bench()
    first = tick(network)
    files.pid.unlink()
    tick(network)
    second = tick(network)
    assert second not in (None, first)
    assert first is not None and not runs(first)


def test_a_loader_that_cannot_be_read_is_told_and_the_others_and_the_list_of_hosts_are_kept(
    dnsmasq_bench: Bench, network: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    """(Root may read everything, so the refusal is made here.)"""
    files, real = dnsmasq_bench(), Path.read_bytes
    a_host(mac=KNOWN)

    def refuse(path: Path) -> bytes:
        if path.name == "snponly.efi":
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return real(path)

    monkeypatch.setattr(Path, "read_bytes", refuse)
    assert tick(network) is not None
    assert KNOWN in files.hosts.read_text()
    assert sorted(path.name for path in files.tftp.iterdir()) == ["ipxe.efi", "undionly.kpxe"]
    faults.tick()
    assert "Copying snponly.efi for TFTP failed" in problems(faults.SOURCE)[0].what


def test_mode_off_stops_it(dnsmasq_bench: Bench, network: Network) -> None:
    pid = tick(network)
    assert pid
    dnsmasq_bench(pxe={"mode": "off"})
    assert tick(network) is None
    assert not runs(pid)


def test_a_foreign_process_under_our_pid_is_neither_ours_nor_signalled(dnsmasq_bench: Bench, network: Network) -> None:
    files = dnsmasq_bench()
    files.pid.write_text(str(os.getpid()))
    assert supervisor.server(files).pid() is None


def test_under_a_unit_it_starts_nothing_but_signals_what_the_unit_started(
    dnsmasq_bench: Bench, network: Network
) -> None:
    files = dnsmasq_bench(pxe={"supervise": "unit"})
    assert tick(network) is None
    assert problems("dnsmasq")[0].what.startswith("dnsmasq is not running")
    command = [daemon.which("dnsmasq") or "", "--keep-in-foreground", f"--conf-file={files.conf}"]
    with network.on_server(), subprocess.Popen(command) as unit:
        for _ in range(400):
            if supervisor.server(files).pid() == unit.pid:
                break
            select.select([], [], [], 0.01)
        _the_unit_is_signalled(dnsmasq_bench, network)


def _the_unit_is_signalled(dnsmasq_bench: Bench, network: Network) -> None:
    pid = tick(network)
    a_host(mac=KNOWN)
    assert tick(network) == pid
    assert problems("dnsmasq") == []
    with network.on_client():
        assert dhcpclient.discover(KNOWN, wait_s=PING_S) is not None
    dnsmasq_bench(pxe={"supervise": "unit", "lease_minutes": 7})
    assert tick(network) is None, "another configuration: the unit is to start it again"


def test_a_port_that_is_taken_is_reported_with_what_to_do(dnsmasq_bench: Bench, network: Network) -> None:
    with network.on_server(), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("0.0.0.0", 67))
        supervisor.tick()
        problem = problems("dnsmasq")[0]
        assert "in use" in problem.what and "sport = :67" in problem.fix
        supervisor.tick()
        assert supervisor.server(supervisor.paths()).pid() is None


def test_an_interface_that_is_missing_is_reported(dnsmasq_bench: Bench, network: Network) -> None:
    dnsmasq_bench(pxe={"interface": "eth9"})
    tick(network)
    assert problems("dnsmasq")[0].what == "pxe.interface eth9 does not exist on this machine"


def test_a_log_that_has_grown_is_put_aside_and_the_next_line_is_still_read(
    dnsmasq_bench: Bench, network: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = dnsmasq_bench()
    run = a_run(a_host(mac=KNOWN), state=State.WAITING_WOL, verdict="", boot=1, started_at=timezone.now())
    tick(network)
    monkeypatch.setattr(dnsmasqlog, "ROTATE_BYTES", 10)
    tick(network)
    assert files.log.with_suffix(".log.1").exists()
    monkeypatch.undo()
    with network.on_client():
        assert dhcpclient.discover(KNOWN, wait_s=PING_S) is not None
    tick(network)
    assert run.rungs.get().rung == Rung.DHCP


def test_it_runs_without_root_given_its_capabilities_only(
    dnsmasq_bench: Bench, network: Network, tmp_path: Path
) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can give capabilities to another user")
    files = dnsmasq_bench()
    with network.on_server():
        supervisor._reconcile(files)
        daemon.stop(supervisor.server(files).pid() or 0, wait_s=2)
    conf = files.conf.read_text().replace("user=root", "user=nobody")
    files.conf.write_text(conf)
    for path in (tmp_path, *tmp_path.parents[:3]):
        path.chmod(path.stat().st_mode | 0o055)
    subprocess.run(["chown", "-R", "nobody:nogroup", str(tmp_path)], check=True)
    three = "+net_admin,+net_raw,+net_bind_service"
    command = ["setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups", f"--inh-caps=-all,{three}",
               f"--ambient-caps=-all,{three}", f"--bounding-set=-all,{three}", daemon.which("dnsmasq") or "",
               f"--conf-file={files.conf}"]  # fmt: skip
    with network.on_server():
        done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert psutil.Process(int(files.pid.read_text())).uids().effective != 0


@pytest.mark.parametrize(
    ("pid", "read", "action"),
    [
        (None, {}, Action.START),
        (None, {"pid": 7, "conf": "c", "hosts": "h"}, Action.START),
        (7, {"pid": 7, "conf": "c", "hosts": "h"}, Action.NOTHING),
        (7, {"pid": 7, "conf": "c", "hosts": "older"}, Action.RELOAD),
        (7, {"pid": 7, "conf": "older", "hosts": "h"}, Action.RESTART),
        (7, {"pid": 6, "conf": "c", "hosts": "h"}, Action.RELOAD),
        (7, {"conf": "c", "hosts": "h"}, Action.RELOAD),
        (7, {"pid": 6, "conf": "older", "hosts": "h"}, Action.RESTART),
        (7, {}, Action.RESTART),
    ],
)
def test_what_is_done_follows_from_what_runs_and_what_it_has_read(
    pid: int | None, read: dict[str, Any], action: Action
) -> None:
    assert supervisor.decide(pid, read, {"conf": "c", "hosts": "h"}) is action
