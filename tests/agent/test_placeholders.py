"""Which texts of the firmware are no serial numbers: what boards ship with, and what dmidecode says of nothing."""

from __future__ import annotations

import pytest

from agent.contract import placeholders

# Seen in dmidecode outputs of boards by ASRock, ASUS, Gigabyte, Intel, MSI, Sun and Supermicro, and in dmidecode.c.
SHIPPED = (
    "", " ", "SerNum0", "SerNum00", "SerNum1", "A1_SerNum0", "A1_SerNum1", "Dimm0_SerNum", "Dimm3_SerNum",
    "DIMM_A1_SerialNum", "SerialNumber1", "Array1_PartNumber0", "ModulePartNumber00", "Dimm0_PartNum", "PartNum0",
    "Dimm0_Manufacturer", "A1_Manufacturer0", "A1_AssetTagNum0", "<OUT OF SPEC>", "<BAD INDEX>", "NO DIMM", "Unknown",
    "Not Specified", "None", "[Empty]", "Not Set", "00000000", "0x00000000", "FFFFFFFF", "0123456789", "12345678",
    "0123456789ABCDEF", "123456789012", "To Be Filled By O.E.M.", "To be set by OEM", "Default string",
    "NOT SUPPORT", "System Serial Number", "xxxxxxxx", "aaaa", "........", "MB-1234567890", "BSN12345678901234567",
)  # fmt: skip
REAL = (
    "2A91F0C7", "44444D01", "00006803", "214400000D62", "H1KX00014148249FED", "11111A01", "12345679A", "1", "1112",
    "M393A4K40DB2-CVF", "NMB1XXD256GPS", "Samsung", "SERNO123A7", "SYS-1", "WD-WCC4E1111111", "000000012345",
)  # fmt: skip


@pytest.mark.parametrize("text", SHIPPED)
def test_what_boards_ship_with_names_no_part(text: str) -> None:
    assert placeholders.is_placeholder(text)
    assert placeholders.is_placeholder(text.upper())
    assert placeholders.is_placeholder(f"  {text.lower()} ")


@pytest.mark.parametrize("text", REAL)
def test_a_number_that_somebody_entered_names_a_part(text: str) -> None:
    assert not placeholders.is_placeholder(text)


@pytest.mark.parametrize("text", ["0", "1234", "A1", "P0 CHANNEL A"])
def test_a_slot_may_be_called_by_a_number(text: str) -> None:
    assert not placeholders.is_no_name(text)


def test_a_long_text_is_judged_at_once() -> None:
    assert not placeholders.is_placeholder("a1_" * 100_000 + "SerNum")
