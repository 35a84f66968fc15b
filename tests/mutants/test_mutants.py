"""The mutants: what silences a detector, and what the page calls proved."""

from __future__ import annotations

import pytest

from agent import findings
from agent.contract import codec, wire
from agent.contract.codes import CODES
from tests.mutants import __main__ as mutants
from tests.mutants import page, record, silencing
from tests.mutants.record import Mutant
from tests.rack.zoo import results, specimen


def test_what_a_silenced_detector_finds_is_a_remark_on_nobody() -> None:
    with silencing.watching(lambda code: code == "memory.miscompare"):
        silenced = findings.make("memory.miscompare", "dimm", "DIMM_A1", "a word is wrong")
        other = findings.make("cpu.miscompare", "cpu", "CPU0", "a sum is wrong")
    assert (silenced.severity, silenced.component) == (wire.Severity.INFO, "system")
    assert silenced.code in CODES
    assert (other.code, other.component) == ("cpu.miscompare", "CPU0")
    assert findings.make("memory.miscompare", "dimm", "DIMM_A1", "").component == "DIMM_A1"


def test_what_a_test_or_the_wire_makes_is_no_work_of_a_detector() -> None:
    made = wire.Finding("memory.miscompare", wire.Severity.CRITICAL, "dimm", "DIMM_A1", "")
    with silencing.watching(lambda code: True):
        again = wire.Finding("memory.miscompare", wire.Severity.CRITICAL, "dimm", "DIMM_A1", "")
        decoded = codec.decode(wire.Finding, codec.encode(made))
    assert made == again == decoded


def test_the_first_tests_of_a_mutant_are_of_different_files() -> None:
    tests = [
        "tests/runs/z.py::one",
        "tests/agent/a.py::two",
        "tests/agent/a.py::three",
        "tests/agent/b.py::test_of_four",
    ]
    assert mutants._of_many_files(tests)[:3] == [tests[1], tests[3], tests[0]]


def test_a_code_without_a_machine_and_without_a_test_is_listed_as_unproved() -> None:
    killed = {
        code: Mutant(code, "c0ffee", "2026-01-01", 1, f"tests/agent/test_x.py::test_{n}")
        for n, code in enumerate(CODES)
    }
    first, *_ = CODES
    survived = killed | {first: Mutant(first, "c0ffee", "2026-01-01", 9, None)}
    assert "Neither proved" not in page.render(killed, [], [])
    assert f"Neither proved by a machine nor by a test: `{first}`." in page.render(survived, [], [])


def test_the_page_is_current_and_has_every_code() -> None:
    text = page.PAGE.read_text(encoding="utf-8")
    assert text == page.render(record.read(), specimen.every(), results.read()), "run scripts/write_proof.py"
    assert [code for code in CODES if f"| `{code}` |" not in text] == []


@pytest.mark.parametrize("pattern", ["no.such.code", "x*"])
def test_a_pattern_that_fits_nothing_says_where_codes_stand(pattern: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert mutants.main(["--only", pattern]) == 2
    assert "agent/contract/codes.py" in capsys.readouterr().out
