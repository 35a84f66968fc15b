from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest
from pydantic import TypeAdapter

from agent.contract import codec, wire
from agentapi.endpoint import CALLS
from runs.profiles import load as profiles

ROOT = Path(__file__).resolve().parents[2]
GOLDEN = ROOT / "tests" / "golden"


@pytest.fixture(scope="module")
def writer() -> ModuleType:
    spec = importlib.util.spec_from_file_location("write_protocol", ROOT / "scripts" / "write_protocol.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_there_is_a_golden_sample_of_every_message_and_of_nothing_else() -> None:
    assert {path.stem for path in GOLDEN.glob("*.json")} == {kind.__name__ for kind in wire.MESSAGES}


@pytest.mark.parametrize("kind", wire.MESSAGES, ids=lambda kind: kind.__name__)
def test_a_golden_sample_decodes_and_is_written_again_as_it_was(kind: type) -> None:
    text = (GOLDEN / f"{kind.__name__}.json").read_bytes()
    message = codec.loads(kind, text)
    assert json.loads(codec.dumps(message)) == json.loads(text)


@pytest.mark.parametrize("kind", wire.MESSAGES, ids=lambda kind: kind.__name__)
def test_a_golden_sample_shows_every_field(kind: type) -> None:
    sample = json.loads((GOLDEN / f"{kind.__name__}.json").read_text())
    assert sample.keys() == vars(codec.decode(kind, sample)).keys()


def test_the_sample_of_a_claim_orders_what_a_profile_can_order() -> None:
    sample, quick = json.loads((GOLDEN / "ClaimAnswer.json").read_text()), profiles.load("quick")
    for order in sample["stages"]:
        stage = quick["stages"][order["name"]]
        assert order["params"].keys() <= stage["params"].keys()
        assert order["limits"].keys() <= stage["limits"].keys()
    assert sample["sensor_limits"].keys() <= quick["sensors"].keys()


def test_the_agents_side_decodes_every_sample_with_the_standard_library_alone() -> None:
    """In an interpreter of its own (-S: no installed packages), as on the live image."""
    program = (
        "import pathlib, sys; sys.path.insert(0, sys.argv[1]); from agent.contract import codec, wire\n"
        "for kind in wire.MESSAGES:\n"
        "    codec.loads(kind, pathlib.Path(sys.argv[1], 'tests/golden', kind.__name__ + '.json').read_bytes())\n"
        "assert not {'django', 'pydantic'} & set(sys.modules); print(len(wire.MESSAGES))"
    )
    command = [sys.executable, "-S", "-I", "-c", program, str(ROOT)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30)
    assert (done.returncode, done.stdout.strip()) == (0, str(len(wire.MESSAGES))), done.stderr


def test_the_servers_calls_are_the_documented_ones(writer: ModuleType) -> None:
    documented = {call.name: call.request for call in writer.CALLS}
    assert documented == {name: call.message for name, call in CALLS.items()}


def test_every_message_is_part_of_a_documented_call(writer: ModuleType) -> None:
    assert {kind for call in writer.CALLS for kind in (call.request, call.answer)} == set(wire.MESSAGES)


def test_the_protocol_page_is_current(writer: ModuleType) -> None:
    assert (ROOT / "docs" / "protocol.md").read_text() == writer.protocol(), "run: make docs"


def test_the_openapi_document_is_current(writer: ModuleType) -> None:
    assert (ROOT / "docs" / "openapi.json").read_text() == writer.openapi(), "run: make docs"


def test_every_reference_of_the_openapi_document_leads_somewhere(writer: ModuleType) -> None:
    document = json.loads(writer.openapi())
    names = document["components"]["schemas"].keys()
    text = json.dumps(document)
    used = {part.split('"')[0] for part in text.split("#/components/schemas/")[1:]}
    assert used <= names
    assert {kind.__name__ for kind in wire.MESSAGES} <= names


@pytest.mark.parametrize("kind", wire.MESSAGES, ids=lambda kind: kind.__name__)
def test_the_schemas_generator_reads_the_contract_as_the_codec_does(kind: type) -> None:
    sample = json.loads((GOLDEN / f"{kind.__name__}.json").read_text())
    assert TypeAdapter(kind).validate_python(sample, strict=False) == codec.decode(kind, sample)
