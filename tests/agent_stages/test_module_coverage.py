"""How much of each memory module was under test: by the page frames of the test's process, and never by a guess."""

from __future__ import annotations

import mmap
import os
import subprocess
import sys
from array import array
from collections import Counter
from pathlib import Path

import pytest

from agent.contract import wire
from agent.exercises import memory_load
from agent.exercises.memory_under_test import Seen, UnderTest, frames_of
from agent.host.shell import Completed
from agent.parsing import ParseError
from agent.probes.board import iomem, pagemap
from agent.probes.board.dmiaddresses import AddressMap, Span
from agent.probes.board.frames import FRAME_BYTES, Frames
from agent.probes.board.pagemap import Region
from agent.stages.memory import module_coverage
from agent.stages.memory.module_coverage import WorkedOn
from tests.agent_stages.recordings import recorded

MIB = 1 << 20
PRESENT, FILE_PAGE = 1 << 63, 1 << 61
# 8 MiB of addresses for each of two modules, and 1 MiB of the second that the firmware keeps.
OWN = AddressMap(
    (Span(0, 8 * MIB, ("DIMM_A1",)), Span(8 * MIB, 16 * MIB, ("DIMM_B1",))), ram=((0, 15 * MIB),)
)  # fmt: skip
SHARED = AddressMap((Span(0, 16 * MIB, ("DIMM_A1", "DIMM_B1")),), ram=((0, 16 * MIB),))
DIMMS = [wire.Dimm("DIMM_A1", 8), wire.Dimm("DIMM_B1", 8)]


def frames(*ranges: tuple[int, int], most: int = 4096) -> Frames:
    found = Frames(most)
    for first, count in ranges:
        found.add(first, count)
    return found


@pytest.mark.parametrize(("first", "count"), [(0, 1), (7, 2), (8, 8), (3, 40), (5, 3), (63, 66), (4090, 20), (5000, 3)])
def test_frames_are_counted_one_by_one(first: int, count: int) -> None:
    wanted = set(range(first, min(first + count, 4096)))
    found = frames((first, count))
    assert all(found.count(frame, frame + 1) == (frame in wanted) for frame in range(4096))
    assert found.count(0, 10_000) == len(wanted)
    assert list(found.of_others(0, list(range(128)))) == [frame for frame in range(128) if frame not in wanted]


def test_frames_of_two_sets_are_joined() -> None:
    one, other = frames((10, 20)), frames((25, 20), most=8192)
    assert one.both(other).count(0, 9000) == 5
    assert other.either(one).count(0, 9000) == 35


def test_a_huge_page_is_one_run_and_pages_that_are_not_there_are_none() -> None:
    huge = [PRESENT | FILE_PAGE | 512 + n for n in range(512)]
    mixed = [PRESENT | 7, 0, PRESENT, 1 << 62 | 9, *[PRESENT | 90_000 - n for n in range(508)]]
    found = list(pagemap.runs(array("Q", [*huge, *mixed, PRESENT | 5]).tobytes()))
    assert found[0] == (512, 512)
    assert found[1:4] == [(7, 1), (90_000, 1), (89_999, 1)]
    assert found[-1] == (5, 1)
    assert sum(count for _, count in found) == 512 + 1 + 508 + 1


# --- a process -----------------------------------------------------------------------------------------------------

START = 0x10_0000_0000


