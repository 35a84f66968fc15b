"""What a counter that moved means: how grave it is, and who is to blame."""

from __future__ import annotations

import pytest

from agent.contract import codes, wire
from agent.counters import counting, lowered_severity
from agent.counters.port_states import PortStates

CRITICAL, WARNING = wire.Severity.CRITICAL, wire.Severity.WARNING


def judge(counter: str, grown: int, limits: dict | None = None, duration_s: float = 60) -> wire.Finding:
    delta = wire.CounterDelta(counter, "dimm", "DIMM_A1", 0, grown)
    return counting.judged([delta], limits or {}, duration_s)[0]


@pytest.mark.parametrize(
    ("grown", "limits", "duration_s", "severity"),
    [
        (1, {}, 60, WARNING),
        (10, {}, 60, WARNING),
        (11, {}, 60, CRITICAL),
        (11, {}, 2 * 3600, WARNING),
        (21, {}, 2 * 3600, CRITICAL),
        (1, {"ecc_corrected_per_hour": 0}, 60, CRITICAL),
        (500, {"ecc_corrected_per_hour": 1000}, 60, WARNING),
    ],
)
def test_corrected_memory_errors_condemn_above_the_hourly_limit(
    grown: int, limits: dict, duration_s: float, severity: wire.Severity
) -> None:
    assert judge("edac.ce", grown, limits, duration_s).severity is severity


@pytest.mark.parametrize(
    ("counter", "code", "severity"),
    [
        ("edac.ue", "memory.uncorrected", CRITICAL),
        ("mce.exceptions", "cpu.machine_check", CRITICAL),
        ("aer.correctable.0000:01:00.0", "pcie.corrected", WARNING),
        ("aer.damaged.0000:01:00.0", "pcie.corrected", WARNING),
        ("aer.fatal.0000:01:00.0", "pcie.uncorrected", CRITICAL),
        ("aer.nonfatal.0000:01:00.0", "pcie.uncorrected", CRITICAL),
        ("aer.refused.0000:01:00.0", "pcie.uncorrected", WARNING),
        ("throttle.package", "thermal.throttled", WARNING),
        ("nic.rx_crc_errors", "nic.errors", WARNING),
        ("nic.link_down", "nic.link_flap", CRITICAL),
        ("smart.media_errors", "smart.media_errors", CRITICAL),
        ("smart.crc_errors", "smart.crc_errors", WARNING),
        ("smart.num_err_log_entries", "smart.error_log", WARNING),
        ("bmc.sel", "bmc.event", WARNING),
    ],
)
def test_each_counter_means_one_thing(counter: str, code: str, severity: wire.Severity) -> None:
    found = judge(counter, 2)
    assert (found.code, found.severity) == (code, severity)
    assert found.message.startswith("DIMM_A1: 2 ") and f"{counter} went from 0 to 2" in found.message


@pytest.mark.parametrize(
    ("counter", "before", "after", "message"),
    [
        ("smart.failing", 0, 1, "S1: the drive says that it is failing, which it did not before"),
        ("smart.prefail", 0, 1, "S1: an attribute is at its failure threshold, and none was before"),
        ("smart.write_protected", 0, 1, "S1: the drive has made itself read only, which it was not before"),
        ("smart.critical_warning", 0, 5, "S1: NVMe critical warning 0x05, 0x00 before"),
        ("gone", 0, 1, "S1: the kernel no longer has it"),
        ("bmc.log_full", 0, 1, "S1: the event log is full, which it was not before"),
    ],
)
def test_a_state_that_changed_is_told_as_one_and_not_counted(
    counter: str, before: int, after: int, message: str
) -> None:
    delta = wire.CounterDelta(counter, "disk", "S1", before, after)
    assert [one.message for one in counting.judged([delta], {}, 60.0)] == [message]


def test_every_meaning_has_a_registered_code() -> None:
    assert {meaning.code for meaning in counting.MEANINGS.values()} <= codes.CODES.keys()


