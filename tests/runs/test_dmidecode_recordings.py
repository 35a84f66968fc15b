"""Every recording of dmidecode, and what is made of it, against the spec that is adopted from it."""

from __future__ import annotations

import copy
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from agent.contract import codec, wire
from agent.parsing import ParseError
from agent.probes.board import dmidecode, dmimemory
from hosts import adoption
from runs import orchestrator_stages
from runs.judging import specdiff

FOLDER = Path(__file__).parents[1] / "recorded" / "dmidecode"
RECORDINGS = sorted(path.name for path in FOLDER.iterdir())
APP_DIRECT, MEMORY_MODE = "supermicro-x11-optane-app-direct.txt", "optane-200-memory-mode.txt"
GIB = 1024
# What the kernel should see of each, in GiB; 0 where the firmware does not tell.
RAM_GIB = {
    APP_DIRECT: 64,
    MEMORY_MODE: 506,
    "written-by-standard-optane-memory-mode-cache-untold.txt": 252,
    "written-by-standard-optane-mixed-mode.txt": 126,
    "written-by-standard-nvdimm-n.txt": 32,
    "precision-7920-optane-old-dmidecode.txt": 0,
    "supermicro-x11-size-unknown.txt": 0,
    "sun-x4270-one-name-twice-and-rom.txt": 16,
    "supermicro-x10-spi-rom-in-main-array.txt": 8,
    "shipped-serial-numbers.txt": 8,
    "ampere-altra-no-volatile-size.txt": 128,
    "phytium-volatile-size-of-another-unit.txt": 16,
}


def inventory(name: str, *, kernel_mb: int = 0) -> wire.Inventory:
    structures = dmidecode.parse((FOLDER / name).read_text())
    return wire.Inventory(system=dmidecode.system(structures), memory=dmimemory.memory(structures, kernel_mb))


def adopted(machine: wire.Inventory) -> dict[str, Any]:
    return adoption.from_inventory(codec.encode(machine))


def told(expected: dict[str, Any], machine: wire.Inventory) -> list[tuple[str, str, str]]:
    return [(d.severity.value, d.code, d.component) for d in specdiff.compare(expected, machine)]


def with_modules(machine: wire.Inventory, *modules: wire.Dimm) -> wire.Inventory:
    ram_mb = sum((one.size_mb or 0) if one.ram_mb is None else one.ram_mb for one in modules)
    installed_mb = ram_mb if machine.memory.installed_mb else 0
    return replace(machine, memory=replace(machine.memory, dimms=list(modules), installed_mb=installed_mb))


def test_memory_mode_that_was_switched_off_took_ram_with_it() -> None:
    """Each module is there with its size, and the Optane gives no RAM any more."""
    before = inventory(MEMORY_MODE)
    modules = [replace(dimm, ram_mb=0 if dimm.persistent else None) for dimm in before.memory.dimms]
    (told_of,) = specdiff.compare(adopted(before), with_modules(before, *modules))
    assert (told_of.severity, told_of.code, told_of.path) == ("critical", "spec.less", "memory.total_mb")


def test_a_serial_number_is_the_same_in_small_letters() -> None:
    before = inventory(APP_DIRECT)
    small = [replace(dimm, serial=dimm.serial.lower()) for dimm in before.memory.dimms]
    assert told(adopted(before), with_modules(before, *small)) == []
    first, second = [place for place, dimm in enumerate(small) if not dimm.persistent][:2]
    swapped = list(small)
    swapped[first] = replace(small[first], serial=small[second].serial)
    swapped[second] = replace(small[second], serial=small[first].serial)
    assert [code for _, code, _ in told(adopted(before), with_modules(before, *swapped))] == ["spec.swapped"]


@pytest.mark.parametrize("name", RECORDINGS)
# Mirrored memory; memory kept as spare or taken by SGX.
@pytest.mark.parametrize("kernel_share", [0, 0.98, 0.49, 0.85])
def test_what_was_adopted_is_what_is_found(name: str, kernel_share: float) -> None:
    kernel_mb = int(RAM_GIB.get(name, 0) * GIB * kernel_share)
    machine = inventory(name, kernel_mb=kernel_mb)
    assert specdiff.compare(adopted(machine), machine) == []
    assert specdiff.not_compared(adopted(machine), machine) == []


