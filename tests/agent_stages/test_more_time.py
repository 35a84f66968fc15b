"""Many disks behind one cable: which of them is read on after surface_max_s."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from agent.contract import wire
from agent.exercises import surface as surfaces
from agent.exercises.surface import MIB, Segment, Surface, read
from agent.host.stop import StopFlag
from agent.stages.storage import stage as storage
from agent.stages.storage.more_time import MoreTime
from tests.agent_stages.contexts import INVENTORY, context

TB = 10**12
PLANNED = 4 * TB
DEEP = {"speed_s": 30, "sample_max_mb": 4_194_304, "surface_max_s": 36_000}


def disk(number: int, **given: Any) -> wire.Disk:
    return wire.Disk(f"sd{number}", f"S{number}", "", "sata", PLANNED // MIB, **{"rotational": True, **given})


def has_read(mb_s: float, seconds: float = 36_000) -> Surface:
    return Surface(round(mb_s * 1e6 * seconds), seconds)


def asked(
    directory: Path, rates: list[float], *, of: int = 0, began_ago_s: float = 36_000,
    disks: list[wire.Disk] | None = None, planned: int = PLANNED, min_percent: float = 100,
) -> bool:  # fmt: skip
    """Whether disk `of` is read on in `deep`, after each disk was read at its rate."""
    disks = disks or [disk(number) for number in range(len(rates))]
    ctx = context("Storage", directory, params=DEEP, limits={"surface_min_percent": min_percent})
    ctx = replace(ctx, order=replace(ctx.order, timeout_s=86_400))
    more = MoreTime(ctx, disks, time.monotonic() - began_ago_s)
    for one, rate in zip(disks, rates, strict=True):
        more.note(one.name, has_read(rate))
    return more.has(disks[of].name, planned, has_read(rates[of]))


def test_24_disks_that_share_a_cable_are_read_on(tmp_path: Path) -> None:
    assert all(asked(tmp_path, [86.0] * 24, of=number) for number in (0, 23))
    assert asked(tmp_path, [86.0] * 23 + [60.0], of=23), "an older one is a little slower"


def test_a_disk_that_is_slow_by_itself_is_not(tmp_path: Path) -> None:
    assert not asked(tmp_path, [86.0] * 23 + [30.0], of=23)
    assert not asked(tmp_path, [200.0] * 3 + [86.0], of=3)


@pytest.mark.parametrize("disks", [1, 2, 3])
def test_without_three_others_nothing_shows_that_a_link_is_shared(tmp_path: Path, disks: int) -> None:
    assert not asked(tmp_path, [86.0] * disks)


def test_others_that_have_not_read_anything_show_nothing(tmp_path: Path) -> None:
    assert not asked(tmp_path, [86.0, 86.0, 86.0, 0.0])


def test_disks_are_compared_with_those_of_their_class(tmp_path: Path) -> None:
    fast = [disk(number, rotational=False) for number in range(4, 12)]
    disks = [*(disk(number) for number in range(4)), *fast]
    assert asked(tmp_path, [86.0] * 4 + [500.0] * 8, disks=disks)
    lonely = [disk(0, rotational=False), *(disk(number) for number in range(1, 24))]
    assert asked(tmp_path, [86.0] * 24, disks=lonely)


def test_a_disk_that_has_read_enough_is_done(tmp_path: Path) -> None:
    assert not asked(tmp_path, [86.0] * 24, min_percent=25)
    assert not asked(tmp_path, [86.0] * 24, planned=3 * TB)


def test_the_stages_own_time_out_stays_out_of_reach(tmp_path: Path) -> None:
    """A host whose stage is not done by then has failed. 24 disks still need 24 minutes for their speeds."""
    latest_s = 86_400 * 0.9 - 2 * 30 * 24
    assert asked(tmp_path, [86.0] * 24, began_ago_s=latest_s - 60)
    assert not asked(tmp_path, [86.0] * 24, began_ago_s=latest_s + 1)


def test_more_disks_have_more_time_though_the_order_knows_nothing_of_them(tmp_path: Path) -> None:
    """The first run of a shelf with 60 disks: 240 TB at 2000 MB/s are 120,000 s; the profile gives 86,400."""
    assert asked(tmp_path, [33.0] * 60, began_ago_s=125_000)
    assert not asked(tmp_path, [33.0] * 60, began_ago_s=1.25 * (120_000 + 2 * 30 * 60))


def test_the_log_says_once_that_a_disk_is_read_on(tmp_path: Path) -> None:
    lines: list[str] = []
    ctx = replace(context("Storage", tmp_path), log=lambda level, text: lines.append(text))
    disks = [disk(number) for number in range(4)]
    more = MoreTime(ctx, disks, time.monotonic())
    for one in disks:
        more.note(one.name, has_read(17, 90))
    assert [more.has("sd0", PLANNED, has_read(17, 90)) for _ in range(3)] == [True] * 3
    assert lines == ["sd0 is read on after surface_max_s: all disks share a link (17 MB/s)"]


@pytest.mark.parametrize(("answers", "done"), [([False], 0), ([True, False], 1), ([True] * 3, 3)])
def test_a_disk_is_read_on_for_as_long_as_it_is_allowed(
    answers: list[bool], done: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    def segment_read(name: str, segment: Segment, surface: Surface, *others: object) -> None:
        surface.read_bytes += segment.length

    monkeypatch.setattr(surfaces, "_read_segment", segment_read)
    surface, given = Surface(), iter(answers)
    segments = [Segment(number * MIB, MIB) for number in range(3)]
    read(
        "sda", segments, surface, time_limit_s=-1, bad_max=1, stop=StopFlag(), told=lambda now, number: None,
        reads_on=lambda: next(given),
    )  # fmt: skip
    assert (surface.read_bytes, surface.time_over) == (done * MIB, done < 3)


@pytest.mark.parametrize(("has", "outcome", "words"), [
    (True, wire.Outcome.PASSED, "256 of 256 MiB read"),
    (False, wire.Outcome.NOT_TESTED, "vetting-no-such-disk: 0 of 256 MiB read: 0 s were over"),
])  # fmt: skip
def test_storage_asks_for_more_time_and_says_what_was_read(
    has: bool, outcome: wire.Outcome, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def segment_read(name: str, segment: Segment, surface: Surface, *others: object) -> None:
        surface.read_bytes += segment.length

    asked_for: list[tuple[str, int, int]] = []

    def answer(self: MoreTime, name: str, planned: int, surface: Surface) -> bool:
        asked_for.append((name, planned // MIB, surface.read_bytes // MIB))
        return has

    monkeypatch.setattr(surfaces, "_read_segment", segment_read)
    monkeypatch.setattr(MoreTime, "has", answer)
    assert INVENTORY.disks[0].size_mb == 256
    params = {"surface_max_s": -1, "segment_mb": 128, "speed_s": 0}
    report = storage.run(context("Storage", tmp_path, params=params))
    (check,) = [one for one in report.checks if one.name == "surface"]
    assert (check.outcome, check.reason) == (outcome, words)
    assert asked_for == [("vetting-no-such-disk", 256, at) for at in ((0, 128) if has else (0,))]