def process(root: Path, entries: list[int], flags: dict[int, int] | None = None) -> int:
    """A process whose largest mapping has these entries of pagemap. Frames are used as `flags` say, else for the
    kernel."""
    proc = root / "proc/77"
    proc.mkdir(parents=True, exist_ok=True)
    end = START + len(entries) * FRAME_BYTES
    proc.joinpath("maps").write_text(
        f"00400000-00410000 r-xp 00000000 08:01 9 /usr/bin/tool\n{START:x}-{end:x} rw-p 00000000 00:00 0 \n"
    )
    proc.joinpath("statm").write_text(f"{len(entries)} {len(entries)} 1 1 0 1 0\n")
    with proc.joinpath("pagemap").open("wb") as file:
        file.seek(START // FRAME_BYTES * 8)
        file.write(array("Q", entries).tobytes())
    told = array("Q", [(flags or {}).get(frame, 0) for frame in range(4096)])
    (root / "proc/kpageflags").write_bytes(told.tobytes())
    return 77


def watched(root: Path, megabytes: int, addresses: AddressMap = OWN) -> UnderTest:
    with UnderTest(megabytes, 0, addresses, root=root) as watch:
        watch.start(77)
        assert watch._thread is not None
        watch._thread.join(10)
    return watch


def test_the_frames_of_a_process_are_seen_and_what_the_others_are_used_for(tmp_path: Path) -> None:
    buddy, anon, on_lru = 1 << 10, 1 << 12 | 1 << 5, 1 << 5
    process(tmp_path, [PRESENT | 1024 + n for n in range(2048)], {0: buddy, 1: buddy, 2: anon, 3: on_lru})
    seen = watched(tmp_path, 8).seen
    assert seen is not None
    assert (seen.frames.count(1024, 3072), seen.frames.count(0, 4096), seen.moved) == (2048, 2048, 0)
    assert seen.complete
    assert seen.uses[("DIMM_A1",)] == {"free": 2, "programs": 1, "files in memory": 1, "kernel": 1020}
    # 15 MiB are RAM: what the firmware keeps is no use of the kernel.
    assert seen.uses[("DIMM_B1",)] == {"kernel": 3840 - 3072}


def test_pages_that_moved_do_not_count(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    process(tmp_path, [PRESENT | 512 + n for n in range(2048)])
    whole = pagemap.region

    def and_then_moves(*args: object, **more: object) -> Region:
        found = whole(*args, **more)
        process(tmp_path, [PRESENT | 522 + n for n in range(2048)])
        return found

    monkeypatch.setattr(pagemap, "region", and_then_moves)
    seen = watched(tmp_path, 8).seen
    assert seen is not None
    assert (seen.moved, seen.frames.count(0, 4096)) == (10, 2038)


@pytest.mark.parametrize("entries", [[PRESENT] * 2048, [0] * 2048, [PRESENT | 9] * 2048])
def test_frames_that_the_kernel_does_not_tell_are_not_known(tmp_path: Path, entries: list[int]) -> None:
    process(tmp_path, entries)
    watch = watched(tmp_path, 8)
    assert watch.seen is None
    assert "only a part" in watch.why


def test_a_process_that_has_ended_is_not_known(tmp_path: Path) -> None:
    watch = watched(tmp_path, 8)
    assert watch.seen is None
    assert "/proc/77" in watch.why


def _ram() -> list[tuple[int, int]]:
    try:
        return iomem.system_ram(iomem.read())
    except (ParseError, OSError):
        return []


@pytest.mark.skipif(not _ram(), reason="the kernel tells physical addresses to root alone")
def test_the_memory_of_a_real_process_is_seen() -> None:
    program = "import mmap, sys; m = mmap.mmap(-1, 64 << 20, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)\n"
    program += "for at in range(0, 64 << 20, 4096): m[at] = 7\nprint(flush=True); sys.stdin.read()"
    addresses = AddressMap(tuple(Span(*one, ("DIMM_A1",)) for one in _ram()), ram=tuple(_ram()))
    child = subprocess.Popen([sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        assert child.stdout is not None
        child.stdout.readline()
        found = pagemap.region(child.pid, frames_of(addresses), lambda: False, keep=True)
    finally:
        child.communicate()
    assert found.complete
    assert found.frames.count(0, frames_of(addresses)) >= (64 << 20) // mmap.PAGESIZE
    assert found.address(found.start + 5) is not None
    assert os.sysconf("SC_PAGE_SIZE") == FRAME_BYTES


# --- what it comes to for each module ------------------------------------------------------------------------------


def judged(
    addresses: AddressMap, tested: Frames | None, *, complete: bool = True, uses: dict[str, int] | None = None
) -> tuple[list[wire.Check], dict[str, float]]:
    watch = UnderTest(8, 1, addresses)
    if tested is not None:
        used = {("DIMM_A1",): Counter(uses or {})}
        watch.seen = Seen(tested, 0, complete, used)
    tests = [WorkedOn("in patterns:", tested, 68)] if tested else []
    made, numbers = module_coverage.judge(addresses, DIMMS, watch, tests, 2.0)
    assert {value for name, value in numbers.items() if name.startswith("passes.")} <= {2.0}
    assert {value for name, value in numbers.items() if name.startswith("patterns.")} <= {0.0, 68.0}
    return made, {name: value for name, value in numbers.items() if name.startswith("covered_percent.")}


def test_the_share_of_each_module_is_told_with_what_the_rest_is_used_for() -> None:
    made, numbers = judged(OWN, frames((512, 1536), (2048, 1024)), uses={"free": 256, "kernel": 256})
    assert numbers == {"covered_percent.DIMM_A1": 75.0, "covered_percent.DIMM_B1": 50.0}
    assert [one.component for one in made] == ["DIMM_A1", "DIMM_B1"]
    assert {one.outcome for one in made} == {wire.Outcome.PASSED}
    assert "75.0 % of its addresses were under test; in patterns: 75.0 %" in made[0].reason
    assert "free (the reserve) 12.5 %, the kernel 12.5 %" in made[0].reason
    assert "the firmware 12.5 %" in made[1].reason


def test_interleaved_modules_have_an_even_share() -> None:
    made, numbers = judged(SHARED, frames((0, 3072)))
    assert numbers == {"covered_percent.DIMM_A1": 75.0, "covered_percent.DIMM_B1": 75.0}
    assert "interleaved with DIMM_B1" in made[0].reason


def test_a_reading_that_was_cut_off_tells_the_least() -> None:
    made, _ = judged(OWN, frames((0, 512)), complete=False)
    assert "at least 25.0 %" in made[0].reason


def test_a_module_of_which_nothing_was_under_test_does_not_pass() -> None:
    made, numbers = judged(OWN, frames((0, 512)))
    assert [one.outcome for one in made] == [wire.Outcome.PASSED, wire.Outcome.NOT_TESTED]
    assert numbers["covered_percent.DIMM_B1"] == 0.0


@pytest.mark.parametrize(
    ("addresses", "tested", "why"),
    [
        (AddressMap(unknown="the firmware lists none"), None, "the firmware lists none"),
        (OWN, None, "the test ended before"),
        (AddressMap((Span(0, 8 * MIB, ("DIMM_C1",)),), ram=((0, 8 * MIB),)), frames((0, 9)), "no addresses of it"),
    ],
)
def test_a_share_that_is_not_known_is_said_to_be_not_known(
    addresses: AddressMap, tested: Frames | None, why: str
) -> None:
    made, numbers = judged(addresses, tested)
    assert numbers == {}
    assert [one.outcome for one in made] == [wire.Outcome.NOT_TESTED] * 2
    assert all("not known" in one.reason and why in one.reason for one in made)


# --- memtester -----------------------------------------------------------------------------------------------------

FAILURES = recorded("memtester", "written-by-source-stuck-bit.txt")
OFFSET, HALF = 0xA3F1C8, (64 * MIB - 4080) // 2


def its_memory(*at: int, module: int) -> Region:
    """The memory of memtester, with all pages in one module but those of the virtual addresses `at`."""
    pages = array("Q", [1 + 4 * module + 2048 * module] * (64 * MIB // FRAME_BYTES))
    for virtual in at:
        pages[virtual // FRAME_BYTES] = 100
    return Region(START, START + 64 * MIB, Frames(4096), pages=pages)


@pytest.mark.parametrize(
    ("memory", "component", "words"),
    [
        (its_memory(module=1), "DIMM_B1", "which should be equal"),
        (its_memory(OFFSET, OFFSET + HALF, module=1), "DIMM_A1", "at 0x641c8 or 0x64"),
        (its_memory(OFFSET, module=1), "system", "one of DIMM_A1, DIMM_B1: "),
        (None, "system", "module not known from address"),
    ],
)
def test_memtester_compares_two_words_and_blames_a_module_that_has_both(
    memory: Region | None, component: str, words: str
) -> None:
    done = Completed(["memtester"], 4, FAILURES)
    outcome = memory_load.judge_patterns("bit_patterns", 1, done, DIMMS, OWN, memory)
    (found,) = outcome.findings
    assert (found.component, found.value) == (component, 2.0)
    assert words in found.message


def test_a_line_of_addresses_is_one_word_and_memory_that_was_not_locked_is_not_known() -> None:
    line = f"FAILURE: possible bad address line at offset {OFFSET + HALF:#x}."
    text = FAILURES.replace("Stuck Address       : ok", f"Stuck Address       : {line}")
    text = text.replace("0x6b8b4567327b23c6 != 0x6b8b4567327b23c4 at", "").replace("0xfffffffffffffffe !=", "")
    done, memory = Completed(["memtester"], 2, text), its_memory(OFFSET + HALF, module=1)
    (found,) = memory_load.judge_patterns("bit_patterns", 1, done, DIMMS, OWN, memory).findings
    assert found.component == "DIMM_A1"
    unlocked = Completed(["memtester"], 2, text.replace("...locked.", "...failed"))
    (found,) = memory_load.judge_patterns("bit_patterns", 1, unlocked, DIMMS, OWN, memory).findings
    assert found.component == "system"