@pytest.mark.parametrize("name", RECORDINGS)
def test_each_module_that_is_gone_is_blamed_once(name: str) -> None:
    machine = inventory(name)
    for gone in machine.memory.dimms:
        left = [one for one in machine.memory.dimms if one != gone]
        assert told(adopted(machine), with_modules(machine, *left)) == [("critical", "spec.missing", gone.locator)]


@pytest.mark.parametrize("name", RAM_GIB)
def test_what_the_kernel_should_see_is_counted_without_what_keeps_its_content(name: str) -> None:
    assert inventory(name).memory.installed_mb == RAM_GIB[name] * GIB


@pytest.mark.parametrize("name", RECORDINGS)
def test_no_two_modules_have_one_name(name: str) -> None:
    names = [one.locator for one in inventory(name).memory.dimms]
    assert len(set(names)) == len(names)
    assert all(names)


# --- persistent memory --------------------------------------------------------------------------------------------


def test_persistent_memory_is_a_part_with_a_serial_number_and_no_ram() -> None:
    spec = adopted(inventory(APP_DIRECT))
    assert spec["memory"]["total_mb"] == 64 * GIB
    assert spec["memory"]["dimms"][1] == {
        "locator": "P1-DIMMA2", "size_mb": 129408, "serial": "00005A01", "part": "NMA1XXD128GPS", "speed_mts": 2666,
        "ram_mb": 0,
    }  # fmt: skip


def test_a_lost_module_is_not_hidden_by_persistent_memory_that_is_gone_too() -> None:
    """The kernel sees half: the one missing persistent module took none of it."""
    machine = inventory(APP_DIRECT, kernel_mb=int(63.5 * GIB))
    gone = [one for one in machine.memory.dimms if one.locator != "P1-DIMMA2"]
    half = replace(with_modules(machine, *gone).memory, total_mb=32 * GIB)
    assert told(adopted(machine), replace(machine, memory=half)) == [
        ("critical", "spec.missing", "P1-DIMMA2"),
        ("critical", "spec.less", "system"),
    ]


def test_a_cache_that_is_gone_takes_no_ram_along_and_is_missed() -> None:
    machine = inventory(MEMORY_MODE, kernel_mb=495 * GIB)
    gone = [one for one in machine.memory.dimms if one.locator != "DIMMA1"]
    assert told(adopted(machine), with_modules(machine, *gone)) == [("critical", "spec.missing", "DIMMA1")]


def test_in_memory_mode_a_lost_optane_module_is_noticed_by_what_the_kernel_sees() -> None:
    machine = inventory(MEMORY_MODE, kernel_mb=495 * GIB)
    short = replace(machine, memory=replace(machine.memory, total_mb=248 * GIB))
    assert told(adopted(machine), short) == [("critical", "spec.less", "system")]


def test_one_new_optane_module_that_was_not_set_up_leaves_the_sum_to_the_kernel() -> None:
    """A Supermicro SYS-2029U with one module of volatile capacity among others in App Direct."""
    text = (FOLDER / APP_DIRECT).read_text().replace("Non-Volatile Size: 126 GB\n\tVolatile Size: None", "\0", 1)
    text = text.replace("\0", "Non-Volatile Size: None\n\tVolatile Size: 48 GB")
    assert dmimemory.memory(dmidecode.parse(text), 0).installed_mb == 0


@pytest.mark.parametrize("untold", ["Unknown", "128 kB", "<OUT OF SPEC>"])
def test_a_volatile_size_that_is_not_told_is_not_none(untold: str) -> None:
    text = (FOLDER / APP_DIRECT).read_text()
    text = text.replace("Non-Volatile Size: 126 GB\n\tVolatile Size: None", f"Volatile Size: {untold}")
    assert dmimemory.memory(dmidecode.parse(text), 0).installed_mb == 0


# --- CXL ------------------------------------------------------------------------------------------------------------

