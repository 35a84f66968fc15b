"""GPUs: what drivers, NVIDIA's diagnostic and gpu_burn say, and what is concluded. No such card was at hand: the
outputs are written after the documented formats."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from agent.contract import wire
from agent.counters.component_names import Names
from agent.exercises import gpu_load, gpu_memory
from agent.host.shell import Completed
from agent.loads import dcgm, gpu_burn
from agent.parsing import ParseError
from agent.probes.bus import pcilink
from agent.probes.gpu import amdgpu, nvidia_smi
from agent.probes.gpu.nvidia_smi import Answer, NvidiaGpu, Silent
from agent.reports.partial_report import PartialReport
from agent.stage import StageReport
from agent.stages.gpu import stage as gpu
from agent.stages.gpu.spec import Limits as GpuLimits
from tests.agent_stages.contexts import INVENTORY, context
from tests.agent_stages.recordings import recorded

PASSED, FAILED, NOT_TESTED = wire.Outcome.PASSED, wire.Outcome.FAILED, wire.Outcome.NOT_TESTED
CARDS = [
    NvidiaGpu("GPU-0", "A100", "0000:3b:00.0", 60, 81559, 0, False),
    NvidiaGpu("GPU-1", "A100", "0000:65:00.0", 61, 81559, 0, False),
]


@pytest.mark.parametrize(
    ("schema", "uncorrected", "pending", "failed", "power_w", "slowed_by"),
    [
        ("v11", 3, True, None, 249.31, ("hw_slowdown", "hw_thermal_slowdown")),
        ("v12", 3, True, False, None, ()),
        ("v13", 0, False, True, 50.12, ()),
    ],
)
def test_every_schema_of_nvidia_smi_tells_the_same(
    schema: str, uncorrected: int, pending: bool, failed: bool | None, power_w: float | None, slowed_by: tuple
) -> None:
    (card,) = nvidia_smi.parse(recorded("nvidia-smi", f"written-by-schema-{schema}.xml"))
    assert (card.uncorrected_ecc, card.remap_pending, card.remap_failed) == (uncorrected, pending, failed)
    assert (card.power_w, card.slowed_by) == (power_w, slowed_by)


def test_what_a_card_counts_is_judged_by_the_profiles_limit() -> None:
    (card,) = nvidia_smi.parse(recorded("nvidia-smi", "written-by-schema-v11.xml"))
    assert [one.code for one in gpu_memory.of_nvidia(card, GpuLimits(0, 0))] == ["gpu.ecc", "gpu.remap_pending"]
    assert [one.code for one in gpu_memory.of_nvidia(card, GpuLimits(3, 3))] == ["gpu.remap_pending"]
    (card,) = nvidia_smi.parse(recorded("nvidia-smi", "written-by-schema-v13.xml"))
    assert [one.code for one in gpu_memory.of_nvidia(card, GpuLimits(0, 0))] == ["gpu.remap_failed"]


def amd(root: Path, driver: str = "amdgpu", **files: str) -> None:
    device = root / "sys/bus/pci/devices/0000:41:00.0"
    (device / "ras").mkdir(parents=True)
    (root / "sys/bus/pci/drivers" / driver).mkdir(parents=True)
    (device / "driver").symlink_to(root / "sys/bus/pci/drivers" / driver)
    for name, text in files.items():
        (device / name.replace("__", "/")).write_text(text)


GPU = wire.Gpu("", "Instinct MI210", "0000:41:00.0")


def test_an_amd_card_is_read_from_sysfs(tmp_path: Path) -> None:
    amd(tmp_path, mem_info_vram_total="68702699520\n", gpu_busy_percent="97\n", ras__umc_err_count="ue: 2\nce: 5\n",
        ras__gfx_err_count="ue: 1\nce: 0\n")  # fmt: skip
    assert amdgpu.read("0000:41:00.0", tmp_path) == amdgpu.AmdGpu(65520, 97, 3, 5)
    report = gpu_memory.check(context("GPU", tmp_path), [GPU], Answer(), tmp_path)
    assert [(one.code, one.component, one.value) for one in report.findings] == [("gpu.ecc", "0000:41:00.0", 3.0)]


def test_an_amd_cards_errors_are_counted_around_every_stage(tmp_path: Path) -> None:
    from agent.counters import command_counters

    amd(tmp_path, ras__umc_err_count="ue: 2\nce: 5\n")
    names = Names(tmp_path, wire.Inventory(gpus=[GPU]))
    assert command_counters.gpus(names) == {("gpu.ecc", "gpu", "0000:41:00.0"): 2}


def test_an_amd_card_without_ecc_is_not_tested(tmp_path: Path) -> None:
    amd(tmp_path)
    check, _ = gpu_memory.check(context("GPU", tmp_path), [GPU], Answer(), tmp_path).checks
    assert (check.outcome, check.reason) == (NOT_TESTED, "0000:41:00.0: this card has no ECC")


def test_a_block_of_an_amd_card_that_gives_no_count_is_not_zero(tmp_path: Path) -> None:
    amd(tmp_path, ras__umc_err_count="ue: 0\nce: 0\n", ras__gfx_err_count="Query currently inaccessible\n")
    check, _ = gpu_memory.check(context("GPU", tmp_path), [GPU], Answer(), tmp_path).checks
    assert (check.outcome, check.reason) == (NOT_TESTED, "0000:41:00.0: no count in gfx_err_count")


def test_deferred_errors_and_pages_that_could_not_be_retired_condemn_an_amd_card(tmp_path: Path) -> None:
    pages = "0x00000001 : 0x00001000 : R\n0x00000002 : 0x00001000 : F\n"
    amd(tmp_path, ras__umc_err_count="ue: 0\nce: 9\nde: 1\n", ras__gpu_vram_bad_pages=pages)
    report = gpu_memory.check(context("GPU", tmp_path), [GPU], Answer(), tmp_path)
    assert [(one.code, one.value) for one in report.findings] == [("gpu.ecc", 1.0), ("gpu.remap_failed", 1.0)]


def test_a_healthy_amd_card_with_a_retired_page_is_a_warning(tmp_path: Path) -> None:
    amd(
        tmp_path,
        mem_info_vram_total="1\n",
        ras__umc_err_count="ue: 0\nce: 0\n",
        ras__gpu_vram_bad_pages="0x1 : 0x1000 : R\n",
    )
    report = gpu_memory.check(context("GPU", tmp_path), [GPU], Answer(), tmp_path)
    assert [check.outcome for check in report.checks] == [PASSED, PASSED]
    assert [(one.code, one.severity) for one in report.findings] == [("gpu.pages_retired", wire.Severity.WARNING)]


def test_a_card_of_another_driver_is_none_of_amds(tmp_path: Path) -> None:
    amd(tmp_path, driver="vfio-pci")
    assert amdgpu.read("0000:41:00.0", tmp_path) is None
    assert amdgpu.read("0000:42:00.0", tmp_path) is None


def diagnosed(name: str, index: int) -> tuple[wire.Outcome, list[tuple[str, str]]]:
    results = dcgm.parse(recorded("dcgmi", name))
    check, found = gpu_load.diagnosed(CARDS[index], index, results)
    return check.outcome, [(one.component, str(one.severity)) for one in found]


def test_dcgms_failed_test_is_blamed_on_its_card_and_a_warning_fails_none() -> None:
    assert diagnosed("written-by-manual-3.json", 0) == (FAILED, [("GPU-0", "critical")])
    assert diagnosed("written-by-manual-3.json", 1) == (PASSED, [("GPU-1", "warning")])
    assert diagnosed("written-by-manual-4.json", 0) == (FAILED, [("GPU-0", "critical")])


def test_a_card_that_dcgm_skipped_or_did_not_name_is_not_tested() -> None:
    skipped = [dcgm.TestResult("PCIe", 0, "skip")]
    assert gpu_load.diagnosed(CARDS[0], 0, skipped)[0].outcome is NOT_TESTED
    assert gpu_load.diagnosed(CARDS[1], 1, skipped)[0].outcome is NOT_TESTED


def test_a_level_that_looks_at_software_only_is_no_load() -> None:
    results = [dcgm.TestResult("Denylist", 0, "pass"), dcgm.TestResult("NVML Library", 0, "pass")]
    assert gpu_load.diagnosed(CARDS[0], 0, results)[0].outcome is NOT_TESTED


def test_gpu_burn_stands_for_dcgm_only_on_a_card_that_dcgm_left_idle() -> None:
    software, work = dcgm.TestResult("Denylist", 0, "pass"), dcgm.TestResult("Diagnostic", 1, "pass")
    unread = dcgm.TestResult("Diagnostic", 0, "")
    assert gpu_load.idle_cards(Answer(CARDS), [software, work]) == {"GPU-0"}
    assert gpu_load.idle_cards(Answer(CARDS), [software, unread, work]) == frozenset()
    made = [wire.Check("load", NOT_TESTED, "idle", "GPU-0"), wire.Check("load", PASSED, "", "GPU-0")]
    assert gpu_load.without_idle(made, frozenset({"GPU-0"})) == made[1:]
    assert gpu_load.without_idle(made, frozenset()) == made
    failed = [wire.Check("load", FAILED, "bad", "GPU-0"), made[1]]
    assert gpu_load.without_idle(failed, frozenset({"GPU-0"})) == failed


def done(text: str = "", status: int | None = 0) -> Completed:
    return Completed(["gpu_burn"], status, stdout=text)


def of_burn(answer: Answer, text: str, status: int | None = 0) -> PartialReport:
    report = PartialReport()
    gpu_load.each(answer, report, done(text, status), lambda: gpu_burn.parse(text), gpu_load.burned)
    return report


def test_what_failed_is_told_though_the_tool_was_cut_short() -> None:
    report = of_burn(Answer(CARDS), recorded("gpu_burn", "written-by-source-faulty.txt"), None)
    assert [check.outcome for check in report.checks] == [NOT_TESTED, FAILED]
    assert [one.component for one in report.findings] == ["GPU-1"]


@pytest.mark.parametrize(
    "answer",
    [
        Answer(CARDS, [Silent("0000:af:00.0", "Unknown Error")]),
        Answer(CARDS, attached=3),
        Answer(CARDS[:1]),
    ],
)
def test_a_tools_numbers_blame_no_card_where_another_does_not_answer(answer: Answer) -> None:
    report = of_burn(answer, recorded("gpu_burn", "written-by-source-faulty.txt"))
    assert {check.outcome for check in report.checks} == {NOT_TESTED}
    assert [one.component for one in report.findings] == ["system"]


def test_gpu_burn_counts_cards_as_nvidia_smi_does(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    script = tmp_path / "gpu_burn"
    script.write_text("#!/bin/sh\necho order $CUDA_DEVICE_ORDER\n")
    script.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    assert gpu_burn.run("gpu_burn", 90, 1).stdout == "order PCI_BUS_ID\n"


def seen(tmp_path: Path, *not_expected: str, **claim: object) -> StageReport:
    card = wire.Gpu("", "GA100 [A100 PCIe 40GB]", "0000:3b:00.0")
    inventory = replace(INVENTORY, gpus=[card])
    expected = {"gpus": [{"uuid": "GPU-0", "model": "NVIDIA A100-PCIE-40GB"}], "not_expected": list(not_expected)}
    return gpu.run(
        context("GPU", tmp_path, inventory=inventory, expected=expected, not_expected=list(not_expected), **claim)
    )


@pytest.fixture
def no_tools(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(pcilink, "read", lambda *_: pcilink.Link(16, 16, 16.0, 16.0))


@pytest.mark.usefixtures("no_tools")
def test_a_card_of_which_only_the_presence_was_seen_is_not_passed(tmp_path: Path) -> None:
    for required in (None, ["present", "link"]):
        report = seen(tmp_path, required=required)
        assert (report.outcome, report.findings) == (NOT_TESTED, [])
        assert (
            "nvidia-smi is not installed" in report.reason and "not_expected: [gpu_load, gpu_memory]" in report.reason
        )


@pytest.mark.usefixtures("no_tools")
@pytest.mark.parametrize("words", [("gpu_load", "gpu_memory"), ("gpu",)])
def test_a_card_is_only_to_be_seen_where_the_spec_says_so(words: tuple[str, ...], tmp_path: Path) -> None:
    assert seen(tmp_path, *words).outcome is PASSED


@pytest.mark.usefixtures("no_tools")
@pytest.mark.parametrize("word", ["gpu_load", "gpu_memory"])
def test_one_word_takes_off_one_thing(word: str, tmp_path: Path) -> None:
    assert seen(tmp_path, word).outcome is NOT_TESTED


@pytest.mark.parametrize(
    ("expected", "present", "missing"),
    [
        ([{"uuid": "GPU-0"}, {"uuid": "GPU-1"}], [wire.Gpu("GPU-0"), wire.Gpu("GPU-9")], []),
        ([{"uuid": "GPU-0"}, {"uuid": "GPU-1"}], [wire.Gpu("", "", "0000:3b:00.0"), wire.Gpu("GPU-1")], []),
        ([{"uuid": "GPU-0"}, {"uuid": "GPU-1"}], [wire.Gpu("GPU-0")], ["GPU-1"]),
        ([{"uuid": "GPU-0"}, {"uuid": "GPU-1"}], [wire.Gpu("", "", "0000:3b:00.0")], ["system"]),
    ],
)
def test_a_card_is_missing_by_its_name_only_where_every_card_told_its_own(
    expected: list[dict[str, object]], present: list[wire.Gpu], missing: list[str]
) -> None:
    assert [one.component for one in gpu._missing(expected, present)] == missing


def test_a_test_of_the_host_that_fails_condemns_no_card() -> None:
    results = [dcgm.TestResult("NVML Library", None, "fail", "no permission"), dcgm.TestResult("PCIe", 0, "pass")]
    check, found = gpu_load.diagnosed(CARDS[0], 0, results)
    assert (check.outcome, check.reason, found) == (NOT_TESTED, "DCGM: NVML Library: no permission", [])


OFF = {"error_category": 8, "error_id": 29, "error_severity": 5, "warning": "Persistence mode for GPU 0 is disabled."}
BROKEN = {"error_category": 1, "error_id": 85, "error_severity": 2, "warning": "A double-bit error."}


@pytest.mark.parametrize(
    ("test", "warnings", "outcome", "severity"),
    [
        ("software", [OFF], PASSED, "warning"),
        ("software", [OFF, BROKEN], FAILED, "critical"),
        ("software", [BROKEN], FAILED, "critical"),
        ("software", [{"warning": "Persistence mode for GPU 0 is disabled."}], FAILED, "critical"),
        ("Persistence Mode", ["it is disabled"], PASSED, "warning"),
        ("Graphics Processes", [], PASSED, "warning"),
        ("Page Retirement/Row Remap", ["a page waits"], FAILED, "critical"),
    ],
)
def test_a_setting_that_dcgm_calls_one_condemns_no_card(
    test: str, warnings: list[Any], outcome: wire.Outcome, severity: str
) -> None:
    """Persistence mode is off after every boot; DCGM 4 then fails `software` for each card."""
    rows = [{"entity_group": "GPU", "entity_id": 0, "status": "Fail", "warnings": warnings}]
    work = {"name": "memory", "results": [{"entity_group": "GPU", "entity_id": 0, "status": "Pass"}]}

    def judged(*tests: dict[str, Any]) -> tuple[wire.Check, list[wire.Finding]]:
        text = json.dumps({"DCGM Diagnostic": {"test_categories": [{"category": "Deployment", "tests": [*tests]}]}})
        return gpu_load.diagnosed(CARDS[0], 0, dcgm.parse(text))

    check, found = judged({"name": test, "results": rows}, work)
    assert (check.outcome, [str(one.severity) for one in found]) == (outcome, [severity])
    if outcome is PASSED:
        alone, _ = judged({"name": test, "results": rows})
        assert alone.outcome is NOT_TESTED and f"; {test}: " in alone.reason


def burned(name: str, index: int) -> tuple[wire.Outcome, list[str]]:
    check, found = gpu_load.burned(CARDS[index], index, gpu_burn.parse(recorded("gpu_burn", name)))
    return check.outcome, [one.message for one in found]


def test_gpu_burns_verdict_is_per_card() -> None:
    assert burned("written-by-source-ok.txt", 1) == (PASSED, [])
    assert burned("written-by-source-faulty.txt", 0) == (PASSED, [])
    assert burned("written-by-source-faulty.txt", 1) == (FAILED, ["0000:65:00.0: gpu_burn counted 1812 wrong results"])


def test_a_card_that_gpu_burn_did_not_work_or_did_not_name_is_not_tested() -> None:
    idle = recorded("gpu_burn", "written-by-source-ok.txt").replace("17123", "0").replace("(17000", "(0")
    check, _ = gpu_load.burned(CARDS[0], 0, gpu_burn.parse(idle))
    assert (check.outcome, check.reason) == (NOT_TESTED, "gpu_burn did no work on this card")
    one = recorded("gpu_burn", "written-by-source-ok.txt").replace("\tGPU 1: OK\n", "")
    assert gpu_load.burned(CARDS[1], 1, gpu_burn.parse(one))[0].outcome is NOT_TESTED


@pytest.mark.parametrize("parse", [dcgm.parse, gpu_burn.parse])
@pytest.mark.parametrize("text", ["", "{", "rubbish", '{"DCGM Diagnostic": {"runtime_error": "no GPU"}}', "[]"])
def test_rubbish_is_a_parse_error(parse: object, text: str) -> None:
    with pytest.raises(ParseError):
        parse(text)


def test_a_card_that_slows_down_under_load_fails(tmp_path: Path) -> None:
    watch, report = gpu_load.Watch(), PartialReport()
    (hot,) = nvidia_smi.parse(recorded("nvidia-smi", "written-by-schema-v11.xml"))
    for _ in range(2):
        watch.look([hot, CARDS[0]])
    watch.judge(context("GPU", tmp_path), report)
    assert [check.outcome for check in report.checks] == [FAILED, PASSED]
    assert [(one.code, one.component) for one in report.findings] == [("gpu.throttled", hot.uuid)]
    assert report.numbers[f"gpu_peak_power_w.{hot.uuid}"] == 249.31


def test_a_card_that_slows_down_for_a_moment_passes(tmp_path: Path) -> None:
    watch, report = gpu_load.Watch(), PartialReport()
    (hot,) = nvidia_smi.parse(recorded("nvidia-smi", "written-by-schema-v11.xml"))
    for card in (hot, replace(hot, slowed_by=()), hot):
        watch.look([card])
    watch.judge(context("GPU", tmp_path), report)
    assert [check.outcome for check in report.checks] == [PASSED]
    assert report.findings == []
