from __future__ import annotations

import configparser
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from pxe.link import servers
from vetting.front import bodies, channel

ROOT = Path(__file__).resolve().parents[2]
UNITS = sorted((ROOT / "deploy" / "systemd").iterdir())
SERVICES = [unit for unit in UNITS if unit.suffix == ".service"]


def parsed(unit: Path) -> configparser.ConfigParser:
    parser = configparser.ConfigParser(interpolation=None, strict=False)
    parser.optionxform = str
    parser.read(unit)
    return parser


def test_there_is_a_unit_for_each_part() -> None:
    names = {unit.name for unit in UNITS}
    assert {
        "vetting-web.service",
        "vetting-worker.service",
        "vetting-dnsmasq.service",
        "vetting-iperf3@.service",
        "vetting-keeper.timer",
    } <= names


def test_systemd_finds_nothing_to_say_about_any_unit(tmp_path: Path) -> None:
    """With the programs' paths as they are on this machine; an unknown key or a bad value is a line of output."""
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd-analyze is missing: apt-get install systemd")
    if missing := [name for name in ("/usr/sbin/dnsmasq", "/usr/bin/iperf3") if not Path(name).exists()]:
        pytest.skip(f"{' '.join(missing)} missing: apt-get install dnsmasq-base iperf3")
    for unit in UNITS:
        text = (
            unit.read_text()
            .replace("/opt/vetting/venv/bin/python", sys.executable)
            .replace("/opt/vetting/app", str(ROOT))
        )
        (tmp_path / unit.name.replace("@.", "@5201.")).write_text(text)
    units = sorted(str(path) for path in tmp_path.iterdir())
    done = subprocess.run(
        ["systemd-analyze", "verify", *units], capture_output=True, text=True, timeout=60, cwd=tmp_path
    )
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


@pytest.mark.parametrize("unit", SERVICES, ids=lambda unit: unit.name)
def test_no_part_runs_as_root_or_can_become_it(unit: Path) -> None:
    service = parsed(unit)["Service"]
    assert (service["User"], service["NoNewPrivileges"], service["ProtectSystem"]) == (
        "vetting",
        "yes",
        "strict",
    )
    if service["Type"] != "oneshot":
        assert (service["Restart"], service["RestartSec"]) == ("always", "1")


@pytest.mark.parametrize("unit", SERVICES, ids=lambda unit: unit.name)
def test_only_dnsmasq_has_capabilities_and_only_the_three_it_needs(unit: Path) -> None:
    service = parsed(unit)["Service"]
    needed = "CAP_NET_ADMIN CAP_NET_RAW CAP_NET_BIND_SERVICE" if "dnsmasq" in unit.name else ""
    assert service["CapabilityBoundingSet"] == needed
    assert service.get("AmbientCapabilities", "") == needed


@pytest.mark.parametrize("unit", SERVICES, ids=lambda unit: unit.name)
def test_no_part_can_take_the_machine_s_memory_or_call_what_administers_a_system(unit: Path) -> None:
    text, service = unit.read_text(), parsed(unit)["Service"]
    assert service["MemoryMax"][-1] in "MG" and int(service["TasksMax"]) <= 512
    assert "SystemCallFilter=@system-service\n" in text and service["SystemCallErrorNumber"] == "EPERM"


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.name)
def test_no_line_of_a_unit_stands_there_twice(unit: Path) -> None:
    lines = [line for line in unit.read_text().splitlines() if "=" in line and not line.startswith("#")]
    assert len(lines) == len(set(lines))


def test_a_web_process_may_hold_all_the_bodies_that_it_lets_in() -> None:
    """Those of strangers, users and agents: once as they came, once on their way to Django, once there."""
    small = channel.MAX_CONNECTIONS * bodies.SMALL_BYTES
    limit = parsed(ROOT / "deploy/systemd/vetting-web.service")["Service"]["MemoryHigh"]
    assert int(limit.removesuffix("M")) * 1024 * 1024 > 3 * 3 * bodies.HELD_BYTES + small + 150_000_000


def test_a_worker_of_which_a_part_is_killed_for_memory_is_started_anew() -> None:
    assert parsed(ROOT / "deploy/systemd/vetting-worker.service")["Service"]["OOMPolicy"] == "kill"


@pytest.mark.parametrize("unit", SERVICES, ids=lambda unit: unit.name)
def test_systemd_calls_every_part_s_exposure_low(unit: Path) -> None:
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd-analyze is missing: apt-get install systemd")
    command = ["systemd-analyze", "security", "--offline=true", "--threshold=25", str(unit)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout.splitlines()[-1]


def test_a_killed_worker_leaves_nobody_behind() -> None:
    assert parsed(ROOT / "deploy/systemd/vetting-worker.service")["Service"]["KillMode"] == "control-group"


def test_iperf3_gives_up_a_silent_host_as_soon_as_under_the_worker() -> None:
    start = parsed(ROOT / "deploy/systemd/vetting-iperf3@.service")["Service"]["ExecStart"]
    assert f"--rcv-timeout {servers.RECEIVE_TIMEOUT_MS}" in start


def test_no_unit_carries_a_secret() -> None:
    for unit in SERVICES:
        assert not re.search(r"^Environment=.*(SECRET|TOKEN|PASSWORD)", unit.read_text(), re.M)
