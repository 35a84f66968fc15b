"""Expected against actual, one row of the table per case, on a server with two of most things."""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.contract import codec, wire
from hosts import adoption
from runs.judging import specdiff

SERVER = wire.Inventory(
    system=wire.System("ACME", "R100", "SYS-1", "11111111-2222-3333-4444-555555555555"),
    cpu=wire.Cpu(sockets=2, cores=32, threads=64, model="Fast CPU 9000"),
    memory=wire.Memory(
        total_mb=31900,
        installed_mb=32768,
        ecc=True,
        dimms=[
            wire.Dimm("DIMM_A1", 16384, serial="D-1", part="P16", speed_mts=3200),
            wire.Dimm("DIMM_B1", 16384, serial="D-2", part="P16", speed_mts=3200),
            wire.Dimm("DIMM_C1", 0),
        ],
    ),
    disks=[
        wire.Disk("nvme0n1", "NVME-1", "eui.01", "nvme", 976762, model="Quick 1000"),
        wire.Disk("sda", "SATA-1", "0x5000c5", "sata", 3815447, model="Big 4000"),
    ],
    nics=[
        wire.Nic("eno1", "52:54:00:00:00:01", "igb", speed_mbit=1000, link=True, pci="0000:01:00.0"),
        wire.Nic("eno2", "52:54:00:00:00:02", "ixgbe", speed_mbit=10000, link=True, pci="0000:02:00.0"),
    ],
    gpus=[wire.Gpu("GPU-1", "Tensor 5", "0000:41:00.0")],
    psus=[wire.Psu("PSU1", ok=True), wire.Psu("PSU2", ok=True)],
    fans=[wire.Fan("FAN1", 5000), wire.Fan("FAN2", 5100)],
    firmware=wire.Firmware(bios="1.2.3", bmc="4.5"),
    bmc=True,
)
SPEC = adoption.from_inventory(codec.encode(SERVER))


def spec(**changes: Any) -> dict[str, Any]:
    return {**copy.deepcopy(SPEC), **changes}


def found(**changes: Any) -> wire.Inventory:
    return replace(SERVER, **changes)


def told(expected: dict[str, Any] | None, inventory: wire.Inventory) -> list[tuple[str, str, str, str]]:
    differences = specdiff.compare(expected, inventory)
    return [(d.severity.value, d.code, d.component_kind, d.component) for d in differences]


def memory(*dimms: wire.Dimm, installed_mb: int | None = None, total_mb: int | None = None) -> wire.Memory:
    installed = sum(dimm.size_mb for dimm in dimms) if installed_mb is None else installed_mb
    seen = int(installed * 0.97) if total_mb is None else total_mb
    return wire.Memory(total_mb=seen, installed_mb=installed, ecc=True, dimms=list(dimms))


A1, B1 = SERVER.memory.dimms[:2]
NVME, SATA = SERVER.disks
ENO1, ENO2 = SERVER.nics
STICK = wire.Disk("sdb", "STICK", "", "usb", 15000)

