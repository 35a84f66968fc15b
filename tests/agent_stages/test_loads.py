"""What the load tools said, and what may be concluded from it."""

from __future__ import annotations

import pytest

from agent.contract import wire
from agent.exercises import cpu_load
from agent.host.shell import Completed
from agent.loads import fio, iperf3, memtester, ping, stress_ng, stressapptest
from agent.parsing import ParseError
from agent.reports.partial_report import PartialReport
from tests.agent_stages.recordings import recorded


def ended(status: int | None, stdout: str = "", **more: object) -> Completed:
    return Completed(["stress-ng"], status, stdout=stdout, **more)


def test_a_verified_write_reads_back_what_it_wrote() -> None:
    job = fio.parse(recorded("fio", "verify-ok.json"))
    assert job.error == 0
    assert job.read_bytes == job.written_bytes == 64 << 20


def test_a_failed_verification_has_fios_own_error() -> None:
    assert fio.parse(recorded("fio", "verify-failed.json")).error == fio.VERIFY_ERRNO


def test_a_write_with_a_time_limit_reads_nothing_back_and_says_it_before_its_json() -> None:
    job = fio.parse(recorded("fio", "timebased-never-verifies.txt"))
    assert (job.error, job.read_bytes) == (0, 0)
    assert job.written_bytes > 0


def test_our_own_write_has_no_time_limit() -> None:
    argv = fio.verify_argv("/proc/self/fd/3", 0, 1 << 20)
    assert not any(word.startswith(("--time_based", "--runtime")) for word in argv)


@pytest.mark.parametrize(
    "argv",
    [fio.surface_argv("/dev/sda", 0, 1), fio.speed_argv({"/dev/sda": 1}, 1), fio.burn_argv("/dev/sda", 1, 1)],
)
def test_everything_that_only_reads_is_told_to_fio_as_read_only(argv: list[str]) -> None:
    assert "--readonly" in argv
    assert not any("write" in word for word in argv)


def test_failed_requests_are_located() -> None:
    text = (
        "fio: io_u error on file /dev/sda: Input/output error: read offset=2097152, buflen=1048576\n"
        "fio: io_u error on file /dev/sda: Input/output error: write offset=4096, buflen=4096\n"
    )
    assert fio.io_errors(text) == [
        fio.BadRange(2097152, 1048576, "read", "Input/output error"),
        fio.BadRange(4096, 4096, "write", "Input/output error"),
    ]


@pytest.mark.parametrize(
    "text",
    [
        "crc32c: verify failed at file /dev/sda offset 5242880, length 4096 (requested block: offset=5242880)",
        "verify: bad magic header 5858, wanted acca at file /dev/sda offset 5242880, length 4096 (requested block: x)",
    ],
)
def test_wrong_data_is_located(text: str) -> None:
    assert [(bad.offset, bad.length) for bad in fio.verify_errors(text)] == [(5242880, 4096)]


def test_memory_that_held_what_was_written_passes() -> None:
    result = stressapptest.parse(recorded("stressapptest", "pass.txt"))
    assert result.passed
    assert result.moved_mb == 45956.0


def test_memory_that_gave_back_other_data_fails_with_the_number_of_incidents() -> None:
    result = stressapptest.parse(recorded("stressapptest", "forced-errors.txt"))
    assert not result.passed
    assert result.incidents == 3
    assert "miscompare on CPU 0" in result.first


@pytest.mark.parametrize("cut", [0, 100, 900, 1200])
def test_a_memory_test_that_was_cut_short_proves_nothing(cut: int) -> None:
    with pytest.raises(ParseError):
        stressapptest.parse(recorded("stressapptest", "pass.txt")[:cut])


@pytest.mark.parametrize("tib", [1, 2])
def test_a_memory_test_is_not_given_up_while_it_fills_and_checks_at_5_gb_s(tib: int) -> None:
    assert stressapptest.time_limit_s(tib << 20, 300) > 300 + 2 * tib * 200


