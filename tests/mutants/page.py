"""docs/proof.md: for every finding code, the machine of the zoo that makes it and the test that fails without it.
Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from agent.contract.codes import CODES
from tests.mutants.record import Mutant
from tests.mutants.silencing import ROOT
from tests.rack.zoo import results
from tests.rack.zoo.judging import Judged
from tests.rack.zoo.results import Result
from tests.rack.zoo.specimen import Specimen

PAGE = ROOT / "docs" / "proof.md"
_HEAD = """# The proof of every finding

Written by `scripts/write_proof.py`. A finding is proved in two ways:

- **On the rack**: a machine of the [zoo](zoo.md) has that fault, and its newest run was met. Without the detector the
  machine would be missed: its file names the finding, or no other finding blamed the part that it names.
- **By a test**: `make mutants` switches the detector of one finding off at a time. It then runs tests that reach the
  detector, until one fails. The test that failed is named here. The results, each with its commit, are in
  [proof-results.jsonl](proof-results.jsonl).

A test proves more about real hardware if it reads a recording of it (`tests/recorded/`), and the rack's virtual
machines have no GPU, no ECC memory and no SAS.
"""
_MOST_MACHINES = 3


def render(mutants: Mapping[str, Mutant], specimens: Sequence[Specimen], record: Sequence[Result]) -> str:
    machines = _machines(specimens, record)
    unproved = [code for code in CODES if code not in machines and not _test(mutants.get(code))]
    counts = (
        f"**{len(CODES)}** findings: **{len(machines)}** proved on the rack, "
        f"**{sum(bool(_test(mutants.get(code))) for code in CODES)}** by a test, **{len(unproved)}** by neither."
    )
    rows = [_row(code, machines.get(code, []), mutants.get(code)) for code in sorted(CODES)]
    return "\n".join(
        [
            _HEAD,
            counts,
            "",
            *_listed(unproved),
            "| finding | severity | on the rack | test that fails without it |",
            "|---|---|---|---|",
            *rows,
            "",
        ]
    )


def _machines(specimens: Iterable[Specimen], record: Iterable[Result]) -> dict[str, list[str]]:
    """The names of the machines whose file demands a finding, and which were met as the file is now."""
    newest = results.newest(record)
    found: dict[str, list[str]] = {}
    for one in specimens:
        result = newest.get(one.name)
        if result is None or result.file != one.digest or result.judged is not Judged.MET:
            continue
        for code in sorted(_needed(one, result)):
            found.setdefault(code, []).append(one.name)
    return found


def _needed(one: Specimen, result: Result) -> set[str]:
    """The findings without which the machine would be missed: those that its file names, and those that alone blame or
    warn of a part that it names."""
    wanted = one.machine.outcome
    needed = {code for code in wanted.findings if code in CODES}
    for severity, parts in (("critical", wanted.components or ()), ("warning", wanted.warnings)):
        for part in parts:
            codes = {each["code"] for each in result.found if (each["severity"], each["component"]) == (severity, part)}
            needed |= codes if len(codes) == 1 else set()
    return needed


def _listed(unproved: Sequence[str]) -> list[str]:
    if not unproved:
        return []
    return ["Neither proved by a machine nor by a test: " + ", ".join(f"`{code}`" for code in unproved) + ".", ""]


def _row(code: str, machines: Sequence[str], mutant: Mutant | None) -> str:
    shown = [f"[{name}](../tests/rack/machines/{name}.yaml)" for name in machines[:_MOST_MACHINES]]
    more = [f"{len(machines) - _MOST_MACHINES} more"] if len(machines) > _MOST_MACHINES else []
    return f"| `{code}` | {CODES[code].severity} | {', '.join([*shown, *more])} | {_test(mutant)} |"


def _test(mutant: Mutant | None) -> str:
    """The test with a link to its file; empty if there is none."""
    if mutant is None or mutant.test is None:
        return ""
    path, _, name = mutant.test.partition("::")
    words = name.partition("[")[0].rpartition("::")[2].removeprefix("test_").replace("_", " ")
    return f"[{words}](../{path})"
