"""Firmware beside that of equal hosts and parts."""

from __future__ import annotations

from typing import Any

import pytest

from agent.contract import codec, wire
from runs import stage_results
from runs.judging import peer_firmware
from tests.rows import a_host, a_run, a_stage


def host(bios: str = "1.4", product: str = "R1", disks: tuple[str, ...] = (), **cpu: Any) -> dict[str, Any]:
    return codec.encode(
        wire.Inventory(
            system=wire.System(product=product),
            cpu=wire.Cpu(**cpu),
            firmware=wire.Firmware(bios=bios),
            disks=[wire.Disk(f"sd{n}", f"S{n}", "", "sata", 1, "HD1", text) for n, text in enumerate(disks)],
        )
    )


def blamed(own: dict[str, Any], *others: dict[str, Any]) -> list[tuple[str, str]]:
    found = peer_firmware.differing(own, others)
    assert all(one.severity is wire.Severity.INFO for one in found)
    return [(one.component, str(one.limit)) for one in found]


@pytest.mark.parametrize(
    ("own", "others", "expected"),
    [
        ("1.4", ["1.4", "1.4"], []),
        ("1.2", ["1.4", "1.4"], [("system", "1.4")]),
        ("1.2", [], []),
        ("", ["1.4"], []),
        # As many run the one as the other: nobody is the odd one out.
        ("1.2", ["1.4", "1.2"], []),
    ],
)
def test_a_bios_is_set_beside_those_of_the_same_product(
    own: str, others: list[str], expected: list[tuple[str, str]]
) -> None:
    assert blamed(host(own), *(host(text) for text in others)) == expected


def test_another_product_is_no_twin() -> None:
    assert blamed(host("1.2"), host("1.4", product="R2"), host("1.4", product="")) == []


def test_a_host_full_of_one_disk_has_one_voice() -> None:
    own = host(disks=("A",))
    assert blamed(own, host(disks=("B",) * 8), host(disks=("A",))) == []
    assert blamed(own, host(disks=("B",)), host(disks=("B",))) == [("S0", "B")]


def test_microcode_is_the_processor_models() -> None:
    new, old = host(model="X", microcode="0x2b"), host(model="X", microcode="0x1a")
    assert blamed(old, new) == [("CPU0", "0x2b")]


@pytest.mark.django_db
def test_the_firmware_stage_tells_it_and_passes() -> None:
    a_run(a_host("node-2", "52:54:00:00:00:02"), inventory=host("1.4"))
    row = a_stage(a_run(a_host(), inventory=host("1.2")), "Firmware", outcome="")
    stage_results.keep(row, wire.Result("boot", "Firmware", 1, wire.Outcome.PASSED, "", 1.0, 2.0))
    assert (row.outcome, [one.code for one in row.findings.all()]) == ("passed", ["firmware.twins_differ"])


@pytest.mark.parametrize(
    ("hosts", "said"), [(1, "1 other host with R1 runs 1.4"), (2, "2 other hosts with R1 run 1.4")]
)
def test_one_other_host_is_not_told_as_many(hosts: int, said: str) -> None:
    (one,) = peer_firmware.differing(host("1.2"), [host("1.4")] * hosts)
    assert one.message.endswith(said)


def test_a_storage_adapter_is_set_beside_those_of_its_model() -> None:
    def with_adapter(version: str, model: str = "SAS9300-8i") -> dict[str, Any]:
        one = wire.AdapterFirmware("0000:02:00.0", "mpt3sas", model, version)
        return codec.encode(wire.Inventory(firmware=wire.Firmware(adapters=[one])))

    assert blamed(with_adapter("16.00.01.00"), with_adapter("16.00.12.00")) == [("0000:02:00.0", "16.00.12.00")]
    assert blamed(with_adapter("16.00.01.00"), with_adapter("16.00.12.00", "SAS9305-16i")) == []
    assert blamed(with_adapter(""), with_adapter("16.00.12.00")) == []
