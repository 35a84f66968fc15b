"""The same generated calls to a real web process, heartbeats, log and sensor calls by its group commit included."""

from __future__ import annotations

import random
from collections import Counter
from contextlib import closing
from typing import Any

import httpx
import pytest
from hypothesis import given, seed
from schemathesis import Case
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import response_schema_conformance, status_code_conformance

from agentapi.endpoint import CALLS
from runs import lifecycle
from runs.machine import HELD, LIVE
from runs.models import Run
from tests.fuzz import budget, generated, pages, scenes
from tests.runs.conftest import PASSWORD, web  # noqa: F401  the fixture
from tests.runs.webprocess import WebProcess

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(not budget.SECONDS, reason="make fuzz"),
]
CHECKS = [not_a_server_error, status_code_conformance, response_schema_conformance]
EVERY = [(scene, call) for scene in scenes.SCENES for call in (*CALLS, *scene.likely, *scene.likely)]
NO_LONGER_S = 60


def call_it(url: str, scene: scenes.Scene, call: str, number: int) -> tuple[Run, Counter[str]]:
    answers: Counter[str] = Counter()
    talker = scenes.talker_in(scene, number + 1)
    generated.AIM.at(talker, scenes.good_words(talker))

    def one(case: Case) -> None:
        reply = case.call(base_url=url, timeout=NO_LONGER_S)
        case.validate_response(reply, checks=CHECKS)
        generated.check(call, reply.status_code, reply.content)
        answers[f"{call} {reply.status_code}"] += 1

    seed(number)(budget.limits(45)(given(generated.calls(call))(one)))()
    return Run.objects.select_related("host").get(pk=talker.run_id), answers


def look_and_end(operator: httpx.Client, run: Run) -> None:
    for address in pages.addresses(run):
        assert operator.get(address, timeout=NO_LONGER_S).status_code < (504 if "healthz" in address else 500), address
    assert pages.broken() == []
    if run.state in LIVE:
        lifecycle.cancel(run)
    elif run.state in HELD:
        lifecycle.release(run)


def test_a_real_process_answers_what_was_generated_and_does_not_grow(
    web: WebProcess,  # noqa: F811
    settings: Any,
) -> None:
    assert web.process is not None
    settings.SECRET_KEY = web.environment["VETTING_SECRET_KEY"]  # so that it takes the tokens that are made here
    answers: Counter[str] = Counter()
    with closing(web.log_in("operator", PASSWORD)) as operator:
        for number in budget.rounds(0.3, web.process.pid):
            scene, call = random.Random(number).choice(EVERY)
            run, answered = call_it(web.url, scene, call, number)
            answers += answered
            look_and_end(operator, run)
    print(dict(sorted(answers.items())))
    assert web.process.poll() is None
    assert any(answer.endswith(" 200") for answer in answers), "no call got past the token"