CASES: dict[str, tuple[wire.Inventory, list[tuple[str, str, str, str]]]] = {
    "a missing DIMM blames its locator, once": (
        found(memory=memory(A1)),
        [("critical", "spec.missing", "dimm", "DIMM_B1")],
    ),
    "an empty slot is a missing DIMM": (
        found(memory=memory(A1, wire.Dimm("DIMM_B1", 0))),
        [("critical", "spec.missing", "dimm", "DIMM_B1")],
    ),
    "a smaller DIMM": (
        found(memory=memory(A1, replace(B1, size_mb=8192))),
        [("critical", "spec.less", "dimm", "DIMM_B1")],
    ),
    "a slower DIMM": (
        found(memory=memory(A1, replace(B1, speed_mts=2400))),
        [("critical", "spec.slower", "dimm", "DIMM_B1")],
    ),
    "a faster DIMM": (
        found(memory=memory(A1, replace(B1, speed_mts=4800))),
        [("warning", "spec.more", "dimm", "DIMM_B1")],
    ),
    "an equivalent DIMM with another serial": (
        found(memory=memory(A1, replace(B1, serial="D-9"))),
        [("warning", "spec.replaced", "dimm", "DIMM_B1")],
    ),
    "another serial does not excuse a smaller DIMM": (
        found(memory=memory(A1, replace(B1, serial="D-9", size_mb=8192))),
        [("critical", "spec.less", "dimm", "DIMM_B1"), ("warning", "spec.replaced", "dimm", "DIMM_B1")],
    ),
    "another part number": (
        found(memory=memory(A1, replace(B1, part="P16-B"))),
        [("info", "spec.text", "dimm", "DIMM_B1")],
    ),
    "one more DIMM": (
        found(memory=memory(A1, B1, wire.Dimm("DIMM_D1", 8192, "D-3"))),
        [("warning", "spec.unexpected", "dimm", "DIMM_D1")],
    ),
    "a DIMM that the firmware lists and the kernel does not see": (
        found(memory=memory(A1, B1, total_mb=16000)),
        [("critical", "spec.less", "system", "system")],
    ),
    "no error correction any more": (
        found(memory=replace(SERVER.memory, ecc=False)),
        [("critical", "spec.less", "system", "system")],
    ),
    "an absent disk": (found(disks=[NVME]), [("critical", "spec.missing", "disk", "SATA-1")]),
    "a disk with another serial is absent and unexpected": (
        found(disks=[NVME, replace(SATA, serial="SATA-9", wwn="0x9")]),
        [("critical", "spec.missing", "disk", "SATA-1"), ("warning", "spec.unexpected", "disk", "SATA-9")],
    ),
    "the serial with another WWN is another disk": (
        found(disks=[NVME, replace(SATA, wwn="0x9")]),
        [("critical", "spec.missing", "disk", "SATA-1"), ("warning", "spec.unexpected", "disk", "SATA-1")],
    ),
    "a USB stick": (found(disks=[NVME, SATA, STICK]), [("warning", "spec.unexpected", "disk", "STICK")]),
    "two disks of one serial": (
        found(disks=[NVME, SATA, replace(SATA, name="sdc")]),
        [("warning", "spec.unexpected", "disk", "SATA-1")],
    ),
    "a disk without serial": (
        found(disks=[NVME, SATA, wire.Disk("vda", "", "", "virtio", 100)]),
        [("warning", "spec.unexpected", "disk", "vda")],
    ),
    "a disk on the wrong bus": (
        found(disks=[NVME, replace(SATA, bus="usb")]),
        [("critical", "spec.wrong_bus", "disk", "SATA-1")],
    ),
    "a smaller disk": (
        found(disks=[NVME, replace(SATA, size_mb=1900000)]),
        [("critical", "spec.less", "disk", "SATA-1")],
    ),
    "a larger disk": (
        found(disks=[NVME, replace(SATA, size_mb=4000000)]),
        [("warning", "spec.more", "disk", "SATA-1")],
    ),
    "a rounded size": (found(disks=[NVME, replace(SATA, size_mb=3815446)]), []),
    "a model spelled otherwise": (
        found(disks=[NVME, replace(SATA, model="BIG  4000")]),
        [],
    ),
    "another model": (
        found(disks=[NVME, replace(SATA, model="Big 4001")]),
        [("info", "spec.text", "disk", "SATA-1")],
    ),
    "a missing NIC": (found(nics=[ENO1]), [("critical", "spec.missing", "nic", ENO2.mac)]),
    "a slower link": (
        found(nics=[ENO1, replace(ENO2, speed_mbit=1000)]),
        [("critical", "spec.slower", "nic", ENO2.mac)],
    ),
    "a faster link": (
        found(nics=[replace(ENO1, speed_mbit=2500), ENO2]),
        [("warning", "spec.more", "nic", ENO1.mac)],
    ),
    "no link": (
        found(nics=[ENO1, replace(ENO2, link=False, speed_mbit=None)]),
        [("critical", "spec.slower", "nic", ENO2.mac)],
    ),
    "a link whose driver names no speed": (found(nics=[ENO1, replace(ENO2, speed_mbit=None)]), []),
    "an equivalent NIC with another MAC": (
        found(nics=[ENO1, replace(ENO2, mac="52:54:00:00:00:99")]),
        [("warning", "spec.replaced", "nic", "52:54:00:00:00:99")],
    ),
    "a slower NIC does not stand in": (
        found(nics=[ENO1, replace(ENO2, mac="52:54:00:00:00:99", speed_mbit=1000)]),
        [
            ("critical", "spec.missing", "nic", ENO2.mac),
            ("warning", "spec.unexpected", "nic", "52:54:00:00:00:99"),
        ],
    ),
    "a USB network adapter does not stand in": (
        found(nics=[ENO1, replace(ENO2, mac="3c:ec:ef:00:00:99", pci="")]),
        [
            ("critical", "spec.missing", "nic", ENO2.mac),
            ("warning", "spec.unexpected", "nic", "3c:ec:ef:00:00:99"),
        ],
    ),
    "a MAC in capitals": (found(nics=[replace(ENO1, mac=ENO1.mac.upper()), ENO2]), []),
    "a missing GPU": (found(gpus=[]), [("critical", "spec.missing", "gpu", "GPU-1")]),
    "an equivalent GPU": (
        found(gpus=[wire.Gpu("GPU-9", "Tensor 5")]),
        [("warning", "spec.replaced", "gpu", "GPU-9")],
    ),
    "another model of GPU": (
        found(gpus=[wire.Gpu("GPU-9", "Tensor 3")]),
        [("critical", "spec.missing", "gpu", "GPU-1"), ("warning", "spec.unexpected", "gpu", "GPU-9")],
    ),
    "a missing PSU": (found(psus=[wire.Psu("PSU1")]), [("critical", "spec.missing", "psu", "PSU2")]),
    "a PSU bay that is empty": (
        found(psus=[wire.Psu("PSU1"), wire.Psu("PSU2", present=False)]),
        [("critical", "spec.missing", "psu", "PSU2")],
    ),
    "a PSU of which nobody can say whether it is there": (
        found(psus=[wire.Psu("PSU1"), wire.Psu("PSU2", present=None)]),
        [],
    ),
    "a bay of which nobody can say whether it is empty": (
        found(psus=[*SERVER.psus, wire.Psu("PSU3", present=None)]),
        [],
    ),
    "a third PSU": (
        found(psus=[*SERVER.psus, wire.Psu("PSU3")]),
        [("warning", "spec.unexpected", "psu", "PSU3")],
    ),
    "a header without a fan": (found(fans=[*SERVER.fans, wire.Fan("FAN5"), wire.Fan("FAN6", 0)]), []),
    "a third fan": (found(fans=[*SERVER.fans, wire.Fan("FAN3", 900)]), [("warning", "spec.unexpected", "fan", "FAN3")]),
    "a third fan that tells percent": (
        found(fans=[*SERVER.fans, wire.Fan("Fan 3", percent=20.5)]),
        [("warning", "spec.unexpected", "fan", "Fan 3")],
    ),
    "a missing fan": (found(fans=[wire.Fan("FAN1")]), [("critical", "spec.missing", "fan", "FAN2")]),
    "a BMC that is gone is blamed alone": (
        found(bmc=False, psus=[], fans=[], firmware=wire.Firmware(bios="1.2.3")),
        [("critical", "spec.missing", "bmc", "BMC")],
    ),
    "a missing processor": (
        found(cpu=replace(SERVER.cpu, sockets=1, cores=16)),
        [("critical", "spec.missing", "cpu", "CPU1")],
    ),
    "fewer cores": (
        found(cpu=replace(SERVER.cpu, cores=30)),
        [("critical", "spec.less", "cpu", "system")],
    ),
    "another board": (
        found(system=replace(SERVER.system, serial="SYS-9")),
        [("warning", "spec.replaced", "system", "system")],
    ),
    "a product spelled otherwise": (
        found(system=replace(SERVER.system, product="R-100")),
        [("info", "spec.text", "system", "system")],
    ),
    "another BIOS": (
        found(firmware=wire.Firmware(bios="1.2.4", bmc="4.5")),
        [("info", "spec.text", "system", "system")],
    ),
    "another BMC firmware": (
        found(firmware=wire.Firmware(bios="1.2.3", bmc="4.6")),
        [("info", "spec.text", "bmc", "BMC")],
    ),
}


