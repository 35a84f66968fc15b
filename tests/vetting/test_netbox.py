"""NetBox: hosts and parts from it, results back to it, on a server of loopback that answers as NetBox does, or
wrongly."""

from __future__ import annotations

from collections.abc import Iterator
from io import StringIO
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth import get_user_model
from django.core.management import CommandError, call_command
from django.test import Client as Browser

from agent.contract import codec
from hosts.models import Host, HostMac
from runs import reporting
from runs.models import Job, Run
from tests import rows
from tests.notifications.receivers import silent_server
from tests.notifications.test_channels import _closed_port
from tests.talker import INVENTORY
from tests.vetting.netbox_server import TOKEN, NetBox, device, interface, item, module, netbox
from tests.work import do_jobs
from vetting import checks, config
from vetting.netbox import client as bounds
from vetting.netbox.devices import DEVICES, INTERFACES, ITEMS, MODULES
from vetting.netbox.writing import JOURNAL

pytestmark = pytest.mark.django_db
MAC, OTHER_MAC = "52:54:00:00:00:11", "52:54:00:00:00:12"
JSON = {"Content-Type": "application/json"}


def configured(settings: Any, url: str, token: str = TOKEN, **more: Any) -> None:
    given = {"url": url, "token_env": "VETTING_NETBOX_TOKEN", "tags": ["vetting"], **more}
    settings.VETTING = config.parse({"web": {"public_url": "https://vetting.test"}, "netbox": given}, "test")
    settings.NETBOX_TOKEN, settings.NETBOX_TOKEN_PROBLEM = token, ""


@pytest.fixture
def dcim(settings: Any) -> Iterator[NetBox]:
    with netbox() as server:
        configured(settings, server.url, verdict_field="vetting_verdict", verdict_tags={"passed": "vetted"})
        server.rows = {
            DEVICES: [device(12, "PVE-3.example.org", serial="SYS-1", asset_tag="A-113",
                             custom_fields={"vetting_verdict": None, "owner": "lab"},
                             tags=[{"id": 1, "slug": "vetting", "name": "vetting"}])],
            INTERFACES: [
                interface(12, MAC.upper()),
                interface(12, "52:54:00:00:00:13", mgmt_only=True),
                interface(12, "52:54:00:00:00:14", kind="lag"),
                interface(12, None),
            ],
            ITEMS: [item(31, 12, "DIMM_A1", "memory", "OLD-1", "M393A2K40"), item(32, 12, "sda", "ssd", "DISK-1"),
                    item(33, 12, "Bezel")],
            MODULES: [module(41, 12, "DIMM_B1", "19D1E002", "M393A2K40")],
        }  # fmt: skip
        yield server


def called(*arguments: str) -> str:
    out = StringIO()
    call_command("netbox", *arguments, stdout=out)
    return out.getvalue()


def vetted(name: str = "pve-3", verdict: str = "passed", serial: str = "SYS-2") -> Run:
    host = Host.objects.filter(name=name).first() or rows.a_host(name, MAC)
    inventory = codec.encode(INVENTORY)
    inventory["system"]["serial"] = serial
    inventory["memory"]["dimms"] = [{"locator": "DIMM_A1", "size_mb": 16384, "serial": "NEW-1"}]
    return rows.a_run(host, verdict=verdict, inventory=inventory, repair="new board")


def test_a_dry_run_shows_what_would_be_read_and_writes_nothing(dcim: NetBox) -> None:
    said = called()
    assert "+ pve-3" in said and MAC in said and "OLD-1" in said and "1 would be added" in said
    assert not Host.objects.exists() and dcim.written() == []


