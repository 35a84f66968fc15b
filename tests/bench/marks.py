"""What is measured, and what each figure is to reach."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Mark:
    """A figure, and the most (or least) that it is to be. `of` finds its value; None where it was not measured."""

    name: str
    of: Callable[[Mapping[str, Any]], float | None]
    most: float | None = None
    least: float | None = None

    @property
    def words(self) -> str:
        return f"at most {self.most:g}" if self.most is not None else f"at least {self.least:g}"

    def value(self, figures: Mapping[str, Any]) -> float | None:
        return self.of(figures)

    def ratio(self, value: float) -> float:
        """How much of the mark this takes: 1 or less reaches it."""
        if self.most is not None:
            return value / self.most if self.most else 1.0 + value
        return float("inf") if value <= 0 else (self.least or 0.0) / value


@dataclass(frozen=True)
class Measurement:
    """One benchmark with its options; `peer` is another call beside it, whose figures get `peer_` in front."""

    name: str
    words: tuple[str, ...]
    marks: tuple[Mark, ...]
    peer: tuple[str, ...] = ()
    is_short: bool = False


def most(name: str, value: float) -> Mark:
    return Mark(name, lambda figures: figures.get(name), most=value)


def least(name: str, value: float) -> Mark:
    return Mark(name, lambda figures: figures.get(name), least=value)


def beside_peer(name: str, value: float) -> Mark:
    """At most so many times what the peer takes."""
    return Mark(f"{name}, times a bare server's", lambda figures: _ratio(figures, name), most=value)


def _ratio(figures: Mapping[str, Any], name: str) -> float | None:
    ours, theirs = figures.get(name), figures.get(f"peer_{name}")
    return ours / theirs if ours is not None and theirs else None


def slowest(what: str, value: float, *names: str) -> Mark:
    """The slowest of the pages or calls with these words in their name; of all without any. In ms."""

    def worst(figures: Mapping[str, Any]) -> float | None:
        rows = (one for one in figures["figures"] if not names or any(name in one["name"] for name in names))
        return max((one["p50_ms"] or one["cpu_ms"] for one in rows), default=None)

    return Mark(what, worst, most=value)


_EXACT = (most("lost", 0), most("doubled", 0))
MEASUREMENTS = (
    Measurement(
        "200 agents", ("agents", "--agents", "200", "--seconds", "30"),
        (*_EXACT, most("p99_ms", 100), beside_peer("core_percent", 3)),
        peer=("agents", "--agents", "200", "--seconds", "30", "--server", "bare"), is_short=True,
    ),
    Measurement(
        "1,000 agents", ("agents", "--agents", "1000", "--seconds", "120"),
        (*_EXACT, most("refused", 0), most("p99_ms", 100), most("core_percent", 50), beside_peer("core_percent", 3)),
        peer=("agents", "--agents", "1000", "--seconds", "120", "--server", "bare"),
    ),
    Measurement(
        "3,000 agents on uvicorn", ("agents", "--agents", "3000", "--seconds", "120", "--server", "uvicorn"),
        (*_EXACT, most("p99_ms", 250)),
    ),
    Measurement(
        "tenfold overload", ("agents", "--agents", "200", "--overload"),
        (*_EXACT, most("accepting_again_after_s", 2)),
    ),
    Measurement("a measurement in the database", ("rows",), (most("bytes", 24),), is_short=True),
    Measurement(
        "100 streams on one run", ("streams", "--events", "10", "--every", "1", "--pages", "0"),
        (most("p50_ms", 50), most("p99_ms", 130)), is_short=True,
    ),
    Measurement(
        "1,000 streams, ten events a second",
        ("streams", "--streams", "1000", "--every", "0.1", "--events", "300", "--pages", "0"),
        (most("missed_the_last", 0), most("bytes_per_stream", 25_000)),
    ),
    Measurement(
        "pages of 500 hosts", ("pages", "--hosts", "500", "--measurements", "20000"),
        (slowest("the slowest page or call, ms", 100),), is_short=True,
    ),
    Measurement(
        "pages of 10,000 hosts, 100,000 runs", ("pages", "--hosts", "10000", "--runs", "100000"),
        (slowest("the slowest page or call, ms", 100), slowest("all 40 hours of curves, ms", 200, "curves")),
    ),
    Measurement(
        "boot files", ("boot", "--rounds", "1"),
        (least("ratio", 0.9), most("grows_by_mb", 5), most("p99_ms", 20)), is_short=True,
    ),
    Measurement(
        "beside OpenStack Ironic", ("ironic", "--install", "--rounds", "1"),
        (least("ratio", 60), least("list_ratio", 1), least("hosts_json_ratio", 1)),
    ),
    Measurement("idle", ("idle",), (most("core_percent", 3), most("pss_mb", 250), most("written_mb_per_minute", 0))),
)  # fmt: skip
