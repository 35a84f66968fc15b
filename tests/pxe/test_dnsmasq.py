"""The configuration as text: every variant passes dnsmasq's own check, and says what it must."""

from __future__ import annotations

import subprocess
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path
from typing import Any

import pytest

from pxe import daemon
from pxe.dnsmasq import KnownMac, Plan, native, render, render_hosts
from pxe.paths import Paths


def plan(root: Path, **fields: Any) -> Plan:
    values: dict[str, Any] = {
        "mode": "dhcp",
        "interface": "eth1",
        "subnet": IPv4Network("10.77.0.0/24"),
        "script_url": "http://10.77.0.1:8000/ipxe/",
        "boot_url": "http://10.77.0.1:8001",
        "user": "root",
        "files": Paths(root / "pxe", root / "run"),
        "range_start": IPv4Address("10.77.0.100"),
        "range_end": IPv4Address("10.77.0.200"),
    }
    return Plan(**(values | fields))


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"router": IPv4Address("10.77.0.254"), "lease_minutes": 5},
        {"subnet": IPv4Network("192.168.0.0/16"), "range_start": IPv4Address("192.168.7.1"),
         "range_end": IPv4Address("192.168.7.250"), "interface": "vmbr0.40"},
        {"mode": "proxy", "range_start": None, "range_end": None},
    ],
)  # fmt: skip
def test_dnsmasq_accepts_every_configuration_we_make(tmp_path: Path, fields: dict[str, Any]) -> None:
    executable = daemon.which("dnsmasq")
    if executable is None:
        pytest.skip("dnsmasq is not installed: apt install dnsmasq-base")
    wanted = plan(tmp_path, **fields)
    wanted.files.make()
    wanted.files.conf.write_text(render(wanted))
    command = [executable, "--test", f"--conf-file={wanted.files.conf}"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("mode", ["dhcp", "proxy"])
def test_only_known_machines_are_answered_and_it_is_no_name_server(tmp_path: Path, mode: str) -> None:
    lines = render(plan(tmp_path, mode=mode)).splitlines()
    assert "dhcp-ignore=tag:!known" in lines
    assert "port=0" in lines
    assert f"dhcp-hostsfile={tmp_path}/pxe/dnsmasq.hosts" in lines


@pytest.mark.parametrize("mode", ["dhcp", "proxy"])
def test_no_file_is_ever_offered_to_a_machine_that_runs_ipxe_already(tmp_path: Path, mode: str) -> None:
    text = render(plan(tmp_path, mode=mode))
    loaders = [line for line in text.splitlines() if line.endswith((".efi", ".kpxe"))]
    assert loaders
    assert all("tag:!ipxe" in line for line in loaders)


def test_without_a_router_none_is_announced(tmp_path: Path) -> None:
    assert "\ndhcp-option=option:router\n" in render(plan(tmp_path))


def test_the_list_of_machines_is_the_same_text_for_the_same_machines() -> None:
    one, two = KnownMac("52:54:00:00:00:01"), KnownMac("52:54:00:00:00:02", "ipxe.efi")
    assert render_hosts([one, two]) == render_hosts([two, one])
    assert render_hosts([one, two]).splitlines() == ["52:54:00:00:00:01", "52:54:00:00:00:02"]


@pytest.mark.parametrize("mode", ["dhcp", "proxy"])
def test_a_machine_that_needs_ipxes_own_drivers_is_named_in_the_configuration(tmp_path: Path, mode: str) -> None:
    one, two = KnownMac("52:54:00:00:00:01"), KnownMac("52:54:00:00:00:02", "ipxe.efi")
    lines = render(plan(tmp_path, mode=mode, native=native([one, two]))).splitlines()
    assert [line for line in lines if line.startswith("dhcp-mac")] == ["dhcp-mac=set:native,52:54:00:00:00:02"]
