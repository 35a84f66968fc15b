"""Reading machine files: what is understood, what is refused and in which words."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from hosts import expectations
from tests.rack import expected, machinefile
from tests.rack.errors import BadMachineFile

RACK = Path(machinefile.__file__).parent
MACHINES = sorted([*(RACK / "machines").glob("*.yaml"), *(RACK / "starved").glob("*.yaml")])
NIC = {"model": "virtio", "mac": "52:54:00:12:34:56"}


def machine(**words: Any) -> machinefile.Machine:
    return machinefile.parse({"name": "a", "nics": [NIC], "outcome": {}, **words}, "a.yaml")


def refusal(**words: Any) -> str:
    with pytest.raises(BadMachineFile) as caught:
        machine(**words)
    return str(caught.value)


@pytest.mark.parametrize("path", MACHINES, ids=lambda path: path.stem)
def test_every_machine_file_is_understood_and_named_after_itself(path: Path) -> None:
    assert machinefile.load(path).name == path.stem


@pytest.mark.parametrize("path", MACHINES, ids=lambda path: path.stem)
def test_the_orchestrator_takes_every_machines_expected_spec(path: Path) -> None:
    assert expectations.normalise(expected.derive(machinefile.load(path)))


def test_an_unknown_word_is_refused_with_the_known_ones() -> None:
    assert refusal(colour="red").startswith("a.yaml: top level: unknown word 'colour'; known are: name, firmware, ")


def test_an_unknown_word_deep_inside_is_refused_with_its_place() -> None:
    said = refusal(disks=[{"bus": "sata", "size_mb": 1, "serial": "S", "speed": 3}])
    assert "disks.0: unknown word 'speed'; known are: bus, size_mb, serial, wwn, content" in said


def test_an_unknown_bus_is_refused_with_the_known_ones() -> None:
    said = refusal(disks=[{"bus": "ide", "size_mb": 1, "serial": "S"}])
    assert "disks.0.bus: unknown word 'ide'; known are: 'nvme', 'sata', 'scsi', 'virtio' or 'usb'" in said


def test_every_mistake_is_named_at_once() -> None:
    said = refusal(colour="red", outcome={"state": "Fine"})
    assert "colour" in said and "outcome.state: unknown word 'Fine'" in said


def test_an_event_that_needs_a_target_is_refused_without_one() -> None:
    said = refusal(events=[{"when": "SMART", "do": "link_down"}])
    assert "events.0: link_down needs target: the MAC of a NIC" in said


def test_an_event_on_a_part_that_is_not_there_is_refused() -> None:
    said = refusal(events=[{"when": "SMART", "do": "psu_fail", "target": "PSU9"}])
    assert "psu_fail: target PSU9 is none of []" in said


def test_a_log_entry_that_the_part_cannot_make_is_refused_with_those_it_can() -> None:
    bmc = {"present": True, "fans": [{"name": "FAN1", "rpm": 100}], "sel": [{"sensor": "FAN1", "text": "on fire"}]}
    assert "unknown text 'on fire' for FAN1; known are: Lower Non-critical going low" in refusal(bmc=bmc)


def test_a_bad_sector_beyond_the_end_of_the_disk_is_refused() -> None:
    disk = {"bus": "sata", "size_mb": 1, "serial": "S", "bad_sectors": [2048]}
    assert "bad_sectors: LBA 2048 is beyond the end of S, whose last is 2047" in refusal(disks=[disk])


def test_a_way_to_wake_that_cannot_cycle_is_refused_to_a_machine_that_is_to_be_cycled() -> None:
    assert "wake: magic-packet can't power-cycle the machine" in refusal(cycle_hung=True)
    assert machine(wake="ipmi", cycle_hung=True).cycle_hung


def test_an_untouched_disk_must_be_one_of_the_disks() -> None:
    assert "no disk has the serial X" in refusal(outcome={"untouched": ["X"]})


def test_something_that_is_no_mapping_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "list.yaml"
    path.write_text("- 1\n")
    with pytest.raises(BadMachineFile, match="a machine file is a mapping"):
        machinefile.load(path)


def test_the_expected_spec_is_that_of_the_sound_machine() -> None:
    spec = expected.derive(
        machine(
            cpus=3,
            memory_mb=1024,
            disks=[{"bus": "sata", "size_mb": 8, "serial": "S", "bad_sectors": [1]}],
            nics=[{**NIC, "rate_mbit": 10, "loss_percent": 5, "link": "down", "speed_mbit": 100}],
        )
    )
    assert spec["cpu"] == {"sockets": 1, "cores": 3}
    assert spec["disks"] == [{"serial": "S", "bus": "sata", "size_mb": 8}]
    assert spec["nics"] == [{"mac": NIC["mac"], "speed_mbit": 100}]
    assert spec["memory"]["total_mb"] == 1024


def test_what_a_virtual_machine_cannot_have_is_not_expected() -> None:
    assert expected.derive(machine())["not_expected"] == ["ecc", "thermal", "gpu", "dcmi", "bmc"]


def test_a_bmc_that_is_there_is_expected_with_its_parts() -> None:
    spec = expected.derive(machine(bmc={"present": True, "psus": [{"name": "PSU1", "ok": False}]}))
    assert "bmc" not in spec["not_expected"]
    assert (spec["psus"], spec["fans"]) == ([{"name": "PSU1"}], [])


def test_a_usb_stick_is_never_expected_nor_writable() -> None:
    disks = [{"bus": bus, "size_mb": 8, "serial": bus} for bus in ("usb", "sata")]
    sound = machine(disks=disks, destructive=True)
    assert [disk["serial"] for disk in expected.derive(sound)["disks"]] == ["sata"]
    assert expected.writable_serials(sound) == ["sata"]


def test_no_disk_is_writable_unless_the_file_says_destructive() -> None:
    assert expected.writable_serials(machine(disks=[{"bus": "sata", "size_mb": 8, "serial": "S"}])) == []


def test_the_files_own_expectation_replaces_a_whole_key() -> None:
    spec = expected.derive(machine(expected={"memory": {"total_mb": 4096}}))
    assert spec["memory"] == {"total_mb": 4096}
    assert spec["cpu"]["sockets"] == 1


ODD = {"manufacturer": "Müller\x07", "product": "\x1b[1m", "serial": "S\t1"}


def test_the_firmwares_strings_are_expected_as_dmidecode_lists_them() -> None:
    dimm = {"locator": "Größe", "size_mb": 8, "serial": "\x02", "part": ""}
    spec = expectations.normalise(expected.derive(machine(system=ODD, dimms=[dimm])))
    assert spec["system"] | {"uuid": ""} == {"manufacturer": "M..ller.", "product": ".[1m", "serial": "S.1", "uuid": ""}
    assert spec["memory"]["dimms"] == [{"locator": "Gr....e", "size_mb": 8, "serial": ".", "part": ""}]


def test_a_string_of_the_firmware_ends_at_its_first_nul_so_it_has_none() -> None:
    assert "system.product: String should match pattern" in refusal(system={"product": "a\0b"})


CELL = {"dimm": "DIMM_A1", "offset_mb": 700, "bit": 3, "kind": "stuck", "every_s": 5}


def test_a_bad_cell_is_stuck_at_one_from_switching_on_unless_the_file_says_otherwise() -> None:
    bad = machine(bad_ram=[CELL]).bad_ram[0]
    assert (bad.value, bad.after_s) == (1, None)


def test_late_memory_goes_bad_in_memory_and_minutes_later_where_durations_are_real() -> None:
    late = {**CELL, "kind": "late"}
    for durations, after_s in (("short", 10.0), ("real", 120.0)):
        parsed = machine(bad_ram=[late, {**late, "after_s": 7}, CELL], durations=durations)
        assert [parsed.goes_bad_after_s(bad) for bad in parsed.bad_ram] == [after_s, 7, None]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ({"dimm": "DIMM_Z9"}, "bad_ram: no module is called DIMM_Z9; there are ['DIMM_A1', 'DIMM_B1']"),
        ({"offset_mb": 1024}, "bad_ram: offset_mb 1024 is beyond the end of DIMM_A1, which has 1024 MiB"),
        ({"dimm": "DIMM_B1", "offset_mb": 512}, "offset_mb 512 of DIMM_B1 is beyond the 1536 MiB of memory_mb"),
        ({"kind": "dead"}, "bad_ram.0.kind: unknown word 'dead'; known are: 'stuck', 'flip', 'coupling' or 'late'"),
        ({"bit": 64}, "bad_ram.0.bit: Input should be less than or equal to 63"),
        ({"offset_mb": -1}, "bad_ram.0.offset_mb: Input should be greater than or equal to 0"),
        ({"lba": 1}, "bad_ram.0: unknown word 'lba'; known are: dimm, offset_mb, bit, kind, every_s"),
    ],
)
def test_a_bad_cell_that_cannot_be_is_refused(words: dict[str, Any], said: str) -> None:
    dimms = [{"locator": f"DIMM_{bank}1", "size_mb": 1024, "serial": f"D-{bank}"} for bank in "AB"]
    assert said in refusal(memory_mb=1536, dimms=dimms, bad_ram=[{**CELL, **words}])


def test_settings_are_expected_as_the_file_states_them() -> None:
    settings = {"virtualization": True, "iommu": False, "smt": True, "numa_nodes": 2, "tpm": 2.0}
    spec = expectations.normalise(expected.derive(machine(cpus=4, settings=settings)))
    assert spec["settings"] == {**settings, "tpm": "2.0"}
    assert spec["cpu"] == {"sockets": 2, "cores": 2}
    assert "settings" not in expected.derive(machine())


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ({"settings": {"vt": True}}, "known are: virtualization, iommu, smt, numa_nodes, tpm"),
        ({"cpus": 3, "settings": {"smt": True}}, "cpus: 3 can't be shared by 1 NUMA nodes and 2 threads"),
        ({"settings": {"numa_nodes": 2}, "bad_ram": [CELL]}, "the memory of a machine with numa_nodes"),
        ({"settings": {"tpm": "3.0"}}, "'2.0', '1.2' or 'none'"),
    ],
)
def test_settings_that_the_rack_cannot_make_are_refused(words: dict[str, Any], said: str) -> None:
    assert said in refusal(**words)


@pytest.mark.parametrize("sizes", [(2048,), (1024, 512, 512), (1024, 512)])
def test_only_equal_modules_are_interleaved(sizes: tuple[int, ...]) -> None:
    dimms = [{"locator": f"DIMM_{n}", "size_mb": size, "serial": f"D-{n}"} for n, size in enumerate(sizes)]
    said = refusal(memory_mb=2048, interleaving_kb=4, dimms=dimms)
    assert "interleaving_kb: needs two modules or more of one size, 2048 MiB together" in said
