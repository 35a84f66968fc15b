"""GPUs: what drivers, NVIDIA's diagnostic and gpu_burn say, and what is concluded. No such card was at hand: the
outputs are written after the documented formats."""

from __future__ import annotations

from pathlib import Path

import pytest

from agent import wire
from agent.loads import dcgm, gpu_burn
from agent.names import Names
from agent.probes import amdgpu, nvidia_smi
from agent.probes.nvidia_smi import NvidiaGpu
from agent.probes.parsing import ParseError
from agent.stages import gpu_load, gpu_memory
from agent.stages.part import Part
from tests.agent_stages.contexts import context
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
    assert [one.code for one in gpu_memory.of_nvidia(card, most=0)] == ["gpu.ecc", "gpu.remap_pending"]
    assert [one.code for one in gpu_memory.of_nvidia(card, most=3)] == ["gpu.remap_pending"]
    (card,) = nvidia_smi.parse(recorded("nvidia-smi", "written-by-schema-v13.xml"))
    assert [one.code for one in gpu_memory.of_nvidia(card, most=0)] == ["gpu.remap_failed"]


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
    part = gpu_memory.check(context("GPU", tmp_path), [GPU], tmp_path)
    assert [(one.code, one.component, one.value) for one in part.findings] == [("gpu.ecc", "0000:41:00.0", 3.0)]


def test_an_amd_cards_errors_are_counted_around_every_stage(tmp_path: Path) -> None:
    from agent import command_counters

    amd(tmp_path, ras__umc_err_count="ue: 2\nce: 5\n")
    names = Names(tmp_path, wire.Inventory(gpus=[GPU]))
    assert command_counters.gpus(names) == {("gpu.ecc", "gpu", "0000:41:00.0"): 2}


def test_an_amd_card_without_ecc_is_not_tested(tmp_path: Path) -> None:
    amd(tmp_path)
    (check,) = gpu_memory.check(context("GPU", tmp_path), [GPU], tmp_path).checks
    assert (check.outcome, check.reason) == (NOT_TESTED, "0000:41:00.0: this card has no ECC")


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


def test_a_test_of_the_host_that_fails_condemns_no_card() -> None:
    results = [dcgm.TestResult("NVML Library", None, "fail", "no permission"), dcgm.TestResult("PCIe", 0, "pass")]
    check, found = gpu_load.diagnosed(CARDS[0], 0, results)
    assert (check.outcome, check.reason, found) == (NOT_TESTED, "DCGM: NVML Library: no permission", [])


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


def test_a_card_that_slows_down_under_load_fails() -> None:
    watch, part = gpu_load.Watch(), Part()
    (hot,) = nvidia_smi.parse(recorded("nvidia-smi", "written-by-schema-v11.xml"))
    watch.look([hot, CARDS[0]])
    watch.judge(part)
    assert [check.outcome for check in part.checks] == [FAILED, PASSED]
    assert [(one.code, one.component) for one in part.findings] == [("gpu.throttled", hot.uuid)]
    assert part.numbers[f"gpu_peak_power_w.{hot.uuid}"] == 249.31
