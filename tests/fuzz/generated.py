"""Calls made from docs/openapi.json by schemathesis, each aimed at a run that waits for it."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import requests
import schemathesis
from hypothesis.strategies import SearchStrategy, one_of
from schemathesis import Case, GenerationMode, HookContext

from agent.contract import codec
from agentapi.endpoint import CALLS
from scripts import write_protocol
from tests.talker import Talker

DOCUMENT = json.loads((Path(__file__).resolve().parents[2] / "docs/openapi.json").read_text())
ANSWERS = {call.name: call.answer for call in write_protocol.CALLS}
LONGEST_ANSWER = 2_000


def address(call: str) -> str:
    return f"/api/v1/runs/{{id}}/{call}"


def documented(call: str) -> set[int]:
    return set(map(int, DOCUMENT["paths"][address(call)]["post"]["responses"]))


class Aim:
    """The hook by which every generated call has this run's number, its token and the words of its present state."""

    def __init__(self) -> None:
        self.run_id, self.token, self.words = 0, "", {}

    def at(self, talker: Talker, words: dict[str, Any]) -> None:
        self.run_id, self.token, self.words = talker.run_id, talker.token, words

    def aimed(self, case: Case) -> Case:
        case.path_parameters = {"id": self.run_id}
        case.headers = {"Authorization": f"Bearer {self.token}"}
        if isinstance(case.body, dict):
            case.body = {name: self._word(name, value) for name, value in case.body.items()}
        return case

    def _word(self, name: str, value: Any) -> Any:
        """What is wrong on purpose, and so of another type, stays."""
        good = self.words.get(name)
        return good if type(value) is type(good) else value


AIM = Aim()


def map_case(context: HookContext, case: Case) -> Case:
    return AIM.aimed(case)


@cache
def operations() -> dict[str, Any]:
    schema = schemathesis.openapi.from_dict(DOCUMENT)
    schema.hook(map_case)
    return {call: schema[address(call)]["POST"] for call in CALLS}


def calls(call: str) -> SearchStrategy[Case]:
    """Two of three as the contract has them, one that breaks it."""
    good, bad = (
        operations()[call].as_strategy(generation_mode=mode, path_parameters={"id": 1})
        for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE)
    )
    return one_of(good, good.map(lambda case: case), bad)


def body_of(case: Case) -> tuple[bytes, str]:
    """As it goes over the wire, and its content type."""
    wanted = case.as_transport_kwargs(base_url="http://127.0.0.1")
    prepared = requests.Request(**{name: wanted.get(name) for name in ("method", "url", "json", "data", "headers")})
    sent = prepared.prepare()
    body = sent.body or b""
    return body.encode() if isinstance(body, str) else body, sent.headers.get("Content-Type", "application/json")


def check(call: str, status: int, body: bytes, *, also: frozenset[int] = frozenset()) -> None:
    """Documented (503 needs a fault of ours), short where it is refused, and of the contract where it is taken."""
    assert status in documented(call) - {503} | also, (call, status, body[:500])
    if status == 200:
        codec.loads(ANSWERS[call], body)
    else:
        assert isinstance(json.loads(body)["error"], str)
        assert len(body) < LONGEST_ANSWER, (call, status, len(body))
