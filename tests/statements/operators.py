"""Each action of an operator, over the pages and the admin; clicked again where it was not answered."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.test import Client
from django.urls import reverse

from hosts.models import Host
from runs.models import Run
from tests import factories
from tests.hosts.adminclient import CHANGE, form_of
from tests.statements import worlds
from tests.statements.faults import BEHIND, Fault
from tests.statements.sweep import Act, Caller, Scenario
from tests.talker import EXPECTED, SERIAL


def _click(address: str, **data: Any) -> Act:
    """What the state does not allow any more is an answer, too: the first click was carried out."""
    client = Client(raise_request_exception=False)
    client.force_login(factories.UserFactory())
    return lambda done: client.post(address, data).status_code < 500


def _act(run: Run, name: str, **data: Any) -> Act:
    return _click(reverse("act", args=[run.pk, name]), **data)


def _admin(action: str, **data: Any) -> Act:
    hosts = [host.pk for host in Host.objects.order_by("pk")]
    return _click(reverse("admin:hosts_host_changelist"), action=action, _selected_action=hosts, confirmed="1", **data)


def _start() -> Act:
    return _click(reverse("start", args=[worlds.host().name]), profile="quick", confirmed="1", repair="DIMM_A1")


def _cancel() -> Act:
    return _act(worlds.run_of(worlds.in_stage("SMART")), "cancel")


def _release() -> Act:
    return _act(worlds.run_of(worlds.held()), "release")


def _retry() -> Act:
    return _act(worlds.run_of(worlds.held()), "retry", stage="SMART")


def _override() -> Act:
    run = worlds.run_of(worlds.refused_by_wipe_probe())
    return _act(run, "override", serial=SERIAL, typed=SERIAL, attempt="1", boot="1", digest="d1g3st")


def _take_key() -> Act:
    return _click(reverse("hold-key", args=[worlds.held().run_id]))


def _new_key() -> Act:
    return _click(reverse("new-key", args=[worlds.held().run_id]))


def _adopt() -> Act:
    talker = worlds.in_stage(worlds.BEFORE_EXPECTED_PARTS)
    Run.objects.update(expected=EXPECTED | {"disks": [{"serial": "GONE-1"}]})
    Host.objects.update(expected=EXPECTED | {"disks": [{"serial": "GONE-1"}]})
    talker.result(worlds.BEFORE_EXPECTED_PARTS)
    talker.hold()
    return _click(reverse("adopt", args=[talker.run_id]))


def _admin_start() -> Act:
    worlds.host(1), worlds.host(2)
    return _admin("start_vetting")


def _admin_cancel() -> Act:
    worlds.claimed(1), worlds.queued(2)
    return _admin("cancel_vetting")


def _admin_release() -> Act:
    worlds.held(1), worlds.held(2)
    return _admin("release_hold")


def _admin_adopt() -> Act:
    runs = [worlds.run_of(worlds.in_stage("SMART", number)) for number in (1, 2)]
    Host.objects.update(expected=None)
    return _admin("adopt", **{f"run-{run.host_id}": run.pk for run in runs})


def _admin_save() -> Act:
    """The whole form: MACs and permissions to write are rows of their own."""
    host = worlds.host()
    client = Client()
    client.force_login(factories.UserFactory())
    changed = {"notes": "new board", "macs-0-mac": "52:54:00:00:00:77"}
    return _click(reverse(CHANGE, args=[host.pk]), **{**form_of(client, host), **changed})


def _admin_profile() -> Act:
    worlds.host(1), worlds.host(2)
    return _admin("set_profile", profile="deep")


def _admin_enable() -> Act:
    worlds.host(1), worlds.host(2)
    Host.objects.update(enabled=False)
    return _admin("enable")


def _admin_disable() -> Act:
    worlds.host(1), worlds.host(2)
    return _admin("disable")


_CLICKS: dict[str, Callable[[], Act]] = {
    "start": _start,
    "cancel": _cancel,
    "release": _release,
    "retry": _retry,
    "override": _override,
    "take the key": _take_key,
    "adopt": _adopt,
    "admin: start": _admin_start,
    "admin: cancel": _admin_cancel,
    "admin: release": _admin_release,
    "admin: adopt": _admin_adopt,
    "admin: save a host": _admin_save,
    "admin: set profile": _admin_profile,
    "admin: enable": _admin_enable,
    "admin: disable": _admin_disable,
}


def _each_click_is_a_key(difference: str, fault: Fault | None) -> bool:
    """Whoever asks once more gets one more; the newest alone opens."""
    return fault in BEHIND and difference.startswith(("HoldSession: only with", "RunEvent: only with"))


SCENARIOS = [Scenario(f"operator: {name}", Caller.OPERATOR, prepare) for name, prepare in _CLICKS.items()]
SCENARIOS.append(Scenario("operator: new key", Caller.OPERATOR, _new_key, allows=_each_click_is_a_key))