CXL = """
Handle 0x0{array}0, DMI type 16, 23 bytes
Physical Memory Array
\tLocation: {location}
\tUse: System Memory
\tError Correction Type: Multi-bit ECC

Handle 0x0{array}1, DMI type 17, 92 bytes
Memory Device
\tArray Handle: 0x0{array}0
\tTotal Width: {width} bits
\tData Width: 64 bits
\tSize: {size} GB
\tForm Factor: {form}
\tLocator: SLOT_{array}
\tType: DDR5
"""
DIMM = CXL.format(array=1, location="System Board Or Motherboard", width=72, size=64, form="DIMM")


# The words of dmidecode since 3.3, and since 3.6.
@pytest.mark.parametrize("location", ["CXL Flexbus 1.0", "CXL Add-on Card"])
def test_memory_on_cxl_may_be_left_to_a_driver_and_its_width_is_none_of_a_dimm(location: str) -> None:
    card = CXL.format(array=2, location=location, width=64, size=128, form="Proprietary Card")
    structures = dmidecode.parse(DIMM + card)
    machine = wire.Inventory(memory=dmimemory.memory(structures, 63 * GIB))
    assert (machine.memory.installed_mb, machine.memory.ecc) == (0, True)
    assert [dimm.locator for dimm in machine.memory.dimms] == ["SLOT_1", "SLOT_2"]
    assert dmimemory.without_check_bits(structures) == []
    assert specdiff.compare(adopted(machine), machine) == []


# --- what is no module, and what is one -----------------------------------------------------------------------------


def test_rom_is_no_module_whichever_array_lists_it() -> None:
    names = [one.locator for one in inventory("supermicro-x10-spi-rom-in-main-array.txt").memory.dimms]
    assert names == ["P1-DIMMA1"]
    assert len(inventory("sun-x4270-one-name-twice-and-rom.txt").memory.dimms) == 4


def test_the_array_of_a_rom_does_not_say_whether_memory_corrects_errors() -> None:
    text = (FOLDER / "sun-x4270-one-name-twice-and-rom.txt").read_text()
    turned = text.replace("Multi-bit ECC", "\0").replace("Type: None", "Type: Multi-bit ECC").replace("\0", "None")
    assert dmimemory.has_ecc(dmidecode.parse(text)) is True
    assert dmimemory.has_ecc(dmidecode.parse(turned)) is False


@pytest.mark.parametrize(
    ("text", "size_mb"),
    [("32 GB", 32768), ("16384 MB", 16384), ("4096 kB", 4), ("512 kB", 1), ("1 TB", 1048576), ("32767 MB", 32767),
     ("No Module Installed", 0), ("Not Installed", 0), ("0 MB", 0), ("Unknown", None), ("", None), ("3\x002 GB", None),
     ("9" * 400 + " GB", None)],
)  # fmt: skip
def test_a_size_is_read_or_unknown_or_an_empty_slot(text: str, size_mb: int | None) -> None:
    assert dmimemory.size_mb(text) == size_mb


def test_modules_of_one_name_are_told_apart_by_bank_then_by_order() -> None:
    names = [one.locator for one in inventory("sun-x4270-one-name-twice-and-rom.txt").memory.dimms]
    assert names == ["BANK0 D0 #1", "BANK0 D0 #2", "BANK1 D1 #1", "BANK1 D1 #2"]


@pytest.mark.parametrize("locator", ["Not Specified", "Unknown", "NO DIMM", "", "<BAD INDEX>"])
def test_a_slot_without_a_name_is_called_by_its_bank_or_its_order(locator: str) -> None:
    text = (FOLDER / "supermicro-x11-size-unknown.txt").read_text().replace("Locator: P1-DIMMA1", f"Locator: {locator}")
    banked = dmimemory.dimms(dmidecode.parse(text))
    nameless = dmimemory.dimms(dmidecode.parse(text.replace("P0_Node0_Channel0_Dimm0", "Not Specified")))
    assert (banked[0].locator, nameless[0].locator) == ("P0_Node0_Channel0_Dimm0", "slot 0")