def test_memtester_counts_its_patterns() -> None:
    result = memtester.parse(recorded("memtester", "pass.txt"))
    assert (result.megabytes, result.failures) == (2, ())
    assert result.tests >= 16


def test_memtester_failures_are_found_between_its_backspaces() -> None:
    text = (
        "got  2MB (2097152 bytes), trying mlock ...locked.\n  Checkerboard : \b\bFAILURE: 0x1 != 0x0 at offset 0x10.\n"
    )
    assert memtester.parse(text).failures == ("0x1 != 0x0 at offset 0x10.",)


def test_all_streams_together_are_the_throughput() -> None:
    result = iperf3.parse(recorded("iperf3", "four-streams.json"))
    assert isinstance(result, iperf3.Throughput)
    assert round(result.bits_s / 1e9) == 52
    assert result.retransmits == 21


def test_a_server_that_refuses_is_the_benchs_fault_and_no_throughput() -> None:
    result = iperf3.parse(recorded("iperf3", "refused.json"))
    assert isinstance(result, iperf3.Refused)
    assert not result.is_busy


def test_ping_counts_what_came_back() -> None:
    text = "300 packets transmitted, 291 received, 3% packet loss\nrtt min/avg/max/mdev = 0.1/0.2/0.9/0.1 ms\n"
    loss = ping.parse(text)
    assert (loss.lost_percent, loss.mean_ms) == (3.0, 0.2)


@pytest.mark.parametrize("tool", [fio.parse, iperf3.parse, stressapptest.parse, memtester.parse, ping.parse])
@pytest.mark.parametrize("text", ["", "{", "rubbish", '{"jobs": []}', "[]", "\x00" * 50])
def test_rubbish_from_a_load_is_a_parse_error(tool: object, text: str) -> None:
    with pytest.raises(ParseError):
        tool(text)


YAML = recorded("stress-ng", "cpu-and-vm.yaml")


def test_verified_work_passes() -> None:
    result = stress_ng.judge(ended(0), YAML)
    assert (result.failed, result.trouble) == (False, "")
    assert result.rates["cpu"] > 0


def test_a_wrong_result_fails() -> None:
    line = "stress-ng: fail:  [123] cpu: fft(n=128) failed, got 1.0, expected 2.0\n"
    result = stress_ng.judge(ended(2, line), YAML)
    assert result.failed
    assert "fft" in result.failures[0]


@pytest.mark.parametrize(
    "done",
    [
        ended(0), ended(1), ended(2), ended(3), ended(4), ended(5), ended(6), ended(7), ended(None, missing=True),
        ended(None, killed_by_signal=9), ended(0, timed_out=True), ended(2, timed_out=True), ended(None, stopped=True),
    ],
)  # fmt: skip
def test_without_work_done_no_exit_status_passes_and_only_a_wrong_result_fails(done: Completed) -> None:
    result = stress_ng.judge(done, "")
    assert result.trouble
    assert not result.failed


@pytest.mark.parametrize(
    "done", [{"status": 7}, {"status": None, "killed_by_signal": 9}, {"status": 0, "timed_out": True}]
)
def test_a_wrong_result_stays_one_however_the_run_ended(done: dict[str, object]) -> None:
    line = "stress-ng: fail:  [123] cpu: fft(n=128) failed, got 1.0, expected 2.0\n"
    status = done.pop("status")
    assert stress_ng.judge(ended(status, line, **done), "").failed
    other = "stress-ng: fail:  [123] vm: mmap failed, errno=12\n"
    assert not stress_ng.judge(ended(status, other, **done), "").failed


def test_wrong_data_that_a_cut_short_memory_test_saw_is_known() -> None:
    text = recorded("stressapptest", "forced-errors.txt")
    assert len(stressapptest.miscompares(text[: text.index("Log: Thread 1")])) == 3
    assert stressapptest.miscompares(recorded("stressapptest", "pass.txt")) == []


