"""docs/zoo.md: the newest result of every machine file, and how often the healthy ones were run. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from statistics import median

from tests.rack.orchestrator import ROOT
from tests.rack.zoo import rates, results
from tests.rack.zoo.judging import Judged
from tests.rack.zoo.results import Result
from tests.rack.zoo.specimen import Specimen

PAGE = ROOT / "docs" / "zoo.md"
NOT_RUN = "not run yet"
WORDS = {
    Judged.MET: "the result is what the file says",
    Judged.DAMAGE: "a disk was written that must stay untouched",
    Judged.MISSED: "a broken part is not blamed, or has no warning",
    Judged.WRONG_PART: "a sound part is blamed",
    Judged.FALSE_ALARM: "a host is blamed though nothing is wrong, or a healthy one has a warning",
    Judged.OTHERWISE: "the right parts, in another stage, state or verdict than the file says",
}

_HEAD = """# The zoo

The zoo is a set of whole computers on the [virtual rack](rack.md), most of them broken on purpose, with their results.
`make zoo` runs them, adds each result to [zoo-results.jsonl](zoo-results.jsonl) with its commit, and writes
this page from that file. If it was stopped, it goes on where it was. A machine file says what must be found. So a fault
that the rack can make and Vetting can't see is listed here as missed.
"""
_CROWDED_CORES = 2


def render(specimens: Sequence[Specimen], record: Sequence[Result]) -> str:
    healthy = [one for one in specimens if one.is_healthy]
    broken = [one for one in specimens if not one.is_healthy]
    newest = _newest_of_file(specimens, record)
    return "\n".join(
        [
            _HEAD,
            *_summary(specimens, newest),
            "",
            *_alarms(healthy, record),
            "",
            *_estimates(record),
            *_rates(specimens, record),
            "## Machines with something wrong",
            "",
            *_table(broken, newest),
            "",
            "## Healthy machines",
            "",
            *_table(healthy, newest),
            "",
            *_crowded(specimens),
            "",
        ]
    )


def _newest_of_file(specimens: Iterable[Specimen], record: Iterable[Result]) -> dict[str, Result]:
    """Of the machine files as they are now: what an older version came to says nothing about this one."""
    digests = {(one.name, one.digest) for one in specimens}
    return results.newest(result for result in record if (result.machine, result.file) in digests)


def _summary(specimens: Sequence[Specimen], newest: dict[str, Result]) -> list[str]:
    counts = Counter(newest[one.name].judged if one.name in newest else NOT_RUN for one in specimens)
    rows = [f"| {judged} | {counts[judged]} | {words} |" for judged, words in WORDS.items()]
    if counts[NOT_RUN]:
        rows.append(f"| {NOT_RUN} | {counts[NOT_RUN]} | as the machine file is now |")
    said = f"{len(specimens)} machines, by the newest result of each:"
    return [said, "", "| outcome | machines | |", "|---|---|---|", *rows]


def _alarms(healthy: Sequence[Specimen], record: Sequence[Result]) -> list[str]:
    """Every run ever made of a file that is healthy now, whatever the commit."""
    names = {(one.name, one.digest) for one in healthy}
    runs = [result for result in record if (result.machine, result.file) in names]
    alarms = [result for result in runs if result.judged is not Judged.MET]
    said = f"Runs of healthy machines so far: **{len(runs)}**, of which **{len(alarms)}** did not simply pass."
    if runs:
        said += f" With 95 % confidence fewer than {100 * rates.bounds(len(alarms), len(runs))[1]:.1f} % do not."
    told = [f"- {_link(one.machine)} at {one.commit}: {_cell('; '.join(one.why))}" for one in alarms]
    if alarms:
        last = max(one.at for one in alarms)
        told += ["", f"Runs since the last of these: **{sum(one.at > last for one in runs)}**, none of them an alarm."]
    return [said, "", *told]


def _estimates(record: Sequence[Result]) -> list[str]:
    """Of every run ever made that went to its end, on whatever machine."""
    off = sorted(abs(result.estimate_off_percent) for result in record if result.estimate_off_percent is not None)
    if not off:
        return []
    said = f"By how much the time that a run takes was misjudged before its start, over {len(off)} runs to their end"
    why = "Two minutes of each estimate are the drives' short self-test, which QEMU's have not; runs here take two."
    return [f"{said}: median {median(off):.0f} %, worst {off[-1]:.0f} %. {why}", ""]


def _rates(specimens: Sequence[Specimen], record: Sequence[Result]) -> list[str]:
    rows = [
        _cells(
            rate.fault.title, rate.profile, f"{rate.found} of {rate.runs}",
            "{:.0f} % to {:.0f} %".format(*(100 * bound for bound in rates.bounds(rate.found, rate.runs))),
            "" if rate.smallest is None else f"{rate.smallest:g} {rate.fault.unit}",
        )
        for rate in rates.of(specimens, record)
    ]  # fmt: skip
    if not rows:
        return []
    said = (
        "Over all runs on record of the files as they are now. The bounds are those of Clopper and Pearson, 95 %. The\n"
        "smallest fault is the smallest of the zoo that was found in each of its runs; smaller ones were not tried."
    )
    head = ["| fault | profile | found | detection rate | smallest fault found |", "|---|---|---|---|---|"]
    return ["## Detection rates", "", said, "", *head, *rows, ""]


def _table(specimens: Sequence[Specimen], newest: dict[str, Result]) -> list[str]:
    head = "| machine | what is wrong with it | outcome | found | stage | part blamed | seconds | commit |"
    return [head, "|---|---|---|---|---|---|---|---|", *(_row(one, newest.get(one.name)) for one in specimens)]


def _row(specimen: Specimen, result: Result | None) -> str:
    if result is None:
        return _cells(_link(specimen.name), specimen.says, NOT_RUN, "", "", "", "", "")
    outcome = result.judged if result.judged is Judged.MET else f"**{result.judged}**: {'; '.join(result.why)}"
    told = result.blamed or result.found
    return _cells(
        _link(specimen.name), specimen.says, outcome,
        _each(one["code"] for one in told), _each(one["stage"] for one in told) or result.stage,
        _each(one["component"] for one in result.blamed), f"{result.seconds:.0f}", result.commit,
    )  # fmt: skip


def _crowded(specimens: Iterable[Specimen]) -> list[str]:
    names = [_link(one.name) for one in specimens if one.machine.cpus > _CROWDED_CORES]
    if not names:
        return []
    return [f"More processors than the bench's {_CROWDED_CORES} cores, so the guest's stall time-outs were raised: "
            f"{', '.join(names)}."]  # fmt: skip


def _each(words: Iterable[str]) -> str:
    return ", ".join(dict.fromkeys(words))


def _link(name: str) -> str:
    return f"[{name}](../tests/rack/machines/{name}.yaml)"


def _cells(*cells: str) -> str:
    return f"| {' | '.join(_cell(cell) for cell in cells)} |"


def _cell(text: str) -> str:
    """Strings from hardware among them: nothing of it may end the cell or be markup."""
    printable = "".join(character if character.isprintable() else " " for character in text)
    return printable.replace("|", "\\|").replace("<", "&lt;")
