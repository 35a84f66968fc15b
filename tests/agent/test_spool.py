from __future__ import annotations

from pathlib import Path

import pytest

from agent.contract import codec, wire
from agent.host.spool import PAGE_BYTES, Spool
from agent.link.client import Client
from agent.link.errors import BadMessage, Unreachable
from agent.link.outbox import Outbox, thin


def body(seq: int) -> bytes:
    return f"batch {seq}".encode()


class Wire(Client):
    """Records what is posted, and fails as told."""

    def __init__(self) -> None:
        self.posted: list[tuple[str, bytes]] = []
        self.failures: list[Exception] = []

    def post_encoded(self, call: str, body: bytes, answer: type) -> wire.Accepted:
        if self.failures:
            raise self.failures.pop(0)
        self.posted.append((call, body))
        return wire.Accepted(0)

    def batches(self, call: str, kind: type) -> list:
        return [codec.loads(kind, body) for name, body in self.posted if name == call]


def test_batches_are_numbered_from_1_and_come_out_oldest_first(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "log", 10 * PAGE_BYTES)
    assert [spool.put(body) for _ in range(3)] == [1, 2, 3]
    assert spool.oldest() == (1, b"batch 1")
    spool.delivered(2)
    assert spool.oldest() == (3, b"batch 3")


def test_a_restarted_agent_goes_on_with_the_numbers_and_sends_the_same_bytes(tmp_path: Path) -> None:
    first = Spool(tmp_path / "log", 10 * PAGE_BYTES)
    first.put(body)
    first.put(body)
    first.delivered(1)
    again = Spool(tmp_path / "log", 10 * PAGE_BYTES)
    assert again.oldest() == (2, b"batch 2")
    again.delivered(2)
    assert Spool(tmp_path / "log", 10 * PAGE_BYTES).put(body) == 3


def test_above_its_bound_the_oldest_go_and_are_counted(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "log", 3 * PAGE_BYTES)
    for _ in range(8):
        spool.put(body)
    assert len(spool) == 3 and spool.oldest() == (6, b"batch 6")
    assert spool.take_dropped() == 5 and spool.take_dropped() == 0
    assert len(list((tmp_path / "log").glob("*.json"))) == 3


def test_what_was_dropped_is_said_in_the_log(tmp_path: Path) -> None:
    outbox, out = Outbox("boot-1", tmp_path), Wire()
    outbox.logs.cap_bytes = 2 * PAGE_BYTES
    for n in range(5):
        outbox.log("info", f"line {n}")
        outbox.cut_logs()
    outbox.cut_logs()
    outbox.deliver(out)
    texts = [line.text for batch in out.batches("log", wire.LogBatch) for line in batch.lines]
    assert any("1 log batches were dropped" in text for text in texts)


def test_a_batch_that_was_not_answered_is_sent_again_as_it_was(tmp_path: Path) -> None:
    outbox, out = Outbox("boot-1", tmp_path), Wire()
    outbox.log("info", "one")
    outbox.cut_logs()
    out.failures.append(Unreachable("cable"))
    outbox.deliver(out)
    assert out.posted == []
    outbox.log("info", "two")
    outbox.cut_logs()
    outbox.deliver(out)
    assert [(b.seq, [line.text for line in b.lines]) for b in out.batches("log", wire.LogBatch)] == [
        (1, ["one"]),
        (2, ["two"]),
    ]


def test_a_batch_that_can_not_be_read_does_not_block_the_rest(tmp_path: Path) -> None:
    outbox, out = Outbox("boot-1", tmp_path), Wire()
    for text in ("one", "two"):
        outbox.log("info", text)
        outbox.cut_logs()
    out.failures.append(BadMessage("lines[0]: unknown field"))
    outbox.deliver(out)
    assert [b.seq for b in out.batches("log", wire.LogBatch)] == [2]
    outbox.cut_logs()
    outbox.deliver(out)
    assert "batch 1 is lost" in out.batches("log", wire.LogBatch)[-1].lines[0].text


def test_a_flood_of_lines_stays_under_the_limits_of_a_message(tmp_path: Path) -> None:
    outbox, out = Outbox("boot-1", tmp_path), Wire()
    for n in range(1200):
        outbox.log("info", f"{n} " + "x" * 10_000)
    outbox.cut_logs()
    outbox.deliver(out)
    batches = out.batches("log", wire.LogBatch)
    assert all(len(raw) < 2 * 1024 * 1024 for _, raw in out.posted)
    assert all(len(batch.lines) <= wire.MAX_LOG_LINES_PER_BATCH for batch in batches)
    assert batches[0].lines[0].text.startswith("0 xxx")


def test_lines_are_split_and_cleaned(tmp_path: Path) -> None:
    outbox, out = Outbox("boot-1", tmp_path), Wire()
    outbox.log("info", "a\x1b[31m\nb vt1.7.1.secret.x \ud800")
    outbox.cut_logs()
    outbox.deliver(out)
    texts = [line.text for line in out.batches("log", wire.LogBatch)[0].lines]
    assert texts == ["a[31m", "b vt1.… ?"]


def of(name: str, component: str, value: float) -> wire.Measurement:
    return wire.Measurement(1.0, "cpu", component, name, value, "C")


def test_few_measurements_all_go_many_are_thinned_to_the_hottest_and_the_newest() -> None:
    few = [of("temp", "CPU0", float(n)) for n in range(50)]
    assert thin(few) == few
    many = [of("temp", f"CPU{n % 20}", float(100 - n)) for n in range(60)] + [of("fan", "F", 1.0), of("fan", "F", 2.0)]
    thinned = {(one.name, one.component): one.value for one in thin(many)}
    assert thinned["temp", "CPU3"] == 97.0 and thinned["fan", "F"] == 2.0


def test_a_measurement_that_is_no_number_is_left_out_and_batches_hold_at_most_50(tmp_path: Path) -> None:
    outbox, out = Outbox("boot-1", tmp_path), Wire()
    outbox.measure(of("temp", "CPU0", float("nan")))
    for n in range(120):
        outbox.measure(of("temp", f"CPU{n}", 40.0))
    outbox.cut_measurements()
    outbox.deliver(out)
    sizes = [len(batch.measurements) for batch in out.batches("sensor", wire.SensorBatch)]
    assert sizes == [50, 50, 20]


@pytest.mark.parametrize("content", ["", "not a number"])
def test_a_torn_number_file_does_not_stop_the_agent(tmp_path: Path, content: str) -> None:
    (tmp_path / "log").mkdir()
    (tmp_path / "log" / "last").write_text(content)
    assert Spool(tmp_path / "log", PAGE_BYTES).put(body) == 1
