"""Adopting what a run found: one difference or all, without ever giving permission to write."""

from __future__ import annotations

from dataclasses import replace

import pytest

from agent.contract import codec, wire
from hosts import adoption
from hosts.models import Host
from runs import adopting
from runs.judging import specdiff
from runs.models import Run, SpecDiff
from runs.transition import Refused
from tests import rows
from tests.runs.test_specdiff import SERVER, SPEC

pytestmark = pytest.mark.django_db

FOUND = replace(SERVER, disks=SERVER.disks[:1], fans=SERVER.fans[:1])


def a_held_run(inventory: wire.Inventory | None = FOUND) -> Run:
    host = rows.a_host(expected=SPEC)
    for serial in ("SATA-1", "NVME-1"):
        host.writable_disks.create(serial=serial, allowed_by="ada")
    run = rows.a_run(
        host, state="FailedHolding", expected=SPEC, disks=[{"serial": "SATA-1", "may_be_written": True}],
        inventory=codec.encode(inventory) if inventory else None,
    )  # fmt: skip
    stage = rows.a_stage(run, "SpecValidate", outcome="failed")
    for d in specdiff.compare(SPEC, inventory) if inventory else []:
        SpecDiff.objects.create(
            run=run, stage_run=stage, path=d.path, severity=d.severity, expected=d.expected, actual=d.actual
        )
    return run


def test_adopting_one_difference_leaves_the_others() -> None:
    run = a_held_run()
    adopting.adopt(run, "disks[SATA-1]", "ada")
    run.refresh_from_db()
    assert [d.path for d in specdiff.compare(run.host.expected, FOUND)] == ["fans[FAN2]"]
    assert run.expected == run.host.expected, "the held run is judged by it from now on"
    assert list(run.spec_diffs.exclude(adopted_at=None).values_list("path", flat=True)) == ["disks[SATA-1]"]
    assert (run.events.last().kind, run.events.last().who) == ("adopted", "ada")


def test_adopting_all_leaves_none() -> None:
    run = a_held_run()
    adopting.adopt(run)
    run.refresh_from_db()
    assert specdiff.compare(run.host.expected, FOUND) == []
    assert not run.spec_diffs.filter(adopted_at=None).exists()


def test_adopting_all_keeps_what_was_entered_by_hand() -> None:
    """It used to replace the whole spec, and what a person had pinned or taken off the tests was gone."""
    run = a_held_run()
    by_hand = {"pinned": ["firmware.bios"], "not_expected": ["redundancy", "dcmi"]}
    Host.objects.filter(pk=run.host_id).update(expected={key: SPEC[key] for key in ("disks", "fans")} | by_hand)
    adopting.adopt(run)
    expected = Host.objects.get(pk=run.host_id).expected
    assert {key: expected[key] for key in by_hand} == by_hand
    assert set(expected) == {"disks", "fans", *by_hand}, "what was left unchecked stays so"
    assert [disk["serial"] for disk in expected["disks"]] == ["NVME-1"]


def test_adopting_all_where_nothing_differs_is_refused() -> None:
    run = a_held_run()
    adopting.adopt(run)
    with pytest.raises(Refused, match="nothing that run"):
        adopting.adopt(run)


def test_permission_goes_with_its_disk_and_none_is_given() -> None:
    run = a_held_run()
    adopting.adopt(run)
    assert [row.serial for row in run.host.writable_disks.all()] == ["NVME-1"]
    run.refresh_from_db()
    assert run.disks == [{"serial": "SATA-1", "may_be_written": True}], "frozen when it was queued"


def test_a_replaced_disk_does_not_inherit_permission() -> None:
    run = a_held_run(replace(SERVER, disks=[SERVER.disks[0], replace(SERVER.disks[1], serial="NEW", wwn="0x77")]))
    adopting.adopt(run)
    assert [row.serial for row in run.host.writable_disks.all()] == ["NVME-1"]


def test_a_run_that_is_over_keeps_the_spec_it_was_judged_by() -> None:
    run = a_held_run()
    Run.objects.filter(pk=run.pk).update(state="Released")
    adopting.adopt(run)
    run.refresh_from_db()
    assert run.expected == SPEC
    assert run.host.expected != SPEC


def test_without_an_inventory_there_is_nothing_to_adopt() -> None:
    with pytest.raises(Refused, match="nothing to adopt"):
        adopting.adopt(a_held_run(None))


@pytest.mark.parametrize("path", ["disks[OTHER]", "__class__", "cpu.cores"])
def test_a_path_that_is_no_difference_is_refused(path: str) -> None:
    run = a_held_run()
    with pytest.raises(Refused, match="no difference at"):
        adopting.adopt(run, path)
    run.host.refresh_from_db()
    assert run.host.expected == SPEC


