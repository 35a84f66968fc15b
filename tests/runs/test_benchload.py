"""Whether the bench had time to measure, by what kernels counted: calm, starved, throttled, robbed."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

from runs.bench import load as benchload
from runs.bench.load import Limits, Sample

LIMITS = Limits(pressure_percent=60, waiting_per_core=5, steal_percent=10, throttled_percent=5)
# 2 cores, 10 s apart, as counted while iperf3 ran over loopback: beside nothing; beside 2, 6 and 24 busy loops, each in
# a session of its own. It carried 14.6, 10.1, 5.4 and 1.5 Gbit/s.
SEEN = {
    "calm": (38, [4, 4, 4, 4, 3, 4]),
    "two loops": (95, [6, 6, 5, 5, 5, 7, 5, 4]),
    "six loops": (100, [9, 10, 12, 10, 10, 10, 10, 9]),
    "24 loops": (100, [28, 28, 27, 28, 27, 29, 28, 28]),
}


def samples(pressure_percent: float, running: list[int], **last: object) -> list[Sample]:
    step_s = 10 / (len(running) - 1)
    made = [
        Sample(
            at=1000 + number * step_s,
            cores=2,
            stalled_us=round(number * step_s * pressure_percent * 1e4),
            running=count,
            ticks=round(number * step_s * 200),
            stolen=0,
            throttled_us=0,
            load=len(running) / 2,
        )
        for number, count in enumerate(running)
    ]
    return [*made[:-1], replace(made[-1], **last)]


@pytest.mark.parametrize(
    ("name", "is_fit"), [("calm", True), ("two loops", True), ("six loops", True), ("24 loops", False)]
)
def test_a_starved_bench_is_unfit_and_one_that_is_a_little_busy_is_not(name: str, is_fit: bool) -> None:
    found = benchload.shortage(samples(*SEEN[name]), LIMITS)
    assert (found is None) is is_fit
    if found:
        assert found.why == "13 tasks waited for each of its 2 cores, CPU pressure 100 %"


def test_where_streams_are_fast_less_is_too_much() -> None:
    assert benchload.shortage(samples(*SEEN["six loops"]), replace(LIMITS, waiting_per_core=1))


def test_many_tasks_on_a_machine_without_pressure_are_no_shortage() -> None:
    """As in a container whose /proc/stat counts the whole node's tasks."""
    assert benchload.shortage(samples(20, [28] * 8), LIMITS) is None


def test_without_pressure_the_tasks_that_wait_decide() -> None:
    starved = [replace(one, stalled_us=None) for one in samples(*SEEN["24 loops"])]
    assert benchload.shortage(starved, LIMITS).why == "13 tasks waited for each of its 2 cores"
    assert benchload.shortage([replace(one, stalled_us=None) for one in samples(*SEEN["calm"])], LIMITS) is None


def test_without_those_the_load_average_does() -> None:
    bare = [Sample(at=1000.0, cores=2, load=3.0), Sample(at=1010.0, cores=2, load=15.0)]
    assert benchload.shortage(bare, LIMITS).why == "6 tasks waited for each of its 2 cores"
    assert benchload.shortage([bare[0], replace(bare[1], load=3.0)], LIMITS) is None


def test_the_queues_own_clock_goes_before_what_was_seen_at_moments() -> None:
    first, last = Sample(at=0.5, cores=4, waiting_ns=0, running=40), Sample(at=10.5, cores=4, waiting_ns=0, running=40)
    assert benchload.waiting_per_core([first, replace(last, waiting_ns=240 * 10**9)]) == 6
    assert benchload.waiting_per_core([first, replace(last, waiting_ns=8 * 10**9)]) == 0.2


@pytest.mark.parametrize(
    ("last", "why"),
    [
        ({"stolen": 500}, "its hypervisor took 25 % of its CPU time (steal)"),
        ({"throttled_us": 4_000_000}, "its control group was held back 40 % of the time (cpu.max)"),
        ({"stolen": 100}, ""),
        ({"throttled_us": 300_000}, ""),
        ({"throttled_us": None, "stolen": None, "ticks": None}, ""),
    ],
)
def test_what_others_take_away_counts(last: dict[str, int | None], why: str) -> None:
    found = benchload.shortage(samples(*SEEN["calm"], **last), LIMITS)
    assert (found.why if found else "") == why


