from __future__ import annotations

import threading
from collections.abc import Callable

import pytest
from django.db import connection

from notifications import outbox
from notifications.models import Delivery
from runs.models import Job
from tests import rows
from tests.notifications.receivers import http_server


def at_once(function: Callable[[], object], times: int = 2) -> list[BaseException]:
    """Run it in so many threads that start together, each with its own connection; returns what they raised."""
    start, raised = threading.Barrier(times), []

    def run() -> None:
        start.wait()
        try:
            function()
        except BaseException as error:
            raised.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=run) for _ in range(times)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return raised


@pytest.mark.django_db(transaction=True)
def test_two_workers_at_once_take_an_event_up_once(configure: Callable) -> None:
    configure([{"name": "phone", "kind": "ntfy", "url": "http://127.0.0.1:9/vetting"}])
    run = rows.a_run()
    for _ in range(10):  # more within ten minutes would wait for each other
        rows.an_event(run, "RunCompleted")
    assert at_once(outbox.tick) == []
    assert Delivery.objects.count() == 10
    assert Job.objects.count() == 10


@pytest.mark.django_db(transaction=True)
def test_two_workers_with_the_same_job_send_once(configure: Callable) -> None:
    with http_server() as phone:
        configure([{"name": "phone", "kind": "ntfy", "url": f"{phone.url}/vetting"}])
        rows.an_event(rows.a_run(), "RunCompleted")
        outbox.tick()
        keys = list(Delivery.objects.values_list("pk", flat=True))
        assert at_once(lambda: outbox.deliver(keys), times=4) == []
    assert len(phone.posts) == 1
