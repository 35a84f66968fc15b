"""No change of a recording turns a failed or untested check into a passed one.

Each value of each recording is removed, garbled, or given another type, and the whole goes through parser and judge as
in a run. What a tool may leave out altogether, and why, stands in `MAY_BE_ABSENT`; docs/disks.md lists it, too."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from agent import recorded
from agent.stage import StageContext
from tests.agent_stages import mutations
from tests.agent_stages.contexts import context
from tests.agent_stages.recordings import RECORDED

# By kind of recording: the stage whose limits judge it, and what may be removed as a whole though something bad stands
# in it. A log that only some drives keep is no evidence that is missed, and attributes differ from maker to maker.
STAGE = {"smartctl": "SMART"}
MAY_BE_ABSENT = {
    "smartctl": (
        r"ata_device_statistics(\.pages\.\d+(\.table(\.\d+)?)?)?",
        r"ata_pending_defects_log",
        r"ata_smart_error_log",
        r"ata_smart_attributes\.table\.\d+",
        r"scsi_background_scan(\.result_\d+)?",
    )
}
DOCUMENTS = [(kind, path.name) for kind in STAGE for path in sorted((RECORDED / kind).glob("*.json"))]


@pytest.fixture(scope="module")
def contexts(tmp_path_factory: pytest.TempPathFactory) -> dict[str, StageContext]:
    directory: Path = tmp_path_factory.mktemp("mutations")
    return {kind: context(stage, directory) for kind, stage in STAGE.items()}


@pytest.mark.parametrize(("kind", "name"), DOCUMENTS)
def test_no_change_of_a_recording_passes_what_did_not(kind: str, name: str, contexts: dict[str, StageContext]) -> None:
    document = json.loads((RECORDED / kind / name).read_text())
    if recorded.judge(contexts[kind], kind, json.dumps(document))["outcome"] == "passed":
        return
    passed = [
        f"{place} {word}"
        for path, word, text in mutations.of(document)
        if not _may_be_absent(kind, place := ".".join(map(str, path)), word)
        and recorded.judge(contexts[kind], kind, text)["outcome"] == "passed"
    ]
    assert passed == []


def _may_be_absent(kind: str, place: str, word: str) -> bool:
    """smartctl writes null for a page of statistics that is empty (a place of a sparse list)."""
    may_be_null = word == "null" and re.fullmatch(r"ata_device_statistics\.pages\.\d+", place)
    is_absent = word == "removed" or may_be_null
    return bool(is_absent and any(re.fullmatch(pattern, place) for pattern in MAY_BE_ABSENT[kind]))


def test_a_document_is_whole_again_after_each_change() -> None:
    document = {"a": [1, {"b": "c"}], "d": True}
    before = json.dumps(document)
    changes = list(mutations.of(document))
    assert json.dumps(document) == before
    assert len({(path, word) for path, word, _ in changes}) == len(changes) > 20
    assert all(text != before for _, _, text in changes)


@pytest.mark.parametrize(("kind", "name"), DOCUMENTS)
def test_no_change_of_a_recording_breaks_the_parser(kind: str, name: str, contexts: dict[str, StageContext]) -> None:
    """Of those that pass, too; every seventh change is enough for that."""
    document = json.loads((RECORDED / kind / name).read_text())
    for number, (_, _, text) in enumerate(mutations.of(document)):
        if number % 7 == 0:
            assert recorded.judge(contexts[kind], kind, text)["outcome"] in ("passed", "failed", "not_tested")
