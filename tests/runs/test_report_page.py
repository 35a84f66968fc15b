"""What became of a report, where an operator looks: the run's page and /healthz, and the button that asks again."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from runs import jobs
from runs.models import Job, Lease, Run
from runs.reports import write as report
from tests import factories, rows
from tests.pages import as_read
from tests.work import do_jobs

pytestmark = pytest.mark.django_db


@pytest.fixture
def operator(client: Client) -> Client:
    client.force_login(factories.UserFactory(), backend="django.contrib.auth.backends.ModelBackend")
    return client


def a_run_whose_report_failed(**fields: object) -> Run:
    run = rows.a_run(report_due=True)
    report.tick()
    fields = {
        "tries": 3,
        "due_at": None,
        "problem": "it was not done within 60 s",
        "failed_at": timezone.now(),
    } | fields
    Job.objects.update(**fields)
    jobs.tick()
    return run


def shown(client: Client, run: Run) -> str:
    return as_read(client.get(reverse("run", args=[run.pk])).content)


def test_the_page_says_why_a_report_is_not_there_and_that_somebody_must_ask(operator: Client) -> None:
    page = shown(operator, a_run_whose_report_failed())
    assert "The report failed 3 times:</b> it was not done within 60 s. It is not tried again by itself." in page
    assert "Write the report again" in page


def test_the_page_says_when_it_is_tried_again(operator: Client) -> None:
    run = a_run_whose_report_failed(tries=1, due_at=timezone.now() + timedelta(minutes=1))
    assert "The report failed 1 time:</b> it was not done within 60 s. Next try <time" in shown(operator, run)


def test_healthz_names_it_and_stays_ok(client: Client) -> None:
    run = a_run_whose_report_failed()
    Lease.objects.update_or_create(name=Lease.ROUND, defaults={"ticked_at": timezone.now()})
    answer = client.get("/healthz")
    assert answer.status_code == 200
    words = f"ok, but: The report of run {run.pk} (node-1) failed 3 times: it was not done within 60 s; press"
    assert words in answer.content.decode()


def test_the_button_has_it_written_and_is_in_the_history(operator: Client) -> None:
    run = a_run_whose_report_failed()
    assert operator.get(reverse("report-again", args=[run.pk])).status_code == 405
    operator.post(reverse("report-again", args=[run.pk]))
    assert do_jobs() == 1
    run.refresh_from_db()
    assert (run.report_due, run.events.filter(kind="report_asked").count()) == (False, 1)
    assert "failed 3 times" not in shown(operator, run)


def test_of_a_run_that_goes_on_no_report_can_be_asked_for(operator: Client) -> None:
    run = rows.a_run(state="Memory", verdict="")
    assert operator.post(reverse("report-again", args=[run.pk])).status_code == 409
    assert "Write the report again" not in shown(operator, run)
    assert not Job.objects.exists()
