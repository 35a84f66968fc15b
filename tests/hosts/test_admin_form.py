"""A host's form in the admin: what it takes, what it refuses, and permission to write, disk by disk."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from django.contrib.admin.models import LogEntry
from django.test import Client
from django.urls import reverse

from hosts.models import Host, WritableDisk
from tests.hosts.adminclient import (
    SPEC,
    errors,
    form_of,
    messages_of,
    send,
)
from tests.pages import as_read

pytestmark = pytest.mark.django_db


def test_a_host_is_added_with_its_mac_and_spec(operator: Client) -> None:
    response = send(
        operator,
        None,
        name="pve-2",
        expected_yaml="cpu: {cores: 8}",
        **{"macs-0-mac": "5254.0000.0002"},
    )
    host = Host.objects.get(name="pve-2")
    assert (response.status_code, response.headers["Location"]) == (302, host.get_absolute_url())
    assert host.expected == {"cpu": {"cores": 8}}
    assert host.mac_list == ["52:54:00:00:00:02"]


def test_after_saving_for_another_host_comes_the_form_again(operator: Client) -> None:
    response = send(operator, None, name="pve-2", _addanother="1")
    assert response.headers["Location"] == reverse("admin:hosts_host_add")


def test_the_macs_stand_before_all_that_may_be_left_as_it_is(operator: Client, host: Host) -> None:
    for address in (reverse("admin:hosts_host_add"), reverse("admin:hosts_host_change", args=[host.pk])):
        page = as_read(operator.get(address).content)
        assert page.count('name="macs-0-mac"') == 1
        assert page.index('name="name"') < page.index('name="macs-0-mac"') < page.index('name="wake_method"')


def test_saving_without_a_change_changes_nothing(operator: Client, host: Host) -> None:
    assert send(operator, host).status_code == 302
    host.refresh_from_db()
    assert host.expected == SPEC
    assert host.enabled
    assert not host.writable_disks.exists()


def test_a_wrong_spec_is_refused_with_its_line(operator: Client, host: Host) -> None:
    response = send(operator, host, expected_yaml="cpu:\n  cores: many\n")
    assert "expected spec, line 2: cpu.cores" in errors(response)
    host.refresh_from_db()
    assert host.expected == SPEC


def test_an_empty_spec_is_no_spec(operator: Client, host: Host) -> None:
    assert send(operator, host, expected_yaml="").status_code == 302
    host.refresh_from_db()
    assert host.expected is None


def test_a_mac_of_another_host_is_refused_with_its_name(operator: Client, host: Host) -> None:
    response = send(operator, None, name="pve-2", **{"macs-0-mac": "52-54-00-00-00-01"})
    assert "52:54:00:00:00:01 belongs to host pve-1 already" in errors(response)


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("wake_options", "[1]", "Names and values in braces"),
        ("wake_options", '{"adress": "10.0.0.9"}', "adress is not known; known are address"),
        ("wake_options", '{"password": "secret"}', "passwords are not kept here"),
        ("wake_options", '{"password_env": "HOME"}', "must begin with VETTING_BMC_"),
        ("wake_options", '{"efi": "no"}', "efi is true or false"),
        ("wake_method", "ipmi", "address, user, password_env missing"),
        ("dmi_uuid", "not-a-uuid", "Not a UUID"),
        ("name", "no spaces allowed", "valid"),
        ("macs-1-mac", "01:00:5e:00:00:01", "multicast"),
    ],
)
def test_a_wrong_value_names_its_field_and_the_fix(
    operator: Client, host: Host, field: str, value: str, words: str
) -> None:
    assert words in errors(send(operator, host, **{field: value}))


def test_the_form_offers_the_profiles_by_title(operator: Client, host: Host) -> None:
    page = as_read(operator.get(reverse("admin:hosts_host_change", args=[host.pk])).content)
    assert '<option value="quick-write">Quick look that writes</option>' in page


# --- permission to write ----------------------------------------------------------------------------------------


def test_only_disks_with_a_serial_that_are_not_usb_are_offered(operator: Client, host: Host) -> None:
    page = as_read(operator.get(reverse("admin:hosts_host_change", args=[host.pk])).content)
    assert "sata disk SATA-1 Big 256 MiB may be written" in page
    assert "nvme disk NVME-1 512 MiB may be written" in page
    assert "STICK may" not in page and "write_2" not in page


def test_a_tick_with_the_serial_typed_allows_that_disk(operator: Client, host: Host) -> None:
    assert send(operator, host, write_0="on", serial_0="SATA-1").status_code == 302
    (row,) = WritableDisk.objects.all()
    assert (row.host, row.serial, row.allowed_by) == (host, "SATA-1", "ada")


@pytest.mark.parametrize("typed", ["", "SATA-2", "sata-1", "NVME-1"])
def test_a_tick_without_the_serial_allows_nothing(operator: Client, host: Host, typed: str) -> None:
    assert "Type SATA-1 here" in errors(send(operator, host, write_0="on", serial_0=typed))
    assert not WritableDisk.objects.exists()


def test_a_serial_without_the_tick_allows_nothing(operator: Client, host: Host) -> None:
    assert send(operator, host, serial_0="SATA-1").status_code == 302
    assert not WritableDisk.objects.exists()


def test_taking_the_tick_off_withdraws(operator: Client, host: Host) -> None:
    host.writable_disks.create(serial="SATA-1", allowed_by="ada")
    assert send(operator, host).status_code == 302
    assert host.writable_disks.exists()
    assert send(operator, host, write_0=None).status_code == 302
    assert not host.writable_disks.exists()


def test_permission_goes_when_the_disk_leaves_the_spec(operator: Client, host: Host) -> None:
    host.writable_disks.create(serial="SATA-1", allowed_by="ada")
    assert send(operator, host, expected_yaml="disks: [{serial: NVME-1}]").status_code == 302
    assert not host.writable_disks.exists()


def test_permission_is_never_carried_to_another_serial(operator: Client, host: Host) -> None:
    host.writable_disks.create(serial="SATA-1", allowed_by="ada")
    data = form_of(operator, host)
    Host.objects.filter(pk=host.pk).update(expected={"disks": [{"serial": "OTHER"}]})
    response = operator.post(reverse("admin:hosts_host_change", args=[host.pk]), {**data, "serial_0": "SATA-1"})
    assert "Type OTHER here" in errors(response)
    assert not host.writable_disks.filter(serial="OTHER").exists()


def test_the_spec_can_not_give_permission(operator: Client, host: Host) -> None:
    response = send(operator, host, expected_yaml="disks: [{serial: SATA-1, may_be_written: true}]")
    assert response.status_code == 302
    host.refresh_from_db()
    assert host.expected == {"disks": [{"serial": "SATA-1"}]}
    assert not WritableDisk.objects.exists()
    assert any("may_be_written was left out" in text for text in messages_of(response))


def test_who_set_the_moment_of_comparison_is_in_the_hosts_history(operator: Client, host: Host) -> None:
    moment = {"compared_since_0": "2026-11-20", "compared_since_1": "12:00:00"}
    assert send(operator, host, **moment).status_code == 302
    host.refresh_from_db()
    assert host.compared_since == datetime(2026, 11, 20, 12, tzinfo=UTC)
    entry = LogEntry.objects.get(object_id=str(host.pk))
    assert entry.user.get_username() and "Compare only with runs since" in entry.get_change_message()
    page = as_read(operator.get(reverse("admin:hosts_host_history", args=[host.pk])).content)
    assert "Compare only with runs since" in page


def test_a_moment_of_comparison_that_is_still_to_come_is_refused(operator: Client, host: Host) -> None:
    response = send(operator, host, compared_since_0="2999-01-01", compared_since_1="00:00:00")
    assert "2999-01-01 00:00 is not past" in errors(response)
