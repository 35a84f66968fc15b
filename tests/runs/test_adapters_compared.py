"""InfiniBand ports, storage adapters and accelerators against what is expected."""

from __future__ import annotations

from dataclasses import replace

import pytest

from agent.contract import codec, wire
from hosts import adoption, expectations
from runs.judging import specdiff

HBA = wire.Adapter("0000:18:00.0", "storage", "SAS3008", "50-06-05-b0-0c-4e-5d-20")
FC = wire.Adapter("0000:3b:00.0", "storage", "ISP2722")
FC_TWIN = replace(FC, slot="0000:3c:00.0")
ALVEO = wire.Adapter("0000:af:00.0", "accelerator", "Alveo U250")
IB0 = wire.InfinibandPort("mlx5_0/1", "248a:0703:00aa:bbcc", "0000:5e:00.0", "ConnectX-6", True, 200000)
IB1 = wire.InfinibandPort("mlx5_1/1", "248a:0703:00aa:bbcd", "0000:5e:00.1", "ConnectX-6")
MACHINE = wire.Inventory(infiniband=[IB0, IB1], adapters=[HBA, FC, FC_TWIN, ALVEO])
SPEC = adoption.from_inventory(codec.encode(MACHINE))

CASES: dict[str, tuple[wire.Inventory, list[tuple[str, str, str]]]] = {
    "as adopted": (MACHINE, []),
    "in other slots": (
        replace(MACHINE, adapters=[replace(one, slot=f"0000:{n}0:00.0") for n, one in enumerate(MACHINE.adapters)]),
        [],
    ),
    "an adapter that is gone": (
        replace(MACHINE, adapters=[FC, FC_TWIN, ALVEO]),
        [("critical", "spec.missing", HBA.serial)],
    ),
    "one of two twins that is gone": (
        replace(MACHINE, adapters=[HBA, FC_TWIN, ALVEO]),
        [("critical", "spec.missing", "ISP2722")],
    ),
    "an accelerator that is gone": (
        replace(MACHINE, adapters=[HBA, FC, FC_TWIN]),
        [("critical", "spec.missing", "Alveo U250")],
    ),
    "another adapter of the model": (
        replace(MACHINE, adapters=[replace(HBA, serial="50-06-05-b0-0c-4e-5d-21"), FC, FC_TWIN, ALVEO]),
        [("warning", "spec.replaced", "50-06-05-b0-0c-4e-5d-21")],
    ),
    "one more": (
        replace(MACHINE, adapters=[*MACHINE.adapters, replace(ALVEO, slot="0000:b0:00.0")]),
        [("warning", "spec.unexpected", "0000:b0:00.0")],
    ),
    "a port that is gone": (
        replace(MACHINE, infiniband=[IB0]),
        [("critical", "spec.missing", IB1.guid)],
    ),
    "a cable that is gone": (
        replace(MACHINE, infiniband=[replace(IB0, link=False, speed_mbit=None), IB1]),
        [("critical", "spec.slower", IB0.guid)],
    ),
    "a slower link": (
        replace(MACHINE, infiniband=[replace(IB0, speed_mbit=100000), IB1]),
        [("critical", "spec.slower", IB0.guid)],
    ),
    "a card that was replaced": (
        replace(MACHINE, infiniband=[replace(IB0, guid="b859:9f03:0011:2233"), IB1]),
        [("warning", "spec.replaced", "b859:9f03:0011:2233")],
    ),
    "a card whose driver tells no port": (
        replace(MACHINE, infiniband=[IB0, replace(IB1, guid="")]),
        [("critical", "spec.missing", IB1.guid)],
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_a_card_that_is_gone_is_critical_and_one_that_came_a_warning(case: str) -> None:
    machine, differences = CASES[case]
    found = specdiff.compare(SPEC, machine)
    assert [(d.severity.value, d.code, d.component) for d in found] == differences


@pytest.mark.parametrize("case", CASES)
def test_adopting_every_difference_leaves_none(case: str) -> None:
    machine, _ = CASES[case]
    told = [(d.path, d.actual) for d in specdiff.compare(SPEC, machine)]
    adopted = adoption.adopt_all(SPEC, told, codec.encode(machine))
    assert specdiff.compare(adopted, machine) == []
    assert expectations.normalise(adopted) == adopted


def test_without_lspci_no_adapter_is_missed_and_the_spec_says_so() -> None:
    blind = replace(MACHINE, adapters=[], missing_tools=["lspci"])
    assert specdiff.compare(SPEC, blind) == []
    assert [line.split()[0] for line in specdiff.not_compared(SPEC, blind)] == ["gpus", "adapters"]


def test_an_inventory_of_an_older_agent_says_nothing_of_adapters() -> None:
    old = codec.encode(MACHINE)
    del old["adapters"], old["infiniband"]
    assert {"adapters", "infiniband"}.isdisjoint(adoption.from_inventory(old))
