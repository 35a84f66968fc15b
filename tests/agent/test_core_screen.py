"""The comparison of the cores' answers. The workers are real processes on the cores of this machine; the wrong core is
made by an operation that gives another answer on one core, since no processor here can be made to err."""

from __future__ import annotations

import os
import signal
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from agent.contract import codec, wire
from agent.core_screen import answers, known_answers, operations, screening, worker_pool
from agent.core_screen.operations import BY_NAME, REFUTED, Shared
from agent.core_screen.screening import COUNTER, RepeatedCrash, Screened, Screener, Screening
from agent.host.shell import Completed
from agent.host.stop import StopFlag
from agent.stages.cpu_stress import core_self_test, same_results
from agent.stages.cpu_stress.same_results import Screen

CORES = sorted(os.sched_getaffinity(0))[:2]
two_cores = pytest.mark.skipif(len(CORES) < 2, reason="this machine gives the test one core only (taskset, cgroup)")
BLOCK = Shared([memoryview(bytearray(range(256)))])


@pytest.fixture(autouse=True)
def _libcrypto() -> None:
    _, missing = operations.usable()
    if lacking := {name: why for name, why in missing.items() if not BY_NAME[name].optional}:
        pytest.skip(f"{next(iter(lacking.values()))} (apt install libssl3)")


def screened(packages: dict[int, list[int]] | None = None) -> Screened:
    packages = packages or {0: CORES}
    cores = [core for members in packages.values() for core in members]
    return Screener(Screening(packages, cores, 0.0, 0.0, seed=7)).screen()


def judged(result: Screened, packages: dict[int, list[int]] | None = None) -> tuple[wire.Check, list[wire.Finding]]:
    packages = packages or {0: CORES}
    report = same_results.judge([Screen("cold", result, "", "")], packages, packages)
    return report.checks[0], report.findings


def on_core(core: int, do: Callable[[int, str], str]) -> Callable[[int, Shared], str]:
    """The operation `floats`, but on one core its answer is what `do` makes of seed and answer."""
    real = BY_NAME["floats"].run

    def run(seed: int, shared: Shared) -> str:
        text = real(seed, shared)
        return do(seed, text) if os.sched_getaffinity(0) == {core} else text

    return run


@pytest.fixture
def wrong_on(monkeypatch: pytest.MonkeyPatch) -> Callable[[int, Callable[[int, str], str]], None]:
    def make(core: int, do: Callable[[int, str], str]) -> None:
        monkeypatch.setitem(BY_NAME, "floats", replace(BY_NAME["floats"], run=on_core(core, do)))

    return make


def test_the_known_answers_are_those_of_this_machine() -> None:
    known = {one.name: one for one in operations.OPERATIONS if one.agrees_everywhere}
    found = {(name, seed): one.run(seed, BLOCK) for name, one in known.items() for seed in known_answers.SEEDS}
    assert found == known_answers.KNOWN


@pytest.mark.parametrize("name", [one.name for one in operations.usable()[0]])
def test_an_operation_gives_one_seed_one_answer(name: str) -> None:
    first, again, other = (operations.answer(BY_NAME[name], seed, BLOCK) for seed in (8, 8, 9))
    assert first == again and not first.startswith(REFUTED)
    assert other != first or name == "copies"


def test_a_library_that_refuses_its_own_data_is_a_wrong_answer_and_want_of_memory_is_not() -> None:
    def refuses(seed: int, shared: Shared) -> str:
        raise OSError("Invalid data stream")  # as bz2 does

    def starves(seed: int, shared: Shared) -> str:
        raise MemoryError

    assert operations.answer(replace(BY_NAME["bz2"], run=refuses), 1, BLOCK) == "!OSError: Invalid data stream"
    with pytest.raises(MemoryError):
        operations.answer(replace(BY_NAME["bz2"], run=starves), 1, BLOCK)


@two_cores
def test_cores_that_agree_pass_with_every_operation_on_each_core() -> None:
    result = screened()
    assert set(result.operations) >= same_results._NEEDED
    check, found = judged(result)
    assert (check.name, check.component, check.outcome, found) == ("same_results", "CPU0", wire.Outcome.PASSED, [])
    assert check.reason.startswith("2 cores, ")