@pytest.mark.parametrize(("inventory", "expected"), CASES.values(), ids=CASES.keys())
def test_a_changed_server_differs_by_exactly_this(inventory: wire.Inventory, expected: list) -> None:
    assert told(SPEC, inventory) == expected


def test_an_unchanged_server_does_not_differ() -> None:
    assert specdiff.compare(SPEC, SERVER) == []


def test_no_spec_is_no_difference_and_no_comparison() -> None:
    assert specdiff.compare(None, SERVER) == []
    assert specdiff.not_compared(None, SERVER) == []


def test_what_the_spec_leaves_out_is_not_checked() -> None:
    bare = wire.Inventory(disks=[STICK])
    assert specdiff.compare({"cpu": {"model": ""}}, bare) == []
    assert specdiff.compare({"disks": [{"serial": "STICK"}]}, bare) == []
    assert told({"memory": {"dimms": [{"locator": "DIMM_A1"}]}}, SERVER) == [
        ("warning", "spec.unexpected", "dimm", "DIMM_B1")
    ]


@pytest.mark.parametrize(("part", "count"), [("disks", 2), ("nics", 2), ("gpus", 1), ("psus", 2), ("fans", 2)])
def test_an_empty_list_means_that_none_may_be_there(part: str, count: int) -> None:
    differences = specdiff.compare({part: []}, SERVER)
    assert [d.code for d in differences] == ["spec.unexpected"] * count
    assert specdiff.compare({part: []}, wire.Inventory()) == []


