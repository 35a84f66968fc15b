"""What the rows and files say, without what differs between two runs of the same: keys, moments, random parts."""

from __future__ import annotations

import re
from collections import Counter
from typing import Any
from zlib import crc32

from django.apps import apps
from django.conf import settings
from django.db import models
from django_q.models import OrmQ

from runs.measurements import packing
from runs.models import Job, MeasurementBatch, Series

LONGEST = 60
OURS = ("hosts", "runs", "notifications")
# Made at random, or counted at each repeat: only whether they are there counts.
ONLY_WHETHER = {
    "Boot": ("nonce", "agent_token_hash"),
    "HoldSession": ("public_key", "private_key_sealed"),
    "LadderRung": ("seen",),
    "WakeRequest": ("sent",),
    "Artifact": ("size",),
    "Lease": ("holder", "position"),
    "Run": ("rolled_up_to",),
    "StageRun": ("timeout_s",),
}
_MOMENTS = re.compile(r"\d+(\.\d+)? s\b|\d\d:\d\d:\d\d")

State = dict[str, Counter[str]]
Ranks = dict[type[models.Model], dict[Any, int]]
# The messages that left the bench, since this list was emptied.
SENT: list[str] = []


def read() -> State:
    """Table → its rows as texts, but for the jobs, which count their tries; the files below RUNS_DIR, logs with what is
    in them; what is queued."""
    found: State = {}
    ranks: Ranks = {}
    for model in (model for app in OURS for model in apps.get_app_config(app).get_models() if model is not Job):
        names = [field for field in model._meta.concrete_fields if not field.primary_key or field.is_relation]
        rows = model.objects.order_by("pk").values_list(*(field.attname for field in names))
        found[model.__name__] = Counter(_row(model, names, row, ranks) for row in rows)
    found["messages"] = Counter(SENT)
    found["jobs"] = Counter(row.task["func"] for row in OrmQ.objects.all())
    found["files"] = Counter(map(_file, sorted(settings.RUNS_DIR.rglob("*.*"))))
    return found


def differences(one: State, other: State) -> list[str]:
    """In words: what only the first has, and what only the second."""
    said = []
    for table in one:
        said += [f"{table}: only without the fault: {row}" for row in (one[table] - other[table]).elements()]
        said += [f"{table}: only with the fault: {row}" for row in (other[table] - one[table]).elements()]
    return said


def _row(model: type[models.Model], fields: list[Any], row: tuple[Any, ...], ranks: Ranks) -> str:
    whether = ONLY_WHETHER.get(model.__name__, ())
    pairs = zip(fields, row, strict=True)
    return ", ".join(f"{field.name}={_value(field, value, whether, ranks)}" for field, value in pairs)


def _value(field: Any, value: Any, whether: tuple[str, ...], ranks: Ranks) -> str:
    if field.name in whether or isinstance(field, models.DateTimeField):
        return "set" if value else "none"
    if field.is_relation and value is not None:
        return str(_ranks(field.remote_field.model, ranks)[value])
    if field.model is MeasurementBatch and field.name == "samples":
        ids, after_ms, values = packing.unpack(value)
        of = {row.pk: f"{row.component} {row.name}" for row in Series.objects.filter(pk__in=ids)}
        value = [of[pk] for pk in ids], after_ms, values
    text = _MOMENTS.sub("N", repr(value))
    return text if len(text) < LONGEST else f"{text[:LONGEST]}… ({crc32(text.encode())})"


def _ranks(model: type[models.Model], ranks: Ranks) -> dict[Any, int]:
    """The how-manieth row of its table each is: numbers that were used up by what was rolled back don't count."""
    if model not in ranks:
        keys = model.objects.order_by("pk").values_list("pk", flat=True)
        ranks[model] = {key: number for number, key in enumerate(keys, start=1)}
    return ranks[model]


def _file(path: Any) -> str:
    text = path.read_text() if path.suffix == ".log" else ""
    return f"{path.relative_to(settings.RUNS_DIR)} {text}"
