"""Calls that schemathesis makes from the REST API's own document, with a token of each role: no answer is a fault of
ours, and none is outside the document."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from django.core.handlers.wsgi import WSGIHandler
from django.core.signals import request_finished, request_started
from django.db import close_old_connections
from hypothesis import Phase, given, seed
from hypothesis import settings as property_settings
from hypothesis import strategies as st
from schemathesis import Case, GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import response_schema_conformance, status_code_conformance

from restapi import auth
from runs.bench.allowance import Pace
from runs.reports import exports
from runs.reports import write as report
from tests import factories
from tests.fuzz import budget, scenes
from tests.restapi.caller import Caller
from vetting import roles

pytestmark = pytest.mark.django_db
EXAMPLES = 60 if budget.SECONDS else 5
STATUS, SCHEMA = [not_a_server_error, status_code_conformance], [response_schema_conformance]
FILES = ("/export/", "/files/{name}", "/run.log")
WORDS = {"stage": "SMART", "path": "", "profile": "quick"}
AS_GENERATED = 4
"""One of so many calls keeps the address and the words that were generated."""


@pytest.fixture(autouse=True)
def _unlimited(monkeypatch: pytest.MonkeyPatch, settings: Any) -> Iterator[None]:
    settings.DEBUG_PROPAGATE_EXCEPTIONS = True  # a fault of ours is shown with its traceback
    monkeypatch.setattr(auth, "OF_TOKEN", Pace(10**9, 0.001))
    for signal in (request_started, request_finished):  # the calls are inside of the test's transaction
        signal.disconnect(close_old_connections)
    yield
    for signal in (request_started, request_finished):
        signal.connect(close_old_connections)


def paths() -> dict[str, list[Any]]:
    """What stands in the addresses."""
    runs = [factories.held(), factories.held_by_spec(), factories.in_storage(), factories.passed()]
    for run in runs:
        report.write(run)
    hosts = [runs[3].host.name, runs[0].host.name]
    return {
        "run_id": [run.pk for run in runs],
        "hosts": hosts,
        "profiles": ["quick", "deep-write"],
        "export": list(exports.BY_NAME),
        "files": ["report.json", "report.html"],
    }


def good(of: dict[str, list[Any]], path: str, number: int) -> dict[str, Any]:
    kinds = {name: of[name] for name in ("run_id", "export") if f"{{{name}}}" in path}
    if "{name}" in path:
        kinds["name"] = of["hosts" if "/hosts/" in path else "profiles" if "/profiles/" in path else "files"]
    return {name: values[number % len(values)] for name, values in kinds.items()}


def fuzz(operation: Any, caller: Caller, of: dict[str, list[Any]], number: int) -> Counter[str]:
    answers: Counter[str] = Counter()
    positive, negative = (
        operation.as_strategy(generation_mode=mode) for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE)
    )
    checks = STATUS if any(part in operation.path for part in FILES) else STATUS + SCHEMA

    def one(case: Case, which: int) -> None:
        if which % AS_GENERATED:
            case.path_parameters = {**(case.path_parameters or {}), **good(of, operation.path, which)}
            if isinstance(case.body, dict):
                case.body = {name: WORDS.get(name, value) for name, value in case.body.items()}
        case.headers = {"Authorization": f"Bearer {caller.token.secret}"}
        with scenes.undone():
            reply = case.call()
            answers[f"{operation.label} {reply.status_code}"] += 1
            case.validate_response(reply, checks=checks)
            assert reply.status_code not in (401, 429), "the token is good"

    limited = budget.limits(EXAMPLES)
    quick = limited if budget.SECONDS else property_settings(limited, phases=[Phase.generate])
    seed(number)(quick(given(st.one_of(positive, positive, negative), st.integers(0, 40))(one)))()
    return answers


@pytest.mark.parametrize("role", list(roles.ROLES))
def test_calls_made_from_the_document_are_answered_as_it_says(role: str) -> None:
    of, caller = paths(), Caller(role)
    headers = {"Authorization": f"Bearer {caller.token.secret}"}
    schema = schemathesis.openapi.from_wsgi("/rest/v1/openapi.json", WSGIHandler(), headers=headers)
    answers: Counter[str] = Counter()
    for number in budget.rounds(0.1):
        for found in schema.get_all_operations():
            answers += fuzz(found.ok(), caller, of, number)
    print(dict(sorted(answers.items())))
    taken = {answer.rpartition(" ")[0] for answer in answers if answer[-3] == "2"}
    asked = {answer.rpartition(" ")[0] for answer in answers}
    if not budget.SECONDS:
        assert {one for one in asked if one.startswith("GET")} <= taken, "a call that never got past its parameters"
        refused = {answer.rpartition(" ")[0] for answer in answers if answer.endswith(" 403")}
        for_administrators = {"POST /rest/v1/hosts/{name}/tags"}
        assert role == roles.VIEWER or refused == (set() if role == roles.ADMINISTRATOR else for_administrators)