def test_hosts_and_their_parts_are_read(dcim: NetBox) -> None:
    called("read", "--apply")
    host = Host.objects.get()
    assert (host.name, host.mac_list) == ("pve-3", [MAC])
    assert host.notes == f"NetBox: device 12, asset tag A-113, {dcim.url}/dcim/devices/12/"
    assert host.expected == {
        "system": {"serial": "SYS-1"},
        "memory": {"dimms": [
            {"locator": "DIMM_A1", "serial": "OLD-1", "part": "M393A2K40"},
            {"locator": "DIMM_B1", "serial": "19D1E002", "part": "M393A2K40"},
        ]},
        "disks": [{"serial": "DISK-1"}],
    }  # fmt: skip
    assert (host.destructive_allowed, host.writable_disks.count(), dcim.written()) == (False, 0, [])
    assert "1 stay as they are" in called("read", "--apply")


def test_what_was_changed_stands_in_the_history_of_the_host(dcim: NetBox, admin_client: Browser) -> None:
    called("read", "--apply")
    entry = LogEntry.objects.get()
    assert "Read from NetBox" in entry.change_message and MAC in entry.change_message
    page = admin_client.get(f"/admin/hosts/host/{Host.objects.get().pk}/history/").content.decode()
    assert "Read from NetBox" in page
    account = get_user_model().objects.get(username="netbox")
    assert (account.is_active, account.is_staff, account.has_usable_password()) == (False, False, False)


def test_what_a_host_has_already_stays(dcim: NetBox) -> None:
    mine = {
        "system": {"serial": "MINE"},
        "memory": {"total_mb": 32768, "dimms": [{"locator": "DIMM_A1", "serial": "X"}]},
    }
    host = rows.a_host("pve-3", OTHER_MAC, notes="rack 5", expected=mine, profile_name="deep", enabled=False)
    said = called("read", "--apply")
    host = Host.objects.get(pk=host.pk)
    assert (host.notes.splitlines()[0], host.profile_name, host.enabled) == ("rack 5", "deep", False)
    assert set(host.mac_list) == {MAC, OTHER_MAC}
    assert host.expected == {**mine, "disks": [{"serial": "DISK-1"}]}
    for told in ("NetBox has OLD-1, the expected spec X", "DIMM_B1]: NetBox has it", "NetBox has SYS-1, the expected"):
        assert told in said


def test_netbox_s_lists_replace_ours_only_if_asked(dcim: NetBox) -> None:
    mine = {"memory": {"dimms": [
        {"locator": "dimm_b1", "serial": "19D1E002", "size_mb": 16384},
        {"locator": "DIMM_A1", "serial": "X", "size_mb": 8},
        {"locator": "DIMM_C1"},
    ]}}  # fmt: skip
    rows.a_host("pve-3", MAC, expected=mine)
    called("read", "--apply", "--replace-parts")
    dimms = {one["locator"]: one for one in Host.objects.get().expected["memory"]["dimms"]}
    assert dimms.keys() == {"DIMM_A1", "DIMM_B1"}
    assert dimms["DIMM_B1"]["size_mb"] == 16384, "the same module: what our spec knows of it stays"
    assert "size_mb" not in dimms["DIMM_A1"], "another module: its size is not known"


def test_a_device_that_can_t_be_a_host_is_named_and_the_others_go_on(dcim: NetBox) -> None:
    rows.a_host("other", "52:54:00:00:00:21")
    dcim.rows[DEVICES] += [
        device(13, None), device(14, "no mac"), device(15, "pve-5"), device(16, "pve-6"),
        device(17, "twin.a"), device(18, "twin.b"),
    ]  # fmt: skip
    dcim.rows[INTERFACES].append(interface(16, "52:54:00:00:00:21"))
    said = called("read", "--apply")
    assert set(Host.objects.values_list("name", flat=True)) == {"other", "pve-3"}
    for why in ("device 13", "'no mac'", "pve-5: none of its interfaces", "belongs to host other", "twin: several"):
        assert why in said


def test_lists_are_read_page_by_page_without_following_netbox_s_address(dcim: NetBox) -> None:
    dcim.most = 2
    dcim.rows[DEVICES] += [device(number, f"node-{number}") for number in range(20, 25)]
    dcim.rows[INTERFACES] += [interface(number, f"52:54:00:00:01:{number}") for number in range(20, 25)]
    called("read", "--apply")
    assert Host.objects.count() == 6
    asked = [query for _, path, query in dcim.calls if path == DEVICES]
    assert [query.get("offset") for query in asked] == [["0"], ["2"], ["4"]]
    assert asked[0]["tag"] == ["vetting"]