def test_a_pinned_text_is_critical() -> None:
    pinned = spec(pinned=["firmware.bios", "disks[SATA-1].model"])
    assert told(pinned, found(firmware=wire.Firmware(bios="1.2.4", bmc="4.5"))) == [
        ("critical", "spec.pinned", "system", "system")
    ]
    assert told(pinned, found(disks=[NVME, replace(SATA, model="Big 4001")])) == [
        ("critical", "spec.pinned", "disk", "SATA-1")
    ]


def test_a_pinned_serial_number_or_address_may_not_be_replaced() -> None:
    """Unpinned, another one in the same place is a warning."""
    other = found(
        system=replace(SERVER.system, serial="S-9"), memory=memory(replace(A1, serial="D-0009"), B1)
    )  # fmt: skip
    assert [word for word, *_ in told(SPEC, other)] == ["warning", "warning"]
    pins = ["system.serial", "memory.dimms[DIMM_A1].serial"]
    assert told(spec(pinned=pins), other) == [
        ("critical", "spec.pinned", "system", "system"),
        ("critical", "spec.pinned", "dimm", "DIMM_A1"),
    ]


def test_a_total_alone_is_compared_with_what_is_installed() -> None:
    only_total = {"memory": {"total_mb": 32768}}
    assert told(only_total, found(memory=memory(A1))) == [("critical", "spec.less", "system", "system")]
    bigger = found(memory=memory(A1, B1, replace(A1, locator="DIMM_D1")))
    assert told(only_total, bigger) == [("warning", "spec.more", "system", "system")]
    assert told(only_total, SERVER) == []


