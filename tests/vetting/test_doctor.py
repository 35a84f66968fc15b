"""`manage.py doctor`: what is wrong with the bench, each with its cure, and how it is said."""

from __future__ import annotations

import io
import json
import os
import socket
from collections import namedtuple
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.core.management import call_command
from django.db import DatabaseError
from django.utils import timezone

from pxe import supervisor
from runs import outages
from runs.bench import problems as bench
from runs.bench.problems import Problem
from runs.machine import State
from runs.models import Lease
from tests.factories import HostFactory, RunFactory, worker_at_work
from tests.notifications.test_channels import _closed_port
from vetting import benchstate, doctor, networkstate
from vetting.config import Config
from vetting.management.commands import doctor as command

OFF: dict[str, Any] = {"web": {"address": "127.0.0.1"}, "iperf3": {"supervise": "off"}}


@pytest.fixture
def healthy(db: None, settings: Any, tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A bench on which everything is as it should be."""
    settings.VETTING = Config.model_validate(OFF)
    settings.DATA_DIR = tmp_path
    tmp_path.chmod(0o750)
    monkeypatch.setattr(outages, "web_answers", lambda: True)
    monkeypatch.setattr(benchstate, "_connects", lambda port: True)
    monkeypatch.setattr(networkstate.dhcpservers, "find", lambda name: [])
    monkeypatch.setattr(benchstate.checks, "run_checks", list)
    monkeypatch.setattr(doctor, "AGAIN_AFTER_S", 0)
    monkeypatch.setattr(doctor.violations, "__kwdefaults__", {"again_after_s": 0})
    Usage = namedtuple("Usage", "f_bavail f_blocks f_frsize f_files f_favail")
    monkeypatch.setattr(benchstate.os, "statvfs", lambda path: Usage(5 << 20, 10 << 20, 4096, 100, 50))
    worker_at_work()


def found() -> dict[str, str]:
    return {one.check: one.what for one in benchstate.problems()}


def test_a_healthy_bench_has_no_problem_and_ends_with_0(healthy: None) -> None:
    call_command("doctor", "--json", stdout=(said := io.StringIO()))
    assert json.loads(said.getvalue()) == {"violations": [], "problems": []}


def test_what_is_found_ends_with_1_and_is_explained(healthy: None) -> None:
    run = RunFactory(state=State.RELEASED, verdict="failed", report_due=True)
    Lease.objects.update(ticked_at=timezone.now() - timedelta(hours=1))
    with pytest.raises(SystemExit, match="1"):
        call_command("doctor", "--json", stdout=(said := io.StringIO()))
    told = json.loads(said.getvalue())
    (violation,) = [one for one in told["violations"] if one["invariant"] == "ended_when_over"]
    assert violation["run"] == run.pk and violation["says"] and violation["means"]
    (problem,) = told["problems"]
    assert problem["check"] == "worker" and problem["fix"].startswith("end ./manage.py up, and start it again")
    with pytest.raises(SystemExit, match="1"):
        call_command("doctor", stdout=(said := io.StringIO()))
    words = said.getvalue()
    assert f"run {run.pk}: it is Released and has no end time" in words
    assert "end ./manage.py up, and start it again" in words


def _no_web(patch: pytest.MonkeyPatch, settings: Any) -> None:
    patch.setattr(outages, "web_answers", lambda: False)


def _no_boot_port(patch: pytest.MonkeyPatch, settings: Any) -> None:
    patch.setattr(benchstate, "_connects", lambda port: False)


def _not_our_address(patch: pytest.MonkeyPatch, settings: Any) -> None:
    settings.VETTING = Config.model_validate(OFF | {"web": {"address": "198.51.100.7"}})


def _unknown_name(patch: pytest.MonkeyPatch, settings: Any) -> None:
    def bind(sock: socket.socket, address: Any) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    patch.setattr(socket.socket, "bind", bind)


def _dhcp_runs_though_off(patch: pytest.MonkeyPatch, settings: Any) -> None:
    patch.setattr(supervisor, "strays", lambda: [Problem("bench", "dnsmasq (process 4711) runs", "it ends")])


def _no_dhcp(patch: pytest.MonkeyPatch, settings: Any) -> None:
    pxe = {"mode": "proxy", "interface": "lo", "subnet": "127.0.0.0/8", "supervise": "unit"}
    settings.VETTING = Config.model_validate(OFF | {"pxe": pxe})
    patch.setattr(supervisor.Daemon, "find", lambda self: None)
    patch.setattr(benchstate.image, "LOADERS", ())
    patch.setattr(doctor, "INVARIANTS", ())


def _no_iperf3(patch: pytest.MonkeyPatch, settings: Any) -> None:
    settings.VETTING = Config.model_validate(OFF | {"iperf3": {"supervise": "unit", "ports": [1]}})


def _no_bmc_password(patch: pytest.MonkeyPatch, settings: Any) -> None:
    HostFactory(wake_options={"password_env": "VETTING_BMC_NOBODY"})


def _two_with_one_bmc(patch: pytest.MonkeyPatch, settings: Any) -> None:
    HostFactory(wake_method="ipmi", wake_options={"address": "10.0.0.9"})
    HostFactory(wake_method="redfish", wake_options={"url": "https://10.0.0.9/"})


def _open_secret(patch: pytest.MonkeyPatch, settings: Any) -> None:
    (settings.DATA_DIR / "secret_key").write_text("k")
    (settings.DATA_DIR / "secret_key").chmod(0o644)


def _full_disk(patch: pytest.MonkeyPatch, settings: Any) -> None:
    usage = os.statvfs("/")
    full = namedtuple("Full", usage._fields)(*(0 if name == "f_bavail" else 50 for name in usage._fields))
    patch.setattr(benchstate.os, "statvfs", lambda path: full)


def _clock_back(patch: pytest.MonkeyPatch, settings: Any) -> None:
    worker_at_work(timezone.now() + timedelta(hours=2))


def _open_directory(patch: pytest.MonkeyPatch, settings: Any) -> None:
    settings.DATA_DIR.chmod(0o755)


def _told_by_the_worker(patch: pytest.MonkeyPatch, settings: Any) -> None:
    bench.report("iperf3", [Problem("bench", "port 5201 is taken", "stop what uses it")])


def _not_migrated(patch: pytest.MonkeyPatch, settings: Any) -> None:
    plan = [(("runs.0009_later"), False)]
    patch.setattr(benchstate.MigrationExecutor, "migration_plan", lambda self, targets: plan)


def _no_provider(patch: pytest.MonkeyPatch, settings: Any) -> None:
    oidc = {
        "issuer": f"http://127.0.0.1:{_closed_port()}",
        "client_id": "v",
        "roles": [{"value": "x", "role": "viewer"}],
    }
    settings.VETTING = Config.model_validate(OFF | {"login": {"oidc": oidc}})


PROBLEMS = {
    "login": [_no_provider],
    "web": [_no_web, _no_boot_port],
    "address": [_not_our_address, _unknown_name],
    "in_force": [_dhcp_runs_though_off, _told_by_the_worker],
    "dhcp": [_no_dhcp],
    "iperf3": [_no_iperf3],
    "secrets": [_no_bmc_password, _open_secret],
    "bmcs": [_two_with_one_bmc],
    "space": [_full_disk],
    "clock": [_clock_back],
    "permissions": [_open_directory],
    "database": [_not_migrated],
}


def test_each_problem_is_found_with_its_cure(healthy: None, settings: Any, subtests: pytest.Subtests) -> None:
    tried = [(name, make) for name, makes in PROBLEMS.items() for make in makes]
    before = settings.VETTING
    for name, make in tried:
        with subtests.test(make.__name__), pytest.MonkeyPatch.context() as patch:
            make(patch, settings)
            problem, *_ = [one for one in benchstate.problems() if one.check == name]
            assert problem.what and problem.fix
        settings.VETTING = before
        worker_at_work()
        bench.report("iperf3", [])


def test_a_database_that_does_not_answer_is_one_problem(healthy: None, monkeypatch: pytest.MonkeyPatch) -> None:
    def down(*args: Any) -> Iterator[Any]:
        raise DatabaseError("connection refused")
        yield

    monkeypatch.setattr(benchstate, "CHECKS", dict.fromkeys(benchstate.CHECKS, down))
    monkeypatch.setattr(command.doctor, "violations", down_at_once)
    broken, problems = doctor.examine()
    assert (broken, [one.check for one in problems]) == ([], ["database"])


def down_at_once(*args: Any, **options: Any) -> None:
    raise DatabaseError("connection refused")


def test_a_check_that_fails_is_told_and_the_others_are_made(healthy: None, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails() -> benchstate.Checks:
        raise PermissionError(13, "Permission denied", "/var/lib/vetting/pxe")

    monkeypatch.setattr(benchstate, "CHECKS", {"disk": fails} | {"web": benchstate._web})
    monkeypatch.setattr(outages, "web_answers", lambda: False)
    assert set(found()) == {"disk", "web"}
    assert "could not be checked to the end (PermissionError(13, 'Permission denied'))" in found()["disk"]
