"""A job names the function that it calls. The report's has moved; jobs that wait or were put aside keep working."""

from collections.abc import Callable
from typing import Any

from django.db import migrations

OLD, NEW = "runs.report.write_due", "runs.reports.write.write_due"


def rename(old: str, new: str) -> Callable[[Any, Any], None]:
    def change(apps: Any, schema_editor: Any) -> None:
        apps.get_model("runs", "Job").objects.filter(call=old).update(call=new)

    return change


class Migration(migrations.Migration):
    dependencies = [("runs", "0011_left_out")]
    operations = [migrations.RunPython(rename(OLD, NEW), rename(NEW, OLD))]
