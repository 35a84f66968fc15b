"""What it costs that the database stays compact: what inserting measurements takes in a SQLite file that can become
shorter and in one that can't, how long each step of making it shorter takes, and how long others that write wait
meanwhile."""

from __future__ import annotations

import os
import tempfile
import threading
import time
import traceback
from collections.abc import Callable
from pathlib import Path

from tests.bench import measured

MEASUREMENTS, CURVES = 1_000_000, 60
_PRAGMA = "PRAGMA auto_vacuum=INCREMENTAL;"


def main() -> None:
    for can_shrink in (True, False, True, False):
        _apart(lambda can_shrink=can_shrink: _insert(can_shrink=can_shrink))
    _apart(_shrink)


def _apart(call: Callable[[], None]) -> None:
    """In a process with a database of its own."""
    if (child := os.fork()) == 0:
        try:
            with tempfile.TemporaryDirectory() as folder:
                _environment(Path(folder))
                call()
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(0)
    os.waitpid(child, 0)


def _environment(folder: Path) -> None:
    os.environ |= {
        "VETTING_DATA_DIR": str(folder),
        "DATABASE_URL": f"sqlite:///{folder / 'vetting.sqlite3'}",
        "VETTING_SECRET_KEY": "k" * 40,
        "VETTING_LOG_LEVEL": "WARNING",
        "DJANGO_SETTINGS_MODULE": "vetting.settings",
    }


def _migrated(*, can_shrink: bool) -> int:
    """A new database; returns the key of a run in it."""
    import django
    from django.conf import settings
    from django.core.management import call_command

    options = settings.DATABASES["default"]["OPTIONS"]
    assert _PRAGMA in options["init_command"]
    if not can_shrink:
        options["init_command"] = options["init_command"].replace(_PRAGMA, "")
    django.setup()
    call_command("migrate", verbosity=0)
    from tests.rows import a_run

    return int(a_run().pk)


def _insert(*, can_shrink: bool) -> None:
    from runs.database import compact

    run_id = _migrated(can_shrink=can_shrink)
    began, cpu_s = time.monotonic(), time.process_time()
    measured.fill(run_id, MEASUREMENTS, CURVES)
    took_s, cpu_s = time.monotonic() - began, time.process_time() - cpu_s
    assert compact.space().can_shrink is can_shrink
    kind = "can become shorter" if can_shrink else "can not"
    size = compact.space().size / 1e6
    print(f"{MEASUREMENTS:,} measurements, a file that {kind:18} {took_s:.2f} s, {cpu_s:.2f} s of CPU, {size:.1f} MB")


def _shrink() -> None:
    run_id = _migrated(can_shrink=True)
    from runs.database import compact
    from runs.measurements import removing

    measured.fill(run_id, MEASUREMENTS, CURVES)
    removing.remove_values(run_id, float("inf"))
    compact.KEPT_BYTES = 0
    steps: list[float] = []
    real = compact.step

    def step(pages: int) -> None:
        began = time.monotonic()
        real(pages)
        steps.append(time.monotonic() - began)

    compact.step = step
    alone = _others(lambda: time.sleep(3))
    before = compact.space()
    began = time.monotonic()
    meanwhile = _others(compact.give_back)
    print(
        f"{before.size / 1e6:.1f} MB became {compact.space().size / 1e6:.1f} MB in {time.monotonic() - began:.2f} s, "
        f"{len(steps)} steps of {compact.STEP_PAGES} pages: median {_ms(steps, 0.5)}, worst {_ms(steps, 1)}"
    )
    print(f"another writer's commits: alone median {_ms(alone, 0.5)}, worst {_ms(alone, 1)}; "
          f"meanwhile median {_ms(meanwhile, 0.5)}, worst {_ms(meanwhile, 1)}")  # fmt: skip


def _others(meanwhile: Callable[[], object]) -> list[float]:
    """How long each commit of another connection took."""
    took: list[float] = []
    over = threading.Event()

    def write() -> None:
        from runs.models import Lease

        while not over.is_set():
            began = time.monotonic()
            Lease.objects.update_or_create(name="bench", defaults={"position": len(took)})
            took.append(time.monotonic() - began)
            time.sleep(0.02)

    thread = threading.Thread(target=write)
    thread.start()
    try:
        meanwhile()
    finally:
        over.set()
        thread.join()
    return took


def _ms(values: list[float], share: float) -> str:
    ordered = sorted(values)
    return f"{ordered[min(len(ordered) - 1, int(len(ordered) * share))] * 1000:.1f} ms"
