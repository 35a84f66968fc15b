"""Every verb against a Redfish service that is not ours: the emulator of sushy-tools."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from hosts.models import Host
from hosts.wakemethods import Verb
from pxe.wake import power
from pxe.wake.shape import WakeProblem
from tests.pxe.bmc import MEANT
from tests.pxe.redfishsim import emulated
from tests.rows import a_host

pytestmark = pytest.mark.django_db


class Chassis:
    """Keeps what was done to it."""

    def __init__(self) -> None:
        self.on, self.done = False, list[str]()

    def is_on(self) -> bool:
        return self.on

    def set_power(self, reset_type: str) -> None:
        self.done.append(reset_type)
        self.on = reset_type != "ForceOff"

    def set_boot_device(self, target: str) -> None:
        self.done.append(f"boot {target}")


@pytest.fixture
def chassis() -> Chassis:
    return Chassis()


@pytest.fixture
def host(tmp_path: Path, chassis: Chassis, settings: Any) -> Iterator[Host]:
    settings.BMC_PASSWORDS = {"VETTING_BMC_NODE1": "sesame"}
    with emulated(tmp_path, chassis) as url:
        wanted = {"url": url, "user": "admin", "password_env": "VETTING_BMC_NODE1"}
        yield a_host(wake_method="redfish", wake_options=wanted)


def test_a_machine_is_told_to_boot_from_the_network_and_turned_on(host: Host, chassis: Chassis) -> None:
    assert power.wake(host).endswith("boot from the network once, power on (Redfish)")
    assert chassis.done == ["boot Pxe", "On"]


def test_a_machine_that_is_on_is_left_alone_unless_it_may_be_restarted(host: Host, chassis: Chassis) -> None:
    chassis.on = True
    with pytest.raises(WakeProblem, match="is on already; nothing was sent"):
        power.wake(host)
    assert chassis.done == []
    assert power.wake(host, restart=MEANT).endswith("boot from the network once, power cycle by ForceRestart (Redfish)")
    assert chassis.done == ["boot Pxe", "ForceRestart"], "it offers no PowerCycle"


@pytest.mark.parametrize(
    ("verb", "done", "words"),
    [
        (Verb.ON, ["On"], "power on"),
        (Verb.OFF, ["ForceOff"], "power off"),
        (Verb.CYCLE, ["ForceRestart"], "power cycle by ForceRestart"),
        (Verb.RESET, ["ForceRestart"], "reset"),
        (Verb.BOOT_NETWORK, ["boot Pxe"], "boot from the network once"),
        (Verb.STATUS, [], "on"),
    ],
)
def test_each_verb_does_what_it_says(host: Host, chassis: Chassis, verb: Verb, done: list[str], words: str) -> None:
    chassis.on = True
    assert power.act(host, verb, MEANT).endswith(f": {words} (Redfish)")
    assert chassis.done == done


@pytest.mark.parametrize("on", [True, False])
def test_status_says_what_the_machine_is(host: Host, chassis: Chassis, on: bool) -> None:
    chassis.on = on
    assert power.is_on(host) is on


def test_a_verb_that_a_way_to_wake_has_not_is_refused_with_those_that_it_has() -> None:
    with pytest.raises(WakeProblem, match="Wake-on-LAN has no cycle, only on"):
        power.act(a_host(), Verb.CYCLE, MEANT)
