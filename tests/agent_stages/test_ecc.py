"""Whether memory corrects errors: by its arrays, by the width of each module, and by the kernel's driver."""

from __future__ import annotations

from pathlib import Path

import pytest

from agent.contract import wire
from agent.probes.board import dmidecode, dmimemory, edac
from agent.stages.inventory_check.stage import ToolOutputs, assembled
from runs.judging.specdiff import memory as compared
from tests.agent.hardware import put

ARRAY = """
Handle 0x0010, DMI type 16, 23 bytes
Physical Memory Array
\tUse: System Memory
\tError Correction Type: {ecc}
"""
MODULE = """
Handle 0x00{handle}, DMI type 17, 40 bytes
Memory Device
\tArray Handle: 0x0010
\tTotal Width: {total}
\tData Width: {data}
\tSize: 16 GB
\tLocator: DIMM_{handle}
\tType: DDR4
"""
WITH, WITHOUT = ("72 bits", "64 bits"), ("64 bits", "64 bits")


def table(*widths: tuple[str, str], ecc: str = "Multi-bit ECC") -> list[dmidecode.Structure]:
    modules = (MODULE.format(handle=20 + at, total=total, data=data) for at, (total, data) in enumerate(widths))
    return dmidecode.parse(ARRAY.format(ecc=ecc) + "".join(modules))


@pytest.mark.parametrize(
    ("structures", "corrects"),
    [
        (table(WITH, WITH), True),
        (table(("80 bits", "64 bits")), True),
        (table(("128 bits", "64 bits")), True),
        # As some firmware writes modules that have the bits.
        (table(("72 bits", "72 bits")), True),
        (table(("64 bits", "72 bits")), True),
        (table(("Unknown", "Unknown")), True),
        # A module of the wrong kind among others: the controller corrects nothing.
        (table(WITH, WITHOUT), False),
        (table(WITH, ("Unknown", "Unknown"), WITHOUT), False),
        # Wrong modules, or a controller that keeps the bits within the data: the firmware contradicts itself.
        (table(WITHOUT, WITHOUT), None),
        (table(WITHOUT, WITHOUT, ecc="None"), False),
        (table(WITH, ecc="None"), False),
        (table(WITH, ecc="Unknown"), None),
        # A checksum notices errors.
        (table(WITH, ecc="CRC"), None),
    ],
)
def test_a_module_without_the_bits_does_not_pass_as_ecc(
    structures: list[dmidecode.Structure], corrects: bool | None
) -> None:
    assert dmimemory.has_ecc(structures) is corrects


def test_one_array_without_ecc_is_not_made_good_by_another() -> None:
    second = ARRAY.format(ecc="None").replace("0x0010", "0x0011") + MODULE.format(
        handle=30, total="64 bits", data="64 bits"
    ).replace("0x0010", "0x0011")
    whole = ARRAY.format(ecc="Multi-bit ECC") + MODULE.format(handle=20, total="72 bits", data="64 bits")
    assert dmimemory.has_ecc(dmidecode.parse(whole + second)) is False
    # One that holds no module says nothing.
    assert dmimemory.has_ecc(dmidecode.parse(whole + second.partition("\nHandle 0x0030")[0])) is True


def test_the_modules_without_the_bits_are_named() -> None:
    assert dmimemory.without_check_bits(table(WITH, WITHOUT)) == ["DIMM_21"]


@pytest.mark.parametrize(
    ("name", "modes", "corrects"),
    [
        ("F19h", ["SECDED", "SECDED"], True),
        ("Broadwell", ["S4ECD4ED"], True),
        ("Broadwell", ["S4ECD4ED", "None"], False),
        ("Intel", ["Unknown"], False),
        ("Intel", ["PARITY"], False),
        # Errors are noticed and not corrected (EDAC_EC).
        ("i82443BXGX", ["EC"], False),
        ("F19h", ["S16ECD16ED"], True),
        ("Intel", ["Reserved"], False),
        ("Intel", [], False),
        ("ghes_edac", ["SECDED"], False),
    ],
)
def test_a_driver_that_watches_every_module_proves_it(
    name: str, modes: list[str], corrects: bool, tmp_path: Path
) -> None:
    controller = "sys/devices/system/edac/mc/mc0"
    put(tmp_path, f"{controller}/mc_name", name)
    for at, mode in enumerate(modes):
        put(tmp_path, f"{controller}/dimm{at}/dimm_edac_mode", mode)
    assert edac.corrects_all(tmp_path) is corrects
    said = ToolOutputs(structures=table(WITHOUT))
    assert assembled(said, [], tmp_path).memory.ecc is (True if corrects else None)


def test_a_host_that_must_have_ecc_does_not_pass_on_a_module_without_it() -> None:
    one_wrong, all_wrong = (dmimemory.memory(table(*widths), 0) for widths in ((WITH, WITHOUT), (WITHOUT, WITHOUT)))
    (found,) = compared.memory({"ecc": True}, one_wrong, frozenset(), slots_known=True)
    assert (found.code, found.severity) == ("spec.less", wire.Severity.CRITICAL)
    assert [text.partition(" ")[0] for text in compared.not_compared({"ecc": True}, all_wrong)] == ["memory.ecc"]