def test_the_worst_is_told() -> None:
    found = benchload.shortage(samples(*SEEN["24 loops"], throttled_us=9_000_000), LIMITS)
    assert "cpu.max" in found.why


def test_one_sample_or_a_moment_tells_nothing() -> None:
    starved = samples(*SEEN["24 loops"])
    assert benchload.shortage(starved[:1], LIMITS) is None
    assert benchload.shortage(starved[:2], LIMITS) is None


def test_a_counter_that_began_anew_is_not_read_as_time() -> None:
    made = samples(*SEEN["calm"])
    assert benchload.shortage([replace(made[0], throttled_us=10**12), made[-1]], LIMITS) is None


def test_what_the_kernel_prints_is_read(tmp_path: Path) -> None:
    write(
        tmp_path / "proc/pressure/cpu",
        "some avg10=7.55 avg60=5.26 avg300=2.88 total=15957688\nfull avg10=0.00 total=0\n",
    )
    write(tmp_path / "proc/stat", "cpu  20179 0 7786 48376 1467 0 381 933 0 0\ncpu0 1 1\nctxt 5\nprocs_running 9\n")
    write(tmp_path / "proc/loadavg", "15.02 1.49 0.67 9/320 4711\n")
    write(tmp_path / "proc/self/cgroup", "0::/system.slice/vetting-worker.service\n")
    group = tmp_path / "sys/fs/cgroup/system.slice"
    write(group / "vetting-worker.service/cpu.stat", "usage_usec 9\nnr_throttled 0\nthrottled_usec 0\n")
    write(group / "cpu.stat", "usage_usec 9\nnr_throttled 3\nthrottled_usec 71000\n")
    processors = sorted(os.sched_getaffinity(0))
    lines = "".join(f"cpu{n} 0 0 123 45 67 8 {10**9} {2 * 10**9} 99\ndomain0 3 1 2 3\n" for n in [*processors, 9999])
    write(tmp_path / "proc/schedstat", f"version 15\ntimestamp 4295\n{lines}")
    found = benchload.read(tmp_path)
    assert replace(found, at=0) == Sample(
        at=0,
        cores=len(processors),
        stalled_us=15957688,
        waiting_ns=2 * 10**9 * len(processors),
        running=9,
        load=15.02,
        ticks=79122,
        stolen=933,
        throttled_us=71000,
    )
    assert benchload.from_json(benchload.as_json(found)) == found


def test_a_container_is_asked_for_its_own_pressure(tmp_path: Path) -> None:
    write(tmp_path / "proc/pressure/cpu", "some avg10=99 total=999\n")
    write(tmp_path / "sys/fs/cgroup/cpu.pressure", "some avg10=1 total=7\n")
    assert benchload.read(tmp_path).stalled_us == 7


def test_control_groups_of_the_first_version_are_read_too(tmp_path: Path) -> None:
    write(tmp_path / "proc/self/cgroup", "8:pids:/\n3:cpu,cpuacct:/lxc/101\n1:name=systemd:/\n0::/\n")
    write(tmp_path / "sys/fs/cgroup/cpu,cpuacct/lxc/101/cpu.stat", "nr_throttled 7\nthrottled_time 5000000000\n")
    assert benchload.read(tmp_path).throttled_us == 5_000_000


@pytest.mark.parametrize(
    "text", ["", "garbage", "some total=", "some avg10=1 total=x\n", "some total=-3\n", "\x00" * 99]
)
def test_what_is_no_answer_is_not_zero(tmp_path: Path, text: str) -> None:
    for name in ("proc/pressure/cpu", "proc/stat", "proc/schedstat", "proc/loadavg", "proc/self/cgroup"):
        write(tmp_path / name, text)
    found = benchload.read(tmp_path)
    assert replace(found, at=0, cores=1) == Sample(at=0, cores=1)


@pytest.mark.parametrize("kept", [None, [], {}, {"at": 1}, {**benchload.as_json(Sample(1.0, 2)), "cores": "2"}])
def test_a_damaged_sample_is_none(kept: object) -> None:
    assert benchload.from_json(kept) is None


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
