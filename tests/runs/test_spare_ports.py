"""Spare network ports in expected specs: adopted from ports without a link, compared, shown, imported and exported."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.test import Client
from django.urls import reverse

from agent.contract import codec, wire
from hosts import adoption, expectations, ports
from hosts.models import Host
from runs import adopting
from runs.judging import specdiff
from runs.models import Run, SpecDiff
from runs.profiles import estimate
from tests import factories, rows
from tests.hosts.adminclient import do, export, messages_of
from tests.pages import as_read
from tests.runs.test_specdiff import ENO1, ENO2, SERVER, SPEC

UNPLUGGED = replace(ENO2, link=False, speed_mbit=None)
FOUND = replace(SERVER, nics=[ENO1, UNPLUGGED])
CABLED = {"mac": ENO1.mac, "speed_mbit": 1000}
SPARE = {"mac": ENO2.mac, "spare": True}


@pytest.fixture
def operator(client: Client) -> Client:
    client.force_login(factories.UserFactory(), backend="django.contrib.auth.backends.ModelBackend")
    return client


def told(nics: list[dict[str, Any]], *found: wire.Nic) -> list[tuple[str, str, str, Any]]:
    differences = specdiff.compare({"nics": nics}, replace(SERVER, nics=list(found)))
    return [(d.severity.value, d.code, d.path, d.actual) for d in differences]


# --- the word ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("more", ["speed_mbit: 1000", "neighbour: sw1", "other_network: true"])
def test_a_spare_port_says_nothing_of_a_cable(more: str) -> None:
    with pytest.raises(expectations.ExpectationError, match=r"line 1: .*a spare port has no speed_mbit, no neigh"):
        expectations.read(f"nics: [{{mac: {ENO2.mac}, spare: true, {more}}}]")


def test_not_spare_is_the_same_as_nothing() -> None:
    read = expectations.read(f"nics: [{{mac: {ENO2.mac}, spare: false, speed_mbit: 1000}}]")
    assert read.spec == {"nics": [{"mac": ENO2.mac, "speed_mbit": 1000}]}


@pytest.mark.parametrize("word", ["spare: 1", "spare: unplugged", "sparse: true"])
def test_another_word_or_value_is_refused(word: str) -> None:
    with pytest.raises(expectations.ExpectationError, match=r"nics\[0\]|nics"):
        expectations.read(f"nics: [{{mac: {ENO2.mac}, {word}}}]")


def test_it_comes_back_from_yaml_and_is_no_text_to_pin() -> None:
    text = expectations.to_yaml({"nics": [CABLED, SPARE]})
    assert expectations.read(text).spec == {"nics": [CABLED, SPARE]}
    with pytest.raises(expectations.ExpectationError, match="only texts can be pinned"):
        expectations.read(f"{text}pinned: ['nics[{ENO2.mac}].spare']")


# --- comparing ---------------------------------------------------------------------------------------------------

AT = f"nics[{ENO2.mac}].spare"


@pytest.mark.parametrize(
    ("spec", "nic", "differences"),
    [
        (SPARE, UNPLUGGED, []),
        (SPARE, ENO2, [("info", "spec.link", AT, "a link")]),
        ({"mac": ENO2.mac}, UNPLUGGED, [("info", "spec.link", AT, "no link")]),
        ({"mac": ENO2.mac}, ENO2, []),
        ({"mac": ENO2.mac}, replace(UNPLUGGED, pci=""), []),
        ({"mac": ENO2.mac, "neighbour": "sw1"}, UNPLUGGED, []),
        ({"mac": ENO2.mac, "other_network": True}, UNPLUGGED, []),
    ],
    ids=["spare", "spare with a link", "not said", "cabled", "on USB", "with a neighbour", "in another network"],
)
def test_what_a_comparison_says_of_a_port(spec: dict[str, Any], nic: wire.Nic, differences: list[Any]) -> None:
    assert told([CABLED, spec], ENO1, nic) == differences


def test_a_spare_port_that_is_gone_is_critical() -> None:
    assert told([CABLED, SPARE], ENO1) == [("critical", "spec.missing", f"nics[{ENO2.mac}]", None)]


@pytest.mark.parametrize("order", [1, -1])
def test_a_new_card_stands_in_port_by_port_whatever_their_order(order: int) -> None:
    """The spare port must not take the new card's cabled port, which would leave none for the other."""
    new = [replace(ENO2, mac="52:54:00:00:00:98"), replace(UNPLUGGED, mac="52:54:00:00:00:99")]
    old = [{"mac": "52:54:00:00:00:11", "speed_mbit": 10000}, {"mac": "52:54:00:00:00:12", "spare": True}]
    for found in (new, new[::-1]):
        assert {(code, path, actual) for _, code, path, actual in told(old[::order], *found)} == {
            ("spec.replaced", "nics[52:54:00:00:00:11].mac", "52:54:00:00:00:98"),
            ("spec.replaced", "nics[52:54:00:00:00:12].mac", "52:54:00:00:00:99"),
        }


# --- adopting ----------------------------------------------------------------------------------------------------


def test_a_port_without_a_link_is_adopted_as_spare() -> None:
    document = codec.encode(FOUND)
    adopted = adoption.from_inventory(document)
    assert adopted["nics"] == [CABLED, SPARE]
    assert specdiff.compare(adopted, FOUND) == []
    assert ports.spare_in_words(ports.marked_spare(None, adopted), document, 7) == [
        f"{ENO2.mac} (eno2) is spare: it had no link in run 7. It must be there; its link is not required and not "
        "tested."
    ]