@two_cores
@pytest.mark.parametrize("core", CORES)
def test_the_odd_core_of_two_is_named_with_seed_and_both_answers(
    core: int, wrong_on: Callable[[int, Callable[[int, str], str]], None]
) -> None:
    wrong_on(core, lambda seed, text: "0000" if seed == 2 else text)
    check, (found,) = judged(screened())
    assert (check.outcome, found.code, found.component) == (
        wire.Outcome.FAILED,
        "cpu.wrong_results",
        f"CPU0 core {core}",
    )
    known = known_answers.KNOWN["floats", 2]
    assert (
        f"answers of floats were wrong, cold, working alone and together: seed 2 gave 0000, expected {known}"
        in found.message
    )
    assert "wrong 40 of 40 times on this core, 0 of 40 times on other cores" in found.message


@two_cores
def test_a_core_that_errs_now_and_then_with_data_that_nobody_knows_is_named(
    wrong_on: Callable[[int, Callable[[int, str], str]], None],
) -> None:
    """Of two cores, the one that also gives the other's answer is the one that errs."""
    calls = Counter[int]()

    def now_and_then(seed: int, text: str) -> str:
        calls[seed] += 1
        return text[::-1] if seed > 2 and calls[seed] % 2 else text

    wrong_on(CORES[1], now_and_then)
    _, (found,) = judged(screened())
    assert found.component == f"CPU0 core {CORES[1]}"
    assert "wrong 20 of 40 times on this core" in found.message


@two_cores
def test_two_cores_that_disagree_for_good_pass_nothing() -> None:
    told = {core: {("functions", 9): Counter([f"answer of {core}"])} for core in CORES}
    wrong, (split,) = answers.compare(told)
    assert (wrong, split.cores) == ([], CORES)
    check, (found,) = judged(Screened(undecided=[split]))
    assert (check.outcome, found.code, found.component) == (wire.Outcome.FAILED, "cpu.cores_disagree", "CPU0")


def test_of_three_cores_the_majority_is_right() -> None:
    told = {core: {("functions", 9): Counter(["right", "right"])} for core in (0, 1)}
    told[2] = {("functions", 9): Counter(["wrong", "right", "wrong"])}
    ((wrong,), undecided) = answers.compare(told)
    assert (wrong.core, wrong.expected, wrong.found, wrong.times, wrong.of) == (2, "right", "wrong", 2, 3)
    assert undecided == []


NO_SUCH = f"{REFUTED}gave back other data"


@pytest.mark.parametrize(("key", "text"), [(("zlib", 9), NO_SUCH), (("floats", 1), "of another library")])
def test_a_wrong_answer_of_all_cores_is_the_softwares_and_passes_nothing(key: tuple[str, int], text: str) -> None:
    packages = {0: [0, 1], 1: [2, 3]}
    told = {core: {key: Counter([text, text])} for members in packages.values() for core in members}
    assert answers.compare(told) == ([], [])
    (doubt,) = answers.doubted(told)
    assert (doubt.operation, doubt.seed, doubt.found, doubt.cores) == (*key, text, 4)
    loads = {"alone": 9, "together": 9}
    counts = {one.name: 1 for one in operations.OPERATIONS} | {COUNTER: 1}
    whole = Screened(answered={str(core): loads for core in told}, operations=counts)
    assert judged(whole, packages)[0].outcome is wire.Outcome.PASSED
    check, found = judged(replace(whole, doubted=[doubt]), packages)
    assert (check.outcome, found) == (wire.Outcome.NOT_TESTED, [])
    assert f"all 4 cores answer {key[0]} with seed {key[1]} by" in check.reason


@pytest.mark.parametrize(
    ("told", "wrong"),
    [
        ({0: [NO_SUCH]}, {0}),
        ({0: [NO_SUCH], 1: [NO_SUCH]}, {0, 1}),  # perhaps two threads of one core
        ({0: [NO_SUCH], 1: [NO_SUCH], 2: [NO_SUCH, "right"]}, {0, 1, 2}),  # the software can give another one
        ({0: [NO_SUCH], 1: [NO_SUCH], 2: [f"{REFUTED}MemoryError"]}, {0, 1, 2}),
        ({0: [NO_SUCH] * 2, 1: [NO_SUCH] * 2, 2: [NO_SUCH, NO_SUCH, "!crashed"]}, {2}),
    ],
)
def test_cores_are_wrong_if_few_answered_or_one_can_answer_otherwise(
    told: dict[int, list[str]], wrong: set[int]
) -> None:
    by_core = {core: {("zlib", 9): Counter(texts)} for core, texts in told.items()}
    assert {one.core for one in answers.compare(by_core)[0]} == wrong


