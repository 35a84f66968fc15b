"""Adopting from a run's page, and what its findings say is to be done."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from agent.contract.codes import CODES, Acts
from runs.desk import run_page
from runs.desk.templatetags import words
from runs.models import Outcome, Run, Severity, SpecDiff
from tests import factories
from tests.pages import as_read

pytestmark = pytest.mark.django_db

FOUND = "disks[SATA-0001]"
MISSING = f"disks[{factories.DISK}]"


@pytest.fixture
def operator(client: Client) -> Client:
    client.force_login(factories.UserFactory(), backend="django.contrib.auth.backends.ModelBackend")
    return client


def _address(run: Run) -> str:
    return reverse("adopt", args=[run.pk])


def _part(client: Client, run: Run, name: str = "diff") -> str:
    return as_read(client.get(reverse("run-parts", args=[run.pk]), {"part": name}).content)


def _expected(run: Run) -> Any:
    run.host.refresh_from_db()
    return run.host.expected


# --- adopting ----------------------------------------------------------------------------------------------------


def test_one_difference_is_confirmed_first_and_adopted_then(operator: Client) -> None:
    run = factories.held_by_spec()
    before = run.host.expected
    assert f"{_address(run)}?path=disks%5BSATA-0001%5D" in _part(operator, run)
    page = as_read(operator.get(_address(run), {"path": FOUND}).content)
    assert FOUND in page and MISSING not in page
    assert _expected(run) == before
    assert operator.post(_address(run), {"path": FOUND}).headers["Location"] == run.get_absolute_url()
    assert {disk["serial"] for disk in _expected(run)["disks"]} == {factories.DISK, "SATA-0001"}
    assert run.events.get(kind="adopted").who == "operator"
    assert "adopted" in _part(operator, run)


def test_all_that_was_found_is_adopted_at_once(operator: Client) -> None:
    run = factories.held_by_spec()
    page = as_read(operator.get(_address(run)).content)
    assert FOUND in page and MISSING in page and "stays as it is" in page
    assert "-- serial: " + factories.DISK in page and "+- serial: SATA-0001" in page
    operator.post(_address(run))
    assert [disk["serial"] for disk in _expected(run)["disks"]] == ["SATA-0001"]
    assert not run.spec_diffs.filter(adopted_at=None).exists()
    assert _address(run) not in _part(operator, run), "there is nothing left to adopt"


def test_a_host_without_a_spec_is_offered_what_its_run_found(operator: Client) -> None:
    run = factories.passed_without_spec()
    assert "has no expected spec" in _part(operator, run)
    assert _address(run) in _part(operator, run)
    operator.post(_address(run))
    assert _expected(run)["disks"][0]["serial"] == "SATA-0001"
    assert _address(run) not in _part(operator, run)


def test_an_incomplete_verdict_names_what_was_not_tested(operator: Client) -> None:
    summary = _part(operator, factories.passed_without_spec(), "summary")
    assert "<b>Expected parts</b> not tested: no expected spec" in summary
    assert "GPU" not in summary, "it was not expected, so nothing is missing"


def test_adopting_never_gives_permission_to_write(operator: Client) -> None:
    for run in (factories.held_by_spec(), factories.passed_without_spec()):
        operator.post(_address(run))
        assert not run.host.writable_disks.exists()
        assert "may_be_written" not in str(_expected(run))


@pytest.mark.parametrize("path", ["disks[OTHER]", "cpu.cores", "__class__", "x" * 5000])
def test_what_is_no_difference_is_409_and_changes_nothing(operator: Client, path: str) -> None:
    run = factories.held_by_spec()
    before = run.host.expected
    assert operator.get(_address(run), {"path": path}).status_code == 409
    assert operator.post(_address(run), {"path": path}).status_code == 409
    assert _expected(run) == before


def test_a_difference_is_adopted_once(operator: Client) -> None:
    run = factories.held_by_spec()
    operator.post(_address(run), {"path": FOUND})
    assert operator.post(_address(run), {"path": FOUND}).status_code == 409
    assert run.events.filter(kind="adopted").count() == 1


@pytest.mark.parametrize("scene", [factories.queued, factories.booting, factories.boot_failed, factories.in_storage])
def test_a_run_without_an_inventory_offers_nothing(operator: Client, scene: Any) -> None:
    run = scene()
    assert _address(run) not in _part(operator, run)
    assert operator.get(_address(run)).status_code == 409
    assert operator.post(_address(run)).status_code == 409


def test_a_spec_that_was_entered_meanwhile_is_not_replaced(operator: Client) -> None:
    run = factories.passed_without_spec()
    run.host.expected = {"cpu": {"sockets": 2}}
    run.host.save()
    assert operator.post(_address(run)).status_code == 409
    assert _expected(run) == {"cpu": {"sockets": 2}}


def test_operators_only(client: Client) -> None:
    run = factories.held_by_spec()
    assert client.post(_address(run)).status_code == 302
    plain = factories.UserFactory(username="plain", is_staff=False, is_superuser=False)
    client.force_login(plain, backend="django.contrib.auth.backends.ModelBackend")
    assert client.post(_address(run)).status_code == 403
    assert not run.events.filter(kind="adopted").exists()


def test_a_form_of_another_site_adopts_nothing() -> None:
    run = factories.held_by_spec()
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(factories.UserFactory(), backend="django.contrib.auth.backends.ModelBackend")
    assert strict.post(_address(run)).status_code == 403
    assert not run.events.filter(kind="adopted").exists()


def test_after_a_retry_the_newest_comparison_stands_and_what_was_adopted_is_kept(operator: Client) -> None:
    run = factories.held_by_spec()
    operator.post(_address(run), {"path": FOUND})
    again = factories.StageRunFactory(run=run, name="SpecValidate", attempt=2, outcome=Outcome.FAILED)
    SpecDiff.objects.create(run=run, stage_run=again, path=MISSING, severity=Severity.CRITICAL, message="still missing")
    part = _part(operator, run)
    assert part.count(f'<span title="{MISSING}">Disk {factories.DISK}</span>') == 1
    assert part.count(f'<span title="{FOUND}">Disk SATA-0001</span>') == 1


def test_a_retry_that_found_nothing_leaves_nothing_open(operator: Client) -> None:
    run = factories.held_by_spec()
    factories.StageRunFactory(run=run, name="SpecValidate", attempt=2, outcome=Outcome.PASSED)
    assert MISSING not in _part(operator, run)
    assert operator.post(_address(run), {"path": MISSING}).status_code == 409


# --- what to do --------------------------------------------------------------------------------------------------


def test_a_finding_says_what_to_do_and_where(operator: Client) -> None:
    run = factories.held()
    part = _part(operator, run, "findings")
    for code in ("smart.pending_sectors", "memory.corrected"):
        assert f"<b>At the host:</b> {CODES[code].advice}" in part
    assert CODES["smart.pending_sectors"].advice in _part(operator, run, "summary")


def test_information_asks_for_nothing(operator: Client) -> None:
    run = factories.in_storage()
    run.findings.update(severity=Severity.INFO, code="spec.text")
    assert CODES["spec.text"].advice not in _part(operator, run, "findings")


def test_a_code_of_an_older_agent_is_shown_without_advice(operator: Client) -> None:
    run = factories.in_storage()
    run.findings.update(code="gone.with_an_upgrade")
    part = _part(operator, run, "findings")
    assert "gone.with_an_upgrade" in part and "At the host" not in part


def test_every_one_who_must_act_has_a_place() -> None:
    assert all(words.where_to_act(acts) for acts in Acts)


def test_every_finding_of_the_scenes_has_a_code_of_the_registry() -> None:
    for run in factories.for_every_state():
        assert all(row.code in CODES for row in run_page.load(run.pk).findings.all())
