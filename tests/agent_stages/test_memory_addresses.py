"""Which memory module has which physical address, by the firmware's tables and never by a guess."""

from __future__ import annotations

from pathlib import Path

import pytest

from agent.contract import wire
from agent.counters.component_names import Names
from agent.counters.kernel import kmsg_recording
from agent.exercises import memory_load
from agent.host.shell import Completed
from agent.parsing import ParseError
from agent.probes.board import dmiaddresses, dmidecode, iomem
from agent.probes.board.dmiaddresses import AddressMap
from tests.agent_stages.recordings import recorded

GIB = 1 << 30
# 4 GiB, of which 1 GiB lies above the hole.
RAM = [(0x1000, 3 * GIB), (4 * GIB, 5 * GIB)]
IOMEM = """00000000-00000fff : Reserved
00001000-bfffffff : System RAM
  01000000-01ffffff : Kernel code
c0000000-febfffff : PCI Bus 0000:00
100000000-13fffffff : System RAM
"""
LOW, HIGH_A, HIGH_B = (0, 2 * GIB), (2 * GIB, 3 * GIB), (4 * GIB, 5 * GIB)
ALL_LOW = (0, 3 * GIB)


def module(handle: str, locator: str, size: str = "2 GB") -> str:
    return (
        f"Handle {handle}, DMI type 17, 40 bytes\nMemory Device\n\tArray Handle: 0x0010\n\tSize: {size}\n"
        f"\tForm Factor: DIMM\n\tLocator: {locator}\n\tBank Locator: BANK {locator[-1]}\n\n"
    )


def mapped(handle: str, of: str, start: int, end: int, position: str = "") -> str:
    """`end` is the first address after the range. dmidecode prints no position of a module that is not interleaved."""
    interleaved = f"\tInterleave Position: {position}\n\tInterleaved Data Depth: 1\n" if position else ""
    return (
        f"Handle {handle}, DMI type 20, 35 bytes\nMemory Device Mapped Address\n\tStarting Address: {start:#013x}\n"
        f"\tEnding Address: {end - 1:#013x}\n\tRange Size: {(end - start) >> 10} kB\n\tPhysical Device Handle: {of}\n"
        f"\tMemory Array Mapped Address Handle: 0x0019\n\tPartition Row Position: 1\n{interleaved}\n"
    )


TWO = module("0x0011", "DIMM_A1") + module("0x0012", "DIMM_B1")
ARRAYS = (
    "Handle 0x0019, DMI type 19, 31 bytes\nMemory Array Mapped Address\n\tStarting Address: 0x00000000000\n"
    "\tEnding Address: 0x0013FFFFFFF\n\tRange Size: 4 GB\n\tPhysical Array Handle: 0x0010\n\tPartition Width: 2\n\n"
)
OWN_RANGES = (
    TWO
    + ARRAYS
    + mapped("0x20", "0x0011", *LOW)
    + mapped("0x21", "0x0012", *HIGH_A)
    + mapped("0x22", "0x0012", *HIGH_B)
)
INTERLEAVED = TWO + "".join(
    mapped(f"0x2{number}{position}", handle, *piece, position)
    for number, piece in enumerate((ALL_LOW, HIGH_B))
    for handle, position in (("0x0011", "1"), ("0x0012", "2"))
)
# As desktop boards list it: interleaved, with a range for each module.
INTERLEAVED_APART = (
    TWO
    + mapped("0x20", "0x0011", *LOW, "1")
    + mapped("0x21", "0x0012", *HIGH_A, "2")
    + mapped("0x22", "0x0012", *HIGH_B, "2")
)


def read(text: str, ram: list[tuple[int, int]] | None = None) -> AddressMap:
    return dmiaddresses.read(dmidecode.parse(text), RAM if ram is None else ram)


def test_each_address_belongs_to_the_module_with_its_range() -> None:
    known = read(OWN_RANGES)
    assert known.modules(0) == known.modules(2 * GIB - 1) == ("DIMM_A1",)
    assert known.modules(2 * GIB) == known.modules(5 * GIB - 1) == ("DIMM_B1",)
    assert known.modules(3 * GIB) == known.modules(4 * GIB - 1) == known.modules(5 * GIB) == ()


