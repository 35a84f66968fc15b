"""Hosts from and to CSV and YAML: shown first, then all or nothing, and never permission to write."""

from __future__ import annotations

import re
from datetime import UTC, datetime

import pytest
from django.test import Client
from django.urls import reverse

from hosts.models import Host, WritableDisk
from runs import lifecycle
from tests.hosts.adminclient import (
    CHANGE,
    FORMAT,
    SPEC,
    confirm,
    do,
    export,
    messages_of,
    preview,
)
from tests.pages import as_read

pytestmark = pytest.mark.django_db


HOSTS_YAML = """\
- name: pve-1
  macs: [52:54:00:00:00:01, 52:54:00:00:00:0a]
  expected:
    cpu: {cores: 16}
    disks: [{serial: 0042, may_be_written: true}]
- name: pve-9
  profile_name: quick-write
  macs: [52:54:00:00:00:09]
"""


def test_the_preview_shows_the_difference_and_writes_nothing(operator: Client, host: Host) -> None:
    response = preview(operator, HOSTS_YAML)
    assert [row.import_type for row in response.context["result"].rows] == ["update", "new"]
    assert "52:54:00:00:00:0a" in response.content.decode()
    assert Host.objects.count() == 1
    host.refresh_from_db()
    assert host.expected == SPEC


def test_the_preview_names_what_changes_and_nothing_else(operator: Client, host: Host) -> None:
    host.writable_disks.create(serial="NVME-1", allowed_by="ada")
    text = f"- name: {host.name}\n  notes: moved\n  expected:\n    disks: [{{serial: SATA-1}}]\n- name: pve-2\n"
    Host.objects.create(name="pve-2", expected=SPEC)
    response = preview(operator, text)
    changed, same = response.context["result"].rows
    assert {change.field: change.lines for change in changed.diff}["notes"] == ["+moved"]
    assert [change.field for change in changed.diff] == ["notes", "expected", "may no longer be written"]
    assert same.import_type == "skip"
    page = as_read(response.content)
    assert "-- serial: NVME-1" in page and "-NVME-1</del>" in page and "1 host stays" in page
    assert "style=" not in page.partition('id="content"')[2].partition("</main>")[0]


def test_what_a_file_says_is_shown_as_text(operator: Client, host: Host) -> None:
    page = preview(operator, f"- name: {host.name}\n  notes: <script>alert(1)</script>\n").content.decode()
    assert "+&lt;script&gt;alert(1)&lt;/script&gt;" in page and "<script>alert" not in page


def test_a_confirmed_import_writes_and_gives_no_permission(operator: Client, host: Host) -> None:
    host.writable_disks.create(serial="SATA-1", allowed_by="ada")
    confirm(operator, preview(operator, HOSTS_YAML))
    host.refresh_from_db()
    assert host.expected == {"cpu": {"cores": 16}, "disks": [{"serial": "0042"}]}
    assert host.mac_list == ["52:54:00:00:00:01", "52:54:00:00:00:0a"]
    assert host.profile_name == "quick"
    new = Host.objects.get(name="pve-9")
    assert (new.profile_name, new.mac_list, new.expected) == ("quick-write", ["52:54:00:00:00:09"], None)
    assert not new.destructive_allowed
    assert not WritableDisk.objects.exists()


def test_permission_does_not_come_back_with_a_disk_that_an_import_took_out(operator: Client, host: Host) -> None:
    host.writable_disks.create(serial="SATA-1", allowed_by="ada")
    for serial in ("SATA-2", "SATA-1"):
        text = f"- name: {host.name}\n  expected:\n    disks: [{{serial: {serial}}}]\n"
        confirm(operator, preview(operator, text))
    host.refresh_from_db()
    assert [disk["serial"] for disk in host.expected["disks"]] == ["SATA-1"]
    assert not host.writable_disks.exists()


def test_an_import_that_leaves_the_spec_alone_keeps_the_permission(operator: Client, host: Host) -> None:
    host.writable_disks.create(serial="SATA-1", allowed_by="ada")
    confirm(operator, preview(operator, f"- name: {host.name}\n  notes: moved\n"))
    assert [row.serial for row in WritableDisk.objects.all()] == ["SATA-1"]


@pytest.mark.parametrize("kind", ["csv", "yaml"])
def test_what_was_exported_imports_back_the_same(operator: Client, host: Host, kind: str) -> None:
    Host.objects.filter(pk=host.pk).update(notes="two\nlines, and: a colon", wake_options={"address": "10.0.0.9"})
    text = export(operator, kind)
    assert "SATA-1" in text
    Host.objects.all().delete()
    confirm(operator, preview(operator, text, kind))
    back = Host.objects.get(name="pve-1")
    assert (back.expected, back.mac_list) == (SPEC, ["52:54:00:00:00:01"])
    assert (back.notes, back.wake_options) == ("two\nlines, and: a colon", {"address": "10.0.0.9"})


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("- {name: pve-3, macs: [52:54]}", "is no MAC address"),
        ("- {name: pve-3, macs: [52:54:00:00:00:01]}", "belongs to host pve-1 already"),
        ("- {name: pve-3, enabled: perhaps}", "neither true nor false"),
        ("- {name: pve-3, wake_method: shouting}", "not a valid choice"),
        (
            "- {name: pve-3}\n- name: pve-4\n  expected:\n    cpu:\n      coers: 3",
            "file, line 5: cpu.coers is not known",
        ),
        ("- {name: pve-3, expected: 7}", "file, line 1: spec"),
        (
            "- name: pve-3\n  expected:\n    firmware: {bios: '1'}\n    pinned:\n    - firmware.bois",
            "file, line 5: pinned: 'firmware.bois' is no path of the spec; did you mean 'firmware.bios'?",
        ),
        ("- {name: pve-3, expcted: {}}", "unknown: expcted; known are name, enabled"),
        ("- {name: pve-3, expcted: {}}", "did you mean 'expected'?"),
        ("- {name: pve-3, destructive_allowed: true}", "permission to write is never imported"),
        ("- {name: pve-3, colour: red}", "unknown: colour"),
        ("- {name: pve-3, profile_name: fast}", "'fast' is no profile: there are quick, quick-write"),
        ("- {name: pve-3, wake_method: ipmi}", "address, user, password_env missing"),
        ("- {name: pve-3, wake_options: {password: geheim}}", "passwords are not kept here"),
        ("name: pve-3", "a list of hosts is needed"),
        ("- {name: pve-3", "line 1"),
    ],
)
def test_a_wrong_import_is_refused_with_the_reason(operator: Client, host: Host, text: str, words: str) -> None:
    response = preview(operator, text)
    assert words in response.content.decode().replace("&#x27;", "'")
    assert "confirm_form" not in response.context or response.context["confirm_form"] is None
    assert Host.objects.count() == 1