MIRRORED = replace(
    SERVER,
    memory=wire.Memory(
        total_mb=32000, installed_mb=65536, dimms=[wire.Dimm(f"DIMM_{name}", 16384, f"D-{name}") for name in "ABCD"]
    ),
)


def test_a_host_with_mirrored_memory_is_adopted_as_it_is_and_the_person_is_told() -> None:
    """The firmware lists a module that was not mapped in the same way, so a person decides."""
    run = a_held_run(MIRRORED)
    Host.objects.filter(pk=run.host_id).update(expected=None)
    Run.objects.filter(pk=run.pk).update(expected=None)
    run.refresh_from_db()
    (before,) = [one for one in adopting.notes(run) if "memory" in one]
    assert before.startswith("Of 65536 MiB of memory the kernel sees 32000, and only these are expected")
    assert before in adopting.adopt(run)
    assert "expecting 32000 of 65536 MiB" in run.events.get(kind="adopted").text
    run.refresh_from_db()
    assert specdiff.compare(run.host.expected, MIRRORED) == []


@pytest.mark.parametrize(
    ("found", "lacking"),
    [
        (replace(SERVER, psus=[wire.Psu("PSU1"), wire.Psu("PSU2", present=None)]), ["psus"]),
        (replace(SERVER, psus=[], fans=[], missing_tools=["sdr_power_supply", "sdr_fan"]), ["psus", "fans"]),
    ],
)
def test_parts_that_the_bmc_did_not_report_as_a_whole_are_left_out_and_the_person_is_told(
    found: wire.Inventory, lacking: list[str]
) -> None:
    run = a_held_run(found)
    Host.objects.filter(pk=run.host_id).update(expected=None)
    Run.objects.filter(pk=run.pk).update(expected=None)
    run.refresh_from_db()
    before = [one for one in adopting.notes(run) if "expected yet" in one]
    assert len(before) == len(lacking)
    assert set(before) <= set(adopting.adopt(run))
    assert f"could not be read: {', '.join(lacking)}" in run.events.get(kind="adopted").text
    run.host.refresh_from_db()
    assert set(lacking).isdisjoint(run.host.expected) and "disks" in run.host.expected


def test_a_network_card_without_a_driver_is_listed_and_the_person_is_told() -> None:
    card = wire.Adapter("0000:04:00.0", "network", "Intel Corporation I210 Gigabit Unprogrammed")
    run = a_held_run(replace(SERVER, adapters=[card]))
    Host.objects.filter(pk=run.host_id).update(expected=None)
    Run.objects.filter(pk=run.pk).update(expected=None)
    run.refresh_from_db()
    (before,) = [one for one in adopting.notes(run) if "driver" in one]
    assert card.model in before and card.slot in before
    assert before in adopting.adopt(run)
    assert f"without a driver: {card.model} ({card.slot})" in run.events.get(kind="adopted").text
    run.host.refresh_from_db()
    assert run.host.expected["adapters"] == [{"model": card.model}]


def test_a_controller_with_hidden_drives_is_listed_as_such_and_the_person_is_told() -> None:
    card = wire.Adapter("0000:00:17.0", "hidden_drives", "Intel Corporation SATA Controller [RAID mode]")
    run = a_held_run(replace(SERVER, adapters=[card]))
    Host.objects.filter(pk=run.host_id).update(expected=None)
    Run.objects.filter(pk=run.pk).update(expected=None)
    run.refresh_from_db()
    (before,) = [one for one in adopting.notes(run) if "hidden" in one]
    assert card.model in before and card.slot in before
    assert before in adopting.adopt(run)
    assert f"with hidden drives: {card.model} ({card.slot})" in run.events.get(kind="adopted").text
    run.host.refresh_from_db()
    assert run.host.expected["adapters"] == [{"model": card.model, "hidden_drives": True}]


@pytest.mark.parametrize(("kept", "size_mb", "seen_mb"), [(3, 16384, 24000), (4, 32768, 64000)])
def test_modules_that_are_adopted_on_a_mirrored_host_change_its_total_by_their_share(
    kept: int, size_mb: int, seen_mb: int
) -> None:
    dimms = [replace(dimm, size_mb=size_mb) for dimm in MIRRORED.memory.dimms[:kept]]
    now = wire.Inventory(memory=wire.Memory(seen_mb, kept * size_mb, dimms=dimms))
    spec = {"memory": adoption.from_inventory(codec.encode(MIRRORED))["memory"]}
    found = [(one.path, one.actual) for one in specdiff.compare(spec, now)]
    adopted = adoption.adopt_all(spec, found, codec.encode(now))
    assert adopted["memory"]["total_mb"] == seen_mb
    assert specdiff.compare(adopted, now) == []
