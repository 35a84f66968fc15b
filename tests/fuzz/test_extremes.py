"""The contract's own samples with every number, or every text, at its extreme: refused in words, or taken and then
shown, reported, compared and adopted without a fault."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from agent.contract import codec
from runs.models import Run
from tests import work
from tests.fuzz import budget, generated, pages, scenes
from tests.talker import INVENTORY

GOLDEN = Path(__file__).resolve().parents[1] / "golden"
NUMBERS = (2**63 - 1, -(2**62), 1.7e308, -1.7e308, 5e-324, -1)
TEXTS = ("", "\x00\u202e<b>'\"", "x" * 70_000, "../../etc/passwd", "9" * 400, "{{ 7*7 }}\r\nSet-Cookie: a=b")
FIXED = (2**63 - 1, -1.7e308, TEXTS[1])
AIMED = ("boot_id", "stage", "attempt", "dmi_uuid", "macs", "contract", "port", "seq", "outcome")
CALLS = {"heartbeat": "Heartbeat", "log": "LogBatch", "sensor": "SensorBatch", "result": "Result"}


def extreme(sample: Any, value: Any) -> Any:
    """Every leaf of the value's kind replaced. An integer stands for whole and other numbers."""
    if isinstance(sample, dict):
        return {name: extreme(item, value) for name, item in sample.items()}
    if isinstance(sample, list):
        return [extreme(item, value) for item in sample]
    if isinstance(value, str):
        return value if isinstance(sample, str) else sample
    is_number = type(sample) is float or (type(sample) is int and type(value) is int)
    return value if is_number else sample


def message(kind: str, value: Any, words: dict[str, Any]) -> dict[str, Any]:
    sample = json.loads((GOLDEN / f"{kind}.json").read_text())
    if kind == "Result":
        sample |= {"inventory": codec.encode(INVENTORY), "outcome": "passed"}
    bent = {name: item if name in AIMED else extreme(item, value) for name, item in sample.items()}
    bent = keep_words(sample, bent)
    return {**bent, **{name: item for name, item in words.items() if name in bent}}


def keep_words(sample: Any, bent: Any) -> Any:
    """Outcomes and severities as they were: another word is refused before anything is read."""
    if isinstance(sample, dict):
        kept = {name: sample[name] for name in ("outcome", "severity") if name in sample}
        return {name: keep_words(sample.get(name, item), item) for name, item in bent.items()} | kept
    if isinstance(sample, list):
        return [keep_words(one, other) for one, other in zip(sample, bent, strict=True)]
    return bent


@pytest.mark.postgresql
@pytest.mark.django_db
@pytest.mark.parametrize("call", CALLS if budget.SECONDS else ["sensor", "result"])
def test_extreme_numbers_and_texts_are_refused_or_shown(call: str, admin_client: Client) -> None:
    scene = next(scene for scene in scenes.SCENES if scene.name == "first stage")
    talker, taken = scenes.talker_in(scene), 0
    for value in (*NUMBERS, *TEXTS) if budget.SECONDS else FIXED:
        with scenes.undone():
            body = json.dumps(message(CALLS[call], value, scenes.good_words(talker))).encode()
            headers = {"Authorization": f"Bearer {talker.token}"}
            url = f"/api/v1/runs/{talker.run_id}/{call}"
            reply = talker.client.post(url, body, content_type="application/json", headers=headers)
            generated.check(call, reply.status_code, reply.content)
            if reply.status_code == 200:
                taken += 1
                run = Run.objects.select_related("host").get(pk=talker.run_id)
                work.dispatch()
                pages.all_is_well(admin_client, run)
                admin_client.post(reverse("adopt", args=[run.pk]), {"path": ""})
                pages.look(admin_client, reverse("host", args=[run.host.name]))
    assert taken, "nothing was taken"
