"""What vetting.yaml switches off is off: with the real dnsmasq, asked by a real DISCOVER."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from hosts.models import Host
from pxe import daemon, order, supervisor, unwanted
from pxe.paths import Paths
from runs.bench.problems import problems
from tests.pxe import dhcpclient
from tests.pxe.conftest import tick
from tests.pxe.installation import Installation
from tests.pxe.network import Network
from tests.rows import a_host
from vetting import inforce, keeper

pytestmark = [pytest.mark.slow, pytest.mark.django_db]
KNOWN, OTHER = "52:54:00:00:00:01", "52:54:00:00:00:02"
# dnsmasq asks by ping for three seconds whether a new address is in use, before it offers it.
PING_S, NONE_S = 6.0, 2.0


@pytest.fixture
def installation(
    settings: Any, dnsmasq_bench: Callable[..., Paths], network: Network, tmp_path: Path
) -> Iterator[Installation]:
    """With one host, and a worker that has done its first round."""
    made = Installation(settings, network, tmp_path / "vetting.yaml")
    made.restart(pxe={"mode": "dhcp"})
    a_host(mac=KNOWN)
    tick(network)
    yield made
    unwanted.end_all(unwanted.dnsmasqs(made.files, "off"))


def served(unit: subprocess.Popen[bytes] | None) -> subprocess.Popen[bytes]:
    """It runs, and its pid file says so."""
    assert unit is not None
    for _ in range(400):
        if supervisor.server(supervisor.paths()).pid() == unit.pid:
            return unit
        with pytest.raises(subprocess.TimeoutExpired):
            unit.wait(0.01)
    raise AssertionError("dnsmasq did not start")


def offer(network: Network, mac: str = KNOWN, wait_s: float = NONE_S) -> str:
    with network.on_client():
        answer = dhcpclient.discover(mac, wait_s=wait_s)
    return answer.address if answer else ""


def age(files: Paths, **changes: Any) -> None:
    """Change what the order says, as time or a boot would."""
    given = order.read(files)
    assert given is not None
    order.withdraw(files)
    order.atomic.write_json(files.order, {**given.__dict__, **changes})


def test_off_ends_the_units_dnsmasq_and_it_does_not_come_back(installation: Installation, network: Network) -> None:
    unit = served(installation.unit())
    assert offer(network, wait_s=PING_S)
    installation.restart(pxe={"mode": "off"})
    tick(network)
    assert unit.wait(2) is not None
    assert not installation.may_start()
    assert offer(network) == ""
    assert not installation.files.conf.exists()


def test_off_needs_no_database(installation: Installation, django_db_blocker: Any) -> None:
    unit = served(installation.unit())
    installation.restart(pxe={"mode": "off"})
    with django_db_blocker.block():
        assert supervisor.switch_off(installation.files) == []
    assert unit.wait(2) is not None


def test_on_again_gives_a_new_order(installation: Installation, network: Network) -> None:
    installation.restart(pxe={"mode": "off"})
    tick(network)
    installation.restart(pxe={"mode": "dhcp"})
    tick(network)
    assert installation.may_start()


def test_the_unit_ends_where_the_worker_is_to_run_dnsmasq(installation: Installation, network: Network) -> None:
    unit = served(installation.unit())
    installation.restart(pxe={"supervise": "tick"})
    tick(network)
    assert unit.wait(2) is not None
    assert not installation.may_start()
    tick(network)
    assert supervisor.server(installation.files).pid()


def test_the_workers_dnsmasq_ends_where_the_unit_is_to_run_it(installation: Installation, network: Network) -> None:
    installation.restart(pxe={"supervise": "tick"})
    pid = tick(network)
    installation.restart(pxe={"supervise": "unit"})
    tick(network)
    assert pid and supervisor.server(installation.files).find() is None
    assert served(installation.unit())


def test_one_that_ignores_sigterm_is_killed(installation: Installation) -> None:
    unit = served(installation.unit())
    subprocess.run(["kill", "-STOP", str(unit.pid)], check=True)
    installation.restart(pxe={"mode": "off"})
    assert supervisor.switch_off(installation.files) == []
    assert unit.wait(2) is not None


@pytest.mark.parametrize("gone", ["disabled", "deleted"])
def test_a_host_that_is_taken_away_gets_no_address(installation: Installation, network: Network, gone: str) -> None:
    served(installation.unit())
    tick(network)
    assert offer(network, wait_s=PING_S)
    hosts = Host.objects.filter(macs__mac=KNOWN)
    hosts.update(enabled=False) if gone == "disabled" else hosts.delete()
    tick(network)
    assert offer(network) == ""


STALE = [
    ({"boot": "another 1"}, "another boot"),
    ({"at_s": 0.5}, "nobody renewed"),
    ({"at_s": 1e12}, "nobody renewed"),
    ({"at_s": "soon"}, "no order"),
    ({"configuration": "0" * 64}, "vetting.yaml was changed"),
    ({"conf": "0" * 64}, "not those of its order"),
    ({"hosts": "0" * 64}, "not those of its order"),
    ({"more": 1}, "no order"),
]


@pytest.mark.parametrize(("changes", "why"), STALE, ids=[repr(changes) for changes, _ in STALE])
def test_nothing_stale_starts_and_systemd_does_not_ask_again(
    installation: Installation, capfd: pytest.CaptureFixture[str], changes: dict[str, Any], why: str
) -> None:
    age(installation.files, **changes)
    assert not installation.may_start()
    assert why in capfd.readouterr().out
    assert not installation.files.order.exists()


def test_a_changed_configuration_starts_nothing_old(installation: Installation, network: Network) -> None:
    """Saved and not in force: what runs goes on, its list is kept; once it has ended nothing starts."""
    unit = served(installation.unit())
    installation.edit(pxe={"mode": "off"})
    a_host(name="node-2", mac=OTHER)
    tick(network)
    inforce.tick()
    assert offer(network, OTHER, PING_S)
    assert problems("configuration")[0].what.endswith("was changed and is not in force in the worker")
    unit.kill()
    unit.wait(2)
    for _ in range(2):
        assert installation.unit() is None
        tick(network)
    assert "is not in force" in problems("dnsmasq")[0].what


def test_a_comment_changes_nothing(installation: Installation, network: Network) -> None:
    installation.yaml.write_text("# a comment\n" + installation.yaml.read_text())
    tick(network)
    inforce.tick()
    assert problems("configuration") == []
    assert installation.may_start()


def test_a_wrong_configuration_is_told_and_what_runs_goes_on(installation: Installation, network: Network) -> None:
    unit = served(installation.unit())
    installation.yaml.write_text("pxe: {mode: of}\n")
    tick(network)
    inforce.tick()
    assert "pxe.mode" in problems("configuration")[0].what
    assert unit.poll() is None


def test_the_keeper_does_nothing_while_the_worker_renews(installation: Installation) -> None:
    assert keeper.watch(installation.files, ["false"]) == 0
    assert installation.may_start()


def test_the_keeper_follows_vetting_yaml_where_the_worker_is_dead(installation: Installation, network: Network) -> None:
    """`manage.py keep` is a process of its own and has the new vetting.yaml."""
    unit = served(installation.unit())
    age(installation.files, at_s=order._now_s() - keeper.SILENT_AFTER_S - 1)
    installation.edit(pxe={"mode": "off"})
    keeper.watch(installation.files, manage(installation))
    assert unit.wait(2) is not None
    assert not installation.files.order.exists()


def test_a_keeper_that_fails_ends_dnsmasq_after_two_minutes(installation: Installation) -> None:
    unit = served(installation.unit())
    age(installation.files, at_s=order._now_s() - keeper.GIVEN_UP_AFTER_S / 2)
    keeper.watch(installation.files, ["false"])
    assert unit.poll() is None
    age(installation.files, at_s=order._now_s() - keeper.GIVEN_UP_AFTER_S - 1)
    keeper.watch(installation.files, ["false"])
    assert unit.wait(2) is not None
    assert not installation.files.order.exists()


def test_an_order_of_another_boot_is_not_renewed_for_a_dead_worker(installation: Installation) -> None:
    age(installation.files, boot="another 1")
    keeper.watch(installation.files, ["false"])
    assert not installation.files.order.exists()


def test_healthz_names_one_that_runs_and_should_not(installation: Installation, client: Any) -> None:
    unit = served(installation.unit())
    installation.restart(pxe={"mode": "off"})
    said = client.get("/healthz").content.decode()
    assert f"dnsmasq (process {unit.pid}) runs although vetting.yaml does not ask for it" in said
    supervisor.switch_off(installation.files)
    assert "does not want it" not in client.get("/healthz").content.decode()


def manage(installation: Installation) -> list[str]:
    """`manage.py keep` with an empty database of its own beside the same files."""
    import sys

    from django.conf import settings

    program = (
        "import os, django; os.environ['DJANGO_SETTINGS_MODULE'] = 'vetting.settings'; django.setup();"
        "from django.conf import settings; from pathlib import Path;"
        f"settings.PXE_DIR = Path({str(settings.PXE_DIR)!r}); settings.PID_DIR = Path({str(settings.PID_DIR)!r});"
        "from django.core.management import call_command; call_command('keep')"
    )
    own = [f"VETTING_CONFIG={installation.yaml}", f"VETTING_DATA_DIR={installation.yaml.parent}/data"]
    assert daemon.which("dnsmasq")
    return ["env", "-C", str(settings.BASE_DIR), *own, sys.executable, "-c", program]
