"""The operator's pages, in every situation a run can be in."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from runs.desk import actions, run_page, series, tiles
from runs.machine import State
from runs.models import Artifact, MeasurementBatch, Run, StageRun
from tests import factories, rows
from tests.pages import as_read
from tests.runs.dashboard import first_tiles
from vetting import version

pytestmark = pytest.mark.django_db

# The user, hosts, newest runs, stages, heat, findings, last verdicts (two), the last round (for the tiles, and for the
# worker's warning); no more for more hosts.
DASHBOARD_QUERIES = 10


@pytest.fixture
def operator(client: Client) -> Client:
    client.force_login(factories.UserFactory(), backend="django.contrib.auth.backends.ModelBackend")
    return client


@pytest.mark.parametrize("scene", factories.ALL_SCENES, ids=lambda scene: scene.__name__)
def test_every_page_of_every_situation_renders(operator: Client, scene: Callable[[], Run | None]) -> None:
    run = scene()
    assert operator.get(reverse("dashboard")).status_code == 200
    if run is None:
        return
    assert operator.get(run.host.get_absolute_url()).status_code == 200
    page = as_read(operator.get(run.get_absolute_url()).content)
    for name in run_page.PARTS:
        assert f'id="{name}"' in page
        part = operator.get(reverse("run-parts", args=[run.pk]), {"part": name})
        assert part.status_code == 200
        assert f'id="{name}"' in as_read(part.content)


def test_what_an_earlier_boot_of_a_stage_was_blamed_for_is_not_blamed_any_more() -> None:
    run = rows.a_run(state="Failed", verdict="failed")
    rows.a_finding(rows.a_stage(run, "Memory", "failed", boot=1), component="DIMM_A1")
    rows.a_finding(rows.a_stage(run, "SMART", "failed", boot=1), component="SATA-0001")
    rows.a_stage(run, "Memory", "passed", attempt=2, boot=2)
    assert [row.component for row in run_page.blamed(run)] == ["SATA-0001"]
    (tile,) = first_tiles()
    assert [row.component for row in tile.blamed] == ["SATA-0001"]


@pytest.mark.parametrize("scene", factories.ALL_SCENES, ids=lambda scene: scene.__name__)
def test_only_what_the_state_allows_is_offered_and_all_else_is_409(
    operator: Client, scene: Callable[[], Run | None]
) -> None:
    run = scene()
    if run is None:
        return
    run = run_page.load(run.pk)
    offered = {action.name for action in actions.available(run)}
    page = as_read(operator.get(run.get_absolute_url()).content)
    for name in actions.BY_NAME:
        address = reverse("act", args=[run.pk, name])
        assert (f'href="{address}"' in page) == (name in offered)
        assert operator.get(address).status_code == (200 if name in offered else 409)
        if name not in offered:
            assert operator.post(address, {"stage": "SMART"}).status_code == 409
    assert Run.objects.get(pk=run.pk).state == run.state


@pytest.mark.parametrize(
    ("scene", "offered"),
    [
        (factories.queued, {"cancel"}),
        (factories.in_storage, {"cancel"}),
        (factories.held, {"retry", "release"}),
        (factories.held_by_wipe_probe, {"retry", "override", "release"}),
        (factories.passed, set()),
        (factories.cancelled, set()),
    ],
)
def test_the_actions_of_each_situation_are_these(scene: Callable[[], Run], offered: set[str]) -> None:
    assert {action.name for action in actions.available(run_page.load(scene().pk))} == offered


@pytest.mark.parametrize("hosts", [1, 20])
def test_the_dashboard_takes_no_more_queries_for_more_hosts(
    operator: Client, hosts: int, django_assert_max_num_queries: object
) -> None:
    scenes = [factories.in_storage, factories.held, factories.passed, factories.in_smart]
    for number in range(hosts):
        scenes[number % len(scenes)]()
    with django_assert_max_num_queries(DASHBOARD_QUERIES):
        operator.get(reverse("dashboard"))


def test_an_empty_installation_leads_to_the_first_host(operator: Client) -> None:
    assert "Add the first host" in as_read(operator.get(reverse("dashboard")).content)


def test_held_and_failed_hosts_come_first() -> None:
    for scene in (factories.passed, factories.in_smart, factories.boot_failed, factories.held):
        scene()
    groups = tiles.grouped(first_tiles())
    assert [tile.run.state for tile in groups["attention"]] == ["FailedHolding", "Failed"]
    assert len(groups["running"]) == len(groups["rest"]) == 1


def test_a_tile_gives_progress_end_heat_and_last_verdict() -> None:
    factories.worker_at_work()
    run = factories.in_storage()
    (tile,) = tiles.of_runs([run.pk])
    assert 50 < tile.percent < 100
    assert tile.position.ends_at is not None
    assert tile.hottest_c is not None and 70 < tile.hottest_c < 76


@pytest.mark.parametrize("at_work", [True, False])
def test_a_run_has_an_end_to_expect_only_while_a_worker_works_on_it(operator: Client, at_work: bool) -> None:
    if at_work:
        factories.worker_at_work()
    run = factories.in_storage()
    for address in (run.get_absolute_url(), reverse("dashboard")):
        assert ("Ends about" in as_read(operator.get(address).content)) == at_work


@pytest.mark.parametrize(
    ("scene", "offered"), [(factories.passed, True), (factories.cancelled, True), (factories.held, False)]
)
def test_an_ended_run_offers_another_of_the_same_kind(
    operator: Client, scene: Callable[[], Run], offered: bool
) -> None:
    run = scene()
    page = as_read(operator.get(run.get_absolute_url()).content)
    assert ("Vet again" in page) == offered
    if offered:
        asked = operator.post(reverse("start", args=[run.host.name]), {"profile": run.profile_name})
        assert asked.status_code == 200 and f"Start vetting {run.host.name}?" in as_read(asked.content)


def test_every_page_of_somebody_who_is_logged_in_says_the_version(operator: Client) -> None:
    for address in (reverse("dashboard"), reverse("admin:index")):
        assert version.sentence() in as_read(operator.get(address).content)
    assert "Vetting 0" not in as_read(Client().get(reverse("login")).content)


HOSTILE = "<script>alert(1)</script>\"'><img src=x onerror=alert(2)>"


def test_nothing_that_hardware_says_is_rendered_as_html(operator: Client) -> None:
    run = factories.in_storage()
    stage = run.stage_runs.get(name="SMART")
    stage.checks = [{"name": HOSTILE, "outcome": "failed", "reason": HOSTILE, "component": HOSTILE}]
    stage.numbers = {HOSTILE: 1.5}
    stage.counters = [{"counter": HOSTILE, "component_kind": "disk", "component": HOSTILE, "before": 0, "after": 1}]
    stage.save()
    factories.FindingFactory(stage_run=stage, component=HOSTILE, message=HOSTILE, value=HOSTILE, unit="<b>")
    factories.say(run, ("error", HOSTILE, HOSTILE))
    factories.tell(run, "kind", HOSTILE, who=HOSTILE)
    StageRun.objects.filter(name="Storage").update(progress=[{"item": HOSTILE, "percent": 5.0, "doing": HOSTILE}])
    for address in (run.get_absolute_url(), reverse("dashboard"), run.host.get_absolute_url()):
        page = as_read(operator.get(address).content)
        assert "<script>alert" not in page
        assert "<img src=x" not in page


@pytest.mark.parametrize("path", ["dashboard", "dashboard-parts"])
def test_nobody_sees_a_page_without_logging_in(client: Client, path: str) -> None:
    answer = client.get(reverse(path))
    assert answer.status_code == 302
    assert answer.headers["Location"].startswith("/login/")


def test_every_address_of_a_run_asks_for_a_login(client: Client) -> None:
    run = factories.held()
    names = ["run", "run-parts", "series", "log", "report", "report-json"]
    for address in [reverse(name, args=[run.pk]) for name in names]:
        assert client.get(address).status_code == 302
    for address in [reverse(name, args=[run.pk]) for name in ("hold-key", "new-key")]:
        assert client.post(address).status_code == 302
    assert run.holds.get().downloaded_at is None


def test_a_page_that_lost_its_session_is_told_to_load_itself_anew(client: Client) -> None:
    answer = client.get(reverse("dashboard-parts"), headers={"HX-Request": "true"})
    assert (answer.status_code, answer.headers["HX-Refresh"]) == (204, "true")


def test_a_user_who_is_no_operator_gets_403(client: Client) -> None:
    plain = factories.UserFactory(username="plain", is_staff=False, is_superuser=False)
    client.force_login(plain, backend="django.contrib.auth.backends.ModelBackend")
    assert client.get(reverse("dashboard")).status_code == 403


# --- what an operator does ---------------------------------------------------------------------------------------


def test_cancelling_is_confirmed_first_and_done_then(operator: Client) -> None:
    run = factories.in_storage()
    address = reverse("act", args=[run.pk, "cancel"])
    assert "powers itself off" in as_read(operator.get(address).content)
    assert Run.objects.get(pk=run.pk).state == State.STORAGE
    assert operator.post(address).headers["Location"] == run.get_absolute_url()
    assert Run.objects.get(pk=run.pk).state == State.CANCELLED
    assert run.events.filter(who="operator", kind="cancel").exists()


def test_the_confirmation_comes_as_a_fragment_where_a_script_asks(operator: Client) -> None:
    address = reverse("act", args=[factories.in_storage().pk, "cancel"])
    assert "<html" not in as_read(operator.get(address, headers={"HX-Request": "true"}).content)


def test_a_form_of_another_site_does_nothing() -> None:
    run = factories.in_storage()
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(factories.UserFactory(), backend="django.contrib.auth.backends.ModelBackend")
    assert strict.post(reverse("act", args=[run.pk, "cancel"])).status_code == 403
    assert Run.objects.get(pk=run.pk).state == State.STORAGE


def _override(run: Run, **fields: object) -> dict[str, object]:
    shown = {"serial": factories.DISK, "attempt": 1, "boot": 1, "digest": "d" * 64, "typed": factories.DISK}
    return shown | fields


def test_an_override_needs_the_serial_typed(operator: Client) -> None:
    run = factories.held_by_wipe_probe()
    address = reverse("act", args=[run.pk, "override"])
    assert "ZFS member of pool rpool" in as_read(operator.get(address).content)
    assert operator.post(address, _override(run)).status_code == 302
    assert run.overrides.get().serial == factories.DISK


@pytest.mark.parametrize(
    "difference",
    [
        {"typed": ""},
        {"typed": factories.DISK.lower()},
        {"serial": "", "typed": ""},
        {"serial": "OTHER", "typed": "OTHER"},
        {"digest": "e" * 64},
        {"attempt": 2},
        {"attempt": "x"},
        {"boot": 2},
        {"boot": ""},
    ],
)
def test_an_override_with_any_difference_is_409_and_overrides_nothing(
    operator: Client, difference: dict[str, object]
) -> None:
    run = factories.held_by_wipe_probe()
    answer = operator.post(reverse("act", args=[run.pk, "override"]), _override(run, **difference))
    assert answer.status_code == 409
    assert not run.overrides.exists()


def test_a_wrong_serial_is_told_above_the_same_form(operator: Client) -> None:
    run = factories.held_by_wipe_probe()
    answer = operator.post(reverse("act", args=[run.pk, "override"]), _override(run, typed="<b>OTHER"))
    page = as_read(answer.content)
    assert answer.status_code == 409
    told = "“&lt;b&gt;OTHER” is not this disk's serial number. Nothing was overridden."
    assert 0 < page.index(told) < page.index('name="typed"')
    assert not run.overrides.exists()


def test_a_refused_action_names_the_state_in_words(operator: Client) -> None:
    run = factories.held()
    page = as_read(operator.post(reverse("act", args=[run.pk, "cancel"])).content)
    assert "is now &quot;Held for you&quot;: &quot;Cancel run&quot; is not possible then." in page


def test_the_key_of_a_hold_is_handed_out_once(operator: Client) -> None:
    run = factories.held()
    address = reverse("hold-key", args=[run.pk])
    assert operator.get(address).status_code == 405
    first = operator.post(address)
    assert first.content.startswith(b"-----BEGIN OPENSSH PRIVATE KEY-----")
    assert f"vetting-run-{run.pk}.key" in first.headers["Content-Disposition"]
    assert "no-store" in first.headers["Cache-Control"]
    assert operator.post(address).status_code == 409


def test_the_hold_shows_the_command_the_fingerprint_and_who_is_logged_in(operator: Client) -> None:
    run = factories.held()
    page = as_read(operator.get(run.get_absolute_url()).content)
    assert f"ssh -i vetting-run-{run.pk}.key -o IdentitiesOnly=yes" in page
    assert f"-o HostKeyAlias=vetting-run-{run.pk} -p 22 root@10.77.0.23" in page
    assert f"chmod 600 vetting-run-{run.pk}.key" in page
    assert "Released automatically" in page
    assert "SHA256:" in page
    assert "root from 10.77.0.5" in page
    assert "PRIVATE KEY" not in page


def test_the_time_of_a_held_run_ends_with_its_hold(operator: Client) -> None:
    run = factories.held()
    Run.objects.filter(pk=run.pk).update(state_since=run.started_at + timedelta(minutes=7, seconds=5))
    page = as_read(operator.get(run.get_absolute_url()).content)
    assert "<dt>Until the hold</dt><dd>7\u00a0min 05\u00a0s</dd>" in page and "<dt>Elapsed</dt>" not in page


def test_a_stage_that_passed_shows_that_some_of_it_was_not_tested(operator: Client) -> None:
    page = as_read(operator.get(factories.passed().get_absolute_url()).content)
    assert "passed, 1 not tested" in page


@pytest.mark.parametrize("line", ["", "ssh-ed25519", "ssh-ed25519 !!!", "ssh-ed25519 AAA"])
def test_a_broken_host_key_has_no_fingerprint(line: str) -> None:
    assert run_page.fingerprint(line) == ""


# --- numbers and files -------------------------------------------------------------------------------------------


def test_the_series_have_lines_with_units_and_the_stages_beginnings(operator: Client) -> None:
    run = factories.in_storage()
    charts = operator.get(reverse("series", args=[run.pk])).json()
    assert [(chart["title"], chart["unit"]) for chart in charts["charts"]] == [
        ("Processor temperature", "°C"), ("Disk temperature", "°C"), ("Fans", "rpm"), ("Power", "W")
    ]  # fmt: skip
    temperature, disks = charts["charts"][:2]
    assert {line["component"] for line in temperature["lines"]} == {"CPU0", "CPU1"}
    assert [line["component"] for line in disks["lines"]] == [factories.DISK]
    assert temperature["times"][-1] - temperature["times"][0] > 400
    assert "Storage" in [stage["title"] for stage in charts["stages"]]


def test_the_series_have_the_profile_s_limits_where_they_belong() -> None:
    charts = {chart["title"]: chart["limits"] for chart in series.series(factories.in_storage())["charts"]}
    assert charts["Processor temperature"] == [
        {"words": "Processor at most 98 °C", "value": 98.0, "severity": "critical"},
        {"words": "Processor at most 90 °C", "value": 90.0, "severity": "warning"},
    ]
    assert [limit["words"] for limit in charts["Disk temperature"]] == ["Disk at most 75 °C"]
    assert [limit["words"] for limit in charts["Fans"]] == ["Fan at least 300 rpm"]
    assert charts["Power"] == []


def test_the_series_begin_with_the_first_stage_and_end_now_whatever_was_measured() -> None:
    run = factories.in_storage()
    before = timezone.now().timestamp()
    whole = series.series(run)
    first = run.stage_runs.exclude(go_at=None).earliest("go_at").go_at
    assert first > run.started_at, "it has booted before"
    assert 0 <= first.timestamp() - whole["start"] < whole["step_s"] + 1
    assert before < whole["end"] <= timezone.now().timestamp() + 1


def test_the_stage_that_went_on_when_a_stretch_begins_is_named_at_its_beginning() -> None:
    run = factories.started(State.BURN, minutes=60)
    for name, ago in (("Memory", 50), ("Storage", 30), ("Burn", 5)):
        factories.StageRunFactory(run=run, name=name, go_at=timezone.now() - timedelta(minutes=ago))
    shown = series.series(run, 900)
    assert [mark["title"] for mark in shown["stages"]] == ["Storage", "Burn"]
    assert shown["stages"][0]["at"] == shown["start"] < shown["stages"][1]["at"]


def test_a_soak_of_forty_hours_is_a_few_hundred_points_that_keep_every_peak() -> None:
    begun = timezone.now() - timedelta(hours=40)
    run = factories.RunFactory(state=State.BURN, started_at=begun)
    rows.measured(run, *(99.0 if n == 3000 else 60.0 for n in range(7200)), at=begun, step_s=20)
    (chart,) = series.series(run)["charts"]
    assert len(chart["times"]) <= series.POINTS
    assert max(chart["lines"][0]["values"]) == 99.0


def test_what_came_since_is_the_end_of_the_whole() -> None:
    run = factories.in_storage()
    whole = series.series(run)
    since = whole["charts"][0]["times"][-3]
    fresh = series.series(run, known=series.Known(since, whole["last_id"]))
    assert (fresh["step_s"], whole["whole"], fresh["whole"]) == (whole["step_s"], True, False)
    for chart, part in zip(whole["charts"], fresh["charts"], strict=True):
        assert part["times"] == [at for at in chart["times"] if at >= since - since % whole["step_s"]]
        for line, more in zip(chart["lines"], part["lines"], strict=True):
            assert more["values"] == line["values"][-len(part["times"]) :]


def test_what_came_since_reads_no_more_for_a_longer_run(django_assert_max_num_queries: object) -> None:
    run = factories.in_storage()
    last = MeasurementBatch.objects.latest("id").pk
    # The last batch, what came late, the stages, the series, their values.
    with django_assert_max_num_queries(5):
        series.series(run, known=series.Known(int(timezone.now().timestamp()) - 60, last))


def test_what_was_kept_while_the_network_was_away_makes_the_curves_be_read_anew() -> None:
    run, other = factories.in_storage(), factories.in_smart()
    whole = series.series(run)
    known = series.Known(whole["charts"][0]["times"][-1], whole["last_id"])
    at = timezone.now() - timedelta(minutes=4)
    rows.measured(other, 97.0, at=at)
    assert series.series(run, known=known)["whole"] is False
    rows.measured(run, 97.0, at=at)
    fresh = series.series(run, known=known)
    assert fresh["whole"] is True
    assert max(v for v in fresh["charts"][0]["lines"][0]["values"] if v) == 97.0


@pytest.mark.parametrize(
    "query", [{"since": "x"}, {"since": "-5"}, {"since": "9" * 20}, {"since": "5", "last_id": "y"}]
)
def test_a_place_that_is_none_is_refused(operator: Client, query: dict[str, str]) -> None:
    assert operator.get(reverse("series", args=[factories.queued().pk]), query).status_code == 400


def test_a_window_that_is_not_offered_is_refused(operator: Client) -> None:
    run = factories.in_storage()
    assert operator.get(reverse("series", args=[run.pk]), {"window": "5"}).status_code == 400


def test_the_whole_log_can_be_downloaded(operator: Client) -> None:
    run = factories.in_storage()
    answer = operator.get(reverse("log", args=[run.pk]))
    assert b"pass 25: 15872 MiB walked, 0 errors" in b"".join(answer.streaming_content)
    assert answer.headers["Content-Type"].startswith("text/plain")


def test_a_log_that_retention_removed_is_404_with_the_reason(operator: Client) -> None:
    answer = operator.get(reverse("log", args=[factories.queued().pk]))
    assert answer.status_code == 404
    assert "retention" in as_read(answer.content)


def test_a_report_is_shown_but_may_run_nothing(operator: Client, settings: object) -> None:
    run = factories.passed()
    path = settings.RUNS_DIR / str(run.pk) / "report.html"
    path.parent.mkdir(parents=True)
    path.write_text("<h1>Report</h1>")
    answer = operator.get(reverse("report", args=[run.pk]))
    assert b"".join(answer.streaming_content) == b"<h1>Report</h1>"
    assert "sandbox" in answer.headers["Content-Security-Policy"]
    assert "script" not in answer.headers["Content-Security-Policy"]


def test_an_artifact_never_leads_out_of_the_runs_directory(operator: Client, settings: object) -> None:
    run = factories.passed()
    outside = settings.RUNS_DIR.parent / "secret_key"
    outside.write_text("secret")
    Artifact.objects.create(run=run, name="evil", path="../secret_key", size=6)
    assert operator.get(reverse("artifact", args=[run.pk, "evil"])).status_code == 404
