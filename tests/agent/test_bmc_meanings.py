"""What the entries of the BMC's event log mean, for logs as many BMCs write them."""

from __future__ import annotations

from pathlib import Path

import pytest

from agent import judge
from agent.contract import wire
from agent.counters import bmc_log, counting
from agent.counters.component_names import Names
from agent.probes.bmc import sel
from tests.agent_stages.contexts import context

RECORDED = Path(__file__).parents[1] / "recorded/ipmitool"


def rows(name: str) -> list[str]:
    return [line for line in (RECORDED / name).read_text().splitlines() if not line.startswith("#")]


def found(*entries: str, names: Names = bmc_log.NOWHERE) -> list[wire.Finding]:
    """The findings of entries that are given from their sensor on."""
    text = "\n".join(f"{number:4x} | 11/23/2026 | 19:15:54 | {entry}" for number, entry in enumerate(entries, 1))
    log = bmc_log.EventLog()
    deltas = [wire.CounterDelta(*key, 0, value) for key, value in log.take(sel.parse(text), names).items() if value]
    return counting.judged(deltas, {}, 60.0, log.said)


@pytest.mark.parametrize("row", rows("sel-says.tsv"))
def test_an_entry_is_as_grave_as_it_says_about_the_part_that_it_names(row: str) -> None:
    severity, code, component, entry = row.split("\t")
    (finding,) = found(entry)
    assert (finding.severity.value, finding.code, finding.component) == (severity, code, component)
    cells = [" ".join(cell.split()) for cell in entry.split("|")]
    assert f'"{cells[0]}: ' in finding.message and cells[1] in finding.message


@pytest.mark.parametrize("entry", rows("sel-says-nothing.txt"))
def test_what_healthy_machines_write_and_what_is_over_is_no_finding(entry: str) -> None:
    assert found(entry) == []


@pytest.mark.parametrize(
    ("line", "kind", "name", "text", "asserted"),
    [
        (
            "1 | 11/23/26 | 19:15:54 UTC | Power Unit Pwr Unit | AC lost | Asserted",
            "power unit",
            "Pwr Unit",
            "AC lost",
            True,
        ),
        (
            "1 | Pre-Init | 0000000093 | Fan #0x75 | Transition to OK | Deasserted",
            "fan",
            "#0x75",
            "Transition to OK",
            False,
        ),
        ("1 |  Pre-Init  |0000000093| Fan FAN1 | Transition to OK", "fan", "FAN1", "Transition to OK", True),
        (
            "1 | S+ 70/001 | 00:00:23 UTC | Fan FAN1 | Device Absent | Asserted",
            "fan",
            "FAN1",
            "Device Absent",
            True,
        ),
        (
            "1 | Unspecified | Unspecified | Memory #0x02 | Parity | Asserted",
            "memory",
            "#0x02",
            "Parity",
            True,
        ),
        (
            "5d | 04/12/2026 | Drive Slot / Bay #0xa2 | Drive Fault () | Asserted",
            "drive slot / bay",
            "#0xa2",
            "Drive Fault ()",
            True,
        ),
        ("3 | Linux kernel panic: Fatal excep", "os critical stop", "", "Linux kernel panic: Fatal excep", True),
        (
            "1 | 11/23/2026 | 19:15:54 | Watchdog 2 #0x01 | Hard reset | Asserted",
            "watchdog2",
            "#0x01",
            "Hard reset",
            True,
        ),
        (
            "1 | 11/23/2026 | 19:15:54 | Memory | Uncorrectable ECC (a | b) | Asserted | CPU 0 DIMM 1",
            "memory",
            "",
            "Uncorrectable ECC (a | b)",
            True,
        ),
        (
            "1 | 11/23/2026 | 19:15:54 | Fans of old | State Asserted | Asserted",
            "",
            "Fans of old",
            "State Asserted",
            True,
        ),
    ],
)
def test_type_name_event_and_direction_are_told_apart(
    line: str, kind: str, name: str, text: str, asserted: bool
) -> None:
    (entry,) = sel.parse(line)
    assert (entry.kind, entry.name, entry.text, entry.asserted) == (kind, name, text, asserted)


def test_a_kernel_panic_that_linux_wrote_itself_is_told() -> None:
    log = bmc_log.EventLog()
    counts = log.take(sel.parse("   3 | Linux kernel panic: Fatal excep\n   4 | Linux kernel panic: tion\n"))
    assert counts["sel.system.kernel_oops", "system", "system"] == 2


def test_a_record_of_another_maker_is_none_of_windows() -> None:
    (one,) = found("OEM record dc | 001c4c | 0203c0a80101")
    assert (one.code, one.component, one.severity) == ("bmc.event", "BMC", wire.Severity.WARNING)


def test_a_line_that_is_no_entry_is_named() -> None:
    text = "   1 | 11/23/2026 | 19:15:54 | Fan FAN1 | Transition to OK | Asserted\nGet SEL Entry 2 command failed\n"
    assert len(sel.parse(text)) == 1
    assert sel.unread(text) == ["Get SEL Entry 2 command failed"]
    assert sel.unread("SEL has no entries\n") == []


