"""`/metrics` for Prometheus: how the installation and its hosts are. `/metrics/targets`: the hosts under test, for
Prometheus' HTTP service discovery.

Both need the token of VETTING_METRICS_TOKEN; without this variable they are switched off. The figures are read at most
every 10 s, however often somebody asks.
"""

from __future__ import annotations

import math
import shutil
import threading
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import connection
from django.db.models import Count, Q
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils.crypto import constant_time_compare
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from hosts.models import Health, Host
from notifications.models import Delivery
from pxe import supervisor
from pxe.paths import paths
from runs.bench import service_state
from runs.live.stream import hub
from runs.machine import HELD, LIVE
from runs.models import Job, Outcome, Run, StageRun, Verdict
from runs.stages import STAGES
from vetting import inforce

Sample = tuple[Mapping[str, str], float]
"""Labels, and the value that they have."""

KEPT_S = 10.0
NEWEST_ATTEMPTS = 2_000
"""The durations of this many attempts are averaged."""


@require_safe
@never_cache
def metrics(request: HttpRequest) -> HttpResponse:
    return _refusal(request) or HttpResponse(_kept.text(), content_type=CONTENT_TYPE_PLAIN_0_0_4)


@require_safe
@never_cache
def targets(request: HttpRequest) -> HttpResponse:
    """A group for each host under test, with the address that it boots with."""
    if refusal := _refusal(request):
        return refusal
    runs = Run.objects.live_or_held().exclude(agent_address=None).select_related("host").order_by("host__name")
    groups = [
        {
            "targets": [str(run.agent_address)],
            "labels": {"host": run.host.name, "run": f"{run.pk}", "state": run.state, "profile": run.profile_name},
        }
        for run in runs.light()
    ]
    return JsonResponse(groups, safe=False)


def _refusal(request: HttpRequest) -> HttpResponse | None:
    wanted = settings.METRICS_TOKEN
    if wanted and constant_time_compare(request.headers.get("Authorization", ""), f"Bearer {wanted}"):
        return None
    words = (
        "the token of VETTING_METRICS_TOKEN is missing or wrong" if wanted else "set VETTING_METRICS_TOKEN to use this"
    )
    answer = HttpResponse(f"{words}\n", content_type="text/plain", status=401)
    answer.headers["WWW-Authenticate"] = "Bearer"
    return answer


class _Figures(Collector):
    """What prometheus-client asks for all metrics, each time that it writes them."""

    def collect(self) -> Iterator[Metric]:
        return collect()


