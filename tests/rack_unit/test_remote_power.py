"""The rack's BMCs on the network: asked by the drivers of the orchestrator, they press the machine's buttons."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from hosts.models import Host
from hosts.wakemethods import Verb
from pxe.wake import power
from tests.pxe.bmc import MEANT
from tests.rack import netns, remote_power, warden
from tests.rack.remote_power import Buttons
from tests.rows import a_host

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.skipif(os.geteuid() != 0, reason="needs root for a network namespace: sudo"),
    pytest.mark.skipif(not shutil.which("ipmi_sim"), reason="ipmi_sim is not installed: apt install openipmi"),
]


class Chassis:
    """In the place of the virtual machine: keeps which of its buttons were pressed."""

    def __init__(self) -> None:
        self.is_on, self.pressed = False, list[str]()

    def press_power(self) -> bool:
        self.pressed.append("on")
        was_on, self.is_on = self.is_on, True
        return not was_on

    def cut_power(self) -> None:
        self.pressed.append("off")
        self.is_on = False


@pytest.fixture
def namespace() -> Iterator[netns.Namespace]:
    made = netns.create()
    yield made
    warden.sweep(made)


@pytest.fixture(params=["ipmi", "redfish"])
def host(
    request: pytest.FixtureRequest, tmp_path: Path, namespace: netns.Namespace, settings: Any
) -> Iterator[tuple[Host, Chassis, netns.Namespace]]:
    settings.BMC_PASSWORDS = {remote_power.PASSWORD_VARIABLE: "sesame"}
    chassis = Chassis()
    buttons = Buttons(chassis, lambda text: None, lambda error: None)  # type: ignore[arg-type]
    bmc = {
        "ipmi": lambda: remote_power.ipmi(tmp_path / "bmc", namespace, buttons, "sesame"),
        "redfish": lambda: remote_power.redfish(tmp_path / "bmc", namespace, buttons),
    }[request.param]
    with bmc():
        options = remote_power.OPTIONS[request.param]
        yield a_host(wake_method=request.param, wake_options=options), chassis, namespace


def test_a_machine_that_is_off_is_woken(host: tuple[Host, Chassis, netns.Namespace]) -> None:
    row, chassis, namespace = host
    with namespace.inside():
        power.wake(row)
        assert chassis.pressed == ["on"] and power.is_on(row) is True


def test_a_machine_that_hangs_is_cycled(host: tuple[Host, Chassis, netns.Namespace]) -> None:
    row, chassis, namespace = host
    chassis.is_on = True
    with namespace.inside():
        power.cycle_to_network(row, MEANT)
        while not chassis.is_on:  # ipmi_sim turns it on some moments after it said that it is cycled
            power.act(row, Verb.STATUS, MEANT)
    assert chassis.pressed == ["off", "on"]
