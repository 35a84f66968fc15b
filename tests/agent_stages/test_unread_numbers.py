"""A number that a load tool did not say, or said garbled, is not zero: it neither passes a part nor blames one."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from agent.contract import wire
from agent.exercises import disk_speed, gpu_load, memory_load, surface, throughput
from agent.exercises.surface import Segment, Surface
from agent.host.shell import Completed
from agent.loads import dcgm, fio, gpu_burn, iperf3, memtester, stress_ng
from agent.parsing import ParseError
from agent.probes.drives import nvme
from agent.probes.network import addresses, ethtool
from tests.agent_stages.contexts import INVENTORY, context
from tests.agent_stages.recordings import recorded

PASSED, NOT_TESTED = wire.Outcome.PASSED, wire.Outcome.NOT_TESTED


def ended(stdout: str, status: int = 0) -> Completed:
    return Completed(["tool"], status, stdout=stdout)


def job(**read: Any) -> str:
    usual = {"io_bytes": 4096, "runtime": 1, "bw_bytes": 9e9, "iops": 9e6, "clat_ns": {"max": 7}}
    return json.dumps({"jobs": [{"jobname": "surface", "error": 0, "read": {**usual, **read}}]})


@pytest.mark.parametrize("latency", [{}, {"max": "x"}, {"max": -1}, None])
def test_a_surface_whose_slowest_read_is_not_told_is_not_read_as_quick(latency: Any) -> None:
    told, untold = Surface(), Surface()
    surface.take(ended(job()), Segment(0, 4096), told)
    surface.take(ended(job(clat_ns=latency)), Segment(0, 4096), untold)
    assert (told.trouble, untold.trouble) == ("", "fio does not say how long the slowest read took")


@pytest.mark.parametrize("unread", [{"bw_bytes": None}, {"bw_bytes": "fast"}, {"iops": None}, {"iops": -1}])
def test_a_speed_that_fio_does_not_say_blames_no_disk(unread: dict[str, Any], tmp_path: Path) -> None:
    (disk,) = INVENTORY.disks
    rows = [json.loads(job(**unread))["jobs"][0] for _ in range(3)]
    for row, name in zip(rows, ("sequential", "random", fio.AGAIN), strict=True):
        row["jobname"] = f"{name} /dev/{disk.name}"
    report = disk_speed.judge(context("Storage", tmp_path), [disk], ended(json.dumps({"jobs": rows})))
    assert ({check.outcome for check in report.checks}, report.findings) == ({NOT_TESTED}, [])


PATTERNS = recorded("memtester", "pass.txt")


@pytest.mark.parametrize(
    ("text", "loops", "words"),
    [
        (PATTERNS.replace("Compare XOR         : ok", "Compare XOR         : o"), 1, "how Compare XOR ended"),
        (PATTERNS.replace("Compare XOR         : ok", "Compare XOR         :"), 1, "how Compare XOR ended"),
        (PATTERNS.replace("Compare XOR         : ok", "Compare XOR         : not ok?"), 1, "how Compare XOR ended"),
        (PATTERNS, 2, "1 of 2 loops"),
        (PATTERNS.replace("Loop 1/1:", "L"), 1, "0 of 1 loops"),
    ],
)
def test_bit_patterns_pass_only_when_each_of_them_says_ok(text: str, loops: int, words: str) -> None:
    outcome = memory_load.judge_patterns("bit_patterns", loops, ended(text), [])
    assert outcome.check.outcome is NOT_TESTED
    assert words in outcome.check.reason


def test_bit_patterns_over_two_loops_pass() -> None:
    rounds = PATTERNS[PATTERNS.index("Loop 1/1:") : PATTERNS.index("Done.")]
    twice = PATTERNS.replace("Loop 1/1:", "Loop 1/2:").replace("Done.", rounds.replace("1/1", "2/2") + "Done.")
    assert memtester.parse(twice).loops == 2
    assert memory_load.judge_patterns("bit_patterns", 2, ended(twice), []).check.outcome is PASSED


def test_a_memory_test_that_copied_nothing_proves_nothing() -> None:
    text = recorded("stressapptest", "pass.txt").replace("Completed: 45956.00M", "Completed: 0.00M")
    outcome = memory_load.judge_stress("patterns", 64, ended(text), [])
    assert (outcome.check.outcome, outcome.check.reason) == (NOT_TESTED, "nothing was copied")


YAML = recorded("stress-ng", "cpu-and-vm.yaml")


@pytest.mark.parametrize(
    "yaml", [YAML.replace("2160.559205", "fast"), YAML.replace("stressor: cpu", "stressor: cp"), YAML[:-1200]]
)
def test_work_of_another_stressor_is_no_work_of_the_cpus(yaml: str) -> None:
    assert stress_ng.judge(ended(""), yaml).trouble


BURNED = recorded("gpu_burn", "written-by-source-ok.txt")


@pytest.mark.parametrize("words", ["0 - x", "0 - ", "0", "0 - 0 (W"])
def test_a_count_of_wrong_results_that_cannot_be_read_is_not_none(words: str) -> None:
    of = {one.index: one for one in gpu_burn.parse(BURNED.replace("errors: 0 - 0", f"errors: {words}", 1))}
    assert of[1].errors is None and not of[1].failed
    assert [one.errors for one in gpu_burn.parse(BURNED)] == [0, 0]


def test_a_count_that_was_read_once_stays() -> None:
    text = recorded("gpu_burn", "written-by-source-faulty.txt").replace("3  (WARNING!)", "?").replace("FAULTY", "OK")
    assert [(one.errors, one.failed) for one in gpu_burn.parse(text)] == [(0, False), (1812, True)]


def report(*tests: dict[str, Any]) -> str:
    return json.dumps({"DCGM Diagnostic": {"test_categories": [{"category": "Hardware", "tests": [*tests]}]}})


WORK = {"name": "memory", "results": [{"entity_group": "GPU", "entity_id": 0, "status": "Pass"}]}


@pytest.mark.parametrize(
    "unread",
    [
        {"name": "pcie", "results": [{"entity_group": "GPU", "entity_id": 0, "status": "Fa"}]},
        {"name": "pcie", "results": [{"entity_group": "GPU", "entity_id": -1, "status": "Fail"}]},
        {"name": "pcie", "results": [{"entity_group": "GPU", "entity_id": None, "status": "?"}]},
        {"name": "pcie", "results": "Pass"},
        {"name": "pcie"},
        {"name": "pcie", "results": [], "test_summary": {"status": "Fail"}},
    ],
)
def test_a_test_of_dcgm_whose_end_was_not_read_passes_no_card(unread: dict[str, Any]) -> None:
    card = gpu_load.NvidiaGpu("GPU-0", "A100", "0000:3b:00.0", 60, 81559)
    check, found = gpu_load.diagnosed(card, 0, dcgm.parse(report(WORK, unread)))
    assert (check.outcome, found) == (NOT_TESTED, [])
    skipped = {"name": "pcie", "results": [], "test_summary": {"status": "Skip"}}
    assert gpu_load.diagnosed(card, 0, dcgm.parse(report(WORK, skipped)))[0].outcome is PASSED


def test_a_summary_that_failed_by_one_card_is_not_held_against_the_other() -> None:
    rows = [{"entity_group": "GPU", "entity_id": index, "status": word} for index, word in enumerate(("Pass", "Fail"))]
    results = dcgm.parse(report({"name": "memory", "results": rows, "test_summary": {"status": "Fail"}}))
    assert [(one.index, one.outcome) for one in results] == [(0, "pass"), (1, "fail")]


def iperf(**end: Any) -> str:
    row = {"bits_per_second": 3e8, "bytes": 3e8}
    cpu = {"host_total": 20, "remote_total": 20}
    return json.dumps({"end": {"sum_received": row, "sum_sent": row, "cpu_utilization_percent": cpu, **end}})


@pytest.mark.parametrize("cpu", [None, {}, {"host_total": 20}, {"host_total": "x", "remote_total": 20}])
def test_a_slow_link_is_not_blamed_where_nobody_says_how_busy_the_processors_were(cpu: Any, tmp_path: Path) -> None:
    ctx = context("Network", tmp_path)
    told, untold = iperf3.parse(iperf()), iperf3.parse(iperf(cpu_utilization_percent=cpu))
    assert throughput.limited_by(ctx, told) is None
    assert throughput.limited_by(ctx, untold) == throughput.Unproven("iperf3 does not say how busy the processors were")


@pytest.mark.parametrize("row", [{"bits_per_second": 1e9}, {"bytes": 1e9}, {"bits_per_second": 1e9, "bytes": -1}])
def test_bytes_that_are_not_told_are_not_compared_with_what_the_card_counted(row: dict[str, float]) -> None:
    with pytest.raises(ParseError, match="sum_received"):
        iperf3.parse(iperf(sum_received=row))


PAGE = recorded("ethtool", "link-written-downshifted.txt")


@pytest.mark.parametrize("words", ["1000baseT/Fu", "1G", "1000base T/Full", "g\u00e4rb"])
def test_a_mode_that_cannot_be_read_may_have_been_the_fastest(words: str) -> None:
    head, _, tail = PAGE.rpartition("1000baseT/Full")
    assert ethtool.parse_link(PAGE).best_mbit == 1000
    assert ethtool.parse_link(f"{head}{words}{tail}").best_mbit is None


def test_modes_without_a_duplex_are_modes() -> None:
    modes = "10000baseT/Full\n\t 10000baseR_FEC 25000baseCR-S/Full"
    page = f"Settings for eno1:\n\tSupported link modes:   {modes}\n\tSupported pause frame use: No\n"
    assert ethtool.parse_link(page).own_mbit == {10000, 25000}


@pytest.mark.parametrize("local", [7, "10.0.2", None, ["10.0.2.15"]])
def test_what_is_no_address_is_none(local: object) -> None:
    row = {"ifname": "eno1", "addr_info": [{"family": "inet", "scope": "global", "local": local}]}
    assert addresses.parse(json.dumps([row])) == {}


@pytest.mark.parametrize("oacs", [-11, 1 << 16])
def test_capabilities_of_another_size_are_none(oacs: int) -> None:
    with pytest.raises(ParseError, match="no oacs"):
        nvme.parse(json.dumps({"oacs": oacs}))


@pytest.mark.parametrize(("gib", "loops"), [(1, 1), (16, 2), (48, 2)])
def test_all_that_memtester_prints_of_so_much_memory_is_kept(gib: int, loops: int) -> None:
    words = (gib << 30) // 2 // 8
    assert memtester.output_bytes(gib << 10, loops) > loops * (5 * words // 2500 * 2 + 100_000)