class Kept:
    """The last figures, until they are too old. Threads that ask meanwhile wait for the one that reads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._text, self._until = b"", -math.inf
        self._registry = CollectorRegistry()
        self._registry.register(_Figures())

    def text(self) -> bytes:
        with self._lock:
            if time.monotonic() >= self._until:
                self._text = generate_latest(self._registry)
                self._until = time.monotonic() + KEPT_S
            return self._text

    def forget(self) -> None:
        self._until = -math.inf


_kept = Kept()


def collect() -> Iterator[Metric]:
    """All metrics. Names and labels stay; docs/outputs.md lists them."""
    yield from _hosts()
    yield from _runs()
    yield from _stages()
    yield from _installation()
    yield from _messages()


def _hosts() -> Iterator[Metric]:
    found = dict(Host.objects.order_by().values_list("health").annotate(number=Count("pk")))
    by_health = (({"health": word}, found.get(word, 0)) for word in Health.values)
    yield gauge("vetting_hosts", "Hosts in the inventory, by their health.", *by_health)
    yield gauge("vetting_hosts_enabled", "Hosts that may boot.", ({}, Host.objects.filter(enabled=True).count()))


def _runs() -> Iterator[Metric]:
    now = dict(Run.objects.live_or_held().order_by().values_list("state").annotate(number=Count("pk")))
    by_state = (({"state": str(state)}, now.get(state, 0)) for state in sorted(LIVE | HELD))
    yield gauge("vetting_runs", "Runs that go on or are held, by state.", *by_state)
    over = dict(Run.objects.exclude(ended_at=None).order_by().values_list("verdict").annotate(number=Count("pk")))
    by_verdict = (({"verdict": word or "none"}, over.get(word, 0)) for word in Verdict.values)
    yield counter("vetting_runs_ended_total", "Runs that ended, by verdict.", *by_verdict)
    waiting = Run.objects.waiting_for_a_slot().count()
    yield gauge("vetting_queue_length", "Runs and retries that wait for a slot.", ({}, waiting))


def _stages() -> Iterator[Metric]:
    rows = StageRun.objects.exclude(outcome=Outcome.RUNNING).order_by()
    found = {row[:2]: row[2] for row in rows.values_list("name", "outcome").annotate(number=Count("pk"))}
    outcomes = [word for word in Outcome.values if word]
    samples = [
        ({"stage": stage.name, "outcome": word}, found.get((stage.name, word), 0))
        for stage in STAGES
        for word in outcomes
    ]
    yield counter("vetting_stage_attempts_total", "Attempts of stages that ended, by outcome.", *samples)
    took = defaultdict(list)
    timed = rows.order_by("-pk")
    for name, begun, ended in timed.values_list("name", "go_at", "ended_at")[:NEWEST_ATTEMPTS]:
        if begun and ended:
            took[name].append((ended - begun).total_seconds())
    means = (({"stage": name}, sum(all_of) / len(all_of)) for name, all_of in sorted(took.items()))
    yield gauge("vetting_stage_duration_mean_seconds", f"Of the newest {NEWEST_ATTEMPTS} attempts, by stage.", *means)


def _installation() -> Iterator[Metric]:
    age_s = service_state.age_s()
    yield gauge(
        "vetting_worker_round_age_seconds", "Since the worker's last round; +Inf before the first.", ({}, age_s)
    )
    yield gauge("vetting_problems", "Problems that every page and /healthz name.", ({}, len(inforce.problems_now())))
    if settings.VETTING.pxe.mode != "off":
        yield gauge(
            "vetting_dnsmasq_up", "Whether our dnsmasq runs.", ({}, supervisor.server(paths()).find() is not None)
        )
    yield gauge("vetting_event_streams", "Open pages that this web process updates.", ({}, hub.number))
    waiting, aside = Q(due_at__isnull=False) | Q(handed_at__isnull=False), Q(due_at=None, handed_at=None)
    jobs = Job.objects.aggregate(waiting=Count("pk", filter=waiting), put_aside=Count("pk", filter=aside))
    by_state = (({"state": name}, number) for name, number in jobs.items())
    yield gauge("vetting_jobs", "Jobs that wait or run, and those that were put aside.", *by_state)
    yield gauge("vetting_database_bytes", "Size of the database.", ({}, _database_bytes()))
    free = shutil.disk_usage(settings.DATA_DIR).free
    yield gauge("vetting_disk_free_bytes", "Free on the disk of the data directory.", ({}, free))


def _messages() -> Iterator[Metric]:
    sent, failed = Q(sent_at__isnull=False), Q(sent_at=None, due_at=None) & ~Q(problem="")
    found = Delivery.objects.aggregate(sent=Count("pk", filter=sent), failed=Count("pk", filter=failed))
    by_result = (({"result": name}, number) for name, number in found.items())
    yield counter("vetting_deliveries_total", "Messages that were sent, and those that were given up.", *by_result)
    waiting = Delivery.objects.exclude(sent | failed).count()
    yield gauge("vetting_deliveries_waiting", "Messages that are to be sent or tried again.", ({}, waiting))


def gauge(name: str, help: str, *samples: Sample) -> Metric:
    return _metric(name, help, "gauge", samples)


def counter(name: str, help: str, *samples: Sample) -> Metric:
    """`name` ends in `_total`."""
    return _metric(name, help, "counter", samples)


def _metric(name: str, help: str, kind: str, samples: tuple[Sample, ...]) -> Metric:
    metric = Metric(name.removesuffix("_total"), help, kind)
    for labels, value in samples:
        metric.add_sample(name, dict(labels), value)
    return metric


def _database_bytes() -> int:
    if connection.vendor != "sqlite":
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_database_size(current_database())")
            return int(cursor.fetchone()[0])
    path: Any = connection.settings_dict["NAME"]
    files = (Path(f"{path}{ending}") for ending in ("", "-wal"))
    return sum(file.stat().st_size for file in files if file.is_file())