def test_an_entry_that_names_a_slot_is_about_the_module_in_it() -> None:
    dimms = [wire.Dimm("DIMM_B1", 32768), wire.Dimm("DIMM_B10", 32768)]
    known = wire.Inventory(memory=wire.Memory(65536, 65536, True, dimms))
    (one,) = found("Memory ECC Err | Uncorrectable ECC (DIMMB10) | Asserted", names=Names(Path("/none"), known))
    assert (one.code, one.component_kind, one.component) == ("memory.uncorrected", "dimm", "DIMM_B10")


def test_a_finding_quotes_the_newest_entries_and_says_how_many_others_there_are() -> None:
    (one,) = found(*[f"Chassis Health{number} | Transition to Non-recoverable | Asserted" for number in range(14)])
    assert one.message.startswith("system: 14 new entries in the BMC's event log, ")
    assert '"Chassis Health13: Transition to Non-recoverable", "Chassis Health12' in one.message
    assert one.message.endswith("and 2 others")


ENTRY = "{record:4x} | 11/23/2026 | 19:15:{second:02} | Power Supply PS1 Status | Power Supply AC lost | Asserted"
KEY = ("sel.psu.failed", "psu", "PS1")


def test_an_entry_in_a_log_that_was_cleared_or_runs_over_is_new() -> None:
    log = bmc_log.EventLog()
    before = [ENTRY.format(record=number, second=number) for number in (1, 2, 3)]
    assert log.take(sel.parse("\n".join(before)))[KEY] == 3
    cleared = sel.parse(ENTRY.format(record=1, second=40))
    assert log.take(cleared)[KEY] == 4
    overwritten = [ENTRY.format(record=number, second=48 + number) for number in (2, 3, 4)]
    assert log.take(sel.parse("\n".join(overwritten)))[KEY] == 7


def test_an_entry_that_one_list_left_out_is_not_new_in_the_next() -> None:
    log = bmc_log.EventLog()
    entries = [ENTRY.format(record=number, second=number) for number in (1, 2, 3)]
    log.take(sel.parse("\n".join(entries)))
    log.take(sel.parse(entries[0]))
    newest = ENTRY.format(record=4, second=50)
    assert log.take(sel.parse("\n".join([*entries, newest])))[KEY] == 4


def test_a_sensor_that_is_named_by_its_number_once_is_no_new_entry() -> None:
    log = bmc_log.EventLog()
    text = ENTRY.format(record=1, second=1)
    log.take(sel.parse(text))
    assert log.take(sel.parse(text.replace("PS1 Status", "#0x51"))) == {KEY: 1, bmc_log.OTHER: 0, bmc_log.UNCLEAR: 0}


# Recording → its result, and severity, code and component of each finding.
RIGHT: dict[str, tuple[str, set[tuple[str, str, str]]]] = {
    "memory-nonrecoverable": (
        "failed", {("critical", "memory.uncorrected", "system"), ("critical", "bmc.event", "system")},
    ),
    "hpe-health-critical": ("failed", {("critical", "bmc.event", "system")}),
    "hpe-health-back-to-ok": ("passed", set()),
    "dell-power-not-good": (
        "failed",
        {
            ("critical", "psu.voltage", "system"),
            ("warning", "psu.failed", "PS1"),
            ("warning", "memory.fault_reported", "system"),
        },
    ),
    "supply-and-drive-pulled": (
        "failed", {("critical", "psu.missing", "PS2"), ("critical", "system.part_gone", "system")},
    ),
    "corrected-machine-check": ("passed", {("warning", "cpu.corrected_machine_check", "system")}),
    "sensors-of-a-supply": (
        "failed",
        {
            ("critical", "fan.stopped", "PSU1 Slow FAN1"),
            ("critical", "sensor.temp_high", "PSU1"),
            ("critical", "psu.failed", "PSU1"),
        },
    ),
    "linux-panic": ("failed", {("critical", "system.kernel_oops", "system")}),
    "boot-of-a-healthy-machine": ("passed", set()),
    "windows-starts-and-stops": ("passed", set()),
    "windows-bug-check": ("failed", {("critical", "system.kernel_oops", "system")}),
    "torn": ("not_tested", {("warning", "bmc.event", "BMC")}),
}  # fmt: skip


@pytest.mark.parametrize("name", RIGHT)
def test_a_recorded_log_has_its_right_answer(name: str, tmp_path: Path) -> None:
    line = judge.judge(context("PSU", tmp_path), "sel", (RECORDED / f"{name}.sel").read_text())
    told = {(one["severity"], one["code"], one["component"]) for one in line["findings"]}
    assert (line["outcome"], told) == RIGHT[name]


def test_every_recorded_log_has_a_right_answer() -> None:
    assert {path.stem for path in RECORDED.glob("*.sel")} == RIGHT.keys()