@pytest.mark.parametrize(
    "said", ["", "stress-ng: fail:  [9] vm: mmap failed, errno=12\n", "stress-ng: info:  [9] cpu: killed\n"]
)
def test_a_stressor_that_failed_without_a_wrong_result_condemns_no_cpu(said: str) -> None:
    result = stress_ng.judge(ended(2, said), YAML)
    assert (result.failed, result.trouble.startswith("stress-ng exited with 2")) == (False, True)


# The first line as stress-ng 0.15 wrote it when its worker was sent the signal, the others as 0.19 writes them.
CRASHES = [
    "stress-ng: info:  [2087] stressor terminated with unexpected signal signal 4 'SIGILL'\n",
    "stress-ng: info:  [8014] stressor terminated with unexpected signal 11 'SIGSEGV'\n",
    "stress-ng: info:  [8014] stressor terminated with unexpected signal 8 'SIGFPE'\n",
    "stress-ng: debug: [1068] caught SIGILL, address 0x00007f3c5a2b1c40 (ILL_ILLOPN)\n",
    "stress-ng: debug: [1068] caught unexpected SIGNAL 11, address 0x0000000000000010\n",
]


@pytest.mark.parametrize("said", CRASHES)
@pytest.mark.parametrize("status", [0, 2])
def test_a_worker_that_crashed_is_told_and_passes_nothing(said: str, status: int) -> None:
    result = stress_ng.judge(ended(status, said), YAML)
    assert said.strip().endswith(result.crashed)
    assert result.crashed
    assert (result.failed, result.trouble != "") == (False, True)


@pytest.mark.parametrize("name", ["signal 7 'SIGBUS'", "signal 6 'SIGABRT'"])
def test_a_worker_that_a_signal_ended_passes_nothing_also_if_it_is_no_crash_of_a_bad_core(name: str) -> None:
    result = stress_ng.judge(ended(0, f"stress-ng: info:  [9] stressor terminated with unexpected {name}\n"), YAML)
    assert (result.failed, result.crashed) == (False, "")
    assert name in result.trouble


@pytest.mark.parametrize("after", ["9321.15s (2 hours, 35 mins, 21.15 secs)", "2.46 secs"])  # 0.15, 0.19
def test_a_worker_that_ended_before_its_time_passes_nothing(after: str) -> None:
    said = f"stress-ng: warn:  [28262] cpu: WARNING: finished prematurely after just {after}\n"
    result = stress_ng.judge(ended(0, said), YAML)
    assert (result.failed, result.crashed) == (False, "")
    assert result.trouble == f"stress-ng: cpu: WARNING: finished prematurely after just {after}"


def test_another_warning_of_stress_ng_leaves_a_pass() -> None:
    said = "stress-ng: warn:  [9] metrics-check: all bogo-op metrics are sane\n"
    assert stress_ng.judge(ended(0, said), YAML).trouble == ""


def test_a_crash_is_a_warning_for_the_package_and_leaves_it_untested() -> None:
    load = PartialReport()
    cpu_load.record(load, "CPU1", 56, stress_ng.judge(ended(2, CRASHES[1]), YAML), "")
    (check,), (found,) = load.checks, load.findings
    assert (check.component, check.outcome) == ("CPU1", wire.Outcome.NOT_TESTED)
    assert (found.code, found.severity, found.component_kind, found.component) == (
        "system.program_crashed", wire.Severity.WARNING, "cpu", "CPU1",
    )  # fmt: skip
    assert found.message.endswith("crashed on a core: stressor terminated with unexpected signal 11 'SIGSEGV'")


def test_idle_stressors_prove_nothing() -> None:
    idle = YAML.replace("2160.559205", "0.000000")
    assert "did no work in cpu" in stress_ng.judge(ended(0), idle).trouble
