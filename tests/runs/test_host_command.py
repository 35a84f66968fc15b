"""`host add|edit|expect`: by the rules of an import, and with what a run found."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from django.contrib.admin.models import LogEntry
from django.core.management import CommandError, call_command

from agent.contract import codec
from hosts.models import Host
from tests import rows
from tests.runs.test_adopting import FOUND

pytestmark = pytest.mark.django_db
MAC, OTHER = "52:54:00:00:00:01", "52:54:00:00:00:02"


def said(*words: str) -> str:
    out = io.StringIO()
    call_command("host", *words, stdout=out, stderr=io.StringIO())
    return out.getvalue()


def refusal(*words: str) -> str:
    with pytest.raises(CommandError) as error:
        said(*words)
    assert error.value.returncode == 4
    return str(error.value)


def test_a_host_is_added_and_it_says_how_to_go_on() -> None:
    assert said("add", "pve-1", "--mac", "5254.0000.0001", "--notes", "rack 3") == (
        "pve-1 is registered. To vet it: ./manage.py vet pve-1\n"
    )
    host = Host.objects.get(name="pve-1")
    assert (host.mac_list, host.notes, host.profile_name, host.wake_method) == ([MAC], "rack 3", "quick", "wol")


def test_a_host_without_a_mac_is_added_and_told_so() -> None:
    assert "can't be vetted before it has a MAC address: ./manage.py host edit pve-1 --add-mac MAC" in said(
        "add", "pve-1"
    )


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("add", "there", "--mac", OTHER), "there is a host there already: ./manage.py host edit there"),
        (("add", "new", "--mac", MAC), f"{MAC} belongs to host there already"),
        (("add", "new", "--mac", "nonsense"), "'nonsense' is no MAC address"),
        (("add", "a b"), "slug"),
        (("add", "new", "--profile", "quik"), "'quik' is no profile: there are deep"),
        (("add", "new", "--wake", "ipmi"), "address"),
        (("add", "new", "--wake-option", "adress=1"), "adress is not known"),
        (("add", "new", "--wake-option", "address"), "'address' is no KEY=VALUE"),
        (("edit", "their", "--notes", "x"), "there is no host 'their'; did you mean 'there'?"),
        (("edit", "there"), "say what to change"),
        (("edit", "there", "--remove-mac", OTHER), f"there has no MAC {OTHER}; it has {MAC}"),
        (("expect", "there", "--has-no", "termal"), "did you mean 'thermal'?"),
        (("expect", "there", "--file", "/nowhere.yaml"), "/nowhere.yaml: No such file or directory"),
        (("expect", "there", "--adopt"), "no run of there has found anything yet: ./manage.py vet there"),
        (("expect", "there", "--adopt", "99"), "there has no run 99"),
    ],
)
def test_what_an_import_refuses_is_refused_and_nothing_is_written(words: tuple[str, ...], says: str) -> None:
    rows.a_host("there", MAC)
    assert says in refusal(*words)
    assert list(Host.objects.values_list("name", flat=True)) == ["there"]


def test_a_host_is_changed_and_the_rest_stays() -> None:
    rows.a_host("pve-1", MAC, notes="kept", wake_options={"address": "10.0.0.9", "user": "a"})
    words = ("--wake", "ipmi", "--wake-option", "user=", "--wake-option", "user=root", "--add-mac", OTHER, "--disable")
    said("edit", "pve-1", *words, "--wake-option", "password_env=VETTING_BMC_PVE1")
    host = Host.objects.get(name="pve-1")
    assert (host.notes, host.mac_list, host.enabled, host.wake_method) == ("kept", [MAC, OTHER], False, "ipmi")
    assert host.wake_options == {"address": "10.0.0.9", "user": "root", "password_env": "VETTING_BMC_PVE1"}
    line = LogEntry.objects.get()
    assert line.change_message == "Changed by a command: enabled, wake_method, wake_options, macs."
    assert (line.user.username, line.user.is_active, line.object_id) == ("command-line", False, str(host.pk))
    assert said("edit", "pve-1", "--disable") == "pve-1 is like that already.\n"
    said("edit", "pve-1", "--enable", "--remove-mac", MAC.upper())
    host = Host.objects.get(name="pve-1")
    assert (host.enabled, host.mac_list) == (True, [OTHER])


def test_a_busy_host_is_not_disabled() -> None:
    rows.a_run(rows.a_host("pve-1", MAC), state="Memory", verdict="")
    assert "can't be disabled now" in refusal("edit", "pve-1", "--disable")


def test_what_a_host_does_not_have_is_said_word_by_word() -> None:
    rows.a_host("pve-1", MAC, expected={"system": {"product": "R1"}, "not_expected": ["ecc"]})
    shown = said("expect", "pve-1", "--has-no", "thermal", "--has-no", "bmc", "--dry-run")
    assert "+- thermal" in shown and Host.objects.get().expected["not_expected"] == ["ecc"]
    said("expect", "pve-1", "--has-no", "thermal", "--has-no", "bmc")
    assert Host.objects.get().expected == {"system": {"product": "R1"}, "not_expected": ["ecc", "thermal", "bmc"]}
    assert "like that already" in said("expect", "pve-1", "--has-no", "bmc")


def test_a_spec_is_read_from_a_file_and_shown_as_it_can_be_read_again(tmp_path: Path) -> None:
    rows.a_host("pve-1", MAC)
    file = tmp_path / "spec.yaml"
    file.write_text("system: {product: R2}\ndisks: []\n")
    said("expect", "pve-1", "--file", str(file))
    text = said("expect", "pve-1")
    assert Host.objects.get().expected == {"system": {"product": "R2"}, "disks": []}
    file.write_text(text)
    assert "like that already" in said("expect", "pve-1", "--file", str(file))
    file.write_text("system: {product: R2}\ndisk: []\n")
    assert f"{file}, line 2: disk" in refusal("expect", "pve-1", "--file", str(file))


def test_what_the_newest_run_found_is_adopted() -> None:
    host = rows.a_host("pve-1", MAC)
    run = rows.a_run(host, inventory=codec.encode(FOUND))
    said("expect", "pve-1", "--adopt", "--dry-run")
    assert Host.objects.get().expected is None
    assert f"pve-1 is now expected to be as run {run.pk} found it." in said("expect", "pve-1", "--adopt")
    assert Host.objects.get().expected["disks"][0]["serial"] == FOUND.disks[0].serial
    assert run.events.filter(kind="adopted", who="command line").exists()
