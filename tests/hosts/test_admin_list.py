"""The list of hosts in the admin: searched, filtered, and what can be done to many at once."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from agent.contract import codec, wire
from hosts.models import Host, HostMac
from pxe import allowed
from runs import lifecycle
from runs.models import Run
from tests import rows
from tests.hosts.adminclient import (
    LIST,
    confirm,
    do,
    errors,
    preview,
    send,
)
from tests.pages import as_read

pytestmark = pytest.mark.django_db


def test_the_first_action_is_to_start_vetting_and_the_last_to_delete(operator: Client, host: Host) -> None:
    offered = [name for name, _ in operator.get(reverse(LIST)).context["action_form"].fields["action"].choices]
    assert offered[:2] == ["", "start_vetting"] and offered[-1] == "delete_selected"


def test_start_vetting_queues_a_run_in_the_operators_name(operator: Client, host: Host) -> None:
    assert do(operator, "start_vetting", host, confirmed="yes").status_code == 302
    run = Run.objects.get(host=host)
    assert (run.state, run.profile_name, run.requested_by) == ("Queued", "quick", "ada")


def test_before_vetting_starts_the_operator_sees_how_long_it_takes_and_what_is_written(
    operator: Client, host: Host
) -> None:
    host.profile_name = "quick-write"
    host.save()
    text = as_read(do(operator, "start_vetting", host).content).replace("\xa0", " ")
    assert f"<strong>{host.name}</strong>: " in text
    assert ", about " in text
    assert "no disk of this host is allowed to be written" in text
    assert not Run.objects.exists()


def test_a_second_start_is_409_with_the_reason(operator: Client, host: Host) -> None:
    run = lifecycle.start_run(host)
    response = do(operator, "start_vetting", host, confirmed="yes")
    assert response.status_code == 409
    assert f"has run {run.pk} (Queued) already" in as_read(response.content)
    assert Run.objects.count() == 1


def test_cancel_ends_the_live_run(operator: Client, host: Host) -> None:
    run = lifecycle.start_run(host)
    assert do(operator, "cancel_vetting", host).status_code == 302
    run.refresh_from_db()
    assert run.state == "Cancelled"
    assert do(operator, "cancel_vetting", host).status_code == 409


def test_many_holds_are_released_at_once_and_what_is_not_held_is_refused(operator: Client, host: Host) -> None:
    held = rows.a_run(host, state="FailedHolding", verdict="failed")
    live = rows.a_run(Host.objects.create(name="pve-2"), state="Memory", verdict="")
    response = do(operator, "release_hold", host, live.host)
    assert response.status_code == 409 and "pve-2" in as_read(response.content)
    states = dict(Run.objects.values_list("pk", "state"))
    assert states == {held.pk: "Released", live.pk: "Memory"}


def test_adopt_takes_over_what_the_last_run_found(operator: Client, host: Host) -> None:
    page = as_read(do(operator, "adopt", host).content)
    assert "has found anything yet" in page and 'name="confirmed"' not in page, "nothing to confirm"
    assert do(operator, "adopt", host, confirmed="Adopt").status_code == 409
    Host.objects.filter(pk=host.pk).update(expected=None)
    run = rows.a_run(host, inventory=codec.encode(wire.Inventory(cpu=wire.Cpu(sockets=1, cores=4))))
    page = as_read(do(operator, "adopt", host).content)
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
    assert response.status_code == 409 and "look at the list again" in as_read(response.content)
    assert Host.objects.get(pk=host.pk).expected is None


def test_a_run_that_found_nothing_does_not_hide_the_one_before(operator: Client, host: Host) -> None:
    Host.objects.filter(pk=host.pk).update(expected=None)
    found = rows.a_run(host, inventory=codec.encode(wire.Inventory(cpu=wire.Cpu(cores=4))))
    rows.a_run(host, verdict="error", state="Failed")
    assert f'value="{found.pk}"' in as_read(do(operator, "adopt", host).content)


def test_the_profile_of_many_hosts_is_set_at_once(operator: Client, host: Host) -> None:
    other = Host.objects.create(name="pve-2")
    page = as_read(do(operator, "set_profile", host, other).content)
    assert "Which profile for 2 hosts?" in page and f'name="_selected_action" value="{other.pk}"' in page
    assert "There is no profile nonsense" in as_read(do(operator, "set_profile", host, profile="nonsense").content)
    assert do(operator, "set_profile", host, other, profile="quick-write").status_code == 302
    assert set(Host.objects.values_list("profile_name", flat=True)) == {"quick-write"}
    assert not Host.objects.filter(destructive_allowed=True).exists()


def test_a_host_with_a_live_run_can_not_be_disabled(operator: Client, host: Host) -> None:
    run = lifecycle.start_run(host)
    response = do(operator, "disable", host)
    assert response.status_code == 409
    assert f"run {run.pk}" in as_read(response.content)
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
    assert [known.mac for known in allowed.now().macs] == host.mac_list
    if door == "form":
        send(operator, host, enabled=None)
    elif door == "action":
        do(operator, "disable", host)
    else:
        confirm(operator, preview(operator, f"- {{name: {host.name}, enabled: false}}"))
    assert allowed.now().macs == ()
    script = client.get(f"/ipxe/{host.mac_list[0]}").content.decode()
    assert "is not registered" in script and "vt1." not in script


def test_a_host_with_history_is_not_deleted(operator: Client, host: Host) -> None:
    lifecycle.cancel(lifecycle.start_run(host))
    url = reverse("admin:hosts_host_delete", args=[host.pk])
    assert "pve-1 has 1 run, and those are kept for ever: disable it instead" in as_read(operator.get(url).content)
    operator.post(url, {"post": "yes"})
    do(operator, "delete_selected", host)
    assert Host.objects.filter(pk=host.pk).exists()


def test_a_host_without_history_is_deleted(operator: Client, host: Host) -> None:
    assert operator.post(reverse("admin:hosts_host_delete", args=[host.pk]), {"post": "yes"}).status_code == 302
    assert not Host.objects.exists()


def test_the_list_is_searched_and_filtered(operator: Client, host: Host) -> None:
    Host.objects.create(name="pve-2", enabled=False)
    assert "pve-1" in as_read(operator.get(reverse(LIST), {"q": "52:54:00:00:00:01"}).content)
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
    page = as_read(response.content)
    assert ("held" not in names) or f'held, <a href="{run.get_absolute_url()}">run {run.pk}</a>' in page


def test_the_list_asks_as_much_for_many_hosts_as_for_few(
    operator: Client, host: Host, django_assert_max_num_queries: Any
) -> None:
    for n in range(30):
        HostMac.objects.create(host=Host.objects.create(name=f"n-{n}"), mac=f"52:54:00:00:01:{n:02x}")
    with django_assert_max_num_queries(12):
        operator.get(reverse(LIST))
