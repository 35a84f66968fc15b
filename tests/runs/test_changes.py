from __future__ import annotations

import copy

from agent.contract import codec, wire
from runs.judging import inventory_changes

BEFORE = codec.encode(
    wire.Inventory(
        system=wire.System("ACME", "R1", "SYS-1", "uuid-1", "X11", "BRD-1"),
        cpu=wire.Cpu(2, 16, 32, "Xeon", "0x1"),
        memory=wire.Memory(dimms=[wire.Dimm("DIMM_A1", 16384, "D-1", "P1"), wire.Dimm("DIMM_A2", 16384, "D-2", "P1")]),
        disks=[wire.Disk("sda", "SATA-0001", "", "sata", 476940, "ACME SSD", "1.0")],
        nics=[wire.Nic("eno1", "52:54:00:00:00:01", "e1000e")],
        psus=[wire.Psu("PSU1")],
        firmware=wire.Firmware("1.1", "", "2.0"),
    )
)


def words(after: dict) -> list[str]:
    return [change.words for change in inventory_changes.compare(BEFORE, after)]


def test_the_same_inventory_has_no_change() -> None:
    assert words(copy.deepcopy(BEFORE)) == []


def test_a_replaced_dimm_is_named_by_its_slot_with_both_serials() -> None:
    after = copy.deepcopy(BEFORE)
    after["memory"]["dimms"][1] |= {"serial": "D-9", "part": "P2"}
    assert words(after) == ["DIMM_A2: replaced, 16384 MB P1 serial D-2 → 16384 MB P2 serial D-9"]


def test_a_missing_dimm_is_gone_whether_its_slot_is_listed_empty_or_not_at_all() -> None:
    unlisted, empty = copy.deepcopy(BEFORE), copy.deepcopy(BEFORE)
    unlisted["memory"]["dimms"].pop()
    empty["memory"]["dimms"][1] |= {"size_mb": 0, "serial": "", "part": ""}
    assert words(unlisted) == words(empty) == ["DIMM_A2: gone, was 16384 MB P1 serial D-2"]


def test_a_supply_whose_sensor_falls_silent_has_not_gone() -> None:
    after = copy.deepcopy(BEFORE)
    after["psus"][0]["present"] = None
    assert words(after) == ["PSU1: changed, present → its sensor gives no reading"]


def test_a_swapped_disk_is_one_gone_and_one_new_by_serial() -> None:
    after = copy.deepcopy(BEFORE)
    after["disks"][0]["serial"] = "SATA-0002"
    assert [(c.what, c.component) for c in inventory_changes.compare(BEFORE, after)] == [
        ("removed", "SATA-0001"),
        ("added", "SATA-0002"),
    ]


def test_a_disk_that_only_moved_to_another_name_has_not_changed() -> None:
    after = copy.deepcopy(BEFORE)
    after["disks"][0]["name"] = "sdb"
    assert words(after) == []


def test_firmware_and_board_are_told_by_what_they_are() -> None:
    after = copy.deepcopy(BEFORE)
    after["firmware"]["bios"], after["system"]["board_serial"] = "1.2", "BRD-2"
    assert words(after) == [
        "BIOS: changed, 1.1 → 1.2",
        "board: replaced, X11 serial BRD-1 → X11 serial BRD-2",
    ]


def test_an_inventory_without_anything_in_it_compares() -> None:
    assert inventory_changes.compare({}, {}) == []
    assert all(change.what == "removed" for change in inventory_changes.compare(BEFORE, {}))


def test_an_adapter_is_told_by_its_slot_where_both_inventories_listed_them() -> None:
    after = copy.deepcopy(BEFORE)
    adapter = {"slot": "0000:02:00.0", "driver": "mpt3sas", "model": "SAS9300-8i", "version": "16.00.01.00"}
    after["firmware"]["adapters"] = [adapter]
    assert words(after) == ["0000:02:00.0: new, SAS9300-8i firmware 16.00.01.00"]
    updated = copy.deepcopy(after)
    updated["firmware"]["adapters"][0]["version"] = "16.00.12.00"
    assert [change.words for change in inventory_changes.compare(after, updated)] == [
        "0000:02:00.0: changed, SAS9300-8i firmware 16.00.01.00 → SAS9300-8i firmware 16.00.12.00"
    ]
    older = copy.deepcopy(BEFORE)
    del older["firmware"]["adapters"]
    assert inventory_changes.compare(older, after) == []


def gpus(*cards: wire.Gpu) -> dict:
    return codec.encode(wire.Inventory(gpus=list(cards)))


BUS = "GA100 [A100 PCIe 40GB]"


def test_cards_without_a_uuid_are_compared_by_where_they_sit() -> None:
    before = gpus(wire.Gpu("", BUS, "0000:3b:00.0"), wire.Gpu("", BUS, "0000:af:00.0"))
    assert inventory_changes.compare(before, before) == []
    (gone,) = inventory_changes.compare(before, gpus(wire.Gpu("", BUS, "0000:3b:00.0")))
    assert gone.words == f"GPU at 0000:af:00.0: gone, was {BUS} 0000:af:00.0"
    (other,) = inventory_changes.compare(
        gpus(wire.Gpu("", BUS, "0000:3b:00.0")), gpus(wire.Gpu("", "T4", "0000:3b:00.0"))
    )
    assert other.what == "changed"


def test_a_card_whose_driver_tells_its_uuid_only_now_has_not_changed() -> None:
    told, untold = wire.Gpu("GPU-1", "NVIDIA A100-PCIE-40GB", "0000:3b:00.0"), wire.Gpu("", BUS, "0000:3b:00.0")
    assert (
        inventory_changes.compare(gpus(untold), gpus(told)) == inventory_changes.compare(gpus(told), gpus(untold)) == []
    )


def test_a_port_of_infiniband_and_an_accelerator_that_are_gone_are_told() -> None:
    before = {
        "infiniband": [{"guid": "248a:0703:00aa:bbcc", "model": "ConnectX-6"}],
        "adapters": [{"slot": "0000:af:00.0", "kind": "accelerator", "model": "Alveo U250"}],
    }
    found = inventory_changes.compare(before, {"infiniband": [], "adapters": []})
    assert [(one.component, one.what) for one in found] == [
        ("248a:0703:00aa:bbcc", "removed"),
        ("accelerator at 0000:af:00.0", "removed"),
    ]
    assert inventory_changes.compare(before, {}) == []


def test_a_module_of_unknown_size_is_there() -> None:
    [change] = inventory_changes.compare(
        {"memory": {"dimms": [{"locator": "A1", "size_mb": None, "serial": "D-1"}]}}, {}
    )
    assert change.words == "A1: gone, was size unknown serial D-1"
