"""The error counters of InfiniBand ports, on files as the kernel's driver shows them."""

from __future__ import annotations

from pathlib import Path

import pytest

from agent.contract import wire
from agent.counters import counter_checks, counting, infiniband_counters, lowered_severity, sysfs_counters
from agent.counters.component_names import Names
from agent.counters.counting import CounterBook
from tests.agent.hardware import put

CRITICAL, WARNING, INFO = wire.Severity.CRITICAL, wire.Severity.WARNING, wire.Severity.INFO
GUID = "a088:c203:00ab:cd12"
NETWORK = next(group for group in counter_checks.GROUPS if group.name == "nics")


def port(root: Path, *, layer: str = "InfiniBand", **counters: int) -> Names:
    folder = "sys/class/infiniband/mlx5_0/ports/1"
    put(root, f"{folder}/link_layer", layer)
    put(root, f"{folder}/gids/0", f"fe80:0000:0000:0000:{GUID}")
    for name, value in counters.items():
        put(root, f"{folder}/counters/{name}", value)
    return Names(root)


def book_of(names: Names) -> CounterBook:
    state = names.root / "counters.json"
    state.unlink(missing_ok=True)
    return CounterBook([lambda: infiniband_counters.read(names)], state)


def found(names: Names, **after: int) -> list[tuple[str, wire.Severity, str, str]]:
    """What a stage finds in which the counters went to these values."""
    book = book_of(names)
    book.open_stage()
    port(names.root, **after)
    return [(one.code, one.severity, one.component_kind, one.component)
            for one in counting.judged(book.close_stage(), {"nic_errors_max": 10}, 60)]  # fmt: skip


def check(names: Names) -> wire.Check:
    book = book_of(names)
    book.open_stage()
    book.close_stage()
    return counter_checks._of_group(NETWORK, [], book, [])


def test_only_errors_of_this_port_are_counted(tmp_path: Path) -> None:
    names = port(
        tmp_path,
        symbol_error=3,
        link_downed=0,
        port_rcv_remote_physical_errors=9,
        port_xmit_wait=7,
        port_xmit_discards=5,
    )
    assert infiniband_counters.read(names) == {
        ("nic.ib.symbol_error", "infiniband", GUID): 3,
        ("nic.ib.link_downed", "infiniband", GUID): 0,
        ("port.full", "infiniband", GUID): 0,
    }
    assert infiniband_counters.read(port(tmp_path, layer="Ethernet")) == {}, "its network card counts them"


@pytest.mark.parametrize(
    ("name", "grown", "code", "severity"),
    [
        ("symbol_error", 10, "nic.errors", WARNING),
        ("symbol_error", 11, "nic.errors", CRITICAL),
        ("port_rcv_errors", 11, "nic.errors", CRITICAL),
        ("link_error_recovery", 1, "nic.errors", WARNING),
        ("local_link_integrity_errors", 15, "nic.errors", CRITICAL),
        ("excessive_buffer_overrun_errors", 2, "nic.errors", WARNING),
        ("link_downed", 1, "nic.link_flap", CRITICAL),
    ],
)
def test_each_counter_is_judged_as_those_of_other_ports(
    name: str, grown: int, code: str, severity: wire.Severity, tmp_path: Path
) -> None:
    assert found(port(tmp_path, **{name: 0}), **{name: grown})[:1] == [(code, severity, "infiniband", GUID)]
    assert found(port(tmp_path, **{name: grown}), **{name: grown}) == [], "errors from before this run"


@pytest.mark.parametrize(
    ("name", "full"), [("symbol_error", 65535), ("link_downed", 255), ("link_error_recovery", 255)]
)
def test_a_counter_that_is_full_is_not_tested(name: str, full: int, tmp_path: Path) -> None:
    names = port(tmp_path, port_rcv_errors=0, **{name: full})
    assert (check(names).outcome, GUID in check(names).reason) == (wire.Outcome.NOT_TESTED, True)
    port(tmp_path, **{name: full - 1})
    assert check(names).outcome is wire.Outcome.PASSED


def test_a_port_without_any_counter_is_not_tested(tmp_path: Path) -> None:
    names = port(tmp_path)
    assert check(names).outcome is wire.Outcome.NOT_TESTED


def test_a_port_or_adapter_that_disappears_is_noticed(tmp_path: Path) -> None:
    inventory = wire.Inventory(
        infiniband=[wire.InfinibandPort("mlx5_0/1", GUID)],
        adapters=[
            wire.Adapter("0000:03:00.0", "storage", "SAS3008"),
            wire.Adapter("0000:04:00.0", "storage", "X", "00-1"),
        ],
    )
    put(tmp_path, "sys/bus/pci/devices/0000:03:00.0/vendor", "0x1000")
    port(tmp_path)
    assert sysfs_counters.gone(Names(tmp_path, inventory)) == {
        ("gone", "infiniband", GUID): 0,
        ("gone", "adapter", "0000:03:00.0"): 0,
        ("gone", "adapter", "00-1"): 1,
    }


@pytest.mark.parametrize(
    ("stage", "expected", "severity"),
    [
        ("Burn", {}, CRITICAL),
        ("Burn", {"nics": []}, CRITICAL),
        ("Burn", {"infiniband": [{"guid": GUID.upper()}]}, CRITICAL),
        ("Burn", {"infiniband": []}, INFO),
        ("InventoryCheck", {"infiniband": [{"guid": GUID}]}, INFO),
    ],
)
def test_an_infiniband_port_is_weighed_by_its_own_list_of_the_spec(
    stage: str, expected: dict[str, object], severity: wire.Severity
) -> None:
    errors = wire.Finding("nic.errors", CRITICAL, "infiniband", GUID, "20 errors")
    assert [one.severity for one in lowered_severity.lower_for_ports(stage, expected, [errors])] == [severity]
