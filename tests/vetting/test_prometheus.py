"""A real Prometheus reads what comes along for it: the example configuration, rules, metrics, and the dashboard's
queries on a seeded installation."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from django.test import Client

from tests import factories
from tests.ports import free_port
from tests.vetting.test_metrics import HEADERS, MONITORING, ROOT, TOKEN, queries_of_dashboard, queries_of_rules
from vetting import metrics

UNPACKED = ROOT / "var/prometheus/usr/bin"
LIMIT_S = 60.0


def tool(name: str) -> str:
    """Prometheus' own, of the system or unpacked below var/. It is never started as a service."""
    found = shutil.which(name, path=f"{os.environ.get('PATH', '')}:{UNPACKED}")
    if found is None:
        pytest.skip(f"{name} is missing: scripts/prepare prometheus (unpacks Debian's package below var/)")
    return found


def promtool(*arguments: str, given: bytes = b"") -> str:
    done = subprocess.run([tool("promtool"), *arguments], input=given, capture_output=True, timeout=LIMIT_S)
    said = (done.stdout + done.stderr).decode()
    assert done.returncode == 0, said
    return said


@pytest.fixture
def seeded(transactional_db: None, settings: Any) -> None:
    settings.METRICS_TOKEN = TOKEN
    pxe = settings.VETTING.pxe.model_copy(update={"mode": "proxy"})
    settings.VETTING = settings.VETTING.model_copy(update={"pxe": pxe})
    factories.worker_at_work()
    factories.for_every_state()
    metrics._kept.forget()


def test_promtool_accepts_rules_and_configuration() -> None:
    assert f"{len(queries_of_rules())} rules found" in promtool("check", "rules", str(MONITORING / "vetting-rules.yml"))
    promtool("check", "config", "--syntax-only", str(MONITORING / "prometheus.yml"))


def test_promtool_refuses_a_wrong_rule(tmp_path: Path) -> None:
    text = (MONITORING / "vetting-rules.yml").read_text().replace("vetting_problems > 0", "vetting_problems >", 1)
    (tmp_path / "wrong.yml").write_text(text)
    with pytest.raises(AssertionError, match="parse error"):
        promtool("check", "rules", str(tmp_path / "wrong.yml"))


def test_promtool_accepts_the_metrics(seeded: None, client: Client) -> None:
    """It also complains of names and helps that are against Prometheus' habits."""
    promtool("check", "metrics", given=client.get("/metrics", headers=HEADERS).content)


@pytest.fixture
def prometheus(seeded: None, live_server: Any, tmp_path: Path) -> Iterator[str]:
    """The address of a Prometheus with the example configuration, which asks the live server every second."""
    config = yaml.safe_load((MONITORING / "prometheus.yml").read_text())
    (tmp_path / "token").write_text(TOKEN)
    shutil.copy(MONITORING / "vetting-rules.yml", tmp_path)
    text = json.dumps({"global": {"scrape_interval": "1s", "evaluation_interval": "1s"}, **config})
    for example, here in (
        ("/etc/prometheus/vetting.token", str(tmp_path / "token")),
        ("vetting.example.org:8000", live_server.url.removeprefix("http://")),
        ("blackbox.example.org:9115", f"127.0.0.1:{free_port()}"),
    ):
        assert example in text
        text = text.replace(example, here)
    (tmp_path / "prometheus.yml").write_text(text)
    address = f"127.0.0.1:{free_port()}"
    options = {
        "config.file": tmp_path / "prometheus.yml",
        "storage.tsdb.path": tmp_path / "data",
        "web.listen-address": address,
    }
    command = [tool("prometheus"), *(f"--{name}={value}" for name, value in options.items())]
    with (tmp_path / "log").open("wb") as log, subprocess.Popen(command, stdout=log, stderr=log) as process:
        try:
            yield f"http://{address}"
        finally:
            process.kill()


def asked(prometheus: str, address: str, **query: str) -> Any:
    """Its answer; None while it does not answer."""
    try:
        answer = httpx.get(f"{prometheus}/api/v1/{address}", params=query, timeout=LIMIT_S)
    except httpx.TransportError:
        return None
    if answer.status_code == 503:
        return None
    said = answer.json()
    assert said["status"] == "success", (query, said)
    return said["data"]


def unanswered(prometheus: str, queries: list[str]) -> list[str]:
    """The queries without a result. A rate needs two samples."""

    def answered() -> bool:
        left[:] = [query for query in left if not (asked(prometheus, "query", query=query) or {}).get("result")]
        return not left

    left = list(queries)
    _until(answered)
    return left


def under_test(prometheus: str) -> set[str]:
    targets = asked(prometheus, "targets")["activeTargets"]
    return {one["labels"]["host"] for one in targets if one["scrapePool"] == "vetting_hosts_under_test"}


def _until(holds: Callable[[], bool]) -> bool:
    until = time.monotonic() + LIMIT_S
    while not (held := holds()) and time.monotonic() < until:
        time.sleep(0.2)
    return held


def test_every_query_of_the_dashboard_is_answered_from_a_real_scrape(prometheus: str) -> None:
    assert unanswered(prometheus, ['up{job="vetting"} == 1', *queries_of_dashboard()]) == []
    rules = [rule for group in asked(prometheus, "rules")["groups"] for rule in group["rules"]]
    assert len(rules) == len(queries_of_rules())
    assert [rule["lastError"] for rule in rules if rule["health"] == "err"] == []
    assert _until(lambda: bool(under_test(prometheus))), "http_sd names the hosts under test"
