"""`manage.py findings`: the whole registry, for people and for programs."""

from __future__ import annotations

import json
from io import StringIO

from django.core.management import call_command

from agent.contract.codes import CODES
from agent.contract.wire import Severity
from runs.judging.specdiff import compare
from tests.runs.test_specdiff import CASES, SPEC


def said(*arguments: str) -> str:
    out = StringIO()
    call_command("findings", *arguments, stdout=out)
    return out.getvalue()


def test_json_lists_every_code_with_what_it_means() -> None:
    rows = json.loads(said("--json"))
    assert [row["code"] for row in rows] == sorted(CODES)
    assert all(row["severity"] in list(Severity) and row["title"] and row["advice"] and row["acts"] for row in rows)


def test_the_table_names_every_code() -> None:
    text = said()
    assert all(code in text for code in CODES)


def test_every_code_of_a_spec_difference_is_in_the_registry_with_its_severity() -> None:
    for inventory, _ in CASES.values():
        for difference in compare(SPEC, inventory):
            assert CODES[difference.code].severity == difference.severity
