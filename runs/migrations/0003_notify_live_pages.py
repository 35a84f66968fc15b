"""On PostgreSQL: a NOTIFY with every commit that live pages should hear of (runs/live/tailer.py listens)."""

from typing import Any

from django.db import migrations

CREATE = """
CREATE FUNCTION vetting_notify_live() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN PERFORM pg_notify('vetting_live', ''); RETURN NULL; END $$;
CREATE TRIGGER vetting_live_event AFTER INSERT ON runs_runevent
  FOR EACH STATEMENT EXECUTE FUNCTION vetting_notify_live();
CREATE TRIGGER vetting_live_numbers AFTER UPDATE OF log_bytes, progress_seq, sensor_seq ON runs_run
  FOR EACH STATEMENT EXECUTE FUNCTION vetting_notify_live();
"""
DROP = """
DROP TRIGGER vetting_live_numbers ON runs_run;
DROP TRIGGER vetting_live_event ON runs_runevent;
DROP FUNCTION vetting_notify_live();
"""


def create(apps: Any, schema_editor: Any) -> None:
    if schema_editor.connection.vendor == "postgresql":
        schema_editor.execute(CREATE)


def drop(apps: Any, schema_editor: Any) -> None:
    if schema_editor.connection.vendor == "postgresql":
        schema_editor.execute(DROP)


class Migration(migrations.Migration):
    dependencies = [("runs", "0002_stage_by_retry")]
    operations = [migrations.RunPython(create, drop)]
