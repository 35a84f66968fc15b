"""An import of many hosts: on a page bounded, from the command line in short transactions, and never a query a row."""

from __future__ import annotations

import io
import os
import time
from pathlib import Path
from typing import Any

import pytest
import tablib
from django.conf import settings
from django.core.management import CommandError, call_command
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from hosts import bulk, formats, importing, previews, resources, yamllines
from hosts.models import Host, HostMac
from runs import lifecycle, retention
from tests.hosts.adminclient import SPEC, confirm, export, messages_of, preview
from tests.pages import as_read

pytestmark = pytest.mark.django_db


def rows(count: int, first: int = 0) -> str:
    """CSV of so many new hosts."""
    numbers = range(first, first + count)
    return "name,macs\n" + "".join(f"h-{n},52:54:00:00:{n // 256:02x}:{n % 256:02x}\n" for n in numbers)


def queries(call: Any) -> int:
    with CaptureQueriesContext(connection) as captured:
        call()
    return len(captured)


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    """Small batches, so that a few hosts make several."""
    monkeypatch.setattr(bulk.batches, "__defaults__", (2,))


# --- on a page -----------------------------------------------------------------------------------------------------


def test_a_preview_and_its_confirmation_need_no_query_for_each_host(operator: Client) -> None:
    small, large = (queries(lambda n=n: preview(operator, rows(n), "csv")) for n in (5, 60))
    assert large == small
    shown = [preview(operator, rows(5), "csv"), preview(operator, rows(60, 100), "csv")]
    small, large = (queries(lambda one=one: confirm(operator, one)) for one in shown)
    assert large <= small + 2 and Host.objects.count() == 65


def test_a_preview_opens_no_transaction(operator: Client) -> None:
    """On SQLite each begins with the lock that all agents wait for."""
    Host.objects.create(name="h-1")
    with CaptureQueriesContext(connection) as captured:
        preview(operator, rows(3), "csv")
    words = {query["sql"].split()[0] for query in captured}
    assert words == {"SELECT"}