@pytest.mark.parametrize(
    "text", [INTERLEAVED, INTERLEAVED_APART, INTERLEAVED.replace(": 1\n\tInterleaved", ": Unknown\n\tI")]
)
def test_an_address_of_interleaved_modules_belongs_to_one_of_them(text: str) -> None:
    assert read(text).modules(GIB) == read(text).modules(4 * GIB) == ("DIMM_A1", "DIMM_B1")


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (TWO, "lists no addresses of modules"),
        (TWO + ARRAYS, "lists no addresses of modules"),
        (TWO + mapped("0x20", "0x0011", 0, 1024) + mapped("0x21", "0x0012", 0, 1024), "are empty"),
        (TWO + mapped("0x20", "0x0011", *LOW) + mapped("0x21", "0x0012", *LOW), "same addresses to DIMM_A1, DIMM_B1"),
        (OWN_RANGES.replace("2 GB", "1 GB", 1), "2048 MiB of addresses to DIMM_A1, which has 1024 MiB"),
        (OWN_RANGES.replace("Size: 2 GB", "Size: Unknown", 1), "size of DIMM_A1 is not known"),
        # The board forgot the hole: what lies above it is not in its tables.
        (
            TWO + mapped("0x20", "0x0011", *LOW) + mapped("0x21", "0x0012", 2 * GIB, 4 * GIB),
            "gives 1024 MiB of the kernel's memory to no module",
        ),
        (OWN_RANGES.replace("Device Handle: 0x0012", "Device Handle: 0x0044"), "that it does not list (0x0044)"),
        (TWO + mapped("0x20", "0x0011", *LOW) * 1025, "lists 1025 ranges"),
        (OWN_RANGES.replace("Ending Address: 0x000bfffffff", "Ending Address: <OUT OF SPEC>"), "can't be read"),
        (OWN_RANGES.replace("Starting Address: 0x00080000000", "Starting Address: 0x000f0000000"), "can't be read"),
    ],
)
def test_tables_that_can_not_be_right_tell_of_no_address(text: str, why: str) -> None:
    known = read(text)
    assert known.spans == ()
    assert why in known.unknown
    assert known.modules(GIB) == ()


def test_all_addresses_belong_to_the_only_module() -> None:
    known = read(module("0x0011", "DIMM_A1", "4 GB") + module("0x0012", "DIMM_B1", "No Module Installed") + ARRAYS)
    assert known.modules(GIB) == known.modules(4 * GIB) == ("DIMM_A1",)
    assert known.modules(3 * GIB) == ()


@pytest.mark.parametrize("size", ["2 GB", "Unknown"])
def test_the_only_listed_module_has_no_address_if_there_is_more_memory(size: str) -> None:
    known = read(module("0x0011", "DIMM_A1", size) + ARRAYS)
    assert (known.modules(GIB), known.spans) == ((), ())
    for text in (FORCED, at(GIB, GIB, GIB)):
        (found,) = blamed(text, known, [wire.Dimm("DIMM_A1", 2048 if size == "2 GB" else None)])
        assert (found.component_kind, found.component) == ("system", "system")
    (found,) = blamed(FORCED, AddressMap(ram=tuple(RAM)), [wire.Dimm("DIMM_A1", 4096)])
    assert found.component == "DIMM_A1"


def test_ram_is_what_the_kernel_uses_at_the_top_level() -> None:
    assert iomem.system_ram(IOMEM) == RAM
    with pytest.raises(ParseError):
        iomem.system_ram("00000000-00000000 : System RAM\n00000000-00000000 : System RAM\n")


# --- what wrong words blame ----------------------------------------------------------------------------------------

DIMMS = [wire.Dimm("DIMM_A1", 2048), wire.Dimm("DIMM_B1", 2048)]
FORCED = recorded("stressapptest", "forced-errors.txt")


def blamed(text: str, known: AddressMap, dimms: list[wire.Dimm] | None = None) -> list[wire.Finding]:
    done = Completed(["stressapptest"], 1, text)
    outcome = memory_load.judge_stress("patterns", 64, done, DIMMS if dimms is None else dimms, known)
    assert outcome.check.outcome is wire.Outcome.FAILED
    return outcome.findings


def at(*pages: int) -> str:
    """The three wrong words of the recording, at the same places of other pages."""
    text = FORCED
    for seen, page in zip((0x1B1266705, 0x1CDB2C70C, 0x197F3DA30), pages, strict=True):
        text = text.replace(f"({seen:#x}:", f"({page + seen % 4096:#x}:")
    return text


# What stressapptest 1.0.9 makes of the kernel's answer.
WRONGLY_READ = FORCED.replace("0x1b1266705:", "0xe2c072:").replace("1cdb2c70c:", "e2c072:").replace("197f3da30:", "0:")


def test_wrong_words_of_one_module_blame_it_with_address_expected_and_found() -> None:
    (found,) = blamed(at(0x1000, 0x2000, 0x40000000), read(OWN_RANGES))
    assert (found.component_kind, found.component, found.value) == ("dimm", "DIMM_A1", 3.0)
    assert "at 0x1700 found 0xffffbaffffffffff, expected 0xffffffffffffffff" in found.message
    assert "at 0x40000a30 found 0x08000000080000ba, expected 0x0800000008000000" in found.message


