"""What /metrics says is Prometheus' format and agrees with the rows; rules and dashboard ask for what there is."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from notifications.models import Delivery
from runs.models import Job
from tests import factories, rows
from vetting import metrics

pytestmark = pytest.mark.django_db

ROOT = Path(__file__).resolve().parents[2]
MONITORING = ROOT / "deploy/monitoring"
TOKEN = "a token of thirty-two characters or more"
HEADERS = {"Authorization": f"Bearer {TOKEN}"}

# The grammar of the format: a name, labels in quotes with escapes, a number.
_LABEL = r'[a-zA-Z_][a-zA-Z0-9_]*="(?:[^"\\\n]|\\["\\n])*"'
_SAMPLE = re.compile(
    rf"^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{{((?:{_LABEL})(?:,{_LABEL})*)\}})? (-?[0-9.e+-]+|\+?inf|-inf|nan)$", re.I
)
Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]


@pytest.fixture(autouse=True)
def _fresh(settings: Any) -> None:
    settings.METRICS_TOKEN = TOKEN
    metrics._kept.forget()


def parsed(text: str) -> Samples:
    """As Prometheus reads it: HELP and TYPE before the samples of a name, all of them together, none twice."""
    found: Samples = {}
    kinds, name = {}, ""
    for line in text.splitlines():
        if line.startswith("# HELP "):
            name = line.split()[2]
            assert name not in kinds, f"{name} comes twice"
        elif line.startswith("# TYPE "):
            _, _, typed, kinds[name] = line.split()
            assert typed == name and kinds[name] in ("gauge", "counter")
        else:
            sample = _SAMPLE.match(line)
            assert sample and sample[1] == name, line
            key = name, frozenset(re.findall(r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\]|\\.)*)"', sample[2] or ""))
            assert key not in found, line
            found[key] = float(sample[3])
    assert text.endswith("\n")
    for named, kind in kinds.items():
        assert named.endswith("_total") == (kind == "counter"), named
    return found


def asked(client: Client) -> Samples:
    answer = client.get(reverse("metrics"), headers=HEADERS)
    assert (answer.status_code, answer.headers["Content-Type"]) == (200, "text/plain; version=0.0.4; charset=utf-8")
    return parsed(answer.content.decode())


def value(found: Samples, name: str, **labels: str) -> float:
    return found[name, frozenset(labels.items())]


def test_the_figures_are_those_of_the_rows(client: Client) -> None:
    factories.worker_at_work()
    runs = factories.for_every_state()
    Job.objects.create(call="math.sqrt", title="a job", limit_s=1, problem="no")
    for target, fields in {"a": {"problem": "no"}, "b": {}, "c": {"sent_at": runs[0].created_at}}.items():
        Delivery.objects.create(event=rows.an_event(runs[0], "RunCompleted"), target=target, **fields)
    found = asked(client)
    assert value(found, "vetting_runs", state="FailedHolding") == sum(run.state == "FailedHolding" for run in runs)
    assert value(found, "vetting_runs", state="Storage") == 1
    assert sum(number for (name, _), number in found.items() if name == "vetting_hosts") == len(runs) + 1
    ended = [run for run in runs if run.ended_at and run.verdict == "passed"]
    assert value(found, "vetting_runs_ended_total", verdict="passed") == len(ended) > 0
    assert value(found, "vetting_stage_attempts_total", stage="SMART", outcome="failed") > 0
    assert value(found, "vetting_stage_duration_mean_seconds", stage="Firmware") > 0
    assert value(found, "vetting_worker_round_age_seconds") < 20
    assert value(found, "vetting_jobs", state="put_aside") == 1
    results = [value(found, "vetting_deliveries_total", result=word) for word in ("sent", "failed")]
    assert [*results, value(found, "vetting_deliveries_waiting")] == [1, 1, 1]
    assert value(found, "vetting_disk_free_bytes") > 0


def test_an_empty_installation_without_a_worker_has_every_series(client: Client) -> None:
    found = asked(client)
    assert value(found, "vetting_worker_round_age_seconds") == float("inf")
    assert value(found, "vetting_runs_ended_total", verdict="failed") == 0
    assert value(found, "vetting_stage_attempts_total", stage="PSU", outcome="not_tested") == 0


def test_the_number_of_queries_does_not_depend_on_the_runs_and_they_are_not_asked_each_time(client: Client) -> None:
    def queries() -> int:
        metrics._kept.forget()
        with CaptureQueriesContext(connection) as captured:
            asked(client)
        return len(captured)

    few = queries()
    factories.for_every_state()
    assert queries() <= few
    with CaptureQueriesContext(connection) as captured:
        asked(client)
    assert len(captured) == 0


@pytest.mark.parametrize("name", ["metrics", "metrics-targets"])
def test_without_the_token_nobody_sees_anything(client: Client, settings: Any, name: str) -> None:
    for given in ({}, {"Authorization": TOKEN}, {"Authorization": "Bearer wrong"}, {"Authorization": "Bearer "}):
        assert client.get(reverse(name), headers=given).status_code == 401
    settings.METRICS_TOKEN = ""
    for given in ({}, HEADERS, {"Authorization": "Bearer "}):
        assert client.get(reverse(name), headers=given).status_code == 401
    client.force_login(factories.UserFactory(), backend="django.contrib.auth.backends.ModelBackend")
    assert client.get(reverse(name)).status_code == 401


def test_prometheus_finds_the_hosts_under_test(client: Client) -> None:
    run = factories.in_storage()
    factories.passed()
    groups = client.get(reverse("metrics-targets"), headers=HEADERS).json()
    assert groups == [
        {
            "targets": [run.agent_address],
            "labels": {"host": run.host.name, "run": str(run.pk), "state": "Storage", "profile": "quick"},
        }
    ]
    assert all(isinstance(word, str) for word in groups[0]["labels"].values())


# --- what comes along for Prometheus and Grafana ---------------------------------------------------------------------


def queries_of_rules() -> list[str]:
    groups = yaml.safe_load((MONITORING / "vetting-rules.yml").read_text())["groups"]
    rules = [rule for group in groups for rule in group["rules"]]
    assert all({"alert", "expr", "labels", "annotations"} <= rule.keys() for rule in rules)
    assert len({rule["alert"] for rule in rules}) == len(rules)
    return [rule["expr"] for rule in rules]


def queries_of_dashboard() -> list[str]:
    panels = json.loads((MONITORING / "grafana-dashboard.json").read_text())["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    return [target["expr"] for panel in panels for target in panel["targets"]]


@pytest.mark.parametrize("queries", [queries_of_rules, queries_of_dashboard])
def test_rules_and_dashboard_ask_for_series_that_a_seeded_installation_has(
    client: Client, settings: Any, queries: Any
) -> None:
    pxe = settings.VETTING.pxe.model_copy(update={"mode": "proxy"})
    settings.VETTING = settings.VETTING.model_copy(update={"pxe": pxe})
    factories.for_every_state()
    found = asked(client)
    for query in queries():
        names = re.findall(r"\bvetting_[a-z_]+(?=[\s{)\[]|$)", query)
        assert names or query == 'up{job="vetting"} == 0', query
        for name in names:
            labels = [dict(labels) for named, labels in found if named == name]
            assert labels, f"{query}: there is no {name}"
            for label, operator, said in re.findall(r'(\w+)(=|!=|=~|!~)"([^"]*)"', query):
                assert all(label in one for one in labels), f"{query}: {name} has no label {label}"
                if operator == "=":
                    assert any(one[label] == said for one in labels), f"{query}: no {name} with {label} {said}"
            for grouped in re.findall(r"by \(([^)]*)\)", query):
                assert all(label.strip() in one for one in labels for label in grouped.split(","))


def test_the_documentation_names_every_metric(client: Client) -> None:
    text = (ROOT / "docs/outputs.md").read_text()
    assert {name for name, _ in asked(client)} <= set(re.findall(r"`(vetting_[a-z_]+)`", text))