def test_more_hosts_than_a_page_imports_are_refused_with_the_way_to_do_it(
    operator: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hosts.admin.exchange.MOST", 4)
    assert "5 hosts are more than the 4" in (page := as_read(preview(operator, rows(5), "csv").content))
    assert "./manage.py hosts import FILE" in page
    assert preview(operator, rows(4), "csv").context["confirm_form"] is not None


@pytest.mark.parametrize("kind", ["csv", "yaml"])
def test_a_file_larger_than_a_page_reads_is_refused_with_the_way_to_do_it(operator: Client, kind: str) -> None:
    page = as_read(preview(operator, "#" * (formats.MAX_PAGE_BYTES + 1), kind).content)
    assert "./manage.py hosts import FILE" in page and "MiB are more" in page


def test_a_name_that_stands_twice_is_refused_with_both_rows(operator: Client) -> None:
    assert "h-0 stands in row 1 already" in as_read(preview(operator, "- {name: h-0}\n- {name: h-0}\n").content)


def test_a_mac_that_an_earlier_row_gives_up_may_be_taken_by_a_later_one(operator: Client, host: Host) -> None:
    text = f"- {{name: {host.name}, macs: [52:54:00:00:00:99]}}\n- {{name: pve-5, macs: [52:54:00:00:00:01]}}\n"
    confirm(operator, preview(operator, text))
    assert {row.mac: row.host.name for row in HostMac.objects.all()} == {
        "52:54:00:00:00:99": "pve-1",
        "52:54:00:00:00:01": "pve-5",
    }


@pytest.mark.parametrize("meanwhile", ["changed", "deleted", "made"])
def test_a_host_that_another_changed_between_reading_and_writing_is_not_overwritten(
    operator: Client, host: Host, monkeypatch: pytest.MonkeyPatch, meanwhile: str
) -> None:
    text = f"- {{name: {host.name}, notes: mine}}\n- {{name: pve-8, notes: mine}}\n"
    shown, write = preview(operator, text), bulk.write

    def another(*args: Any) -> None:
        if meanwhile == "made":
            Host.objects.create(name="pve-8", notes="theirs")
        elif meanwhile == "changed":
            Host.objects.get(pk=host.pk).save()
        else:
            Host.objects.filter(pk=host.pk).delete()
        write(*args)

    monkeypatch.setattr(bulk, "write", another)
    said = messages_of(confirm(operator, shown))[0]
    assert "Nothing was imported" in said and f"was {meanwhile} meanwhile" in said
    assert not Host.objects.filter(notes="mine").exists()


def test_only_the_columns_of_the_file_are_written(host: Host) -> None:
    """What else changes between reading and writing stays, as a health that a run has found."""
    resource = resources.HostResource(profiles={"quick"})
    resource.check(tablib.Dataset(["pve-1", "mine"], headers=["name", "notes"]))
    Host.objects.filter(pk=host.pk).update(health="bad", profile_name="quick-write")
    bulk.write(resource.changed, resource.columns, dict)
    host.refresh_from_db()
    assert (host.notes, host.health, host.profile_name, host.expected) == ("mine", "bad", "quick-write", SPEC)


# --- the file between preview and confirmation ---


def kept() -> list[str]:
    return [path.name for path in previews.folder().iterdir()] if previews.folder().is_dir() else []


@pytest.fixture(autouse=True)
def own_folder(tmp_path: Path, settings: Any) -> None:
    settings.DATA_DIR = tmp_path


def test_a_preview_is_kept_for_its_confirmation_alone(operator: Client) -> None:
    shown = preview(operator, "- {name: pve-9}")
    assert kept() == [shown.context["confirm_form"].initial["import_file_name"]]
    assert oct((previews.folder() / kept()[0]).stat().st_mode)[-3:] == "600"
    assert confirm(operator, shown).status_code == 302 and kept() == []
    assert confirm(operator, shown).status_code == 400


@pytest.mark.parametrize("text", ["- {name: pve-9, colour: red}", "- {name: ''}", "no: [yaml", ""])
def test_a_preview_that_can_not_be_confirmed_is_not_kept(operator: Client, text: str) -> None:
    assert preview(operator, text).status_code == 200 and kept() == []


def test_a_confirmation_that_is_refused_keeps_nothing_either(operator: Client, host: Host) -> None:
    shown = preview(operator, f"- {{name: {host.name}, enabled: false}}")
    lifecycle.start_run(host)
    confirm(operator, shown)
    assert kept() == []


def test_the_janitor_removes_previews_that_nobody_confirmed(operator: Client) -> None:
    preview(operator, "- {name: pve-8}")
    old = previews.folder() / kept()[0]
    os.utime(old, (time.time() - previews.KEPT_S - 5,) * 2)
    preview(operator, "- {name: pve-9}")
    assert [removal.path for removal in retention.sweep(dry_run=True)] == [old]
    retention.sweep()
    assert len(kept()) == 1 and not old.exists()


@pytest.mark.parametrize(
    "wrong",
    [
        {"import_file_name": "f" * 32}, {"import_file_name": "../../etc/passwd"}, {"import_file_name": ""},
        {"import_file_name": "/etc/hostname"}, {"format": "9"}, {"format": "x"}, {"format": "²"}, {"format": ""},
        {"resource": "1"}, {"resource": "²"}, {"original_file_name": ""},
    ],
)  # fmt: skip
def test_a_confirmation_that_no_preview_made_is_answered_with_400(operator: Client, wrong: dict[str, str]) -> None:
    sent = {**preview(operator, "- {name: pve-9}").context["confirm_form"].initial, **wrong}
    response = operator.post(reverse("admin:hosts_host_process_import"), sent)
    assert response.status_code == 400 and "choose the file again" in as_read(response.content).lower()
    assert not Host.objects.exists()


@pytest.mark.parametrize(
    "query", ["colour=red", "id__exact=²", "enabled__exact=perhaps", "p=²", "state=x", "foo__bar=1"]
)
def test_an_export_by_a_filter_that_there_is_not_is_answered_with_400_or_ignored(operator: Client, query: str) -> None:
    response = operator.get(f"{reverse('admin:hosts_host_export')}?{query}")
    assert response.status_code in ((200,) if query == "state=x" else (400,) if query != "p=²" else (200, 400))


# --- formulas ---

FORMULAS = ("=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "＝1+1", "'=1", "''=1", "'quoted'", "- a list\n- of notes")


@pytest.mark.parametrize("notes", FORMULAS)
def test_a_csv_export_holds_no_formula_and_imports_back_as_it_was(operator: Client, host: Host, notes: str) -> None:
    Host.objects.filter(pk=host.pk).update(notes=notes)
    text = export(operator, "csv")
    cells = [str(cell) for row in tablib.Dataset().load(text, format="csv", headers=True) for cell in row]
    assert [cell for cell in cells if cell.startswith(("=", "+", "-", "@", "\t", "＝"))] == []
    Host.objects.all().delete()
    confirm(operator, preview(operator, text, "csv"))
    assert Host.objects.get().notes == notes


# --- the command ---


def hosts_import(path: Path, *options: str) -> tuple[str, str]:
    out, err = io.StringIO(), io.StringIO()
    call_command("hosts", "import", str(path), *options, stdout=out, stderr=err)
    return out.getvalue(), err.getvalue()


def file_of(tmp_path: Path, text: str, name: str = "hosts.csv") -> Path:
    (tmp_path / name).write_text(text)
    return tmp_path / name


@pytest.mark.usefixtures("two_profiles", "few")
def test_the_command_imports_in_batches_and_says_how_far_it_is(tmp_path: Path) -> None:
    out, err = hosts_import(file_of(tmp_path, rows(5)))
    assert out == "5 added, 0 changed, 0 stay as they are\n"
    assert err.splitlines()[1:] == ["2 of 5 written", "4 of 5 written", "5 of 5 written"]
    assert HostMac.objects.filter(host__name="h-4").get().mac == "52:54:00:00:00:04"
    assert hosts_import(tmp_path / "hosts.csv")[0] == "0 added, 0 changed, 5 stay as they are\n"


@pytest.mark.usefixtures("two_profiles")
def test_a_dry_run_of_the_command_writes_nothing(tmp_path: Path, host: Host) -> None:
    text = f"- {{name: {host.name}, notes: moved}}\n- {{name: pve-9}}\n"
    out, _ = hosts_import(file_of(tmp_path, text, "hosts.yaml"), "--dry-run")
    assert out == "1 would be added, 1 would be changed, 0 stay as they are\n"
    host.refresh_from_db()
    assert host.notes == "" and Host.objects.count() == 1


@pytest.mark.usefixtures("two_profiles", "few")
def test_one_wrong_row_keeps_the_command_from_writing_any(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match=r"(?s)nothing was imported.*row 4: 'x' is no MAC address"):
        hosts_import(file_of(tmp_path, rows(3) + "h-9,x\n"))
    assert not Host.objects.exists()


@pytest.mark.usefixtures("two_profiles", "few")
def test_an_import_that_was_broken_off_is_ended_by_doing_it_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, write = file_of(tmp_path, rows(5)), bulk.write

    def broken_off(hosts: list[Host], *args: Any) -> None:
        if hosts[0].name == "h-2":
            raise KeyboardInterrupt
        write(hosts, *args)

    with monkeypatch.context() as patch:
        patch.setattr(bulk, "write", broken_off)
        with pytest.raises(
            CommandError, match=r"stopped after 2 of 5: you interrupted it\. Import the same file again"
        ):
            hosts_import(path)
    assert hosts_import(path)[0] == "3 added, 0 changed, 2 stay as they are\n"


@pytest.mark.parametrize(
    ("name", "data", "words"),
    [
        ("none.csv", None, "No such file"),
        ("hosts.yaml", b"- {name: ", "can't be read"),
        ("hosts.yaml", b"\xff\xfe", "can't be read"),
    ],
)
@pytest.mark.usefixtures("two_profiles")
def test_a_file_that_the_command_can_not_read_is_refused(
    tmp_path: Path, name: str, data: bytes | None, words: str
) -> None:
    if data is not None:
        (tmp_path / name).write_bytes(data)
    with pytest.raises(CommandError, match=words):
        hosts_import(tmp_path / name)


def test_the_command_without_a_file_says_how_it_is_called() -> None:
    with pytest.raises(CommandError, match="usage: hosts import FILE"):
        call_command("hosts", "import", "--dry-run")


def test_yaml_of_many_hosts_is_gone_through_once_for_its_lines() -> None:
    text = "".join(f"- name: h-{n}\n  expected:\n    cpu: {{cores: {n}}}\n" for n in range(40))
    items = yamllines.parse(text, "file").items()
    assert [item.part(("expected",)).line(("cpu", "cores")) for item in items] == [3 * n + 3 for n in range(40)]


def test_what_is_imported_is_waited_for_no_longer_than_a_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    """Between two batches others write."""
    slept: list[float] = []
    monkeypatch.setattr(importing.time, "sleep", slept.append)
    monkeypatch.setattr(bulk, "write", lambda *args: None)
    plan = importing.Plan([Host(name=f"h-{n}") for n in range(2 * bulk.BATCH + 1)], ("name",), 401, 0, 0)
    assert list(importing.write(plan, dict)) == [bulk.BATCH, 2 * bulk.BATCH, 2 * bulk.BATCH + 1]
    assert len(slept) == 2 and max(slept) <= 1


def test_a_preview_never_leaves_the_folder_of_previews() -> None:
    previews.remove("../secret_key")
    assert not previews.is_there("../secret_key") and settings.DATA_DIR.is_dir()
