"""Everything that a run found beside what its host is expected to be."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from agent.contract import codec, wire
from hosts import adoption, sidebyside
from runs import adopting
from runs.judging import specdiff
from runs.models import Run, SpecDiff
from tests import factories, rows
from tests.pages import as_read
from tests.runs.test_specdiff import CASES, SERVER, SPEC


def lines(expected: Any, inventory: wire.Inventory) -> dict[str, tuple[Any, Any]]:
    found = adoption.from_inventory(codec.encode(inventory))
    return {
        line.path: (line.expected, line.found)
        for section in sidebyside.sections(expected, found)
        for line in section.lines
    }


def test_what_is_as_expected_stands_in_one_line_a_part() -> None:
    shown = lines(SPEC, SERVER)
    assert shown["system.serial"] == ("SYS-1", "SYS-1")
    dimm = {"size_mb": 16384, "serial": "D-1", "part": "P16", "speed_mts": 3200}
    assert shown["memory.dimms[DIMM_A1]"] == (dimm, dimm)
    assert shown["psus[PSU1]"] == ("expected", "there")
    assert not any(path.startswith("memory.dimms[DIMM_A1].") for path in shown)


def test_a_part_that_is_gone_and_one_that_is_new_stand_alone_on_their_side() -> None:
    shown = lines(SPEC, replace(SERVER, fans=[wire.Fan("FAN1", 5000), wire.Fan("FAN9", 5000)]))
    assert shown["fans[FAN2]"] == ("expected", None)
    assert shown["fans[FAN9]"] == (None, "there")


def test_a_disks_long_wwn_stands_last() -> None:
    assert list(lines(SPEC, SERVER)["disks[SATA-1]"][1])[-1] == "wwn"


def test_a_value_that_differs_has_a_line_of_its_own() -> None:
    disks = [replace(SERVER.disks[0], model="Slow 1000"), SERVER.disks[1]]
    assert lines(SPEC, replace(SERVER, disks=disks))["disks[NVME-1].model"] == ("Quick 1000", "Slow 1000")


def test_a_disk_is_the_same_only_where_every_identifier_is() -> None:
    disks = [SERVER.disks[0], replace(SERVER.disks[1], wwn="0x6")]
    spec = {"disks": [{"wwn": "eui.01"}, {"serial": "SATA-1", "wwn": "0x5000c5"}]}
    found = adoption.from_inventory(codec.encode(replace(SERVER, disks=disks)))
    (section,) = (one for one in sidebyside.sections(spec, found) if one.title == "Disks")
    assert [(line.part, line.expected is None, line.found is None) for line in section.lines if not line.leaf] == [
        ("eui.01", False, False),
        ("SATA-1", False, True),
        ("SATA-1", True, False),
    ]


def test_what_the_spec_leaves_out_is_marked_as_not_checked() -> None:
    found = adoption.from_inventory(codec.encode(SERVER))
    stated = {section.title: section.stated for section in sidebyside.sections({"cpu": {"cores": 32}}, found)}
    assert stated["Processors"] and not stated["Disks"] and not stated["Memory modules"]


@pytest.mark.django_db
@pytest.mark.parametrize("case", CASES)
def test_every_difference_is_on_the_page(admin_client: Client, case: str) -> None:
    """On its line, or above them where it belongs to none."""
    inventory, _ = CASES[case]
    run = judged(inventory)
    page = as_read(admin_client.get(reverse("spec", args=[run.pk])).content)
    for row in run.spec_diffs.all():
        assert f'aria-label="Adopt {row.path}"' in page


def judged(inventory: wire.Inventory) -> Run:
    host = rows.a_host(expected=SPEC)
    run = rows.a_run(host, state="FailedHolding", expected=SPEC, inventory=codec.encode(inventory))
    stage = rows.a_stage(run, "SpecValidate", outcome="failed")
    for d in specdiff.compare(SPEC, inventory):
        SpecDiff.objects.create(
            run=run, stage_run=stage, path=d.path, severity=d.severity, expected=d.expected, actual=d.actual,
            message=d.message,
        )  # fmt: skip
    return run


@pytest.mark.django_db
def test_a_part_that_differs_in_a_value_says_so_on_its_own_line(admin_client: Client) -> None:
    run = judged(replace(SERVER, disks=[replace(SERVER.disks[0], model="Slow 1000"), SERVER.disks[1]]))
    page = as_read(admin_client.get(reverse("spec", args=[run.pk])).content)
    assert page.count("there, differs below") == 1


@pytest.mark.django_db
def test_what_is_not_expected_is_told_in_words(admin_client: Client) -> None:
    run = judged(SERVER)
    run.expected = {**SPEC, "not_expected": ["ecc", "thermal"]}
    run.save(update_fields=["expected"])
    page = as_read(admin_client.get(reverse("spec", args=[run.pk])).content)
    assert '<span title="ecc">ECC memory</span>, <span title="thermal">CPU temperature</span>.' in page


@pytest.mark.django_db
def test_what_was_adopted_is_marked_and_told_with_who_and_when(admin_client: Client) -> None:
    run = judged(replace(SERVER, fans=SERVER.fans[:1]))
    adopting.adopt(run, "fans[FAN2]", "ada")
    page = as_read(admin_client.get(reverse("spec", args=[run.pk])).content)
    assert "What was adopted for" in page and '<td>ada</td><td><span title="fans[FAN2]">Fan FAN2</span></td>' in page
    assert 'aria-label="Adopt' not in page


@pytest.mark.django_db
def test_a_new_hosts_run_is_made_its_spec_by_one_button(admin_client: Client) -> None:
    run = factories.passed_without_spec()
    page = as_read(admin_client.get(reverse("spec", args=[run.pk])).content)
    assert f'<form method="post" action="{reverse("adopt", args=[run.pk])}">' in page and "SATA-0001" in page
    admin_client.post(reverse("adopt", args=[run.pk]))
    run.host.refresh_from_db()
    assert run.host.expected["disks"][0]["serial"] == "SATA-0001"
    assert not run.host.writable_disks.exists()


@pytest.mark.django_db
@pytest.mark.parametrize("scene", factories.ALL_SCENES, ids=lambda scene: scene.__name__)
def test_the_page_renders_for_every_situation(admin_client: Client, scene: Any) -> None:
    run = scene()
    if run is not None:
        assert admin_client.get(reverse("spec", args=[run.pk])).status_code == 200


@pytest.mark.django_db
def test_strings_from_hardware_are_shown_as_text(admin_client: Client) -> None:
    run = judged(replace(SERVER, system=replace(SERVER.system, product="<script>alert(1)</script>")))
    page = as_read(admin_client.get(reverse("spec", args=[run.pk])).content)
    assert "<script>alert" not in page and "&lt;script&gt;alert(1)" in page