def test_all_cores_but_one_with_the_same_wrong_answer_are_wrong() -> None:
    """A whole package that errs is caught by the other one."""
    told = {core: {("floats", 1): Counter(["wrong"])} for core in (0, 1, 2)}
    told[3] = {("floats", 1): Counter([known_answers.KNOWN["floats", 1]])}
    assert {one.core for one in answers.compare(told)[0]} == {0, 1, 2}
    assert answers.doubted(told) == []


@pytest.mark.parametrize("cores", [2, 64, 256])
def test_the_time_limit_has_room_for_all_that_is_ever_repeated(cores: int) -> None:
    ordered = Screening({0: list(range(cores))}, list(range(cores)), 10.0, 10.0, seed=1)
    repeats_s = 6 * (3 + 7) * 1.5
    assert screening.time_limit_s(ordered) > 20.0 + cores * 0.1 + repeats_s + 2 * worker_pool.ANSWER_LIMIT_S
    assert screening.time_limit_s(replace(ordered, together_s=300.0)) > screening.time_limit_s(ordered) + 290.0


def test_a_core_alone_is_held_to_the_known_answers_and_to_itself() -> None:
    told = {0: {("floats", 1): Counter(["wrong"]), ("functions", 9): Counter(["a", "a", "b"])}}
    assert [(one.operation, one.found) for one in answers.compare(told)[0]] == [("floats", "wrong"), ("functions", "b")]


@two_cores
@pytest.mark.parametrize(("always", "code"), [(True, "cpu.core_crashes"), (False, "system.program_crashed")])
def test_a_core_on_which_workers_crash_is_named_and_fails_if_it_comes_again(
    always: bool, code: str, tmp_path: Path, wrong_on: Callable[[int, Callable[[int, str], str]], None]
) -> None:
    def crash(seed: int, text: str) -> str:
        if always or not (tmp_path / "crashed").exists():
            (tmp_path / "crashed").touch()
            signal.signal(signal.SIGSEGV, signal.SIG_DFL)  # pytest's own handler would print a trace
            os.kill(os.getpid(), signal.SIGSEGV)
        return text

    wrong_on(CORES[1], crash)
    check, (found,) = judged(screened())
    assert (found.code, found.component) == (code, f"CPU0 core {CORES[1]}")
    assert "died of SIGSEGV in floats with seed 1" in found.message
    assert check.outcome is (wire.Outcome.FAILED if always else wire.Outcome.NOT_TESTED)


@pytest.mark.parametrize("elsewhere", [(0, 0), (2, 2)], ids=["no other core", "other cores, too"])
def test_a_crash_that_may_be_our_own_blames_no_core(elsewhere: tuple[int, int]) -> None:
    crash = RepeatedCrash(worker_pool.Crash(0, "SIGILL", "seals", 1), 5, 5, *elsewhere)
    check, (found,) = judged(Screened(crashes=[crash], untested={"0": "its worker died of SIGILL"}), {0: [0]})
    assert (check.outcome, found.code) == (wire.Outcome.NOT_TESTED, "system.program_crashed")


@two_cores
def test_a_core_that_does_not_answer_in_time_is_not_tested_and_not_blamed(
    monkeypatch: pytest.MonkeyPatch, wrong_on: Callable[[int, Callable[[int, str], str]], None]
) -> None:
    monkeypatch.setattr(worker_pool, "ANSWER_LIMIT_S", 1.5)
    wrong_on(CORES[1], lambda seed, text: signal.pause() or text)
    check, found = judged(screened())
    assert (check.outcome, found) == (wire.Outcome.NOT_TESTED, [])
    assert f"core {CORES[1]}: its worker gave no answer within" in check.reason


def test_a_core_that_no_process_can_run_on_is_not_tested() -> None:
    packages = {0: [CORES[0], 8000]}
    check, found = judged(screened(packages), packages)
    assert (check.outcome, found) == (wire.Outcome.NOT_TESTED, [])
    assert "core 8000: no process can run on it: Invalid argument" in check.reason