def test_two_views_of_one_error_are_one_finding_the_graver() -> None:
    counted = wire.Finding("memory.corrected", WARNING, "dimm", "DIMM_A1", "3 counted")
    heard = wire.Finding("memory.corrected", CRITICAL, "dimm", "DIMM_A1", "the kernel said it")
    other = wire.Finding("memory.corrected", WARNING, "dimm", "DIMM_B1", "1 counted")
    merged = counting.merged([counted, heard, other])
    assert [(f.component, f.severity, f.message) for f in merged] == [
        ("DIMM_A1", CRITICAL, "the kernel said it; 3 counted"),
        ("DIMM_B1", WARNING, "1 counted"),
    ]


def test_an_error_that_one_view_could_not_attribute_is_the_part_that_the_other_names() -> None:
    nobodys = wire.Finding("memory.uncorrected", CRITICAL, "system", "system", "1 counted")
    known = wire.Finding("memory.uncorrected", CRITICAL, "dimm", "DIMM_A1", "the kernel said it")
    second = wire.Finding("memory.uncorrected", CRITICAL, "dimm", "DIMM_B1", "the kernel said it")
    assert [(f.component, f.message) for f in counting.merged([nobodys, known])] == [
        ("DIMM_A1", "the kernel said it; 1 counted")
    ]
    assert [f.component for f in counting.merged([nobodys, known, second])] == ["DIMM_A1", "DIMM_B1", "system"]


def test_a_part_is_not_condemned_by_errors_that_nobody_could_attribute() -> None:
    nobodys = wire.Finding("memory.corrected", CRITICAL, "system", "system", "400 counted, at most 10")
    known = wire.Finding("memory.corrected", WARNING, "dimm", "DIMM_A1", "the kernel said it")
    assert [(f.component, f.severity) for f in counting.merged([nobodys, known])] == [
        ("DIMM_A1", WARNING),
        ("system", CRITICAL),
    ]
    mild = wire.Finding("memory.corrected", WARNING, "system", "system", "1 counted")
    assert [(f.component, f.severity) for f in counting.merged([mild, known])] == [("DIMM_A1", WARNING)]


@pytest.mark.parametrize(
    ("counter", "grown", "limits", "severity"),
    [
        ("throttle.package", 1, {}, WARNING),
        ("throttle.package", 1, {"throttle_events_max": 0}, CRITICAL),
        ("throttle.core", 3, {"throttle_events_max": 3}, WARNING),
        ("nic.rx_crc_errors", 10, {}, WARNING),
        ("nic.rx_crc_errors", 11, {}, CRITICAL),
        ("nic.rx_symbol_err_phy", 1, {"nic_errors_max": 0}, CRITICAL),
        ("aer.correctable.0000:00:01.0", 100_000, {}, WARNING),
        ("aer.refused.0000:00:01.0", 100_000, {}, WARNING),
        ("aer.damaged.0000:00:01.0", 2000, {}, WARNING),
        ("aer.damaged.0000:00:01.0", 2001, {}, CRITICAL),
        ("aer.damaged.0000:00:01.0", 81, {"pcie_damaged_per_hour": 80}, CRITICAL),
    ],
)
def test_a_counter_condemns_above_the_profiles_limit(
    counter: str, grown: int, limits: dict, severity: wire.Severity
) -> None:
    assert judge(counter, grown, limits).severity is severity


ERRORS = wire.Finding("nic.errors", CRITICAL, "nic", "52:54:00:aa:bb:cc", "20 errors")
FLAP = wire.Finding("nic.link_flap", CRITICAL, "nic", "52:54:00:aa:bb:cc", "1 loss of the link")


def severities(stage: str, expected: dict[str, object]) -> list[wire.Severity]:
    return [one.severity for one in lowered_severity.lower_for_ports(stage, expected, [ERRORS, FLAP])]


def test_a_port_is_not_blamed_for_what_it_counts_while_its_link_comes_up() -> None:
    assert severities("InventoryCheck", {}) == [wire.Severity.INFO, wire.Severity.INFO]
    assert severities("Network", {}) == [CRITICAL, CRITICAL]


