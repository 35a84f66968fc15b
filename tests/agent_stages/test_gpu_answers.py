"""What nvidia-smi prints of cards that are well, sick, silent or hidden, and what is concluded. The recordings are of
real cards, cut down; faults are written into them in the words of nvidia-smi(1) and NVML."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from agent import judge as recorder
from agent.contract import wire
from agent.counters import gpu_after_xid
from agent.exercises import gpu_memory, gpu_state
from agent.host.shell import Completed
from agent.probes.gpu import nvidia_smi
from agent.reports.partial_report import PartialReport
from tests.agent_stages import mutations
from tests.agent_stages.contexts import context
from tests.agent_stages.recordings import RECORDED, recorded

FOLDER = RECORDED / "nvidia-smi"
WELL = ("a100-sxm4-mig.xml", "a10g.xml", "tesla-t4.xml")
UNCOUNTED = {
    "quadro-p2000.xml": "no ECC",
    "rtx-3080-v13.xml": "no ECC",
    "rtx-4000-ada-ecc-off.xml": "and reset the card; where that is as it should be, the spec says so",
}


def judged(tmp_path: Path, text: str) -> tuple[str, str, list[str]]:
    """Result, reason, and the codes of the findings with a mark for warnings."""
    line = recorder.judge(context("GPU", tmp_path), "nvidia-smi", text)
    codes = [one["code"] + ("" if one["severity"] == "critical" else "?") for one in line["findings"]]
    return line["outcome"], line["reason"], codes


def changed(name: str, **fields: str) -> str:
    """A recording with other words in each element of these names."""
    text = recorded("nvidia-smi", name)
    for tag, words in fields.items():
        text, count = re.subn(rf"<{tag}>[^<]*</{tag}>", f"<{tag}>{words}</{tag}>", text)
        assert count, f"{name} has no {tag}"
    return text


def with_element(name: str, parent: str, tag: str, words: str) -> str:
    return recorded("nvidia-smi", name).replace(f"</{parent}>", f"<{tag}>{words}</{tag}></{parent}>", 1)


@pytest.mark.parametrize("name", WELL)
def test_a_card_that_counts_and_has_counted_nothing_passes(name: str, tmp_path: Path) -> None:
    assert judged(tmp_path, recorded("nvidia-smi", name)) == ("passed", "", [])


@pytest.mark.parametrize(("name", "words"), UNCOUNTED.items())
def test_a_card_that_counts_no_errors_is_not_tested_and_says_why(name: str, words: str, tmp_path: Path) -> None:
    outcome, reason, codes = judged(tmp_path, recorded("nvidia-smi", name))
    assert (outcome, codes) == ("not_tested", [])
    assert words in reason


@pytest.mark.parametrize("words", ["ERR!", "Unknown Error", "[Unknown Error]", "[N/A] x", "garbled", "", "-1", "0x0"])
@pytest.mark.parametrize("tag", ["dram_uncorrectable", "sram_uncorrectable", "pending_retirement"])
def test_an_answer_that_is_no_number_is_not_zero_and_not_no_ecc(tag: str, words: str, tmp_path: Path) -> None:
    outcome, reason, codes = judged(tmp_path, changed("tesla-t4.xml", **{tag: words}))
    assert (outcome, codes) == ("not_tested", [])
    assert "no ECC" not in reason
    assert tag in reason


@pytest.mark.parametrize("tag", ["dram_uncorrectable", "sram_uncorrectable"])
def test_a_count_that_is_absent_beside_one_that_is_a_number_was_not_read(tag: str, tmp_path: Path) -> None:
    outcome, reason, codes = judged(tmp_path, changed("tesla-t4.xml", **{tag: "N/A"}))
    assert (outcome, codes) == ("not_tested", [])
    assert f"{tag}: N/A" in reason


def test_rows_that_are_counted_must_tell_whether_they_wait(tmp_path: Path) -> None:
    answers = {"remapped_row_pending": "N/A", "remapped_row_failure": "N/A"}
    outcome, reason, codes = judged(tmp_path, changed("a10g.xml", **answers))
    assert (outcome, codes) == ("not_tested", [])
    assert "remapped_row_pending: N/A" in reason


@pytest.mark.parametrize("words", ["ERR!", "[Unknown Error]", "Insufficient Permissions", "Driver Not Loaded"])
def test_a_card_whose_every_counter_is_an_error_is_not_one_without_ecc(words: str, tmp_path: Path) -> None:
    text = re.sub(
        r"(<(?:sram|dram)_\w+>|<(?:current|pending)_ecc>)[^<]*<", rf"\g<1>{words}<", recorded("nvidia-smi", "a10g.xml")
    )
    outcome, reason, _ = judged(tmp_path, text)
    assert outcome == "not_tested"
    assert words.strip("[]") in reason and "no ECC" not in reason


def test_mig_mode_that_hides_the_counters_is_not_no_ecc(tmp_path: Path) -> None:
    text = re.sub(
        r"(<(?:sram|dram)_\w+>|<(?:current|pending)_ecc>)[^<]*<",
        r"\g<1>N/A<",
        recorded("nvidia-smi", "a100-sxm4-mig.xml"),
    )
    outcome, reason, _ = judged(tmp_path, text)
    assert outcome == "not_tested"
    assert "MIG mode hides" in reason and "no ECC" not in reason


def test_mig_mode_hides_whether_rows_wait_so_past_errors_are_not_passed(tmp_path: Path) -> None:
    text = recorded("nvidia-smi", "a100-sxm4-mig.xml").replace(
        "<dram_uncorrectable>0</dram_uncorrectable>\n\t\t\t</aggregate>",
        "<dram_uncorrectable>2</dram_uncorrectable>\n\t\t\t</aggregate>",
    )
    outcome, reason, codes = judged(tmp_path, text)
    assert (outcome, codes) == ("not_tested", ["gpu.ecc_past?"])
    assert "MIG mode hides whether memory waits" in reason


FAULTS = [
    (changed("tesla-t4.xml", gpu_temp="GPU requires reset"), ["gpu.needs_reset"]),
    (changed("tesla-t4.xml", gpu_temp="[GPU requires reset]", power_draw="Unknown Error"), ["gpu.needs_reset"]),
    (changed("a10g.xml", power_draw="GPU is lost"), ["gpu.lost"]),
    (changed("tesla-t4.xml", power_draw="Insufficient External Power"), ["gpu.no_power"]),
    (changed("rtx-3080-v13.xml", gpu_recovery_action="Reset"), ["gpu.needs_reset"]),
    (changed("rtx-3080-v13.xml", gpu_recovery_action="Reboot"), ["gpu.needs_reset"]),
    (changed("rtx-3080-v13.xml", gpu_recovery_action="Drain P2P"), ["gpu.needs_reset"]),
    (changed("rtx-3080-v13.xml", gpu_recovery_action="Drain and Reset"), ["gpu.needs_reset"]),
    (changed("a100-sxm4-mig.xml", reset_required="Yes"), ["gpu.needs_reset"]),
    (changed("a10g.xml", remapped_row_failure="Yes"), ["gpu.remap_failed"]),
    (changed("a10g.xml", dram_uncorrectable="1"), ["gpu.ecc"]),
    (changed("tesla-t4.xml", retired_count="30"), ["gpu.pages_retired"]),
    (with_element("a10g.xml", "aggregate", "sram_threshold_exceeded", "Yes"), ["gpu.memory_worn_out"]),
    (with_element("a10g.xml", "ecc_errors", "unrepairable_memory", "Yes"), ["gpu.memory_worn_out"]),
    (changed("tesla-t4.xml", clocks_throttle_reason_hw_thermal_slowdown="Active"), ["gpu.throttled"]),
    (changed("tesla-t4.xml", clocks_throttle_reason_hw_power_brake_slowdown="Active"), ["gpu.throttled"]),
]  # fmt: skip


@pytest.mark.parametrize(("text", "codes"), FAULTS)
def test_a_card_that_says_it_is_sick_fails(text: str, codes: list[str], tmp_path: Path) -> None:
    outcome, _, found = judged(tmp_path, text)
    assert (outcome, found) == ("failed", codes)


WARNINGS = [
    (changed("a10g.xml", remapped_row_pending="Yes"), ["gpu.remap_pending?"]),
    (changed("a10g.xml", remapped_row_unc="2"), ["gpu.rows_remapped?"]),
    (changed("a10g.xml", row_remapper_histogram_none="1 bank(s)"), ["gpu.rows_remapped?"]),
    (changed("tesla-t4.xml", retired_count="1"), ["gpu.pages_retired?"]),
    (changed("tesla-t4.xml", pending_retirement="Yes"), ["gpu.remap_pending?"]),
    (changed("tesla-t4.xml", pending_blacklist="Yes"), ["gpu.remap_pending?"]),
    (with_element("a10g.xml", "ecc_errors", "channel_repair_pending", "Yes"), ["gpu.repair_pending?"]),
    (with_element("a10g.xml", "ecc_errors", "tpc_repair_pending", "Yes"), ["gpu.repair_pending?"]),
    (changed("tesla-t4.xml", clocks_throttle_reason_hw_slowdown="Active"), ["gpu.throttled?"]),
]  # fmt: skip


@pytest.mark.parametrize(("text", "codes"), WARNINGS)
def test_what_waits_for_a_reset_or_lies_in_the_past_is_a_warning(text: str, codes: list[str], tmp_path: Path) -> None:
    assert judged(tmp_path, text) == ("passed", "", codes)


def test_an_action_that_only_waiting_rows_ask_for_is_a_warning(tmp_path: Path) -> None:
    text = changed("rtx-4000-ada-ecc-off.xml", remapped_row_pending="Yes", gpu_recovery_action="Drain and Reset")
    assert judged(tmp_path, text)[2] == ["gpu.remap_pending?", "gpu.needs_reset?"]


@pytest.mark.parametrize("words", ["Requested functionality has been deprecated", "N/A", "[N/A]", "None"])
def test_a_question_that_another_element_answers_is_no_fault(words: str, tmp_path: Path) -> None:
    outcome, reason, codes = judged(tmp_path, changed("rtx-3080-v13.xml", gpu_recovery_action=words))
    assert (outcome, codes) == ("not_tested", [])
    assert "no ECC" in reason


def test_an_unknown_recovery_action_is_not_passed(tmp_path: Path) -> None:
    text = changed("rtx-4000-ada-ecc-off.xml", gpu_recovery_action="Contact Support")
    assert "unknown recovery action 'Contact Support'" in judged(tmp_path, text)[1]


LOST = "Unable to determine the device handle for GPU 0000:3B:00.0: GPU is lost.  Reboot the system to recover this GPU"
NO_HANDLE = "Unable to determine the device handle for GPU1: 0000:3B:00.0: Unknown Error"
INFOROM = "WARNING: infoROM is corrupted at gpu 0000:00:1E.0"


@pytest.mark.parametrize("words", ["Warning: persistence mode is off", "WARNING: driver and library differ a little"])
@pytest.mark.parametrize("where", ["{words}\n{xml}", "{xml}\n{words}\n"])
def test_a_warning_beside_the_xml_loses_no_card(where: str, words: str, tmp_path: Path) -> None:
    text = where.format(words=words, xml=recorded("nvidia-smi", "tesla-t4.xml"))
    assert judged(tmp_path, text) == ("passed", "", [])


@pytest.mark.parametrize("where", ["{words}\n{xml}", "{xml}\n{words}\n"])
@pytest.mark.parametrize(
    ("words", "outcome", "codes"),
    [(LOST, "failed", ["gpu.lost"]), (NO_HANDLE, "not_tested", []), (INFOROM, "not_tested", ["gpu.inforom?"])],
)
def test_a_card_that_is_named_beside_the_xml_is_not_passed(
    words: str, outcome: str, codes: list[str], where: str, tmp_path: Path
) -> None:
    found = judged(tmp_path, where.format(words=words, xml=recorded("nvidia-smi", "tesla-t4.xml")))
    assert (found[0], found[2]) == (outcome, codes)
    assert ("0000:3b:00.0" in found[1]) or "0000:00:1e.0" in found[1]


@pytest.mark.parametrize(
    ("text", "outcome"),
    [
        ("NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver.", "not_tested"),
        ("No devices were found", "not_tested"),
        ("Failed to initialize NVML: Driver/library version mismatch", "not_tested"),
        (NO_HANDLE, "not_tested"),
        (LOST, "failed"),
        ("", "not_tested"),
    ],
)
def test_a_tool_that_prints_only_words_is_quoted(text: str, outcome: str, tmp_path: Path) -> None:
    found, reason, _ = judged(tmp_path, text)
    assert found == outcome
    assert reason and (not text or text[:20] in reason or "0000:3b:00.0" in reason)


def test_cards_that_are_attached_and_not_listed_are_not_passed(tmp_path: Path) -> None:
    outcome, reason, _ = judged(tmp_path, changed("tesla-t4.xml", attached_gpus="4"))
    assert (outcome, "3 of 4 attached GPUs are not listed" in reason) == ("not_tested", True)


# --- on a host ---------------------------------------------------------------------------------------------------

T4, OTHER = wire.Gpu("", "TU104GL [Tesla T4]", "0000:00:1e.0"), wire.Gpu("", "TU104GL [Tesla T4]", "0000:3b:00.0")


def answered(stdout: str, status: int | None = 0, stderr: str = "") -> nvidia_smi.Answer:
    return nvidia_smi.of_completed(Completed(["nvidia-smi"], status, stdout=stdout, stderr=stderr))


def of_host(tmp_path: Path, answer: nvidia_smi.Answer, *present: wire.Gpu) -> PartialReport:
    return gpu_memory.check(context("GPU", tmp_path), list(present), answer, tmp_path)


def results(report: PartialReport) -> dict[tuple[str, str], str]:
    return {(check.name, check.component): check.outcome.value for check in report.checks}


def test_a_card_on_the_bus_that_nvidia_smi_does_not_list_is_named_and_not_tested(tmp_path: Path) -> None:
    report = of_host(tmp_path, answered(recorded("nvidia-smi", "tesla-t4.xml")), T4, OTHER)
    (uuid,) = [card.uuid for card in nvidia_smi.parse(recorded("nvidia-smi", "tesla-t4.xml"))]
    assert results(report) == {
        ("memory", uuid): "passed", ("state", uuid): "passed",
        ("memory", OTHER.pci): "not_tested", ("state", OTHER.pci): "not_tested",
    }  # fmt: skip


def test_a_lost_card_on_standard_error_is_blamed_and_the_others_are_judged_by_their_own(tmp_path: Path) -> None:
    answer = answered(recorded("nvidia-smi", "tesla-t4.xml"), 15, LOST)
    report = of_host(tmp_path, answer, T4, OTHER)
    assert [(one.code, one.component) for one in report.findings] == [("gpu.lost", OTHER.pci)]
    assert sorted(results(report).values()) == ["failed", "not_tested", "passed", "passed"]


def test_an_exit_status_that_nothing_explains_passes_no_card(tmp_path: Path) -> None:
    report = of_host(tmp_path, answered(recorded("nvidia-smi", "tesla-t4.xml"), 255), T4)
    assert set(results(report).values()) == {"not_tested"}
    assert all("nvidia-smi exited with 255" in check.reason for check in report.checks)


def test_a_card_that_only_the_driver_knows_is_not_passed_over(tmp_path: Path) -> None:
    report = of_host(tmp_path, answered(recorded("nvidia-smi", "tesla-t4.xml")))
    assert set(results(report).values()) == {"not_tested"}


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "nvidia-smi printed nothing"),
        ("\n=======NVSMI LOG=======\n\nTimestamp : Wed Jan 22 04:28:41 2025\n", "record with nvidia-smi -q -x"),
        ("Wed Jan 22 04:28:25 2025\n+-----+\n| NVIDIA-SMI 550.127.05 |\n", "record with nvidia-smi -q -x"),
        ("No devices were found\n", "nvidia-smi: No devices were found"),
    ],
)
def test_the_reason_names_what_was_recorded_in_place_of_xml(text: str, reason: str, tmp_path: Path) -> None:
    outcome, said, codes = judged(tmp_path, text)
    assert (outcome, codes) == ("not_tested", [])
    assert reason in said


def test_a_card_that_is_listed_twice_stands_for_no_other(tmp_path: Path) -> None:
    text = recorded("nvidia-smi", "a10g.xml").replace("<attached_gpus>1", "<attached_gpus>2")
    card = text[text.index("<gpu id") : text.index("</gpu>") + len("</gpu>")]
    outcome, reason, codes = judged(tmp_path, text.replace(card, card + card))
    assert (outcome, codes) == ("not_tested", [])
    assert "1 of 2 attached GPUs are not listed" in reason
    other = card.replace("00:1E.0", "00:1F.0").replace("000000000002", "000000000009")
    assert judged(tmp_path, text.replace(card, card + other))[0] == "passed"


def test_a_count_of_zero_is_no_evidence_while_ecc_is_off(tmp_path: Path) -> None:
    outcome, reason, codes = judged(tmp_path, changed("a10g.xml", current_ecc="Disabled"))
    assert (outcome, codes) == ("not_tested", [])
    assert "ECC is switched off" in reason
    assert judged(tmp_path, changed("a10g.xml", pending_ecc="Disabled"))[0] == "passed"


def test_a_card_that_leaves_under_load_is_blamed() -> None:
    before, after = answered(recorded("nvidia-smi", "tesla-t4.xml")), answered(changed("a10g.xml").replace("1E", "1F"))
    assert [one.code for one in gpu_state.lost_meanwhile(before, after)] == ["gpu.lost"]
    assert gpu_state.lost_meanwhile(before, answered("", None)) == []


def xid(component: str, severity: wire.Severity = wire.Severity.WARNING) -> wire.Finding:
    return wire.Finding("gpu.xid", severity, "gpu", component, "the kernel said: NVRM: Xid 31")


def after_xid(text: str, component: str = T4.pci) -> list[tuple[str, str]]:
    found = gpu_after_xid.states([xid(component)], lambda: answered(text))
    return [(one.code, str(one.severity)) for one in found]


def test_after_a_mild_xid_the_cards_own_state_decides() -> None:
    assert after_xid(recorded("nvidia-smi", "tesla-t4.xml")) == []
    assert after_xid(changed("tesla-t4.xml", gpu_temp="GPU requires reset")) == [("gpu.needs_reset", "critical")]
    assert after_xid(recorded("nvidia-smi", "tesla-t4.xml"), OTHER.pci) == [("gpu.lost", "critical")]
    assert after_xid("NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver.") == []


def test_the_driver_is_not_asked_while_the_log_names_no_gpu() -> None:
    disk = wire.Finding("disk.io_error", wire.Severity.CRITICAL, "disk", "S1", "")
    assert gpu_after_xid.states([disk], lambda: pytest.fail("asked")) == []


# --- mutations ---------------------------------------------------------------------------------------------------


# The recordings themselves are changed in test_mutations.py.
SICK = [changed("a10g.xml", remapped_row_failure="Yes", remapped_row_unc="9", dram_uncorrectable="2"),
        changed("tesla-t4.xml", gpu_temp="GPU requires reset", power_draw="GPU requires reset")]  # fmt: skip


@pytest.mark.parametrize("text", SICK)
def test_no_change_of_a_sick_card_passes(text: str, tmp_path: Path) -> None:
    assert judged(tmp_path, text)[0] != "passed"
    passed = [place for place, _, other in mutations.of_xml(text) if judged(tmp_path, other())[0] == "passed"]
    assert passed == []
