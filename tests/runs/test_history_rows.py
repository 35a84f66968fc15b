"""The rows of a run's history: a page that has some is sent those that came since."""

from __future__ import annotations

import re

import pytest
from django.http import HttpResponse
from django.test import Client
from django.urls import reverse

from hosts import bounds
from runs.desk import history_rows, readers, rendered, run_page
from runs.models import Run
from tests import factories

pytestmark = pytest.mark.django_db


def ask(client: Client, run: Run, after: int = 0, known: str = "none") -> HttpResponse:
    address = reverse("history-rows", args=[run.pk])
    answer: HttpResponse = client.get(address, {"after": after}, headers={"If-None-Match": f'"{known}"'})
    return answer


def has(html: str) -> tuple[int, str]:
    """What a page with these rows says of them."""
    newest, digest = re.findall(r'data-newest="(\d+)"\s+data-digest="([0-9a-f]+)"', html)[0]
    return int(newest), digest


def told(run: Run, count: int) -> None:
    for number in range(count):
        factories.tell(run, "note", f"note number {number};")


def test_a_page_that_has_all_is_answered_304(admin_client: Client) -> None:
    run, client = factories.queued(), admin_client
    page = client.get(run.get_absolute_url()).content.decode()
    assert ask(client, run, *has(page)).status_code == 304


def test_a_page_is_sent_the_rows_that_it_lacks_and_no_other(admin_client: Client) -> None:
    run, client = factories.queued(), admin_client
    told(run, 3)
    newest, digest = has(client.get(run.get_absolute_url()).content.decode())
    told_since = [factories.tell(run, "note", text) for text in ("first since;", "second since;")]
    answer = ask(client, run, newest, digest).content.decode()
    assert "data-continues" in answer
    assert re.findall(r"(\w+ since|note number \d);", answer) == ["second since", "first since"]
    assert has(answer) == (told_since[-1].pk, history_rows.of(run).digest)
    assert ask(client, run, *has(answer)).status_code == 304


def test_a_page_whose_rows_have_changed_is_sent_all(admin_client: Client) -> None:
    run, client = factories.queued(), admin_client
    old = factories.tell(run, "note", "refused;")
    newest, digest = has(client.get(run.get_absolute_url()).content.decode())
    run.events.filter(pk=old.pk).update(text="refused (at least 7 times);")
    factories.tell(run, "note", "more;")
    answer = ask(client, run, newest, digest).content.decode()
    assert "data-continues" not in answer and "at least 7 times" in answer and "more;" in answer


def test_who_says_nothing_of_what_it_has_is_sent_all(admin_client: Client) -> None:
    run, client = factories.queued(), admin_client
    told(run, 3)
    answer = ask(client, run).content.decode()
    assert "data-continues" not in answer and answer.count("note number") == 3
    assert client.get(reverse("history-rows", args=[run.pk]), {"after": "x"}).status_code == 400


@pytest.mark.parametrize(("before", "since", "sent"), [(6, 2, 2), (3, 4, 4), (6, 4, 4), (6, 5, 5), (6, 9, 5)])
def test_of_more_events_than_a_page_shows_those_since_are_sent(
    before: int, since: int, sent: int, admin_client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A page without any of the rows that it would show now is sent all of these."""
    run, client = factories.queued(), admin_client
    monkeypatch.setattr(bounds, "SHOWN_EVENTS", bounds.Bound(5, "events"))
    told(run, before)
    page = client.get(run.get_absolute_url()).content.decode()
    told(run, since)
    answer = ask(client, run, *has(page)).content.decode()
    assert answer.count("<tr>") == sent
    assert ('data-continues="5"' in answer) is (sent < 5)
    assert ask(client, run, *has(answer)).status_code == 304


def test_a_row_that_was_pushed_out_and_has_changed_is_noticed(
    admin_client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, client = factories.queued(), admin_client
    monkeypatch.setattr(bounds, "SHOWN_EVENTS", bounds.Bound(5, "events"))
    told(run, 6)
    page = client.get(run.get_absolute_url()).content.decode()
    run.events.filter(text="note number 1;").update(text="another;")
    told(run, 1)
    assert "data-continues" not in ask(client, run, *has(page)).content.decode()


def test_an_event_sends_the_number_of_events_and_the_newest_and_not_the_rows() -> None:
    run = factories.queued()
    told(run, 100)
    part = rendered.parts(run_page.load(run.pk), readers.NONE, ["history"])["history"]
    assert "note number 99;" in part.html and "note number 98;" not in part.html
    assert len(part.html) < 500
