"""Calls that schemathesis makes from the contract, against a run that waits for them: each is answered as documented,
and whatever was taken, the report is written, every page is shown, and every invariant holds."""

from __future__ import annotations

import random
from collections import Counter

import pytest
from django.test import Client
from hypothesis import Phase, given, seed, settings
from schemathesis import Case

from agentapi.endpoint import CALLS
from runs.models import Run
from tests.fuzz import budget, generated, pages, scenes

EXAMPLES = 45 if budget.SECONDS else 3
FIXED = [(scene, call) for scene in scenes.SCENES if scene.fixed for call in scene.likely]
EVERY = [(scene, call) for scene in scenes.SCENES for call in (*CALLS, *scene.likely, *scene.likely)]


def fuzz(scene: scenes.Scene, call: str, operator: Client, number: int) -> Counter[str]:
    answers: Counter[str] = Counter()
    talker = scenes.talker_in(scene)
    generated.AIM.at(talker, scenes.good_words(talker))

    def one(case: Case) -> None:
        with scenes.undone():
            body, content_type = generated.body_of(case)
            headers = {"Authorization": f"Bearer {talker.token}"}
            url = f"/api/v1/runs/{talker.run_id}/{call}"
            reply = talker.client.post(url, body, content_type=content_type, headers=headers)
            answers[f"{call} {reply.status_code}"] += 1
            generated.check(call, reply.status_code, reply.content)
            shown = budget.SECONDS or (call == scene.likely[-1] and answers[f"{call} 200"] == 2)
            if reply.status_code == 200 and shown:
                pages.all_is_well(operator, Run.objects.select_related("host").get(pk=talker.run_id))

    limited = budget.limits(EXAMPLES)
    quick = limited if budget.SECONDS else settings(limited, phases=[Phase.generate])
    seed(number)(quick(given(generated.calls(call))(one)))()
    return answers


@pytest.mark.django_db
def test_calls_made_from_the_contract_are_answered_as_documented(admin_client: Client) -> None:
    answers: Counter[str] = Counter()
    for number in budget.rounds(0.35):
        for scene, call in [random.Random(number).choice(EVERY)] if budget.SECONDS else FIXED:
            scenes.without_files()
            with scenes.undone():
                answers += fuzz(scene, call, admin_client, number)
    print(dict(sorted(answers.items())))
    if not budget.SECONDS:
        assert {f"{call} 200" for call in CALLS} <= answers.keys(), "a call that never got past the token"
