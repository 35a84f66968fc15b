"""The inventory in the admin, as an operator uses it: forms, permission to write, actions, import and export."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, get_args, get_origin

import pytest
from django.contrib.auth import get_user_model
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse
from pydantic import BaseModel

from agent import codec, wire
from hosts import expectations, spechelp
from hosts.models import Host, HostMac, WritableDisk
from pxe import supervisor
from runs import lifecycle, profiles
from runs.models import Run
from tests import rows
from tests.runs.test_profiles import QUICK, WRITE

pytestmark = pytest.mark.django_db

SPEC = {
    "disks": [
        {"serial": "SATA-1", "bus": "sata", "size_mb": 256, "model": "Big"},
        {"serial": "NVME-1", "bus": "nvme", "size_mb": 512},
        {"serial": "STICK", "bus": "usb", "size_mb": 16},
        {"wwn": "0x5000", "bus": "sas", "size_mb": 16},
    ]
}
LIST, CHANGE = "admin:hosts_host_changelist", "admin:hosts_host_change"


@pytest.fixture(autouse=True)
def two_profiles(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "profiles").mkdir()
    (tmp_path / "profiles" / "quick.yaml").write_text(QUICK)
    (tmp_path / "profiles" / "quick-write.yaml").write_text(WRITE)
    monkeypatch.setattr(profiles, "SHIPPED", tmp_path / "profiles")


@pytest.fixture
def operator(client: Client) -> Client:
    user = get_user_model().objects.create_superuser("ada", password="correct horse battery")
    client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
    return client


@pytest.fixture
def host() -> Host:
    host = Host.objects.create(name="pve-1", expected=SPEC)
    HostMac.objects.create(host=host, mac="52:54:00:00:00:01")
    return host


def form_of(client: Client, host: Host | None) -> dict[str, Any]:
    """What a browser would send if the operator changed nothing."""
    url = reverse("admin:hosts_host_change", args=[host.pk]) if host else reverse("admin:hosts_host_add")
    context = client.get(url).context
    data: dict[str, Any] = {}
    for form in (context["adminform"].form, *(f for s in context["inline_admin_formsets"] for f in s.formset)):
        for bound in form:
            value = bound.value()
            if value not in (None, False):
                data[bound.html_name] = "on" if value is True else value
    for inline in context["inline_admin_formsets"]:
        for bound in inline.formset.management_form:
            data[bound.html_name] = bound.value()
    return data


def send(client: Client, host: Host | None, **changes: Any) -> Any:
    url = reverse("admin:hosts_host_change", args=[host.pk]) if host else reverse("admin:hosts_host_add")
    data = {key: value for key, value in {**form_of(client, host), **changes}.items() if value is not None}
    return client.post(url, data)


def errors(response: Any) -> str:
    assert response.status_code == 200
    context = response.context
    formsets = [error for inline in context["inline_admin_formsets"] for error in inline.formset.errors]
    return str([context["adminform"].form.errors.as_data(), formsets])


def do(client: Client, action: str, *hosts: Host, **more: Any) -> Any:
    return client.post(reverse(LIST), {"action": action, "_selected_action": [host.pk for host in hosts], **more})


def messages_of(response: Any) -> list[str]:
    return [str(message) for message in response.wsgi_request._messages]


# --- the form -------------------------------------------------------------------------------------------------


def test_a_host_is_added_with_its_mac_and_spec(operator: Client) -> None:
    response = send(
        operator,
        None,
        name="pve-2",
        expected_yaml="cpu: {cores: 8}",
        **{"macs-0-mac": "5254.0000.0002"},
    )
    assert response.status_code == 302
    host = Host.objects.get(name="pve-2")
    assert host.expected == {"cpu": {"cores": 8}}
    assert host.mac_list == ["52:54:00:00:00:02"]


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
    page = operator.get(reverse("admin:hosts_host_change", args=[host.pk])).content.decode()
    assert '<option value="quick-write">Quick look that writes</option>' in page


# --- the spec's editor --------------------------------------------------------------------------------------------


def check(client: Client, text: str, host: Host | None = None) -> dict[str, Any]:
    data = {"text": text, "host": host.pk if host else ""}
    return client.post(reverse("admin:hosts_host_check_spec"), data).json()


def test_a_spec_is_checked_while_it_is_typed(operator: Client, host: Host) -> None:
    assert check(operator, "cpu:\n  coers: 3\n")["problems"] == [
        "expected spec, line 2: cpu.coers is not known; known here: sockets, cores, model"
    ]
    answer = check(operator, "disks: [{serial: A, may_be_written: true}]", host)
    assert answer["problems"] == [] and "may_be_written was left out" in answer["notices"][0]
    assert Host.objects.get(pk=host.pk).expected == SPEC, "a check writes nothing"


def test_the_check_says_what_the_last_run_found_otherwise(operator: Client, host: Host) -> None:
    run = rows.a_run(host, inventory=codec.encode(wire.Inventory(cpu=wire.Cpu(sockets=1, cores=4))))
    answer = check(operator, "cpu: {cores: 8}", host)
    assert answer["run"] == run.pk
    assert answer["differences"] == [{"severity": "critical", "message": "CPU0: cores 4, expected 8"}]


@pytest.mark.parametrize("number", ["", "x", "\u00b2", "9" * 40])
def test_a_check_for_no_host_has_nothing_to_compare_with(operator: Client, number: str) -> None:
    answer = operator.post(reverse("admin:hosts_host_check_spec"), {"text": "cpu: {cores: 8}", "host": number})
    assert answer.json() == {"problems": [], "notices": [], "run": None, "differences": []}


def test_who_may_not_see_hosts_can_not_check_a_spec(client: Client) -> None:
    address = reverse("admin:hosts_host_check_spec")
    assert client.post(address, {"text": ""}).status_code == 302
    client.force_login(
        get_user_model().objects.create_user("eve", is_staff=True), backend="django.contrib.auth.backends.ModelBackend"
    )
    assert client.post(address, {"text": ""}).status_code == 405


def test_the_form_offers_what_the_last_run_found_and_explains_every_key(operator: Client, host: Host) -> None:
    rows.a_run(host, inventory=codec.encode(wire.Inventory(cpu=wire.Cpu(sockets=1, cores=4))))
    page = operator.get(reverse("admin:hosts_host_change", args=[host.pk])).content.decode()
    assert "cores: 4" in page and "memory.dimms[].locator" in page


def test_the_help_has_every_key_of_the_schema() -> None:
    assert {key.path for key in spechelp.KEYS} - {"memory.dimms"} == set(paths(expectations.Expected))


def paths(part: Any, before: str = "") -> Iterator[str]:
    for name, field in part.model_fields.items():
        inner = [kind for kind in parts_of(field.annotation) if isinstance(kind, type) and issubclass(kind, BaseModel)]
        is_list = any(get_origin(kind) is list for kind in parts_of(field.annotation))
        if (is_list and not before) or not inner:
            yield f"{before}{name}"
        for kind in inner:
            yield from paths(kind, f"{before}{name}{'[]' if is_list else ''}.")


def parts_of(annotation: Any) -> Iterator[Any]:
    yield annotation
    for inner in get_args(annotation):
        yield from parts_of(inner)


def test_a_spec_that_was_adopted_meanwhile_is_not_overwritten(operator: Client, host: Host) -> None:
    data = form_of(operator, host)
    Host.objects.filter(pk=host.pk).update(expected={"cpu": {"cores": 4}})
    address = reverse("admin:hosts_host_change", args=[host.pk])
    assert "changed while this page stood open" in errors(operator.post(address, data))
    assert Host.objects.get(pk=host.pk).expected == {"cpu": {"cores": 4}}


# --- permission to write ----------------------------------------------------------------------------------------


def test_only_disks_with_a_serial_that_are_not_usb_are_offered(operator: Client, host: Host) -> None:
    page = operator.get(reverse("admin:hosts_host_change", args=[host.pk])).content.decode()
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


# --- actions ----------------------------------------------------------------------------------------------------


def test_start_vetting_queues_a_run_in_the_operators_name(operator: Client, host: Host) -> None:
    assert do(operator, "start_vetting", host).status_code == 302
    run = Run.objects.get(host=host)
    assert (run.state, run.profile_name, run.requested_by) == ("Queued", "quick", "ada")


def test_a_second_start_is_409_with_the_reason(operator: Client, host: Host) -> None:
    run = lifecycle.start_run(host)
    response = do(operator, "start_vetting", host)
    assert response.status_code == 409
    assert f"has run {run.pk} (Queued) already" in response.content.decode()
    assert Run.objects.count() == 1


def test_cancel_ends_the_live_run(operator: Client, host: Host) -> None:
    run = lifecycle.start_run(host)
    assert do(operator, "cancel_vetting", host).status_code == 302
    run.refresh_from_db()
    assert run.state == "Cancelled"
    assert do(operator, "cancel_vetting", host).status_code == 409


def test_adopt_takes_over_what_the_last_run_found(operator: Client, host: Host) -> None:
    assert "has found anything yet" in do(operator, "adopt", host).content.decode()
    assert do(operator, "adopt", host, confirmed="Adopt").status_code == 409
    Host.objects.filter(pk=host.pk).update(expected=None)
    run = rows.a_run(host, inventory=codec.encode(wire.Inventory(cpu=wire.Cpu(sockets=1, cores=4))))
    page = do(operator, "adopt", host).content.decode()
    assert "+  cores: 4" in page and f'name="run-{host.pk}" value="{run.pk}"' in page
    assert Host.objects.get(pk=host.pk).expected is None, "only shown so far"
    assert do(operator, "adopt", host, confirmed="Adopt", **{f"run-{host.pk}": run.pk}).status_code == 302
    host.refresh_from_db()
    assert host.expected["cpu"] == {"sockets": 1, "cores": 4}
    assert host.expected["disks"] == []


def test_what_another_run_has_found_since_is_not_adopted_unseen(operator: Client, host: Host) -> None:
    Host.objects.filter(pk=host.pk).update(expected=None)
    shown = rows.a_run(host, inventory=codec.encode(wire.Inventory(cpu=wire.Cpu(cores=4))))
    rows.a_run(host, inventory=codec.encode(wire.Inventory(cpu=wire.Cpu(cores=2))))
    response = do(operator, "adopt", host, confirmed="Adopt", **{f"run-{host.pk}": shown.pk})
    assert response.status_code == 409 and "look at the list again" in response.content.decode()
    assert Host.objects.get(pk=host.pk).expected is None


def test_a_run_that_found_nothing_does_not_hide_the_one_before(operator: Client, host: Host) -> None:
    Host.objects.filter(pk=host.pk).update(expected=None)
    found = rows.a_run(host, inventory=codec.encode(wire.Inventory(cpu=wire.Cpu(cores=4))))
    rows.a_run(host, verdict="error", state="Failed")
    assert f'value="{found.pk}"' in do(operator, "adopt", host).content.decode()


def test_the_profile_of_many_hosts_is_set_at_once(operator: Client, host: Host) -> None:
    other = Host.objects.create(name="pve-2")
    page = do(operator, "set_profile", host, other).content.decode()
    assert "Which profile for 2 hosts?" in page and f'name="_selected_action" value="{other.pk}"' in page
    assert "There is no profile nonsense" in do(operator, "set_profile", host, profile="nonsense").content.decode()
    assert do(operator, "set_profile", host, other, profile="quick-write").status_code == 302
    assert set(Host.objects.values_list("profile_name", flat=True)) == {"quick-write"}
    assert not Host.objects.filter(destructive_allowed=True).exists()


def test_a_host_with_a_live_run_can_not_be_disabled(operator: Client, host: Host) -> None:
    run = lifecycle.start_run(host)
    response = do(operator, "disable", host)
    assert response.status_code == 409
    assert f"run {run.pk}" in response.content.decode()
    assert "cancel or release it first" in errors(send(operator, host, enabled=None))
    host.refresh_from_db()
    assert host.enabled


def test_disable_and_enable(operator: Client, host: Host) -> None:
    assert do(operator, "disable", host).status_code == 302
    host.refresh_from_db()
    assert not host.enabled
    assert do(operator, "enable", host).status_code == 302
    host.refresh_from_db()
    assert host.enabled


@pytest.mark.parametrize("door", ["form", "action", "import"])
def test_a_disabled_host_is_off_the_allowlist_at_once_by_whatever_door(
    operator: Client, host: Host, door: str, client: Client
) -> None:
    assert [known.mac for known in supervisor.known_macs()] == host.mac_list
    if door == "form":
        send(operator, host, enabled=None)
    elif door == "action":
        do(operator, "disable", host)
    else:
        confirm(operator, preview(operator, f"- {{name: {host.name}, enabled: false}}"))
    assert supervisor.known_macs() == []
    script = client.get(f"/ipxe/{host.mac_list[0]}").content.decode()
    assert "is not registered" in script and "vt1." not in script


def test_a_host_with_history_is_not_deleted(operator: Client, host: Host) -> None:
    lifecycle.cancel(lifecycle.start_run(host))
    url = reverse("admin:hosts_host_delete", args=[host.pk])
    assert "pve-1 has 1 run, and those are kept for ever: disable it instead" in operator.get(url).content.decode()
    operator.post(url, {"post": "yes"})
    do(operator, "delete_selected", host)
    assert Host.objects.filter(pk=host.pk).exists()


def test_a_host_without_history_is_deleted(operator: Client, host: Host) -> None:
    assert operator.post(reverse("admin:hosts_host_delete", args=[host.pk]), {"post": "yes"}).status_code == 302
    assert not Host.objects.exists()


def test_the_list_is_searched_and_filtered(operator: Client, host: Host) -> None:
    Host.objects.create(name="pve-2", enabled=False)
    assert "pve-1" in operator.get(reverse(LIST), {"q": "52:54:00:00:00:01"}).content.decode()
    filtered = operator.get(reverse(LIST), {"enabled__exact": "0"}).context["cl"].result_list
    assert [row.name for row in filtered] == ["pve-2"]


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ({"state": "held"}, ["held"]),
        ({"state": "idle"}, ["idle"]),
        ({"state": "never"}, ["pve-1"]),
        ({"state": "nonsense"}, ["held", "idle", "pve-1"]),
        ({"model": "R100"}, ["idle"]),
        ({"profile": "quick-write"}, ["held"]),
        ({"health": "bad"}, ["held"]),
        ({"spec": "none"}, ["held"]),
        ({"q": "SYS-7"}, ["idle"]),
    ],
)
def test_the_list_is_filtered_by_how_hosts_stand(
    operator: Client, host: Host, query: dict[str, str], names: list[str]
) -> None:
    held = Host.objects.create(name="held", health="bad", profile_name="quick-write")
    idle = Host.objects.create(name="idle", expected={"system": {"product": "R100", "serial": "SYS-7"}})
    run = rows.a_run(held, state="FailedHolding", verdict="failed")
    rows.a_run(idle)
    response = operator.get(reverse(LIST), query)
    assert [row.name for row in response.context["cl"].result_list] == names
    page = response.content.decode()
    assert ("held" not in names) or f'held, <a href="{run.get_absolute_url()}">run {run.pk}</a>' in page


def test_the_list_asks_as_much_for_many_hosts_as_for_few(
    operator: Client, host: Host, django_assert_max_num_queries: Any
) -> None:
    for n in range(30):
        HostMac.objects.create(host=Host.objects.create(name=f"n-{n}"), mac=f"52:54:00:00:01:{n:02x}")
    with django_assert_max_num_queries(12):
        operator.get(reverse(LIST))


# --- import and export ------------------------------------------------------------------------------------------

FORMAT = {"csv": "0", "yaml": "1"}


def preview(client: Client, text: str, kind: str = "yaml") -> Any:
    file = SimpleUploadedFile(f"hosts.{kind}", text.encode())
    return client.post(reverse("admin:hosts_host_import"), {"format": FORMAT[kind], "import_file": file})


def confirm(client: Client, response: Any) -> Any:
    form = response.context["confirm_form"]
    return client.post(reverse("admin:hosts_host_process_import"), form.initial)


def export(client: Client, kind: str) -> str:
    url = reverse("admin:hosts_host_export")
    chosen = {field: "on" for field in client.get(url).context["form"].fields if field.startswith("hostresource_")}
    return client.post(url, {"format": FORMAT[kind], **chosen}).content.decode()


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
    page = response.content.decode()
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


def test_only_the_selected_hosts_are_exported_by_the_action(operator: Client, host: Host) -> None:
    Host.objects.create(name="pve-2")
    page = do(operator, "export_admin_action", host)
    assert page.status_code == 200
    fields = {name: "on" for name in page.context["form"].fields if name.startswith("hostresource_")}
    sent = {"format": FORMAT["yaml"], "export_items": [host.pk], **fields}
    text = operator.post(page.context["export_url"], sent).content.decode()
    assert "pve-1" in text and "pve-2" not in text


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
