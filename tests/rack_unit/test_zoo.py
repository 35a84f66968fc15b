"""The zoo around the machines: which are run, how a result is judged, kept and shown."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterable
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, get_args

import pytest

from tests.rack import machinefile
from tests.rack.errors import BadMachineFile, RackBroken
from tests.rack.machinefile import BadRam, Disk, Machine
from tests.rack.outcome import Found, Seen, failures
from tests.rack.zoo import __main__ as zoo
from tests.rack.zoo import page, racks, results, specimen
from tests.rack.zoo.judging import Judged, judge
from tests.rack.zoo.results import Result
from tests.rack.zoo.specimen import Specimen

FILE = """# {says}
name: {name}
disks: [{{bus: sata, size_mb: 8, serial: S-1}}, {{bus: sata, size_mb: 8, serial: S-2}}]
nics: [{{model: virtio, mac: "52:54:00:12:34:56"}}]
outcome: {outcome}
"""
SOUND = "{verdict: passed, components: []}"
BROKEN = "{verdict: failed, stage: Storage, components: [S-1]}"
WARNED = "{verdict: passed, components: [], warnings: [S-1]}"


def file(directory: Path, name: str, outcome: str, says: str = "One line.\n# And another.") -> Specimen:
    path = directory / f"{name}.yaml"
    path.write_text(FILE.format(name=name, outcome=outcome, says=says))
    return specimen.read(path)


def seen(*found: tuple[str, str], **words: Any) -> Seen:
    """`found` are (severity, component), all in Storage."""
    told = tuple(Found("Storage", severity, "storage.slow", part, "slow") for severity, part in found)
    blamed = tuple(part for severity, part in found if severity == "critical")
    warned = tuple(part for severity, part in found if severity == "warning")
    state, verdict = ("FailedHolding", "failed") if blamed else ("Completed", "passed")
    sound: dict[str, Any] = {"state": state, "verdict": verdict, "stage": "Storage" if blamed else ""}
    return Seen(components=blamed, warnings=warned, found=told, **(sound | words))


def judged(one: Specimen, what: Seen) -> Judged:
    return judge(one, what, failures(one.machine.outcome, what))[0]


@pytest.mark.parametrize(
    ("outcome", "what", "expected"),
    [
        (SOUND, seen(), Judged.MET),
        (SOUND, seen(("info", "S-1")), Judged.MET),
        (SOUND, seen(("warning", "S-1")), Judged.FALSE_ALARM),
        (SOUND, seen(("critical", "S-1")), Judged.FALSE_ALARM),
        (SOUND, seen(verdict="incomplete"), Judged.OTHERWISE),
        (BROKEN, seen(("critical", "S-1")), Judged.MET),
        (BROKEN, seen(), Judged.MISSED),
        (BROKEN, seen(("critical", "S-2")), Judged.WRONG_PART),
        (BROKEN, seen(("critical", "S-1"), ("critical", "S-2")), Judged.WRONG_PART),
        (BROKEN, seen(("critical", "S-1"), stage="SMART"), Judged.OTHERWISE),
        (WARNED, seen(("warning", "S-1")), Judged.MET),
        (WARNED, seen(), Judged.MISSED),
        (WARNED, seen(("critical", "S-1"), ("warning", "S-1")), Judged.FALSE_ALARM),
    ],
)
def test_a_result_is_judged(tmp_path: Path, outcome: str, what: Seen, expected: Judged) -> None:
    assert judged(file(tmp_path, "m", outcome), what) is expected


def test_a_disk_that_was_written_to_is_worse_than_all_else(tmp_path: Path) -> None:
    one = file(tmp_path, "m", "{verdict: incomplete, components: [], untouched: [S-1]}")
    assert judged(one, seen(verdict="incomplete", touched=frozenset({"S-1"}))) is Judged.DAMAGE


def test_only_a_machine_to_which_nothing_happens_is_healthy(tmp_path: Path) -> None:
    assert file(tmp_path, "sound", SOUND).is_healthy
    assert not file(tmp_path, "warned", WARNED).is_healthy
    assert not file(tmp_path, "broken", BROKEN).is_healthy
    assert not file(tmp_path, "killed", SOUND + "\nevents: [{when: Memory, do: web_kill}]").is_healthy


def test_machines_are_chosen_by_name_or_health(tmp_path: Path) -> None:
    file(tmp_path, "bad-a", BROKEN), file(tmp_path, "bad-b", BROKEN), file(tmp_path, "good", SOUND)
    every = specimen.every(tmp_path)
    names = {only: [one.name for one in specimen.chosen(every, only)] for only in ("", "bad-*", "healthy bad-a", "x")}
    assert names == {
        "": ["bad-a", "bad-b", "good"], "bad-*": ["bad-a", "bad-b"], "healthy bad-a": ["bad-a", "good"], "x": [],
    }  # fmt: skip


def test_the_first_comment_says_what_is_wrong(tmp_path: Path) -> None:
    assert file(tmp_path, "m", SOUND).says == "One line. And another."


def test_a_file_that_is_not_named_after_its_machine_is_refused(tmp_path: Path) -> None:
    file(tmp_path, "m", SOUND)
    (tmp_path / "m.yaml").rename(tmp_path / "n.yaml")
    with pytest.raises(BadMachineFile, match="the machine is called m"):
        specimen.every(tmp_path)


def result(one: Specimen, commit: str = "c1", what: Seen | None = None) -> Result:
    what = what or seen()
    verdict = judge(one, what, failures(one.machine.outcome, what))
    return results.of_run(one, what, verdict, commit=commit, at="2026-01-01T00:00:00+00:00", seconds=71.26, jobs=1)


def test_results_are_added_and_read_back(tmp_path: Path) -> None:
    one, record = file(tmp_path, "m", BROKEN), tmp_path / "results.jsonl"
    kept = [result(one), result(one, what=seen(("critical", "S-1"), ("warning", "S-2"), ("info", "S-2")))]
    for each in kept:
        results.append(each, record)
    assert results.read(record) == kept
    assert [one["severity"] for one in kept[1].found] == ["critical", "warning"]
    assert results.read(tmp_path / "none.jsonl") == []


def due(*arguments: Any) -> list[str]:
    return [one.name for one in results.due(*arguments)]


def test_what_was_run_at_this_commit_is_not_run_again(tmp_path: Path) -> None:
    a, b = file(tmp_path, "a", SOUND), file(tmp_path, "b", SOUND)
    assert due([a, b], [result(a)], "c1", 1) == ["b"]
    assert due([a, b], [result(a), result(b)], "c2", 1) == ["a", "b"]


def test_repeats_go_round_and_count_what_was_run_already(tmp_path: Path) -> None:
    a, b = file(tmp_path, "a", SOUND), file(tmp_path, "b", SOUND)
    assert due([a, b], [result(a)], "c1", 3) == ["b", "b", "a", "b", "a"]


def test_what_has_no_result_at_all_comes_first(tmp_path: Path) -> None:
    a, b = file(tmp_path, "a", SOUND), file(tmp_path, "b", SOUND)
    assert due([a, b], [result(a)], "c2", 1) == ["b", "a"]


def test_a_machine_file_that_was_changed_is_run_again(tmp_path: Path) -> None:
    before = result(file(tmp_path, "a", SOUND))
    assert due([file(tmp_path, "a", BROKEN)], [before], "c1", 1) == ["a"]


def test_results_of_a_changed_working_copy_never_count(tmp_path: Path) -> None:
    a = file(tmp_path, "a", SOUND)
    assert due([a], [result(a, "c1+")], "c1+", 1) == ["a"]


def git(root: Path, *words: str) -> str:
    who = ("-c", "user.name=t", "-c", "user.email=t@example.org")
    return subprocess.run(["git", *who, *words], cwd=root, check=True, capture_output=True, text=True).stdout.strip()


def commit(root: Path, path: str) -> str:
    (root / path).parent.mkdir(exist_ok=True)
    (root / path).write_text("x")
    git(root, "add", "-A")
    git(root, "commit", "-q", "-m", path)
    return git(root, "rev-parse", "--short=10", "HEAD")


def test_the_commit_is_the_newest_that_changed_the_product(tmp_path: Path) -> None:
    git(tmp_path, "init", "-q")
    product = commit(tmp_path, "agent/session.py")
    commit(tmp_path, "docs/zoo.md")
    assert results.commit_of_the_product(tmp_path) == product
    (tmp_path / "agent" / "session.py").write_text("changed")
    assert results.commit_of_the_product(tmp_path) == f"{product}+"


def test_without_history_the_commit_is_unknown(tmp_path: Path) -> None:
    assert results.commit_of_the_product(tmp_path) == "unknown+"


def breaking(*names: str) -> Callable[[Specimen], Result]:
    """A rack that breaks on these machines."""

    def vet(one: Specimen) -> Result:
        if one.name in names:
            raise RackBroken("no bridge")
        return result(one)

    return vet


class OneAfterTheOther(Executor):
    """Runs each task when it is handed in."""

    def submit(self, task: Callable[..., Any], /, *arguments: Any, **words: Any) -> Future[Any]:
        future: Future[Any] = Future()
        try:
            future.set_result(task(*arguments, **words))
        except Exception as error:
            future.set_exception(error)
        return future


def test_a_rack_that_breaks_once_leaves_no_result_and_the_others_go_on(tmp_path: Path) -> None:
    due, record = [file(tmp_path, name, SOUND) for name in "abc"], tmp_path / "results.jsonl"
    assert racks.run_each(OneAfterTheOther(), 1, due, record, breaking("b")) == racks.BROKEN
    assert [kept.machine for kept in results.read(record)] == ["a", "c"]


def test_a_rack_that_breaks_three_times_in_a_row_is_given_up(tmp_path: Path) -> None:
    due, record = [file(tmp_path, name, SOUND) for name in "abcdef"], tmp_path / "results.jsonl"
    assert racks.run_each(OneAfterTheOther(), 1, due, record, breaking("b", "c", "d")) == racks.BROKEN
    assert [kept.machine for kept in results.read(record)] == ["a"]


def test_several_at_a_time_are_all_on_record(tmp_path: Path) -> None:
    due, record = [file(tmp_path, name, SOUND) for name in "abcde"], tmp_path / "results.jsonl"
    with ThreadPoolExecutor(2) as pool:
        assert racks.run_each(pool, 2, due, record, breaking("c")) == racks.BROKEN
    assert sorted(kept.machine for kept in results.read(record)) == ["a", "b", "d", "e"]


def test_a_name_that_fits_no_machine_is_said_with_those_there_are(capsys: pytest.CaptureFixture[str]) -> None:
    assert zoo.main(["--only", "unicorn"]) == racks.BAD_FILE
    assert "no machine file fits 'unicorn'; there are all-contents, " in capsys.readouterr().err


def test_the_page_lists_every_machine_with_its_newest_result(tmp_path: Path) -> None:
    bad, good, new = file(tmp_path, "bad", BROKEN), file(tmp_path, "good", SOUND), file(tmp_path, "new", BROKEN)
    record = [
        result(bad),
        result(good, what=seen(("warning", "S-2"))),
        result(good),
        result(bad, "c2", seen(("critical", "S-1"))),
    ]
    shown = page.render([bad, good, new], record)
    assert "| met | storage.slow | Storage | S-1 | 71 | c2 |" in shown
    assert "| not run yet |" in shown and "| missed | 0 |" in shown
    assert "healthy machines so far: **2**, of which **1** did not" in shown
    assert "at c1: S-2 has a warning in Storage: storage.slow" in shown


def test_the_page_says_how_far_off_the_estimates_were(tmp_path: Path) -> None:
    one = file(tmp_path, "m", SOUND)
    record = [result(one, what=seen(estimate_off_percent=percent)) for percent in (-30.04, 10.0, 20.0, None)]
    assert "over 3 runs to their end: median 20 %, worst 30 %." in page.render([one], record)
    assert "misjudged" not in page.render([one], record[3:])


def test_a_missed_fault_is_shown_with_what_is_missing(tmp_path: Path) -> None:
    bad = file(tmp_path, "bad", BROKEN)
    assert "| **missed**: verdict is passed, not failed; stage is none" in page.render([bad], [result(bad)])


def test_nothing_from_a_machine_ends_a_cell(tmp_path: Path) -> None:
    one = file(tmp_path, "m", SOUND, says="A | B <b>")
    assert "| A \\| B &lt;b> |" in page.render([one], [])


def test_the_page_is_what_the_results_and_machine_files_give() -> None:
    assert page.PAGE.read_text(encoding="utf-8") == page.render(specimen.every(), results.read()), "make docs"


# A link that comes up again alone is half of a flap.
DONE_BY_EVENTS = set(get_args(machinefile.EventName)) - {"link_up"}
DISK_FAULTS = {"bad_sectors", "bad_writes", "corrupt_after_write", "bps_total", "iops_total"}


def used(machines: Iterable[Machine], part: str, words: set[str]) -> set[str]:
    """Which of `words` some machine's disks or NICs say."""
    return {word for machine in machines for each in getattr(machine, part) for word in words if getattr(each, word)}