def test_a_dry_run_shows_what_would_be_written(dcim: NetBox) -> None:
    run = vetted()
    said = called("write")
    for line in ("serial number: SYS-1 → SYS-2", "custom field vetting_verdict: nothing → passed",
                 "tags: vetting → vetting vetted", "serial number of DIMM_A1: OLD-1 → NEW-1",
                 f"journal: + Vetting run {run.pk}: passed"):  # fmt: skip
        assert line in said
    assert dcim.written() == []


def test_results_are_written_once_and_nothing_else_is_touched(dcim: NetBox) -> None:
    run = vetted()
    called("write", "--apply")
    [there] = dcim.rows[DEVICES]
    assert (there["serial"], there["custom_fields"]) == ("SYS-2", {"vetting_verdict": "passed", "owner": "lab"})
    assert [tag["slug"] for tag in there["tags"]] == ["vetting", "vetted"]
    assert [part["serial"] for part in dcim.rows[ITEMS]] == ["NEW-1", "DISK-1", ""]
    [entry] = dcim.rows[JOURNAL]
    assert (entry["assigned_object_type"], entry["assigned_object_id"], entry["kind"]) == ("dcim.device", 12, "success")
    for told in (f"https://vetting.test/runs/{run.pk}/", "new board", "serial number, in NetBox until now: SYS-1"):
        assert told in entry["comments"]
    assert dcim.written()[0][1] == JOURNAL, "what is replaced is noted first"
    before = len(dcim.written())
    assert "1 stay as they are" in called("write", "--apply")
    assert len(dcim.written()) == before


def test_another_verdict_exchanges_its_tag_only(dcim: NetBox) -> None:
    vetted()
    called("write", "--apply")
    vetted(verdict="failed")
    called("write", "--apply")
    [there] = dcim.rows[DEVICES]
    assert there["custom_fields"]["vetting_verdict"] == "failed"
    assert [tag["slug"] for tag in there["tags"]] == ["vetting"]
    assert [entry["kind"] for entry in dcim.rows[JOURNAL]] == ["success", "danger"]


def test_a_serial_number_that_was_not_read_empties_none(dcim: NetBox) -> None:
    vetted(serial="To be filled by O.E.M.")
    called("write", "--apply")
    assert dcim.rows[DEVICES][0]["serial"] == "SYS-1"


def test_a_custom_field_that_does_not_exist_is_named(dcim: NetBox) -> None:
    vetted()
    dcim.rows[DEVICES][0]["custom_fields"] = {}
    with pytest.raises(CommandError, match="no custom field vetting_verdict for devices: make it there"):
        called("write", "--apply")
    assert dcim.written() == []


def test_the_worker_writes_after_a_run_and_tries_again(dcim: NetBox, settings: Any) -> None:
    configured(settings, dcim.url, write_back=True)
    run = vetted()
    dcim.answers[JOURNAL] = [(500, JSON, b"{}")]
    Job.objects.all().delete()
    reporting.want(run)
    Job.objects.exclude(call=reporting.WRITE_NETBOX.call).delete()
    do_jobs()
    job = Job.objects.get()
    assert (job.tries, job.due_at is None) == (1, False)
    assert "500" in job.problem and TOKEN not in job.problem
    dcim.answers.clear()
    Job.objects.update(due_at=job.asked_at)
    do_jobs()
    assert not Job.objects.exists()
    assert len(dcim.rows[JOURNAL]) == 1


def test_without_write_back_nothing_is_asked_for(dcim: NetBox) -> None:
    reporting.want(vetted())
    assert not Job.objects.filter(call=reporting.WRITE_NETBOX.call).exists()