def test_an_import_writes_nothing_where_a_row_has_become_wrong_since_it_was_shown(operator: Client, host: Host) -> None:
    shown = preview(operator, f"- {{name: pve-7}}\n- {{name: {host.name}, enabled: false}}")
    lifecycle.start_run(host)
    response = confirm(operator, shown)
    assert response.headers["Location"] == reverse("admin:hosts_host_import")
    assert (
        "Nothing was imported" in messages_of(response)[0] and "cancel or release it first" in messages_of(response)[0]
    )
    assert not Host.objects.filter(name="pve-7").exists()
    host.refresh_from_db()
    assert host.enabled


def test_only_the_selected_hosts_are_exported_by_the_action(operator: Client, host: Host) -> None:
    Host.objects.create(name="pve-2")
    page = do(operator, "export_admin_action", host)
    assert page.status_code == 200
    fields = {name: "on" for name in page.context["form"].fields if name.startswith("hostresource_")}
    sent = {"format": FORMAT["yaml"], "export_items": [host.pk], **fields}
    text = operator.post(page.context["export_url"], sent).content.decode()
    assert "pve-1" in text and "pve-2" not in text


def test_the_columns_are_told_once_in_words(operator: Client) -> None:
    page = operator.get(reverse("admin:hosts_host_import")).content.decode()
    assert page.count("boot_binary") == page.count("compared_since") == 1
    exported = operator.get(reverse("admin:hosts_host_export")).content.decode()
    for words in ("MAC addresses", "Woken by", "Expected spec", "Boot program"):
        assert f" {words}</label>" in exported


@pytest.mark.parametrize("page", ["import", "export"])
def test_yaml_is_chosen_until_something_else_is(operator: Client, page: str) -> None:
    form = operator.get(reverse(f"admin:hosts_host_{page}")).context["form"]
    assert form["format"].value() == FORMAT["yaml"]


def test_no_page_of_the_inventory_needs_inline_script_or_style(operator: Client, host: Host) -> None:
    """The content security policy forbids both."""
    pages = ["changelist", "add", "import", "export"]
    for address in [*(reverse(f"admin:hosts_host_{page}") for page in pages), reverse(CHANGE, args=[host.pk])]:
        body = operator.get(address).content.decode().partition("<body")[2]
        assert not re.search(r"""<style|<script>|\s(style|on[a-z]+)=["']""", body), address


def test_an_import_can_not_disable_a_host_with_a_live_run(operator: Client, host: Host) -> None:
    lifecycle.start_run(host)
    response = preview(operator, "- {name: pve-1, enabled: false}")
    assert "cancel or release it first" in response.content.decode().replace("&#x27;", "'")


@pytest.mark.parametrize("kind", ["csv", "yaml"])
def test_the_moment_of_comparison_is_exported_and_imported_back(operator: Client, host: Host, kind: str) -> None:
    Host.objects.filter(pk=host.pk).update(compared_since=datetime(2026, 11, 20, 12, tzinfo=UTC))
    text = export(operator, kind)
    assert "2026-11-20T12:00:00+00:00" in text
    Host.objects.filter(pk=host.pk).update(compared_since=None)
    confirm(operator, preview(operator, text, kind))
    host.refresh_from_db()
    assert host.compared_since == datetime(2026, 11, 20, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("written", "kept"),
    [
        ("2026-11-21", datetime(2026, 11, 21, tzinfo=UTC)),
        ("''", None),
        ("null", datetime(2026, 11, 20, tzinfo=UTC)),
    ],
)
def test_a_moment_of_comparison_is_set_taken_back_or_left(
    operator: Client, host: Host, written: str, kept: datetime | None
) -> None:
    Host.objects.filter(pk=host.pk).update(compared_since=datetime(2026, 11, 20, tzinfo=UTC))
    response = preview(operator, f"- name: {host.name}\n  compared_since: {written}\n")
    if kept == datetime(2026, 11, 20, tzinfo=UTC):
        assert response.context["result"].rows[0].import_type == "skip"
        return
    confirm(operator, response)
    host.refresh_from_db()
    assert host.compared_since == kept


@pytest.mark.parametrize("written", ["yesterday", "2999-01-01", "12"])
def test_a_moment_of_comparison_that_is_none_is_refused(operator: Client, host: Host, written: str) -> None:
    response = preview(operator, f"- name: {host.name}\n  compared_since: {written}\n")
    assert response.context["result"].has_errors() or response.context["result"].has_validation_errors()