def test_a_report_that_is_indented_by_blanks_reads_as_the_tools_own_output() -> None:
    text = (FOLDER / APP_DIRECT).read_text()
    assert dmidecode.parse(text.replace("\t", "        ")) == dmidecode.parse(text)
    assert dmidecode.parse(text.replace("\n\n", "\n")) == dmidecode.parse(text)


def test_the_form_of_dmidecode_2_6_reads_as_todays() -> None:
    text = (FOLDER / "supermicro-x10-spi-rom-in-main-array.txt").read_text()
    old = re.sub(r"(Handle \w+), (DMI type \d+, \d+ bytes)\n(.*)", r"\1\n\t\2.\n\t\3", text).replace("\n\t", "\n\t\t")
    assert dmimemory.dimms(dmidecode.parse(old)) == dmimemory.dimms(dmidecode.parse(text))


# --- size unknown -------------------------------------------------------------------------------------------------


def test_a_module_of_unknown_size_is_there_and_the_kernels_sum_proves_it() -> None:
    whole = inventory("supermicro-x11-size-unknown.txt", kernel_mb=79 * GIB)
    spec = adopted(whole)
    spec["memory"]["total_mb"] = 80 * GIB
    spec["memory"]["dimms"][1]["size_mb"] = 32 * GIB
    assert told(spec, whole) == []
    assert specdiff.not_compared(spec, whole) == []
    half = replace(whole, memory=replace(whole.memory, total_mb=47 * GIB))
    assert told(spec, half) == [("critical", "spec.less", "system")]


def test_without_the_kernels_sum_an_unknown_size_is_no_proof() -> None:
    machine = inventory("supermicro-x11-size-unknown.txt")
    spec = adopted(machine)
    spec["memory"]["dimms"][1]["size_mb"] = 32 * GIB
    assert told(spec, machine) == []
    assert ["P1-DIMMB1" in line for line in specdiff.not_compared(spec, machine)] == [True]


def test_a_speed_that_the_firmware_no_longer_tells_was_not_compared() -> None:
    text = (FOLDER / APP_DIRECT).read_text()
    spec = adopted(inventory(APP_DIRECT))
    structures = dmidecode.parse(text.replace("Configured Memory Speed: 2933 MT/s", "Configured Memory Speed: Unknown"))
    silent = wire.Inventory(memory=dmimemory.memory(structures, 0))
    spec.pop("system", None)
    assert told(spec, silent) == []
    assert len(specdiff.not_compared(spec, silent)) == 2


# --- swapped, replaced, placeholders ------------------------------------------------------------------------------


def moved(machine: wire.Inventory, *order: int) -> wire.Inventory:
    """The modules in these slots: `1, 0` exchanges the first two."""
    modules = machine.memory.dimms
    slots = [one.locator for one in modules]
    order = (*order, *range(len(order), len(modules)))
    return with_modules(machine, *(replace(modules[at], locator=slots[n]) for n, at in enumerate(order)))


@pytest.mark.parametrize(
    ("order", "names"),
    [((1, 0), [("P1-DIMMA1", "P1-DIMMA2")]), ((1, 2, 3, 0), [("P1-DIMMA1", "P1-DIMMB2")]),
     ((3, 2, 1, 0), [("P1-DIMMA1", "P1-DIMMB2"), ("P1-DIMMA2", "P1-DIMMB1")])],
)  # fmt: skip
def test_modules_in_each_others_slots_are_swapped_and_not_replaced(order: tuple[int, ...], names: list[Any]) -> None:
    machine = inventory(APP_DIRECT)
    spec, other = adopted(machine), moved(machine, *order)
    assert told(spec, other) == [("warning", "spec.swapped", first) for first, _ in names]
    for difference, both in zip(specdiff.compare(spec, other), names, strict=True):
        assert all(name in difference.message for name in both)
        spec = adoption.adopt(spec, difference.path, difference.actual, codec.encode(other))
    assert told(spec, other) == []
    assert spec["memory"]["total_mb"] == 64 * GIB


