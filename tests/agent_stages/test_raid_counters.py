"""The counters around stages, of drives behind RAID controllers: the same drives, and no stage waits long for them."""

from __future__ import annotations

from pathlib import Path

import pytest

from agent import command_counters, wire
from agent.names import Names
from agent.probes import bays
from agent.probes.smartctl import Device
from tests.agent_stages.raid_hosts import Host, a_host, one_hangs, smart_array, two_smart_arrays


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Host:
    return a_host(tmp_path, monkeypatch)


@pytest.fixture
def names(host: Host, monkeypatch: pytest.MonkeyPatch) -> Names:
    monkeypatch.setattr(bays, "IDENTITY_S", 1.0)
    monkeypatch.setattr(command_counters, "SMART_TIMEOUT_S", 1.0)
    monkeypatch.setattr(command_counters, "_HUNG", {})
    return Names(host.root, wire.Inventory(disks=host.disks))


def counted(names: Names) -> set[str]:
    for name in names.inventory.disks if names.inventory else []:
        block = names.root / "sys/block" / name.name
        (block / "size").write_text("2048\n")
    return {component for _, _, component in command_counters.drives(names)}


def test_counters_are_read_of_the_same_drives_as_the_stage_judges(host: Host, names: Names) -> None:
    two_smart_arrays("A1", "B2")(host)
    assert counted(names) == {"A0", "A1", "A2", "B0", "B1", "B2"}


def test_places_are_looked_for_once_and_not_around_every_stage(host: Host, names: Names) -> None:
    one_hangs(host)
    first = counted(names)
    (host.home / "asked").write_text("")
    assert counted(names) == first == {"A0", "A2", "B0"}
    assert len(host.asked()) == 3


def test_a_drive_that_hangs_later_is_waited_for_once(host: Host, names: Names) -> None:
    smart_array(host, 0, "sda", "A0", "A1")
    assert counted(names) == {"A0", "A1"}
    host.hangs("cciss,1 /dev/sda")
    assert counted(names) == {"A0"}
    (host.home / "asked").write_text("")
    assert counted(names) == {"A0"}
    assert host.asked() == ["-j -x -d cciss,0 /dev/sda"]
    assert Device("/dev/sda", "cciss,1") in command_counters._HUNG


def test_a_drive_that_hung_is_asked_again_after_a_while(
    host: Host, names: Names, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(command_counters, "HUNG_LEFT_ALONE_S", 0.0)
    smart_array(host, 0, "sda", "A0", "A1")
    assert counted(names) == {"A0", "A1"}
    host.hangs("cciss,1 /dev/sda")
    assert counted(names) == {"A0"}
    (host.home / "cciss,1/dev/sda/hangs").unlink()
    assert counted(names) == {"A0", "A1"}
