"""Ask for a run's report, and find the job that writes it."""

from __future__ import annotations

from runs import jobs
from runs.models import Job, Run

# A run of 40 hours whose measurements were never rolled up takes 3 s of a processor, and a starved bench six times as
# long. Q_CLUSTER's retry is 120 s.
WRITE = jobs.Kind("runs.reports.write.write_due", "the report", limit_s=100, most_tries=3, is_long=True)


def want(run: Run) -> None:
    """Ask for the report, in the caller's transaction. A job that was put aside is tried again."""
    run.report_due = True
    Run.objects.filter(pk=run.pk).update(report_due=True)
    jobs.ask(WRITE, run.pk, run_id=run.pk)


def job_of(run: Run) -> Job | None:
    """The job that writes the report; None if it is written, or was not asked for."""
    return run.jobs.filter(call=WRITE.call).first()
