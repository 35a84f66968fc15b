"""The states of a run are those of `runs/machine.py`, to which each stage adds its own: they are no choices of the column.
Nothing changes in the database."""

from django.db import migrations, models

import runs.machine


class Migration(migrations.Migration):
    dependencies = [("runs", "0012_report_job_moved")]
    operations = [
        migrations.AlterField("run", "state", models.CharField(default=runs.machine.State["REGISTERED"], max_length=16))
    ]
