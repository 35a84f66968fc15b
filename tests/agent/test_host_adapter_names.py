"""A storage controller's name in the kernel's log, and the PCI address that sysfs has for it."""

from __future__ import annotations

from pathlib import Path

from agent.counters.component_names import Names
from agent.sensors.chip import Part


def _host(root: Path, number: int, address: str, driver: str, unique_id: int) -> None:
    host = root / f"sys/devices/pci0000:00/0000:00:01.0/{address}/host{number}/scsi_host/host{number}"
    host.mkdir(parents=True)
    (host / "proc_name").write_text(f"{driver}\n")
    (host / "unique_id").write_text(f"{unique_id}\n")
    entry = root / f"sys/class/scsi_host/host{number}"
    entry.parent.mkdir(parents=True, exist_ok=True)
    entry.symlink_to(host)


def test_a_controller_is_named_by_its_address_and_not_by_its_drivers_number(tmp_path: Path) -> None:
    _host(tmp_path, 0, "0000:01:00.0", "mpt3sas", 1)
    _host(tmp_path, 1, "0000:02:00.0", "mpt3sas", 0)
    _host(tmp_path, 2, "10000:03:00.0", "mpi3mr", 0)
    names = Names(tmp_path)
    assert names.part("hba", "mpt3sas_cm0") == Part("system", "0000:02:00.0")
    assert names.part("hba", "mpt3sas_cm1") == Part("system", "0000:01:00.0")
    assert names.part("hba", "mpi3mr0") == Part("system", "10000:03:00.0")


def test_a_controller_of_fusion_mpt_is_known_by_the_number_that_its_drivers_share(tmp_path: Path) -> None:
    _host(tmp_path, 0, "0000:01:00.0", "mpt3sas", 1)
    _host(tmp_path, 1, "0000:02:00.0", "mptspi", 0)
    _host(tmp_path, 2, "0000:03:00.0", "mptsas", 1)
    assert Names(tmp_path).part("hba", "ioc1") == Part("system", "0000:03:00.0")


def test_a_controller_that_sysfs_does_not_have_keeps_the_kernels_word(tmp_path: Path) -> None:
    _host(tmp_path, 0, "0000:01:00.0", "ahci", 0)
    assert Names(tmp_path).part("hba", "mpt2sas_cm0") == Part("system", "mpt2sas_cm0")