def test_the_zoo_has_every_fault_that_a_machine_file_can_say() -> None:
    machines = [one.machine for one in specimen.every()]
    disks = [disk for machine in machines for disk in machine.disks]
    assert {event.do for machine in machines for event in machine.events} >= DONE_BY_EVENTS
    assert used(machines, "disks", DISK_FAULTS) == DISK_FAULTS
    assert used(machines, "nics", {"rate_mbit", "loss_percent"}) == {"rate_mbit", "loss_percent"}
    assert {disk.content for disk in disks} == set(get_args(machinefile.Content))
    assert {disk.bus for disk in disks} == set(get_args(Disk.model_fields["bus"].annotation))
    kinds = set(get_args(BadRam.model_fields["kind"].annotation))
    assert {bad.kind for machine in machines for bad in machine.bad_ram} == kinds
    assert any(nic.link == "down" for machine in machines for nic in machine.nics)
    assert any(not psu.ok for machine in machines for psu in machine.bmc.psus)
    assert any(not fan.rpm for machine in machines for fan in machine.bmc.fans)


def test_the_zoos_healthy_machines_differ_widely() -> None:
    healthy = [one.machine for one in specimen.every() if one.is_healthy]
    assert len(healthy) >= 12
    assert {machine.firmware for machine in healthy} == {"bios", "uefi"}
    assert {machine.cpus for machine in healthy} >= {1, 2, 4, 8}
    assert {len(machine.disks) for machine in healthy} >= {1, 2, 3, 4, 8}
    assert {machine.bmc.present for machine in healthy} == {True, False}
    assert {len(machine.nics) for machine in healthy} >= {1, 2, 4}
    assert not all(machine.system.manufacturer.isascii() for machine in healthy)
    assert not all(machine.system.manufacturer.isprintable() for machine in healthy)


def test_the_zoos_pages_name_at_least_fifty_machines_and_each_says_what_is_wrong() -> None:
    every = specimen.every()
    assert len(every) >= 50
    assert [one.name for one in every if not one.says] == []