def test_a_module_that_is_pinned_to_its_slot_may_not_be_swapped() -> None:
    machine = inventory(APP_DIRECT)
    spec = {**adopted(machine), "pinned": ["memory.dimms[P1-DIMMB1].serial"]}
    assert told(spec, moved(machine, 2, 1, 0)) == [("critical", "spec.pinned", "P1-DIMMB1")]
    assert told(spec, moved(machine, 1, 0)) == [("warning", "spec.swapped", "P1-DIMMA1")]


def test_a_module_that_shrank_in_its_new_slot_is_still_blamed() -> None:
    machine = inventory(APP_DIRECT)
    other = moved(machine, 2, 1, 0)
    first, *rest = other.memory.dimms
    smaller = with_modules(other, replace(first, size_mb=16384), *rest)
    assert ("critical", "spec.less", "P1-DIMMA1") in told(adopted(machine), smaller)


def test_a_module_that_came_from_elsewhere_is_replaced_though_its_neighbour_moved() -> None:
    machine = inventory(APP_DIRECT)
    a, b, c, d = moved(machine, 2, 1, 0).memory.dimms
    other = with_modules(machine, a, b, replace(c, serial="99999999Z"), d)
    assert told(adopted(machine), other) == [
        ("warning", "spec.replaced", "P1-DIMMA1"),
        ("warning", "spec.replaced", "P1-DIMMB1"),
    ]


def test_one_placeholder_for_another_is_no_difference_and_in_two_slots_no_exchange() -> None:
    machine = inventory("shipped-serial-numbers.txt")
    expected = copy.deepcopy(adopted(machine))
    for dimm, text in zip(expected["memory"]["dimms"], ["SerNum1", "Dimm0_SerNum"], strict=True):
        assert "serial" not in dimm
        dimm["serial"] = text
    assert told(expected, machine) == []
    first, second = machine.memory.dimms
    same = with_modules(machine, replace(first, serial="SerNum1"), replace(second, serial="SerNum1"))
    assert told(expected, same) == []


def test_a_real_number_in_place_of_another_is_replaced_and_in_place_of_a_placeholder_is_not() -> None:
    machine = inventory("supermicro-x10-spi-rom-in-main-array.txt")
    spec = adopted(machine)
    [module] = machine.memory.dimms
    other = with_modules(machine, replace(module, serial="0C11D2FF"))
    assert told(spec, other) == [("warning", "spec.replaced", "P1-DIMMA1")]
    spec["memory"]["dimms"][0]["serial"] = "0123456789"
    assert told(spec, other) == []


# --- damaged recordings ---------------------------------------------------------------------------------------------


def outcome(text: str, expected: dict[str, Any]) -> str:
    """As `manage.py judge` has it: without a memory slot nothing was read."""
    try:
        structures = dmidecode.parse(text)
    except ParseError:
        return "not_tested"
    if not dmidecode.of_kind(structures, 17):
        return "not_tested"
    machine = wire.Inventory(memory=dmimemory.memory(structures, 0))
    return str(orchestrator_stages.compare({"memory": expected["memory"]}, machine).outcome)


@pytest.mark.parametrize("name", [APP_DIRECT, MEMORY_MODE, "ampere-altra-no-volatile-size.txt"])
@pytest.mark.parametrize(
    ("old", "new"),
    [
        (r"Size: \d+ GB", "Size: No Module Installed"),
        (r"Size: \d+ GB", "Size: 8 GB"),
        ("Memory Speed: [23]", "Memory Speed: 1"),
    ],
)
def test_no_damage_to_a_bad_recording_makes_it_pass(name: str, old: str, new: str) -> None:
    text = (FOLDER / name).read_text()
    expected = adopted(inventory(name))
    assert outcome(text, expected) == "passed"
    bad = re.sub(rf"\t((?:Configured )?){old}", rf"\t\1{new}", text, count=1).split("\n")
    assert outcome("\n".join(bad), expected) == "failed"
    for n, line in enumerate(bad):
        key, colon, value = line.partition(": ")
        for changed in ("", f"{key}{colon}", f"{key}{colon}\ufffd{value[1:]}", f"{key}{colon}[]", value):
            assert outcome("\n".join([*bad[:n], changed, *bad[n + 1 :]]), expected) != "passed", (line, changed)