@pytest.mark.parametrize(
    ("modules", "size_mb", "seen_mb", "short"),
    [
        (16, 32768, 515_000, False),
        (16, 32768, 483_000, True),  # 15 modules less their map: inside the share that the kernel may lack
        (64, 8192, 513_500, False),
        (64, 8192, 506_500, True),
        (8, 512, 3_780, False),
        (24, 65536, 1_546_000, False),
    ],
)
def test_a_module_that_is_listed_and_not_mapped_is_missed_among_many(
    modules: int, size_mb: int, seen_mb: int, short: bool
) -> None:
    dimms = [wire.Dimm(f"DIMM_{number}", size_mb, f"D-{number}") for number in range(modules)]
    seen = wire.Memory(total_mb=seen_mb, installed_mb=modules * size_mb, dimms=dimms)
    expected = {"memory": {"dimms": [{"locator": dimm.locator, "size_mb": size_mb} for dimm in dimms]}}
    differences = specdiff.compare(expected, wire.Inventory(memory=seen))
    assert [(d.code, d.severity) for d in differences] == ([("spec.less", wire.Severity.CRITICAL)] if short else [])


MIRRORED = [wire.Dimm(f"DIMM_{number}", 16384, f"D-{number}") for number in range(4)]
MIRRORED_SPEC = {
    "memory": {"total_mb": 32000, "dimms": [{"locator": dimm.locator, "size_mb": 16384} for dimm in MIRRORED]}
}


@pytest.mark.parametrize(("seen_mb", "short"), [(32000, False), (31900, False), (24000, True), (15900, True)])
def test_what_a_mirrored_host_lost_is_missed_though_the_modules_sum_is_larger(seen_mb: int, short: bool) -> None:
    seen = wire.Memory(total_mb=seen_mb, installed_mb=65536, dimms=MIRRORED)
    blamed = told(MIRRORED_SPEC, wire.Inventory(memory=seen))
    assert blamed == ([("critical", "spec.less", "system", "system")] if short else [])


def test_one_of_many_modules_that_a_mirrored_host_lost_is_missed() -> None:
    dimms = [wire.Dimm(f"DIMM_{number}", 16384, f"D-{number}") for number in range(32)]
    spec = {"memory": {"total_mb": 252_000, "dimms": [{"locator": dimm.locator, "size_mb": 16384} for dimm in dimms]}}
    for seen_mb, count in ((252_000, 0), (251_800, 0), (235_900, 1)):
        seen = wire.Memory(total_mb=seen_mb, installed_mb=524_288, dimms=dimms)
        assert len(specdiff.compare(spec, wire.Inventory(memory=seen))) == count


def test_a_missing_dimm_does_not_excuse_more_missing_memory() -> None:
    blamed = told(SPEC, found(memory=memory(A1, installed_mb=8192)))
    assert ("critical", "spec.missing", "dimm", "DIMM_B1") in blamed
    assert ("critical", "spec.less", "system", "system") in blamed


@pytest.mark.parametrize(
    ("installed_mb", "seen_mb", "short"),
    [(2048, 1600, False), (2048, 1500, True), (65536, 60000, False), (65536, 58000, True)],
)
def test_the_kernel_may_see_a_little_less(installed_mb: int, seen_mb: int, short: bool) -> None:
    inventory = wire.Inventory(memory=wire.Memory(total_mb=seen_mb, installed_mb=installed_mb))
    assert bool(specdiff.compare({"memory": {"total_mb": installed_mb}}, inventory)) is short


def test_a_missing_tool_is_not_a_missing_part() -> None:
    blind = found(
        missing_tools=["dmidecode", "sdr_power_supply", "sdr_fan", "lsblk"],
        memory=wire.Memory(total_mb=31900),
        disks=[],
        psus=[],
        fans=[],
        system=wire.System(),
        firmware=wire.Firmware(),
    )
    assert specdiff.compare(SPEC, blind) == []
    sentences = "\n".join(specdiff.not_compared(SPEC, blind))
    for part in ("memory.dimms", "disks", "psus", "fans", "system", "firmware.bios", "memory.ecc"):
        assert f"{part} could not be compared" in sentences


