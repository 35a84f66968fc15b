"""What an account without a permission can't do in the inventory, whatever it sends."""

from __future__ import annotations

import json

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Permission
from django.test import Client
from django.urls import reverse

from hosts.models import Host
from tests.hosts.adminclient import CHANGE, FORMAT, LIST, do, form_of, preview, send
from tests.pages import as_read

pytestmark = pytest.mark.django_db

EDITOR = ("hosts.view_host", "hosts.change_host", "hosts.add_host", "hosts.import_host", "runs.view_run")


def staff(*permissions: str) -> Client:
    user = get_user_model().objects.create_user("eve", is_staff=True)
    for name in permissions:
        app, codename = name.split(".")
        user.user_permissions.add(Permission.objects.get(content_type__app_label=app, codename=codename))
    client = Client()
    client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
    return client


@pytest.fixture(autouse=True)
def profiles(two_profiles: None) -> None:
    pass


@pytest.mark.parametrize("lacks", ["hosts.import_host", "hosts.add_host", "hosts.change_host"])
def test_importing_needs_the_permission_to_import_to_add_and_to_change(lacks: str, host: Host) -> None:
    client = staff(*(name for name in EDITOR if name != lacks))
    response = preview(client, "- {name: pve-9}\n")
    assert response.status_code == 403
    assert lacks in as_read(response.content)
    sent = {"import_file_name": "a" * 32, "original_file_name": "x.yaml", "format": FORMAT["yaml"]}
    assert client.post(reverse("admin:hosts_host_process_import"), sent).status_code == 403


@pytest.mark.parametrize("method", ["get", "post"])
def test_who_may_see_hosts_can_not_export_them(method: str, host: Host) -> None:
    client = staff("hosts.view_host", "runs.view_run")
    assert getattr(client, method)(reverse("admin:hosts_host_export")).status_code == 403
    assert do(client, "export_admin_action", host).status_code == 403
    assert "export" not in as_read(client.get(reverse(LIST)).content).lower()


def test_who_may_see_hosts_can_not_use_their_actions(host: Host) -> None:
    client = staff("hosts.view_host", "runs.view_run")
    response = do(client, "adopt", host, confirmed="1")
    assert response.status_code == 403 and "may not use the action &#x27;adopt&#x27;" in as_read(response.content)
    assert do(client, "disable", host).status_code == 403
    host.refresh_from_db()
    assert host.enabled


def test_a_bmc_password_goes_nowhere_without_the_permission_to_change_waking(host: Host) -> None:
    host.wake_method, host.wake_options = "ipmi", {"address": "10.0.0.5", "user": "a", "password_env": "VETTING_BMC_A"}
    host.save()
    client = staff(*EDITOR)
    mine = json.dumps({**host.wake_options, "address": "10.66.6.6"})
    assert send(client, host, wake_options=mine, notes="moved").status_code == 302
    page = as_read(preview(client, f"- name: {host.name}\n  wake_options: {mine}\n").content)
    assert "may not change how hosts are woken" in page
    host.refresh_from_db()
    assert (host.notes, host.wake_options["address"]) == ("moved", "10.0.0.5")
    new = as_read(preview(client, f"- name: pve-7\n  wake_method: ipmi\n  wake_options: {mine}\n").content)
    assert "may not change how hosts are woken" in new


def test_no_host_is_let_be_power_cycled_without_the_permission_to_turn_hosts_off(host: Host) -> None:
    assert send(staff(*EDITOR), host, cycle_hung="on", notes="seen").status_code == 302
    host.refresh_from_db()
    assert (host.notes, host.cycle_hung) == ("seen", False)


def test_no_disk_is_allowed_to_be_written_without_the_permission_and_none_is_withdrawn(host: Host) -> None:
    host.writable_disks.create(serial="NVME-1", allowed_by="ada")
    client = staff(*EDITOR)
    sent = {"write_0": "on", "serial_0": "SATA-1", "destructive_allowed": "on", "notes": "moved"}
    assert send(client, host, **sent).status_code == 302
    host.refresh_from_db()
    assert (host.notes, host.destructive_allowed) == ("moved", False)
    assert list(host.writable_disks.values_list("serial", flat=True)) == ["NVME-1"]


def test_permission_to_write_goes_with_the_disk_also_where_its_editor_may_not_give_it(host: Host) -> None:
    host.writable_disks.create(serial="NVME-1", allowed_by="ada")
    assert send(staff(*EDITOR), host, expected_yaml="disks: [{serial: SATA-1}]").status_code == 302
    assert not host.writable_disks.exists()


def test_who_may_only_see_reads_a_host_with_its_spec_and_its_disks(host: Host) -> None:
    host.writable_disks.create(serial="NVME-1", allowed_by="ada")
    client = staff("hosts.view_host", "runs.view_run")
    page = as_read(client.get(reverse(CHANGE, args=[host.pk])).content)
    assert "serial: SATA-1" in page and "NVME-1" in page and 'name="_save"' not in page
    assert client.post(reverse(CHANGE, args=[host.pk]), {"name": "other"}).status_code == 403


def test_who_may_change_hosts_changes_their_mac_addresses_too(host: Host) -> None:
    client = staff(*EDITOR)
    assert form_of(client, host)["macs-0-mac"] == "52:54:00:00:00:01"
    assert send(client, host, **{"macs-0-mac": "52:54:00:00:00:77"}).status_code == 302
    assert host.macs.get().mac == "52:54:00:00:00:77"
