"""The expected spec's editor in the admin: checked while one types, explained, never saved over another's change."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.test import Client
from django.urls import reverse

from agent.contract import codec, wire
from hosts import expectations, spechelp, specpaths
from hosts.models import Host
from tests import rows
from tests.hosts.adminclient import (
    SPEC,
    errors,
    form_of,
)

pytestmark = pytest.mark.django_db


def check(client: Client, text: str, host: Host | None = None) -> dict[str, Any]:
    data = {"text": text, "host": host.pk if host else ""}
    return client.post(reverse("admin:hosts_host_check_spec"), data).json()


def test_a_spec_is_checked_while_it_is_typed(operator: Client, host: Host) -> None:
    assert check(operator, "cpu:\n  coers: 3\n")["problems"] == [
        "expected spec, line 2: cpu.coers is not known; known here: sockets, cores, model; did you mean 'cores'?"
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
    assert client.post(address, {"text": ""}).status_code == 403


def test_the_form_offers_what_the_last_run_found_and_explains_every_key(operator: Client, host: Host) -> None:
    rows.a_run(host, inventory=codec.encode(wire.Inventory(cpu=wire.Cpu(sockets=1, cores=4))))
    page = operator.get(reverse("admin:hosts_host_change", args=[host.pk])).content.decode()
    assert "cores: 4" in page and "memory.dimms[].locator" in page


def test_the_help_has_every_key_of_the_schema() -> None:
    told = [path for path, kind in expectations.PATHS.items() if kind != specpaths.PART]
    assert sorted(key.path for key in spechelp.KEYS) == sorted(told)


def test_the_help_says_of_each_key_what_kind_of_value_it_has() -> None:
    kinds = {path: kind for path, kind in expectations.PATHS.items() if kind in (specpaths.TEXT, specpaths.NUMBER)}
    said = {key.path: key.kind for key in spechelp.KEYS if key.kind in kinds.values()}
    # One of a few words, and a MAC.
    others = {"disks[].bus", "nics[].mac", "settings.boot_mode", "settings.tpm"}
    assert said == {path: kind for path, kind in kinds.items() if path not in others}


def test_a_spec_that_was_adopted_meanwhile_is_not_overwritten(operator: Client, host: Host) -> None:
    data = form_of(operator, host)
    Host.objects.filter(pk=host.pk).update(expected={"cpu": {"cores": 4}})
    address = reverse("admin:hosts_host_change", args=[host.pk])
    assert "changed while this page was open" in errors(operator.post(address, data))
    assert Host.objects.get(pk=host.pk).expected == {"cpu": {"cores": 4}}
