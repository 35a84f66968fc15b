"""The live path: rows of the outbox and rising numbers to events, without loss and for operators only."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator

import pytest
from django.contrib.auth.models import AnonymousUser
from django.db.models import F
from django_eventstream.storage import EventDoesNotExist

from runs.live import logins, tailer
from runs.live import stream as live
from runs.live.tailer import News, Tailer, Versions
from runs.models import Run
from tests import factories

LIMIT_S = 10


class Ear:
    """An audience that remembers what it was told and can be waited for."""

    def __init__(self) -> None:
        self.heard: list[tuple[str, object]] = []
        self._more = threading.Condition()

    def _add(self, kind: str, what: object) -> None:
        with self._more:
            self.heard.append((kind, what))
            self._more.notify_all()

    def event(self, news: News) -> None:
        self._add("event", news.id)

    def changed(self, run_id: int, versions: Versions) -> None:
        self._add("changed", (run_id, versions))

    def progressed(self, run_ids: list[int], total: int) -> None:
        self._add("progressed", tuple(run_ids))

    def hears(self, kind: str, what: object) -> bool:
        with self._more:
            return self._more.wait_for(lambda: (kind, what) in self.heard, LIMIT_S)


@pytest.fixture
def ear() -> Ear:
    return Ear()


@pytest.fixture
def watching(ear: Ear) -> Iterator[Tailer]:
    watcher = Tailer(ear)
    yield watcher
    watcher.stop()


# --- the tailer --------------------------------------------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
def test_a_committed_event_is_told_and_one_from_before_is_not(watching: Tailer, ear: Ear) -> None:
    run = factories.queued()
    before = factories.tell(run, "dispatch")
    watching.watch()
    after = factories.tell(run, "boot_seen")
    assert ear.hears("event", after.pk)
    assert ("event", before.pk) not in ear.heard


@pytest.mark.django_db(transaction=True)
def test_a_hundred_rows_of_one_transaction_are_all_told_in_order(watching: Tailer, ear: Ear) -> None:
    from django.db import transaction

    run = factories.queued()
    watching.watch()
    with transaction.atomic():
        ids = [factories.tell(run, f"event_{n}").pk for n in range(100)]
    assert ear.hears("event", ids[-1])
    assert [what for kind, what in ear.heard if kind == "event"] == ids


@pytest.mark.django_db(transaction=True)
def test_numbers_are_told_of_the_runs_that_somebody_looks_at_only(watching: Tailer, ear: Ear) -> None:
    seen, unseen = factories.in_smart(), factories.in_storage()
    watching.watch([seen.pk])
    Run.objects.filter(pk=unseen.pk).update(progress_seq=3)
    Run.objects.filter(pk=seen.pk).update(progress_seq=5, log_bytes=700)
    assert ear.hears("changed", (seen.pk, Versions(700, 5, 0)))
    assert all(what[0] == seen.pk for kind, what in ear.heard if kind == "changed")


@pytest.mark.django_db(transaction=True)
def test_the_dashboard_hears_of_the_last_change_though_nothing_follows_it(watching: Tailer, ear: Ear) -> None:
    """Changes within a second are told as one; the one that waits must not need another commit to be told."""
    run = factories.in_smart()
    watching.watch()
    assert ear.hears("progressed", (run.pk,))
    ear.heard.clear()
    Run.objects.filter(pk=run.pk).update(progress_seq=F("progress_seq") + 1)
    assert ear.hears("progressed", (run.pk,))


@pytest.mark.django_db(transaction=True)
def test_the_thread_lives_from_the_first_viewer_to_the_last(watching: Tailer) -> None:
    assert watching.thread is None
    watching.watch([1])
    watching.watch()
    thread = watching.thread
    assert thread is not None and thread.is_alive()
    watching.unwatch()
    assert watching.thread is thread
    watching.unwatch([1])
    assert watching.thread is None
    thread.join(LIMIT_S)
    assert not thread.is_alive()


@pytest.mark.django_db(transaction=True)
def test_a_database_that_fails_once_does_not_end_the_watch(ear: Ear) -> None:
    """What was committed while it was deaf is told when it hears again."""
    run = factories.queued()
    failures = iter([True, False])

    def ring() -> tailer.Commits:
        if next(failures, False):
            raise OSError("unable to open database file")
        return tailer.commits()

    watcher = Tailer(ear, ring)
    watcher.watch()
    event = factories.tell(run, "boot_seen")
    try:
        assert ear.hears("event", event.pk)
    finally:
        watcher.stop()


@pytest.mark.django_db(transaction=True)
def test_an_event_that_can_not_be_told_does_not_end_the_watch(ear: Ear, monkeypatch: pytest.MonkeyPatch) -> None:
    run = factories.queued()
    tell, failures = ear.event, iter([True])

    def event(news: News) -> None:
        if next(failures, False):
            raise KeyError(news.kind)
        tell(news)

    monkeypatch.setattr(ear, "event", event)
    watcher = Tailer(ear)
    watcher.watch()
    first = factories.tell(run, "dispatch")
    second = factories.tell(run, "boot_seen")
    try:
        assert ear.hears("event", second.pk)
        assert ("event", first.pk) not in ear.heard
    finally:
        watcher.stop()


# --- what a client missed ----------------------------------------------------------------------------------------


@pytest.mark.django_db
def test_a_client_that_comes_back_gets_what_it_missed_in_one_query(django_assert_num_queries: object) -> None:
    run, other = factories.in_smart(), factories.in_storage()
    last = factories.tell(run, "a")
    factories.tell(other, "elsewhere")
    missed = [factories.tell(run, "b").pk, factories.tell(run, "c").pk]
    with django_assert_num_queries(1):
        events = live.OutboxStorage().get_events(f"run-{run.pk}", last.pk)
    assert [event.id for event in events] == missed


@pytest.mark.django_db
def test_a_client_whose_last_event_is_gone_is_told_to_fetch_everything() -> None:
    run = factories.in_smart()
    newest = factories.tell(run, "a")
    with pytest.raises(EventDoesNotExist) as gone:
        live.OutboxStorage().get_events(f"run-{run.pk}", newest.pk + 1000)
    assert gone.value.current_id == newest.pk


@pytest.mark.django_db
def test_numbers_that_moved_while_a_client_was_away_are_told_as_they_are_now() -> None:
    run = factories.in_smart()
    storage = live.OutboxStorage()
    before = storage.get_current_id(f"live-{run.pk}")
    assert storage.get_events(f"live-{run.pk}", before) == []
    Run.objects.filter(pk=run.pk).update(progress_seq=7, sensor_seq=9)
    (event,) = storage.get_events(f"live-{run.pk}", before)
    assert json.loads(event.data) == {"run": run.pk, "log": run.log_bytes, "progress": 7, "sensor": 9}


@pytest.mark.django_db
def test_a_run_that_does_not_exist_has_no_numbers() -> None:
    assert live.OutboxStorage().get_events("live-999", 0) == []


# --- who may listen, and to what ---------------------------------------------------------------------------------


@pytest.mark.django_db
def test_operators_alone_may_read() -> None:
    plain = factories.UserFactory(username="plain", is_staff=False, is_superuser=False)
    allowed = [logins.of_user(user, 1e12) is not None for user in (factories.UserFactory(), plain, AnonymousUser())]
    assert allowed == [True, False, False]


@pytest.mark.parametrize("name", ["", "run-", "run-x", "run-1;2", "live-3", "dash-live", "user-1", "run-" + "9" * 40])
def test_a_channel_that_is_not_ours_is_refused(name: str) -> None:
    with pytest.raises(live.UnknownChannel):
        live.both(name)


@pytest.mark.parametrize(
    "header", ["error", "junk", "a:b:c", "run-5:x", "other:4", ":::", "run-5:1,dash", "run-5:" + "9" * 20]
)
def test_a_last_event_id_that_is_not_ours_counts_as_none(header: str) -> None:
    assert live.last_ids(header, {"run-5", "live-5"}) == {}


def test_a_last_event_id_of_ours_is_taken() -> None:
    assert live.last_ids("run-5:849,live-5:77", {"run-5", "live-5"}) == {"run-5": 849, "live-5": 77}


@pytest.mark.django_db
def test_the_versions_of_many_runs_are_one_query(django_assert_num_queries: object) -> None:
    ids = [factories.queued().pk for _ in range(5)]
    with django_assert_num_queries(1):
        assert set(tailer.versions(ids)) == set(ids)
