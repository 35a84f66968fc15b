"""Every verb against a BMC that is not ours: OpenIPMI's ipmi_sim, by the real ipmitool."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from hosts.models import Host
from hosts.wakemethods import Verb
from pxe.wake import power
from pxe.wake.drivers import ipmi
from pxe.wake.shape import Refused, WakeProblem
from tests.pxe.bmc import MEANT
from tests.pxe.ipmisim import Account, Simulator, simulated
from tests.rows import a_host

pytestmark = pytest.mark.django_db


@pytest.fixture
def bmc(tmp_path: Path) -> Iterator[Simulator]:
    with simulated(tmp_path) as simulator:
        yield simulator


@pytest.fixture(autouse=True)
def passwords(settings: Any) -> None:
    settings.BMC_PASSWORDS = {"VETTING_BMC_NODE1": "sesame", "VETTING_BMC_WRONG": "wrong-one", "VETTING_BMC_KG": "open"}


def host_of(bmc: Simulator, **options: Any) -> Host:
    wanted = {"address": "127.0.0.1", "port": bmc.port, "user": "admin", "password_env": "VETTING_BMC_NODE1"}
    # Without a cipher suite ipmitool asks for them, which ipmi_sim lets run into a time-out.
    return a_host(wake_method="ipmi", wake_options=wanted | {"cipher": 3} | options)


def test_a_machine_that_is_off_is_told_to_boot_from_the_network_and_turned_on(bmc: Simulator) -> None:
    done = power.wake(host_of(bmc))
    assert bmc.asked == ["set boot pxe", "set power 1"]
    assert done == "BMC 127.0.0.1: boot from the network once, power on (IPMI)"


def test_a_machine_that_is_on_is_left_alone_unless_it_may_be_restarted(bmc: Simulator) -> None:
    bmc.turn("1")
    host = host_of(bmc)
    with pytest.raises(WakeProblem, match="is on already; nothing was sent"):
        power.wake(host)
    assert bmc.asked == []
    assert "power cycle" in power.wake(host, restart=MEANT)
    assert bmc.was_asked("set boot pxe", "set power 0", "set power 1")


@pytest.mark.parametrize(
    ("verb", "asked", "words"),
    [
        (Verb.ON, ["set power 1"], "power on"),
        (Verb.OFF, ["set power 0"], "power off"),
        (Verb.CYCLE, ["set power 0", "set power 1"], "power cycle"),
        (Verb.RESET, ["set reset 1"], "reset"),
        (Verb.BOOT_NETWORK, ["set boot pxe"], "boot from the network once"),
        (Verb.STATUS, [], "on"),
    ],
)
def test_each_verb_does_what_it_says(bmc: Simulator, verb: Verb, asked: list[str], words: str) -> None:
    bmc.turn("1")
    assert power.act(host_of(bmc), verb, MEANT) == f"BMC 127.0.0.1: {words} (IPMI)"
    assert bmc.was_asked(*asked)


def test_status_says_off_of_a_machine_that_is_off(bmc: Simulator) -> None:
    assert power.is_on(host_of(bmc)) is False


def test_the_flag_that_outlives_a_minute_is_set_first(bmc: Simulator) -> None:
    assert "boot from the network" in power.wake(host_of(bmc, keep_boot_flag=True))


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"password_env": "VETTING_BMC_WRONG"}, "wrong password: .*RAKP 2 HMAC is invalid"),
        ({"user": "nobody"}, "does not know `user`"),
        ({"kg_env": "VETTING_BMC_KG"}, "`kg_env`"),
    ],
)
def test_a_refused_login_is_a_refusal_in_the_tools_own_words(
    bmc: Simulator, options: dict[str, Any], words: str
) -> None:
    with pytest.raises(Refused, match=words) as caught:
        power.wake(host_of(bmc, **options))
    assert bmc.asked == [] and "wrong-one" not in str(caught.value) and "open" not in str(caught.value).split()


@pytest.mark.parametrize(
    ("options", "words"),
    [({"port": 9}, "IPMI over LAN is switched on"), ({"cipher": 17}, "write `cipher`, such as 3 or 17")],
)
def test_what_is_no_refusal_is_tried_again(
    bmc: Simulator, options: dict[str, Any], words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ipmi, "PATIENCE", ("-N", "1", "-R", "1"))
    with pytest.raises(WakeProblem, match=words) as caught:
        power.wake(host_of(bmc, **options))
    assert not isinstance(caught.value, Refused)


def test_a_bmc_with_a_key_takes_it(tmp_path: Path) -> None:
    with simulated(tmp_path, Account(kg="open")) as bmc:
        assert power.is_on(host_of(bmc, kg_env="VETTING_BMC_KG")) is False