def test_a_supply_whose_sensor_gives_no_reading_is_not_compared() -> None:
    silent = found(psus=[wire.Psu("PSU1"), wire.Psu("PSU2", present=None), wire.Psu("PSU3", present=None)])
    assert specdiff.not_compared(SPEC, silent) == ["psus[PSU2] could not be compared: its sensor gives no reading"]
    assert specdiff.not_compared(spec(not_expected=["bmc"]), silent) == []


def test_an_expected_bmc_may_be_taken_off() -> None:
    gone = found(bmc=False, psus=[], fans=[], firmware=wire.Firmware(bios="1.2.3"))
    assert told(spec(not_expected=["bmc"], fans=[]), gone) == []


def test_the_message_names_the_device_and_the_numbers() -> None:
    (difference,) = specdiff.compare(SPEC, found(nics=[ENO1, replace(ENO2, speed_mbit=1000)]))
    assert difference.message == "52:54:00:00:00:02: link speed 1000 Mbit/s, expected 10000 Mbit/s"
    assert (difference.path, difference.expected, difference.actual, difference.unit) == (
        "nics[52:54:00:00:00:02].speed_mbit",
        10000,
        1000,
        "Mbit/s",
    )


def test_critical_differences_come_first() -> None:
    both = found(disks=[NVME, STICK], firmware=wire.Firmware(bios="9", bmc="4.5"))
    assert [d.severity for d in specdiff.compare(SPEC, both)] == ["critical", "warning", "info"]


# --- for any machine ------------------------------------------------------------------------------------------

WORDS = st.integers(1, 10**6).map(lambda n: f"S{n}")
FEW = settings(max_examples=60)


@st.composite
def machines(draw: st.DrawFn) -> wire.Inventory:
    """Any machine whose parts can be told apart."""
    serials = iter(draw(st.lists(WORDS, min_size=12, max_size=12, unique=True)))
    sizes = st.sampled_from([4096, 8192, 32768])
    dimms = [wire.Dimm(f"DIMM_{n}", draw(sizes), next(serials), speed_mts=3200) for n in range(draw(st.integers(0, 4)))]
    disks = [
        wire.Disk(f"sd{n}", next(serials), "", draw(st.sampled_from(["sata", "nvme"])), draw(sizes))
        for n in range(draw(st.integers(0, 4)))
    ]
    nics = [
        wire.Nic(
            f"eth{n}",
            f"52:54:00:00:00:{n:02x}",
            speed_mbit=draw(st.sampled_from([1000, 10000])),
            link=True,
            pci=f"0000:0{n}:00.0",
        )
        for n in range(draw(st.integers(0, 3)))
    ]
    psus = [wire.Psu(f"PSU{n}") for n in range(draw(st.integers(0, 2)))]
    installed = sum(dimm.size_mb for dimm in dimms)
    ram = wire.Memory(int(installed * 0.97), installed, draw(st.sampled_from([None, True, False])), dimms)
    has_driver = draw(st.booleans())  # without one a card tells its model only
    gpus = [
        wire.Gpu(f"GPU-{n}" if has_driver else "", "Tensor", f"0000:4{n}:00.0") for n in range(draw(st.integers(0, 4)))
    ]
    return wire.Inventory(memory=ram, disks=disks, nics=nics, psus=psus, gpus=gpus, bmc=bool(psus))


@FEW
@given(machines())
def test_a_machine_equals_the_spec_adopted_from_it(machine: wire.Inventory) -> None:
    assert specdiff.compare(adoption.from_inventory(codec.encode(machine)), machine) == []


@FEW
@given(machines(), st.data())
def test_removing_one_part_is_exactly_one_critical_difference_on_it(machine: wire.Inventory, data) -> None:  # noqa: ANN001
    parts = [(kind, n) for kind in ("disks", "nics", "gpus") for n in range(len(getattr(machine, kind)))]
    parts += [("dimms", n) for n in range(len(machine.memory.dimms))]
    parts += [("psus", n) for n in range(len(machine.psus))]
    if not parts:
        return
    kind, n = data.draw(st.sampled_from(parts))
    without, name = _without(machine, kind, n)
    differences = specdiff.compare(adoption.from_inventory(codec.encode(machine)), without)
    assert [(d.severity, d.code, d.component) for d in differences] == [("critical", "spec.missing", name)]


