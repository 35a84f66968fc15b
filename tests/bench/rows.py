"""How the database grows: what a measurement takes in SQLite, its index included."""

from __future__ import annotations

import os
import tempfile
from datetime import timedelta

ROWS = 200_000
PARTS = (
    ("cpu", "CPU0", "temp", "C"),
    ("disk", "S4EVNX0M123456", "temp", "C"),
    ("nic", "52:54:00:00:00:01", "throughput_in", "MB/s"),
    ("fan", "FAN1A", "fan", "rpm"),
    ("psu", "PS1 Input Power", "power", "W"),
)


def main(rows: int = ROWS) -> None:
    with tempfile.TemporaryDirectory() as folder:
        os.environ |= {
            "VETTING_DATA_DIR": folder,
            "DATABASE_URL": f"sqlite:///{folder}/vetting.sqlite3",
            "VETTING_SECRET_KEY": "k" * 40,
            "DJANGO_SETTINGS_MODULE": "vetting.settings",
        }
        import django
        from django.core.management import call_command

        django.setup()
        call_command("migrate", verbosity=0)
        before = _bytes()
        _insert(rows)
        print(f"{rows} measurements: {(_bytes() - before) / rows:.0f} bytes each")


def _insert(rows: int) -> None:
    """As they come: a value of each part every two seconds."""
    from django.utils import timezone

    from runs.models import Measurement
    from tests.rows import a_run

    run, start = a_run(), timezone.now()
    keys = ("component_kind", "component", "name", "unit")
    Measurement.objects.bulk_create(
        (
            Measurement(
                run=run,
                at=start + timedelta(seconds=2 * (number // len(PARTS))),
                value=40 + number % 17 / 3,
                **dict(zip(keys, PARTS[number % len(PARTS)], strict=True)),
            )
            for number in range(rows)
        ),
        batch_size=5000,
    )


def _bytes() -> int:
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("SELECT page_count * page_size FROM pragma_page_count(), pragma_page_size()")
        return int(cursor.fetchone()[0])