@pytest.mark.parametrize(
    ("status", "headers", "body", "told"),
    [
        (401, JSON, b'{"detail": "Invalid token"}', "does not accept the token.*Invalid token"),
        (403, JSON, b'{"detail": "You do not have permission"}', "may not do this.*You do not have permission"),
        (404, {}, b"<html>", "is netbox.url the address of NetBox, without /api"),
        (429, {**JSON, "Retry-After": "0"}, b"{}", "asks for fewer calls"),
        (500, {}, b"<html>", "it failed: look at NetBox's log"),
        (302, {"Location": "https://elsewhere.invalid/"}, b"", "sends elsewhere, which is not followed"),
        (200, {"Content-Type": "text/html"}, b"<!doctype html>", "a web page"),
        (200, JSON, b"[" * 100_000, "no JSON"),
        (200, JSON, b"[]", "no JSON object"),
        (200, JSON, b'{"results": 7}', "no list of objects"),
        (200, JSON, b" " * (bounds.ANSWER_BYTES + 1), "more than 8 MiB"),
    ],
)
def test_a_wrong_answer_changes_nothing_and_says_who_must_act(
    dcim: NetBox, status: int, headers: dict[str, str], body: bytes, told: str
) -> None:
    vetted()
    before = Host.objects.values().get()
    dcim.answers[DEVICES] = [(status, headers, body)]
    with pytest.raises(CommandError, match=told) as failure:
        called("--apply")
    assert TOKEN not in str(failure.value)
    assert (Host.objects.values().get(), dcim.written()) == (before, [])


def test_it_waits_and_goes_on_if_netbox_asks_for_that(dcim: NetBox) -> None:
    page = b'{"results": [], "next": null}'
    dcim.answers[DEVICES] = [(429, {"Retry-After": "0"}, b"{}"), (503, {"Retry-After": "0"}, b"{}"), (200, JSON, page)]
    assert "0 devices" in called()


def test_a_netbox_that_hangs_or_is_not_there(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounds, "READ_S", 0.2)
    with silent_server() as server:
        configured(settings, server.url)
        with pytest.raises(CommandError, match="no answer within"):
            called()
    configured(settings, f"http://127.0.0.1:{_closed_port()}")
    with pytest.raises(CommandError, match="can't be reached"):
        called()


def test_a_token_that_is_not_accepted(dcim: NetBox, settings: Any) -> None:
    configured(settings, dcim.url, token="another")
    with pytest.raises(CommandError, match=r"or is not accepted.*Invalid token") as failure:
        called()
    assert "another" not in str(failure.value)


def test_without_netbox_or_token_it_says_what_to_set(settings: Any) -> None:
    with pytest.raises(CommandError, match=r"no netbox.url"):
        called()
    configured(settings, "https://netbox.test", token="")
    settings.NETBOX_TOKEN_PROBLEM = "the environment has no VETTING_NETBOX_TOKEN"
    with pytest.raises(CommandError, match="no VETTING_NETBOX_TOKEN"):
        called()
    assert [one.id for one in checks.netbox_has_a_token()] == ["vetting.W007"]


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"url": "http://netbox.example.org", "token_env": "T", "tags": ["a"]}, "must begin with https"),
        ({"url": "https://netbox.example.org", "tags": ["a"]}, "token_env or token_file"),
        ({"url": "https://netbox.example.org", "token_env": "T"}, "tags, sites or roles"),
        ({"write_back": True}, "needs url"),
    ],
)
def test_a_wrong_setting_is_named(given: dict[str, Any], told: str) -> None:
    with pytest.raises(config.ConfigError, match=told):
        config.parse({"netbox": given}, "test")


def test_macs_are_read_as_netbox_before_4_2_gives_them(dcim: NetBox) -> None:
    old = interface(12, OTHER_MAC)
    del old["primary_mac_address"]
    dcim.rows[INTERFACES] = [old]
    called("read", "--apply")
    assert list(HostMac.objects.values_list("mac", flat=True)) == [OTHER_MAC]