@two_cores
def test_sums_that_get_lost_between_cores_fail(monkeypatch: pytest.MonkeyPatch) -> None:
    add = operations.libcrypto.add
    monkeypatch.setattr(
        operations.libcrypto, "add", lambda at, times: add(at, times - (os.sched_getaffinity(0) == {CORES[1]}))
    )
    check, (found,) = judged(screened())
    assert (check.outcome, found.component) == (wire.Outcome.FAILED, f"CPU0 core {CORES[1]}")
    assert f"answers of {COUNTER} were wrong" in found.message


@pytest.mark.parametrize(
    ("done", "reason"),
    [
        (Completed(["python3"], None, stopped=True, duration_s=3), "the screen was stopped after 3 s"),
        (Completed(["python3"], 0, stdout="{}x"), "the screen's answer: message: not JSON"),
        (Completed(["python3"], 0, stdout="{}"), "integers"),
    ],
)
def test_a_screen_without_its_whole_answer_passes_nothing(done: Completed, reason: str) -> None:
    (check,) = same_results.judge([same_results.read("hot", done)], {0: [0]}, {0: [0]}).checks
    assert check.outcome is wire.Outcome.NOT_TESTED
    assert reason in check.reason


def test_a_missing_library_passes_nothing_and_a_missing_optional_one_is_no_matter() -> None:
    counts = {one.name: 1 for one in operations.OPERATIONS} | {COUNTER: 1}
    whole = Screened(answered={"0": {"alone": 9, "together": 9}}, operations=counts)
    packages = {0: [0]}
    assert judged(replace(whole, missing={"vectors": "no OpenBLAS"}), packages)[0].outcome is wire.Outcome.PASSED
    check, _ = judged(replace(whole, missing={"ciphers": "no libcrypto"}), packages)
    assert (check.outcome, "ciphers could not be done" in check.reason) == (wire.Outcome.NOT_TESTED, True)


def test_the_program_itself_answers_what_the_stage_can_read() -> None:
    packages = {0: CORES[:1]}
    one = same_results.screen("cold", packages, packages, 0.0, StopFlag())
    assert one.trouble == "" and one.result is not None
    assert codec.loads(Screened, codec.dumps(one.result)) == one.result


# --- Intel's own test: a tree of files as Documentation/ABI/testing/sysfs-platform-intel-ifs describes it


def device(root: Path, status: str, name: str = "intel_ifs_1", **more: str) -> None:
    folder = root / core_self_test.DEVICES / name
    folder.mkdir(parents=True)
    for file, text in {"run_test": "", "status": status, "details": "0x8300ff0001", **more}.items():
        (folder / file).write_text(f"{text}\n")


@pytest.mark.parametrize(
    ("status", "outcome", "blamed"),
    [
        ("pass", wire.Outcome.PASSED, []),
        ("fail", wire.Outcome.FAILED, ["CPU0 core 0", "CPU1 core 4"]),
        ("untested", wire.Outcome.NOT_TESTED, []),
        ("", wire.Outcome.NOT_TESTED, []),
    ],
)
def test_the_cpus_own_test_is_run_on_each_core(
    status: str, outcome: wire.Outcome, blamed: list[str], tmp_path: Path
) -> None:
    device(tmp_path, status)
    report = core_self_test.run({0: [0], 1: [4]}, StopFlag(), tmp_path)
    assert [(one.name, one.component, one.outcome) for one in report.checks] == [
        ("core_self_test", "intel_ifs_1", outcome)
    ]
    assert [one.component for one in report.findings] == blamed
    assert {one.code for one in report.findings} <= {"cpu.self_test_failed"}
    assert (tmp_path / core_self_test.DEVICES / "intel_ifs_1/run_test").read_text() == "4\n"


def test_a_test_that_needs_the_makers_file_is_not_tested_and_a_cpu_without_any_says_nothing(tmp_path: Path) -> None:
    assert core_self_test.run({0: [0]}, StopFlag(), tmp_path).checks == []
    device(tmp_path, "untested", "intel_ifs_0", image_version="none", current_batch="none")
    (check,) = core_self_test.run({0: [0]}, StopFlag(), tmp_path).checks
    assert (check.outcome, "loaded is none" in check.reason) == (wire.Outcome.NOT_TESTED, True)
