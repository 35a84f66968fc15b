"""Ask for a run's report."""

from __future__ import annotations

from django.conf import settings

from runs import jobs
from runs.models import Run

# A run of 40 hours whose measurements were never rolled up takes 3 s of a processor, and a starved bench six times as
# long. Q_CLUSTER's retry is 120 s.
WRITE = jobs.Kind("runs.reports.write.write_due", "the report", limit_s=100, most_tries=3, is_long=True)

# Tried again for most of an hour: after that, the next run of the host or `manage.py netbox write` writes it.
WRITE_NETBOX = jobs.Kind("vetting.netbox.writing.after_run", "what NetBox gets", limit_s=60, most_tries=12)


def want(run: Run) -> None:
    """Ask for the report, in the caller's transaction, and for what NetBox gets of it. A job that was put aside is
    tried again."""
    run.report_due = True
    Run.objects.filter(pk=run.pk).update(report_due=True)
    jobs.ask(WRITE, run.pk, run_id=run.pk)
    if settings.VETTING.netbox.write_back:
        jobs.ask(WRITE_NETBOX, run.pk, run_id=run.pk)
