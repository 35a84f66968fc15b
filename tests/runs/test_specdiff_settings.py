"""Settings against what is expected of them: what guests and passthrough need is critical, everything else a warning,
and what was not read is no agreement."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from agent.contract import codec, wire
from hosts import adoption, expectations, sidebyside
from hosts.expectations import ExpectationError
from runs import orchestrator_stages
from runs.judging import inventory_changes, specdiff
from runs.models import Outcome
from runs.wording import formatting
from tests.runs.test_specdiff import SERVER

MAC = SERVER.nics[0].mac
SET = wire.Settings(
    virtualization=True,
    iommu=True,
    iommu_groups=47,
    sriov=[wire.VirtualFunctions("0000:18:00.0", 63, 0), wire.VirtualFunctions("0000:3b:00.0", 32, 0)],
    boot_mode="uefi",
    secure_boot=False,
    smt=True,
    numa_nodes=2,
    c_states=["C1", "C1E", "C6"],
    power_limits=[wire.PowerLimit("package-0", "long_term", 125.0)],
    boot_order=["PXE Device 1", "proxmox"],
    tpm="2.0",
)
FULL = replace(SERVER, settings=SET, nics=[replace(SERVER.nics[0], pci="0000:18:00.0"), *SERVER.nics[1:]])
ADOPTED = adoption.from_inventory(codec.encode(FULL))


def told(inventory: wire.Inventory, expected: dict[str, Any] = ADOPTED) -> list[tuple[str, str, str, str]]:
    found = specdiff.compare(expected, inventory)
    return [(d.severity.value, d.code, d.component, d.path) for d in found]


def with_settings(**changed: Any) -> wire.Inventory:
    return replace(FULL, settings=replace(SET, **changed))


def test_adopting_states_every_setting_that_was_read() -> None:
    assert ADOPTED["settings"] == {
        "virtualization": True,
        "iommu": True,
        "iommu_groups": 47,
        "sriov": {MAC: 63},
        "boot_mode": "uefi",
        "secure_boot": False,
        "smt": True,
        "numa_nodes": 2,
        "c_states": "C1 C1E C6",
        "power_limits": {"package-0 long_term": 125},
        "boot_order": ["PXE Device 1", "proxmox"],
        "tpm": "2.0",
        "memory_mts": 3200,
    }
    assert told(FULL) == [] and specdiff.not_compared(ADOPTED, FULL) == []


CASES: list[tuple[dict[str, Any], str, str, str]] = [
    ({"virtualization": False}, "critical", "spec.passthrough", "settings.virtualization"),
    ({"iommu": False, "iommu_groups": 0}, "critical", "spec.passthrough", "settings.iommu"),
    ({"iommu_groups": 12}, "warning", "spec.setting", "settings.iommu_groups"),
    ({"sriov": [wire.VirtualFunctions("0000:3b:00.0", 32)]}, "critical", "spec.passthrough", f"settings.sriov[{MAC}]"),
    ({"sriov": [wire.VirtualFunctions("0000:18:00.0", 8)]}, "critical", "spec.passthrough", f"settings.sriov[{MAC}]"),
    ({"boot_mode": "bios", "boot_order": []}, "warning", "spec.setting", "settings.boot_mode"),
    ({"secure_boot": True}, "warning", "spec.setting", "settings.secure_boot"),
    ({"smt": False}, "warning", "spec.setting", "settings.smt"),
    ({"numa_nodes": 1}, "warning", "spec.setting", "settings.numa_nodes"),
    ({"c_states": []}, "warning", "spec.setting", "settings.c_states"),
    (
        {"power_limits": [wire.PowerLimit("package-0", "long_term", 95.0)]},
        "warning",
        "spec.setting",
        "settings.power_limits[package-0 long_term]",
    ),
    ({"boot_order": ["PXE Device 1"]}, "warning", "spec.setting", "settings.boot_order"),
    ({"boot_order": ["proxmox", "PXE Device 1"]}, "warning", "spec.setting", "settings.boot_order"),
    ({"tpm": "none"}, "warning", "spec.setting", "settings.tpm"),
]


@pytest.mark.parametrize(("changed", "severity", "code", "path"), CASES)
def test_a_setting_that_was_reset_is_one_difference(
    changed: dict[str, Any], severity: str, code: str, path: str
) -> None:
    blamed = MAC if "sriov" in path else "system"
    assert told(with_settings(**changed)) == [(severity, code, blamed, path)]


@pytest.mark.parametrize(("changed", "severity", "code", "path"), CASES)
def test_a_setting_that_was_adopted_is_no_difference_any_more(
    changed: dict[str, Any], severity: str, code: str, path: str
) -> None:
    inventory = with_settings(**changed)
    differences = [(d.path, d.actual) for d in specdiff.compare(ADOPTED, inventory)]
    adopted = adoption.adopt_all(ADOPTED, differences, codec.encode(inventory))
    assert adopted != ADOPTED
    assert specdiff.compare(adopted, inventory) == []


def test_a_new_entry_between_the_expected_ones_is_no_difference() -> None:
    assert told(with_settings(boot_order=["PXE Device 1", "UEFI Shell", "proxmox"])) == []


@pytest.mark.parametrize("name", sorted(set(ADOPTED["settings"]) - {"memory_mts"}))
def test_a_setting_that_was_not_read_is_not_tested(name: str) -> None:
    inventory = with_settings(**{name: None})
    compared = orchestrator_stages.compare(ADOPTED, inventory)
    assert compared.outcome == Outcome.NOT_TESTED and f"settings.{name} could not be compared" in compared.reason


def test_an_inventory_of_an_older_agent_has_no_settings_and_agrees_with_none() -> None:
    document = codec.encode(FULL)
    del document["settings"]
    for dimm in document["memory"]["dimms"]:
        del dimm["rated_mts"]
    inventory = codec.decode(wire.Inventory, document)
    assert inventory.settings == wire.Settings()
    assert orchestrator_stages.compare(ADOPTED, inventory).outcome == Outcome.NOT_TESTED
    assert "virtualization" not in adoption.from_inventory(document)["settings"]


def test_a_port_that_is_gone_is_not_blamed_for_its_virtual_functions_too() -> None:
    gone = replace(with_settings(sriov=[]), nics=FULL.nics[1:])
    assert [path for *_, path in told(gone)] == [f"nics[{MAC}]"]


def test_what_the_firmware_locked_is_named() -> None:
    (one,) = specdiff.compare(ADOPTED, with_settings(virtualization=False, virtualization_locked=True))
    assert one.message == ("system: virtualization (VT-x, SVM) is off, expected on: the firmware has switched it off")


def test_switched_on_where_it_should_be_off_is_a_warning() -> None:
    expected = expectations.normalise({"settings": {"virtualization": False, "iommu": False}})
    assert [severity for severity, *_ in told(FULL, expected)] == ["warning", "warning"]


def test_slow_memory_says_what_the_modules_are_rated_for() -> None:
    dimms = [replace(dimm, speed_mts=2133, rated_mts=3200) for dimm in SERVER.memory.dimms]
    slow = replace(SERVER, memory=replace(SERVER.memory, dimms=dimms))
    (one,) = specdiff.compare(expectations.normalise({"settings": {"memory_mts": 3200}}), slow)
    assert (one.code, one.severity, one.message) == (
        "spec.setting",
        wire.Severity.WARNING,
        "system: speed of the memory 2133 MT/s, expected 3200 MT/s; the modules are rated for 3200 MT/s",
    )


def test_a_module_that_runs_below_its_rated_speed_says_so() -> None:
    dimms = [replace(dimm, speed_mts=2133, rated_mts=3200) for dimm in SERVER.memory.dimms]
    slow = replace(FULL, memory=replace(SERVER.memory, dimms=dimms))
    found = specdiff.compare(ADOPTED, slow)
    assert {one.code for one in found} == {"spec.slower"}
    assert found[0].message.endswith("speed 2133 MT/s, expected 3200 MT/s; the module is rated for 3200 MT/s")


def test_a_pinned_setting_is_critical() -> None:
    expected = expectations.read("settings: {boot_mode: uefi, tpm: 2.0}\npinned: [settings.boot_mode]\n").spec
    assert told(with_settings(boot_mode="bios", boot_order=[]), expected) == [
        ("critical", "spec.pinned", "system", "settings.boot_mode")
    ]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("settings:\n  iomu: on\n", "line 2: settings.iomu is not known; known here: virtualization, iommu"),
        ("settings:\n  iomu: on\n", "did you mean 'iommu'?"),
        ("settings: {iommu: yes please}\n", "line 1: settings.iommu: Input should be a valid boolean"),
        ("settings: {tpm: 3.0}\n", "line 1: settings.tpm: Input should be '2.0', '1.2' or 'none'"),
        ("settings: {sriov: {eno1: many}}\n", "line 1: settings.sriov.eno1: Input should be a valid integer"),
        ("settings: {numa_nodes: 2}\npinned: [settings.numa_nodes]\n", "is no text; only texts can be pinned"),
        ("settings: {tpm: none}\npinned: [settings.tmp]\n", "did you mean 'settings.tpm'?"),
    ],
)
def test_a_wrong_word_is_refused_with_its_line(text: str, words: str) -> None:
    with pytest.raises(ExpectationError) as caught:
        expectations.read(text)
    assert words in str(caught.value)


def test_on_and_off_are_understood() -> None:
    spec = expectations.read("settings: {virtualization: on, smt: off, tpm: off}\n").spec
    assert spec == {"settings": {"virtualization": True, "smt": False, "tpm": "none"}}


def test_the_page_of_all_parts_shows_settings_beside_what_was_found() -> None:
    found = adoption.from_inventory(codec.encode(with_settings(iommu=False, boot_order=["proxmox"])))
    (section,) = [one for one in sidebyside.sections(ADOPTED, found) if one.title == "Settings"]
    shown = {line.path: (line.expected, line.found) for line in section.lines}
    assert shown["settings.iommu"] == (True, False)
    assert shown["settings.boot_order"] == (["PXE Device 1", "proxmox"], ["proxmox"])
    assert shown[f"settings.sriov[{MAC}]"] == (63, 63)


def test_a_boot_entry_that_does_not_exist_is_no_agreement_and_is_not_adopted() -> None:
    gone = with_settings(boot_order=["PXE Device 1", "Boot0003 (missing)"])
    ((severity, code, *_),) = told(gone)
    assert (severity, code) == ("warning", "spec.setting")
    assert adoption.from_inventory(codec.encode(gone))["settings"]["boot_order"] == ["PXE Device 1"]
    assert told(with_settings(boot_order=["PXE Device 1", "Boot0003 (missing)", "proxmox"])) == []


def test_paths_of_settings_are_written_for_people() -> None:
    assert formatting.spec_place("settings.iommu") == "Settings, IOMMU"
    assert formatting.spec_place(f"settings.sriov[{MAC}]") == f"Settings, SR-IOV: {MAC}"


def test_a_report_says_which_setting_changed_since_the_last_run() -> None:
    before, after = codec.encode(FULL), codec.encode(with_settings(iommu=False, tpm=None))
    words = [one.words for one in inventory_changes.compare(before, after)]
    assert words == ["setting iommu: changed, on → off"]