def test_a_port_that_nobody_expects_condemns_nobody() -> None:
    assert severities("Burn", {"nics": [{"mac": "52:54:00:00:00:01"}]}) == [wire.Severity.INFO, WARNING]
    assert severities("Burn", {"nics": [{"mac": "52:54:00:AA:BB:CC"}]}) == [CRITICAL, CRITICAL]


MAC = "52:54:00:aa:bb:cc"
GONE = wire.Finding("system.part_gone", CRITICAL, "nic", MAC, "the kernel no longer has it")
HUNG = wire.Finding("nic.transmit_timeout", CRITICAL, "nic", MAC, "the card stopped sending")


def lowered(expected: dict[str, object], states: PortStates, *found: wire.Finding) -> list[wire.Severity]:
    return [one.severity for one in lowered_severity.lower_for_ports("CPUStress", expected, found, states)]


@pytest.mark.parametrize(
    ("said", "severity"),
    [
        (None, wire.Severity.INFO),
        ({}, wire.Severity.INFO),
        ({"speed_mbit": 1000}, CRITICAL),
        ({"neighbour": "sw1"}, CRITICAL),
        ({"other_network": True}, CRITICAL),
    ],
)
def test_noise_on_a_port_without_a_cable_condemns_nobody_unless_the_spec_says_that_it_has_one(
    said: dict[str, object] | None, severity: wire.Severity
) -> None:
    expected: dict[str, object] = {} if said is None else {"nics": [{"mac": MAC, **said}]}
    assert lowered(expected, PortStates(without_link=frozenset({MAC})), ERRORS, FLAP) == [severity, CRITICAL]
    assert lowered(expected, PortStates(), ERRORS) == [CRITICAL]


@pytest.mark.parametrize("said", [[], [{"mac": MAC, "speed_mbit": 25000}]])
def test_a_link_that_comes_up_late_is_not_charged_for_its_training(said: list[dict[str, object]]) -> None:
    expected: dict[str, object] = {"nics": said} if said else {}
    assert lowered(expected, PortStates(came_up=frozenset({MAC})), ERRORS, FLAP) == [wire.Severity.INFO, CRITICAL]


@pytest.mark.parametrize(
    ("expected", "severities"),
    [
        ({}, [wire.Severity.INFO, WARNING, WARNING, WARNING]),
        ({"nics": [{"mac": MAC}]}, [wire.Severity.INFO, WARNING, WARNING, WARNING]),
        ({"nics": [{"mac": MAC, "speed_mbit": 1000}]}, [CRITICAL] * 4),
    ],
)
def test_the_bmcs_own_port_on_usb_condemns_no_host(
    expected: dict[str, object], severities: list[wire.Severity]
) -> None:
    on_usb = PortStates(on_usb=frozenset({MAC}))
    assert lowered(expected, on_usb, ERRORS, FLAP, GONE, HUNG) == severities
    assert lowered(expected, PortStates(), ERRORS, FLAP, GONE, HUNG) == [CRITICAL] * 4


def test_an_exception_whose_part_the_kernel_names_is_not_the_cpus_as_well() -> None:
    exceptions = [wire.Finding("cpu.machine_check", CRITICAL, "cpu", name, "1 counted") for name in ("CPU0", "CPU1")]
    named = wire.Finding("memory.uncorrected", CRITICAL, "dimm", "DIMM_A1", "the kernel said it")
    of_cpu = wire.Finding("cpu.machine_check", CRITICAL, "cpu", "CPU1", "the kernel said it")

    def blamed(*said: wire.Finding) -> list[str]:
        merged = counting.merged([*lowered_severity.lower_explained_machine_checks(exceptions, said), *said])
        return sorted(one.component for one in merged if one.severity is CRITICAL)

    assert blamed() == ["CPU0", "CPU1"]
    assert blamed(named) == ["DIMM_A1"]
    assert blamed(of_cpu) == ["CPU1"]