def test_wrong_words_of_several_modules_name_each() -> None:
    found = blamed(at(GIB, 2 * GIB, 4 * GIB), read(OWN_RANGES))
    assert [(one.component, one.value) for one in found] == [("DIMM_A1", 1.0), ("DIMM_B1", 2.0)]
    assert "DIMM_B1: 2 of 3 times" in found[1].message


def test_interleaved_modules_are_named_and_none_is_blamed_alone() -> None:
    (found,) = blamed(at(GIB, GIB, GIB), read(INTERLEAVED))
    assert (found.component_kind, found.component) == ("system", "system")
    assert "one of DIMM_A1, DIMM_B1, interleaved" in found.message


@pytest.mark.parametrize("text", [FORCED, WRONGLY_READ, at(0, 0, 0), at(3 * GIB, 3 * GIB, 3 * GIB)])
def test_an_address_without_a_module_blames_none(text: str) -> None:
    known = read(TWO) if text is FORCED else read(OWN_RANGES)
    (found,) = blamed(text, known)
    assert (found.component_kind, found.component) == ("system", "system")
    assert "module not known from address" in found.message


def test_the_only_module_is_blamed_without_an_address() -> None:
    (found,) = blamed(FORCED, AddressMap(), DIMMS[:1])
    assert (found.component, found.value) == ("DIMM_A1", 3.0)


def test_whole_pages_and_checksums_that_are_wrong_count_if_the_test_was_cut_short() -> None:
    text = at(GIB, GIB, GIB).replace("Hardware Error", "Page Error")
    text = text.replace("expected:0xffffffffffffffff. 'OneZero~128'", "expected:0xbad0000000000000.", 1)
    (found,) = blamed(text[: text.index("Log: Thread 1")], read(OWN_RANGES))
    assert (found.component, found.value) == ("DIMM_A1", 3.0)
    assert "a wrong checksum" in found.message


def test_many_wrong_words_are_counted_and_a_few_are_quoted() -> None:
    line = next(line for line in FORCED.splitlines() if "Hardware Error: miscompare" in line)
    many = "\n".join(
        line.replace("1b1266705", f"{GIB + 4096 * number + 0x705:x}") for number in range(50) for _ in "ab"
    )
    (found,) = blamed(
        many + FORCED[FORCED.index("2026/11/23-19:15:59") :].replace("with 3 h", "with 55673 h"), read(OWN_RANGES)
    )
    assert found.value == 55673.0
    assert "(2 times); " in found.message
    assert "and at 47 more addresses" in found.message
    assert len(found.message) < 700


@pytest.mark.parametrize(
    "line",
    [
        "  5555555555555555 bad mem addr 0x0000000100001000 - 0x0000000100002000 reserved",
        "Memory failure: 0x100001: recovery action for dirty LRU page: Recovered",
    ],
)
@pytest.mark.parametrize(("text", "component"), [(OWN_RANGES, "DIMM_B1"), (INTERLEAVED, "system"), (TWO, "system")])
def test_an_address_in_the_kernels_log_names_its_module(line: str, text: str, component: str) -> None:
    names = Names(Path("/nonexistent"), wire.Inventory(), addresses=lambda: read(text))
    found = kmsg_recording.findings(f"<6>[    1.000000] {line}\n", names)
    assert found is not None
    assert [(one.code, one.component) for one in found] == [("memory.uncorrected", component)]
    assert ("one of DIMM_A1, DIMM_B1, interleaved" in found[0].message) == (text is INTERLEAVED)


@pytest.mark.parametrize(("where", "component"), [("", "DIMM_B1"), ("  DIMM location: BANK A DIMM_A1", "DIMM_A1")])
def test_a_report_of_the_firmware_without_a_slot_names_the_module_of_its_address(where: str, component: str) -> None:
    lines = (
        "Hardware error from APEI Generic Hardware Error Source: 1", "event severity: corrected",
        " Error 0, type: corrected", "  section_type: memory error", "  physical_address: 0x0000000100001000",
        "  physical_address_mask: 0x0000000000000fff", where,
    )  # fmt: skip
    text = "".join(f"<4>[  400.000000] {{1}}[Hardware Error]: {line}\n" for line in lines if line)
    inventory = wire.Inventory(memory=wire.Memory(dimms=DIMMS))
    names = Names(Path("/nonexistent"), inventory, addresses=lambda: read(OWN_RANGES))
    found = kmsg_recording.findings(text, names)
    assert found is not None
    assert [(one.code, one.component) for one in found] == [("memory.corrected", component)]
