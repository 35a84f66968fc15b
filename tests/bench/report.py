"""What the report and each export of one run take: time, memory and size of each file, for an ordinary run, one with
very many findings and one of 40 hours with all its measurements; beside each what the verdict takes. Each figure is
made in a process of its own.
"""

from __future__ import annotations

import os
import resource
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

CURVES, EVERY_S = 60, 5
# Of 40 hours.
MEASUREMENTS = 40 * 3600 // EVERY_S * CURVES
FINDINGS = 68_000
STAGES = ("SMART", "CPUStress", "Memory", "Storage")


def main(measurements: int = MEASUREMENTS, findings: int = FINDINGS) -> None:
    with tempfile.TemporaryDirectory() as folder:
        _prepare(Path(folder))
        from runs.reports import exports
        from tests import factories

        cases = {
            "an ordinary run": _filled(factories.passed(), 120 * CURVES, 8),
            f"{findings} findings": _filled(factories.passed(), 120 * CURVES, findings),
            f"{measurements} measurements, {measurements * EVERY_S / CURVES / 3600:g} h": _filled(
                factories.passed(), measurements, 8
            ),
        }
        for name, run_id in cases.items():
            each = ((one.name, partial(_export, one.name)) for one in exports.EXPORTS)
            for title, call in (("report", _report), *each, ("verdict", _verdict)):
                print(f"{name:26} {title:16} {_apart(call, run_id)}", flush=True)


def _prepare(folder: Path) -> None:
    os.environ |= {
        "VETTING_DATA_DIR": str(folder),
        "DATABASE_URL": f"sqlite:///{folder / 'vetting.sqlite3'}",
        "VETTING_SECRET_KEY": "k" * 40,
        "VETTING_LOG_LEVEL": "WARNING",
        "DJANGO_SETTINGS_MODULE": "vetting.settings",
    }
    import django
    from django.core.management import call_command

    django.setup()
    call_command("migrate", verbosity=0)


def _filled(run: Any, measurements: int, findings: int) -> int:
    """The run with so many of both. The findings are those of four stages, as one result of 1.7 MB has them."""
    from django.db import connection

    from tests.bench import measured
    from tests.rows import a_stage

    run.stage_runs.all().delete()
    stages = [a_stage(run, name, "failed", evidence={"tool": "x" * 1_000}) for name in STAGES]
    with connection.cursor() as cursor:
        for number, stage in enumerate(stages):
            cursor.execute(_FINDINGS, [findings // len(stages) - 1, run.pk, stage.pk, number])
    measured.fill(run.pk, measurements, CURVES)
    return int(run.pk)


_COUNT = "WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < %s) "
_FINDINGS = (
    "INSERT INTO runs_finding (run_id, stage_run_id, code, severity, component_kind, component, message, value,"
    f" \"limit\", unit, at) {_COUNT} SELECT %s, %s, 'disk.pending', 'critical', 'disk', 'S4EV' || %s || i,"
    " 'S4EV' || i || ': ' || i || ' pending sectors', i, 0, 'sectors', '2026-11-29 12:00:00' FROM n"
)


def _report(run_id: int) -> str:
    from runs.models import Run
    from runs.reports import write as report

    paths = report.write(Run.objects.select_related("host").get(pk=run_id))
    return " ".join(f"{path.name} {path.stat().st_size / 1e6:.2f} MB" for path in paths)


def _export(name: str, run_id: int) -> str:
    from runs.models import Run
    from runs.reports import exports

    run = Run.objects.select_related("host").get(pk=run_id)
    return f"{len(exports.BY_NAME[name].make(run, exports.content_of(run))) / 1e6:.2f} MB"


def _verdict(run_id: int) -> str:
    from runs.judging import run_verdict
    from runs.models import Run

    run_verdict.write(Run.objects.select_related("host").get(pk=run_id))
    return ""


def _apart(call: Callable[[int], str], run_id: int) -> str:
    """Time, CPU time and growth of the memory's peak, in a process of its own."""
    from django.db import connections

    connections.close_all()
    reader, writer = os.pipe()
    if (child := os.fork()) == 0:
        try:
            os.write(writer, _measured(call, run_id).encode())
        finally:
            os._exit(0)
    os.close(writer)
    os.waitpid(child, 0)
    with os.fdopen(reader) as answer:
        return answer.read()


def _measured(call: Callable[[int], str], run_id: int) -> str:
    before_kb, started, cpu_s = _peak_kb(), time.monotonic(), time.process_time()
    said = call(run_id)
    took_s, cpu_s = time.monotonic() - started, time.process_time() - cpu_s
    return f"{took_s:6.2f} s, {cpu_s:6.2f} s of CPU, {(_peak_kb() - before_kb) / 1024:5.0f} MB more memory  {said}"


def _peak_kb() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
