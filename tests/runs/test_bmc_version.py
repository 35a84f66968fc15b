"""The BMC's version: its revision, and the bytes that the maker adds."""

from __future__ import annotations

from dataclasses import replace

import pytest

from agent.contract import codec, wire
from agent.probes.bmc import ipmitool
from hosts import adoption, bmc_version
from runs.judging import inventory_changes, peer_firmware, specdiff
from tests.runs.test_specdiff import SERVER

MC_INFO = """Device ID                 : 32
Firmware Revision         : 13.05
Additional Device Support :
    Sensor Device
    SEL Device
Aux Firmware Rev Info     :{blank}
    0x09
    0x00
    0x00
    0x1e
"""
AUX = "0x09 0x00 0x00 0x1e"
ZEROS = "0x00 0x00 0x00 0x00"


def with_bmc(revision: str = "13.05", aux: str = AUX) -> wire.Inventory:
    return replace(SERVER, firmware=wire.Firmware(bios="1.2.3", bmc=revision, bmc_aux=aux))


@pytest.mark.parametrize("blank", ["", " "])
def test_the_bytes_are_read(blank: str) -> None:
    info = ipmitool.parse_mc_info(MC_INFO.format(blank=blank))
    assert (info["Firmware Revision"], info["Aux Firmware Rev Info"]) == ("13.05", AUX)


@pytest.mark.parametrize("cut", ["    0x1e\n", "    0x09\n"])
def test_bytes_that_are_not_all_there_were_not_read(cut: str) -> None:
    assert "Aux Firmware Rev Info" not in ipmitool.parse_mc_info(MC_INFO.format(blank="").replace(cut, ""))


@pytest.mark.parametrize(
    ("wanted", "revision", "aux", "is_same"),
    [
        ("13.05", "13.05", AUX, True),
        (f"13.05 aux {AUX}", "13.05", AUX, True),
        ("13.05.09", "13.05", AUX, True),
        ("13.05.09", "13.05", AUX.replace("0x09", "0x02"), False),
        (f"13.05 aux {AUX}", "13.05", AUX.replace("0x09", "0x02"), False),
        (f"13.05 aux {AUX}", "13.05", "", False),
        ("6.10.80.00", "6.10", "0x00 0x0a 0x50 0x00", True),
        ("6.10.30.00", "6.10", "0x00 0x0a 0x50 0x00", False),
        ("7.00.00.00", "7.00", ZEROS, True),
        ("13.05", "13.05", "", True),
        ("13.05", "13.06", AUX, False),
        ("13.05.09", "13.05", "garbled", False),
    ],
)
def test_a_version_is_the_same_however_its_maker_writes_it(wanted: str, revision: str, aux: str, is_same: bool) -> None:
    assert bmc_version.is_same(wanted, revision, aux) is is_same


def codes(expected: dict[str, object], inventory: wire.Inventory) -> list[str]:
    return [one.code for one in specdiff.compare(expected, inventory)]


@pytest.mark.parametrize("aux", [AUX, ZEROS, ""])
def test_what_was_adopted_is_what_is_found_and_another_firmware_is_not(aux: str) -> None:
    spec = {**adoption.from_inventory(codec.encode(with_bmc(aux=aux))), "pinned": ["firmware.bmc"]}
    assert codes(spec, with_bmc(aux=aux)) == []
    if aux == AUX:
        assert codes(spec, with_bmc(aux=AUX.replace("0x09", "0x02"))) == ["spec.pinned"]
    assert codes(spec, with_bmc("13.06", aux)) == ["spec.pinned"]


def test_a_spec_of_an_earlier_version_still_agrees() -> None:
    assert codes({"firmware": {"bmc": "13.05"}, "pinned": ["firmware.bmc"]}, with_bmc()) == []


def test_adopting_the_difference_writes_the_whole_version() -> None:
    (one,) = specdiff.compare({"firmware": {"bmc": "13.04"}}, with_bmc())
    adopted = adoption.adopt({"firmware": {"bmc": "13.04"}}, one.path, one.actual, codec.encode(with_bmc()))
    assert adopted["firmware"]["bmc"] == f"13.05 aux {AUX}"


def test_a_change_of_the_bytes_is_a_change_and_reading_them_first_is_none() -> None:
    before, after = codec.encode(with_bmc()), codec.encode(with_bmc(aux=AUX.replace("0x09", "0x02")))
    (change,) = inventory_changes.compare(before, after)
    assert (change.component, change.what, change.before) == ("BMC firmware", "changed", f"13.05 aux {AUX}")
    del before["firmware"]["bmc_aux"]
    assert inventory_changes.compare(before, after) == []


def test_hosts_of_one_revision_are_compared_by_the_bytes() -> None:
    own, other = codec.encode(with_bmc(aux=AUX.replace("0x09", "0x02"))), codec.encode(with_bmc())
    (found,) = peer_firmware.differing(own, [other, other])
    assert (found.component, found.limit) == ("BMC", AUX)
    del other["firmware"]["bmc_aux"]
    assert peer_firmware.differing(own, [other, other]) == []
    assert [one.limit for one in peer_firmware.differing(own, [codec.encode(with_bmc("13.06"))])] == ["13.06"]