def _without(machine: wire.Inventory, kind: str, n: int) -> tuple[wire.Inventory, str]:
    keys = {"disks": "serial", "nics": "mac", "gpus": "uuid", "psus": "name", "dimms": "locator"}
    parts = list(machine.memory.dimms if kind == "dimms" else getattr(machine, kind))
    gone = parts.pop(n)
    name = getattr(gone, keys[kind]) or gone.model
    if kind != "dimms":
        return replace(machine, **{kind: parts}), name
    return replace(machine, memory=replace(memory(*parts), ecc=machine.memory.ecc)), name


@pytest.mark.parametrize(("before", "after"), [(1, 4), (4, 1), (0, 2), (2, 0)])
def test_cards_that_tell_their_model_only_are_adopted_by_their_number(before: int, after: int) -> None:
    def cards(count: int) -> list[wire.Gpu]:
        return [wire.Gpu("", "Tensor", f"0000:4{n}:00.0") for n in range(count)]

    machine = found(gpus=cards(after))
    expected = adoption.from_inventory(codec.encode(found(gpus=cards(before))))
    differences = specdiff.compare(expected, machine)
    assert len(differences) == abs(after - before)
    assert all(difference.component for difference in differences)
    told_of = [(difference.path, difference.actual) for difference in differences]
    adopted = adoption.adopt_all(expected, told_of, codec.encode(machine))
    assert specdiff.compare(adopted, machine) == []


A100 = {"uuid": "GPU-1", "model": "NVIDIA A100-PCIE-40GB"}


def on_the_bus(*models: str) -> wire.Inventory:
    """Cards of which no driver told more than the bus does."""
    return found(gpus=[wire.Gpu("", model, f"0000:4{n}:00.0") for n, model in enumerate(models)])


def test_without_a_driver_no_card_on_the_bus_is_missing_or_unexpected() -> None:
    machine = on_the_bus("GA100 [A100 PCIe 40GB]", "GA100 [A100 PCIe 40GB]")
    expected = {"gpus": [A100, {**A100, "uuid": "GPU-2"}], "pinned": ["gpus[GPU-1].model"]}
    assert specdiff.compare(expected, machine) == []
    assert "no driver reports them" in specdiff.not_compared(expected, machine)[0]
    assert specdiff.not_compared({**expected, "not_expected": ["gpu_load"]}, machine) == []


def test_without_a_driver_cards_are_missing_by_their_number() -> None:
    expected = {"gpus": [A100, {**A100, "uuid": "GPU-2"}]}
    assert [d.code for d in specdiff.compare(expected, on_the_bus("GA100 [A100 PCIe 40GB]"))] == ["spec.missing"]
    assert [d.code for d in specdiff.compare({"gpus": [A100]}, on_the_bus("A", "B"))] == ["spec.unexpected"]


def test_of_two_cards_one_that_did_not_answer_its_driver_is_the_other() -> None:
    machine = found(
        gpus=[wire.Gpu("", "GA100 [A100]", "0000:40:00.0"), wire.Gpu("GPU-1", A100["model"], "0000:41:00.0")]
    )
    assert specdiff.compare({"gpus": [A100, {**A100, "uuid": "GPU-2"}]}, machine) == []


def test_two_names_of_the_bus_are_compared_with_each_other() -> None:
    expected = {"gpus": [{"model": "GA102 [GeForce RTX 3090]"}]}
    assert specdiff.compare(expected, on_the_bus("GA102 [GeForce RTX 3090]")) == []
    (difference,) = specdiff.compare(expected, on_the_bus("GA104 [GeForce RTX 3070]"))
    assert (difference.severity, difference.code) == ("warning", "spec.replaced")


