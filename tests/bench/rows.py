"""How the database grows: what a measurement takes in SQLite, its index included."""

from __future__ import annotations

import json
import os
import tempfile

ROWS = 200_000
# A large server, each curve every 5 s.
CURVES, EVERY_S = 60, 5


def main(rows: int = ROWS, *, as_json: bool = False) -> None:
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
        from tests.bench import measured
        from tests.rows import a_run

        run, before = a_run(), _bytes()
        measured.fill(run.pk, rows, CURVES, rows * EVERY_S / CURVES / 3600)
        each = (_bytes() - before) / rows
        alone = each - _rolled_up() / rows
        print(f"{rows} measurements: {alone:.1f} bytes each, {each:.1f} with what is rolled up")
        if as_json:
            print(json.dumps({"measurements": rows, "bytes": round(each, 1), "bytes_without_roll_up": round(alone, 1)}))


def _bytes() -> int:
    return _asked("SELECT page_count * page_size FROM pragma_page_count(), pragma_page_size()")


def _rolled_up() -> int:
    return _asked("SELECT SUM(pgsize) FROM dbstat WHERE name LIKE '%serieshour%'")


def _asked(query: str) -> int:
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute(query)
        return int(cursor.fetchone()[0])
