"""report.json is what docs/report-1.schema.json says: no key is missing, none is unknown, and old reports are read."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest

from agent.contract.actions import LADDER
from runs.reports import exports
from runs.reports import write as report
from runs.reports.document import SCHEMA_VERSION, document
from tests import factories, rows
from tests.runs.test_report import failed_run

pytestmark = pytest.mark.django_db

ROOT = Path(__file__).resolve().parents[2]
SCHEMA = json.loads((ROOT / f"docs/report-{SCHEMA_VERSION}.schema.json").read_text())
OLD = ROOT / "tests/runs/old_reports/report-1.json"


def closed(schema: Any) -> Any:
    """The schema with no key allowed that it does not name."""
    if isinstance(schema, list):
        return [closed(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    made = {key: closed(value) for key, value in schema.items()}
    return made | {"additionalProperties": False} if isinstance(made.get("properties"), dict) else made


def problems(content: Any, schema: Any = SCHEMA) -> list[str]:
    found = jsonschema_rs.Draft202012Validator(schema).iter_errors(content)
    return [f"{'.'.join(map(str, one.instance_path))}: {one.message[:200]}" for one in found]


@pytest.fixture(autouse=True)
def _own_files(settings: Any, tmp_path: Path) -> None:
    settings.RUNS_DIR = tmp_path / "runs"


def test_the_report_of_every_situation_is_as_the_schema_says_without_another_key() -> None:
    for run in factories.for_every_state():
        content = json.loads(report.to_json(document(run)))
        assert problems(content, closed(SCHEMA)) == [], run.state


def test_so_is_a_report_with_something_in_every_list_and_one_with_nothing() -> None:
    for run in (failed_run(), rows.a_run(rows.a_host("node-9", "52:54:00:00:00:09"))):
        assert problems(json.loads(report.to_json(document(run))), closed(SCHEMA)) == []


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("verdict", "result"), "fine"),
        (("schema_version",), 2),
        (("generated_at",), "yesterday"),
        (("run", "id"), "1"),
        (("parts", 0, "action"), "pray"),
        (("stages", 0, "attempts"), None),
    ],
)
def test_a_report_that_says_something_else_is_refused(path: tuple[Any, ...], value: Any) -> None:
    content = copy.deepcopy(json.loads(report.to_json(document(failed_run()))))
    here = content
    for step in path[:-1]:
        here = here[step]
    here[path[-1]] = value
    assert problems(content) != []


@pytest.mark.parametrize("key", SCHEMA["required"])
def test_a_report_that_lacks_a_part_is_refused(key: str) -> None:
    content = json.loads(report.to_json(document(failed_run())))
    del content[key]
    assert problems(content) != []


def test_the_schema_names_the_actions_of_the_ladder() -> None:
    assert SCHEMA["$defs"]["action"]["enum"] == list(LADDER)


def test_a_report_of_an_earlier_version_still_agrees_and_can_be_shown_and_exported() -> None:
    """The file is a report as version 1 first was, before `parts` and `action`."""
    content = json.loads(OLD.read_text())
    assert "parts" not in content and problems(content) == []
    assert "SATA-0001: 2 pending sectors" in report.to_html(content)
    run = rows.a_run()
    for export in exports.EXPORTS:
        assert len(export.make(run, content)) > 40, export.name