@pytest.mark.parametrize(
    ("port", "nic", "adopted"),
    [
        (SPARE, ENO2, {"mac": ENO2.mac, "speed_mbit": 10000}),
        (SPARE, replace(ENO2, speed_mbit=None), {"mac": ENO2.mac}),
        ({"mac": ENO2.mac}, UNPLUGGED, SPARE),
        ({"mac": ENO2.mac, "speed_mbit": 10000}, UNPLUGGED, SPARE),
        ({"mac": ENO2.mac, "speed_mbit": 10000, "neighbour": "sw1"}, UNPLUGGED, SPARE),
        (
            {"mac": ENO2.mac, "speed_mbit": 10000, "neighbour": "sw1"},
            replace(ENO2, speed_mbit=1000),
            {"mac": ENO2.mac, "speed_mbit": 1000, "neighbour": "sw1"},
        ),
    ],
    ids=["has a link now", "whose driver names no speed", "not said", "lost its link", "and its neighbour", "slower"],
)
def test_adopting_a_difference_of_the_link(port: dict[str, Any], nic: wire.Nic, adopted: dict[str, Any]) -> None:
    inventory = replace(SERVER, nics=[ENO1, nic])
    spec = {"nics": [CABLED, port]}
    (difference,) = specdiff.compare(spec, inventory)
    changed = adoption.adopt(spec, difference.path, difference.actual, codec.encode(inventory))
    assert changed["nics"] == [CABLED, adopted]
    assert specdiff.compare(changed, inventory) == []


def a_run(expected: dict[str, Any] | None, name: str = "node-1", mac: str = "52:54:00:77:00:01") -> Run:
    host = rows.a_host(name, mac, expected=expected)
    run = rows.a_run(host, state="Completed", expected=expected, inventory=codec.encode(FOUND))
    stage = rows.a_stage(run, "SpecValidate", outcome="failed")
    for d in specdiff.compare(expected, FOUND):
        SpecDiff.objects.create(
            run=run, stage_run=stage, path=d.path, severity=d.severity, expected=d.expected, actual=d.actual
        )
    return run


@pytest.mark.django_db
@pytest.mark.parametrize("expected", [None, SPEC])
def test_the_operator_sees_which_ports_become_spare_and_why(operator: Client, expected: Any) -> None:
    run = a_run(expected)
    sentence = f"{ENO2.mac} (eno2) is spare: it had no link in run {run.pk}."
    address = reverse("adopt", args=[run.pk])
    assert sentence in as_read(operator.get(address).content)
    assert sentence in as_read(operator.post(address, follow=True).content)
    told = run.events.get(kind="adopted").text
    assert told.startswith(f"everything that was found; spare, without a link: {ENO2.mac}")
    assert SPARE in Host.objects.get(pk=run.host_id).expected["nics"]


@pytest.mark.django_db
def test_the_administration_says_it_before_and_after(operator: Client) -> None:
    run = a_run(None)
    sentence = f"{ENO2.mac} (eno2) is spare: it had no link in run {run.pk}."
    assert sentence in as_read(do(operator, "adopt", run.host).content)
    fields = {"confirmed": "Adopt", f"run-{run.host_id}": run.pk}
    told = messages_of(do(operator, "adopt", run.host, **fields))
    assert any(message.startswith(f"{run.host.name}: {sentence}") for message in told)


@pytest.mark.django_db
def test_ports_that_were_spare_before_are_not_told_again() -> None:
    run = a_run({"nics": [CABLED, SPARE], "cpu": {"cores": 99}})
    assert adopting.notes(run) == [] == adopting.adopt(run)
    assert run.events.get(kind="adopted").text == "everything that was found"


@pytest.mark.django_db
def test_the_macs_of_cabled_ports_are_entered_so_that_they_get_an_address(operator: Client) -> None:
    """Neither a spare port, nor one that another host has."""
    run = a_run(None)
    sentence = f"{ENO1.mac} (eno1) is entered as a MAC of this host"
    assert sentence in as_read(operator.get(reverse("adopt", args=[run.pk])).content)
    assert ENO1.mac not in run.host.mac_list
    assert any(sentence in one for one in adopting.adopt(run, who="ada"))
    host = Host.objects.get(pk=run.host_id)
    assert ENO1.mac in host.mac_list and ENO2.mac not in host.mac_list
    assert f"entered as MACs of the host: {ENO1.mac}" in run.events.get(kind="adopted").text
    other = a_run(None, "node-2", "52:54:00:77:00:02")
    assert not any("is entered" in one for one in adopting.adopt(other))
    assert Host.objects.get(pk=other.host_id).mac_list == ["52:54:00:77:00:02"]


def test_a_port_in_another_network_is_not_entered() -> None:
    elsewhere = {"mac": ENO2.mac, "speed_mbit": 10000, "other_network": True}
    assert ports.newly_cabled(None, {"nics": [CABLED, elsewhere]}) == [ENO1.mac]
    assert ports.newly_cabled({"nics": [CABLED]}, {"nics": [CABLED, SPARE]}) == []


@pytest.mark.django_db
def test_a_spare_port_takes_no_time_of_the_network_stage() -> None:
    host = rows.a_host(expected={"nics": [CABLED, SPARE]})
    machine = estimate.machine_of(host)
    assert machine is not None and machine.ports == 1


@pytest.mark.django_db
@pytest.mark.parametrize("kind", ["yaml", "csv"])
def test_an_export_has_the_word_and_an_import_takes_it(kind: str, tmp_path: Path, operator: Client) -> None:
    host = rows.a_host(expected={"nics": [CABLED, SPARE]})
    file = tmp_path / f"hosts.{kind}"
    file.write_text(export(operator, kind))
    Host.objects.filter(pk=host.pk).update(expected=None)
    call_command("hosts", "import", str(file))
    assert Host.objects.get(pk=host.pk).expected == {"nics": [CABLED, SPARE]}