def test_a_card_on_usb_is_adopted_without_a_speed_that_no_switch_could_prove() -> None:
    bmcs_own = wire.Nic("usb0", "d0:94:66:b6:05:9f", "cdc_ether", speed_mbit=425, link=True)
    adopted = adoption.from_inventory(codec.encode(found(nics=[ENO1, bmcs_own])))
    assert adopted["nics"] == [{"mac": ENO1.mac, "speed_mbit": 1000}, {"mac": bmcs_own.mac}]


@pytest.mark.parametrize(("pci", "is_expected"), [("", False), ("0000:04:00.0", True)])
def test_a_port_whose_mac_does_not_last_is_neither_expected_nor_a_difference(pci: str, is_expected: bool) -> None:
    machine = found(nics=[ENO1, wire.Nic("usb0", "be:3a:f2:b6:05:9f", "cdc_ether", link=True, pci=pci)])
    adopted = adoption.from_inventory(codec.encode(machine))
    assert [nic["mac"] for nic in adopted["nics"]] == [ENO1.mac, *(["be:3a:f2:b6:05:9f"] if is_expected else [])]
    spec = {"nics": [{"mac": ENO1.mac, "speed_mbit": 1000}]}
    codes = [one.code for one in specdiff.compare(spec, machine)]
    assert codes == (["spec.unexpected"] if is_expected else [])


MADE_UP, MADE_UP_LATER = "d2:e7:15:9b:43:1e", "4e:11:22:33:44:55"
BMCS_OWN = wire.Nic("usb0", MADE_UP_LATER, "cdc_ether", speed_mbit=425, link=True)


@pytest.mark.parametrize("said", [{}, {"spare": True}])
def test_a_bmcs_port_that_made_up_another_mac_is_a_warning_which_adopting_ends(said: dict[str, bool]) -> None:
    machine = found(nics=[ENO1, BMCS_OWN])
    spec = {"nics": [{"mac": ENO1.mac, "speed_mbit": 1000}, {"mac": MADE_UP, **said}]}
    (difference,) = specdiff.compare(spec, machine)
    assert (difference.severity, difference.code, difference.actual) == ("warning", "spec.replaced", MADE_UP_LATER)
    adopted = adoption.adopt_all(spec, [(difference.path, difference.actual)], codec.encode(machine))
    assert [nic["mac"] for nic in adopted["nics"]] == [ENO1.mac, MADE_UP_LATER]
    assert {one.severity.value for one in specdiff.compare(adopted, machine)} <= {"info"}


@pytest.mark.parametrize(
    ("missing", "there"),
    [
        ({"mac": MADE_UP, "speed_mbit": 100}, BMCS_OWN),
        ({"mac": MADE_UP, "neighbour": "sw1"}, BMCS_OWN),
        ({"mac": "3c:ec:ef:00:00:02"}, BMCS_OWN),
        ({"mac": "3c:ec:ef:00:00:02", "spare": True}, BMCS_OWN),
        ({"mac": MADE_UP}, replace(BMCS_OWN, mac="d0:94:66:00:00:01")),
    ],
    ids=["a stated speed", "a stated switch", "a maker's MAC", "a spare port", "another card on USB"],
)
def test_a_port_on_usb_stands_in_for_no_card_that_is_missing(missing: dict[str, object], there: wire.Nic) -> None:
    spec = {"nics": [{"mac": ENO1.mac, "speed_mbit": 1000}, missing]}
    codes = [one.code for one in specdiff.compare(spec, found(nics=[ENO1, there]))]
    assert codes == ["spec.missing", *([] if there is BMCS_OWN else ["spec.unexpected"])]


def test_a_bmcs_port_takes_no_card_from_a_port_that_was_replaced() -> None:
    spec = {"nics": [{"mac": MADE_UP}, {"mac": "3c:ec:ef:00:00:02", "spare": True}]}
    new = wire.Nic("eno2", "3c:ec:ef:00:00:09", "igb", pci="0000:04:00.0")
    codes = [(one.severity.value, one.code) for one in specdiff.compare(spec, found(nics=[new, BMCS_OWN]))]
    assert codes == [("warning", "spec.replaced"), ("warning", "spec.replaced")]
