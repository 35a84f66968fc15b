"""What a setup sets, read from trees of the kernel's files: every value that is there, that is known not to be there,
and that was not read."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest

from agent.contract import wire
from agent.probes.board import settings
from tests.agent.hardware import put

EFI = "sys/firmware/efi/efivars"
GLOBAL = "8be4df61-93ca-11d2-aa0d-00e098032b8c"
TABLES = "sys/firmware/acpi/tables"
CPU = "sys/devices/system/cpu"
PCI, USB = b"\x01\x01\x06\x00\x00\x00", b"\x03\x05\x06\x00\x00\x01"
END = b"\x7f\xff\x04\x00"


def tree(root: Path, files: dict[str, str]) -> None:
    for path, text in files.items():
        put(root, path, text)


def variable(root: Path, name: str, value: bytes) -> None:
    path = root / EFI / f"{name}-{GLOBAL}"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"\x06\0\0\0" + value)


def entry(root: Path, number: int, name: str, path: bytes = PCI, *, attributes: int = 1) -> None:
    device = path + END
    head = struct.pack("<IH", attributes, len(device))
    variable(root, f"Boot{number:04X}", head + name.encode("utf-16-le") + b"\0\0" + device)


@pytest.fixture
def server(tmp_path: Path) -> Path:
    """A server with everything switched on, as Linux 6.12 shows it."""
    tree(tmp_path, {
        "proc/cpuinfo": "processor\t: 0\nflags\t\t: fpu vme vmx ept\nvmx flags\t: vnmi\n",
        f"{TABLES}/DMAR": "", f"{TABLES}/TPM2": "", f"{TABLES}/FACP": "",
        "sys/kernel/iommu_groups/0/type": "DMA", "sys/kernel/iommu_groups/1/type": "DMA",
        "sys/bus/pci/devices/0000:18:00.0/sriov_totalvfs": "63", "sys/bus/pci/devices/0000:18:00.0/sriov_numvfs": "0",
        "sys/bus/pci/devices/0000:00:1f.2/class": "0x010601",
        f"{CPU}/smt/active": "1", f"{CPU}/cpuidle/current_driver": "intel_idle",
        **{f"{CPU}/cpu0/cpuidle/state{n}/name": name for n, name in enumerate(("POLL", "C1", "C1E", "C6"))},
        "sys/devices/system/node/node0/cpulist": "0-15", "sys/devices/system/node/node1/cpulist": "16-31",
        "sys/devices/system/node/online": "0-1",
        "sys/class/powercap/intel-rapl:0/name": "package-0",
        "sys/class/powercap/intel-rapl:0/constraint_0_name": "long_term",
        "sys/class/powercap/intel-rapl:0/constraint_0_power_limit_uw": "125000000",
        "sys/class/powercap/intel-rapl:0:0/name": "dram",
        "sys/class/tpm/tpm0/tpm_version_major": "2",
    })  # fmt: skip
    variable(tmp_path, "SecureBoot", b"\0")
    variable(tmp_path, "BootOrder", struct.pack("<6H", 3, 0, 0x1A, 2, 4, 5))
    entry(tmp_path, 3, "PXE Device 1")
    entry(tmp_path, 0, "proxmox")
    entry(tmp_path, 0x1A, "Virtual CD", PCI + USB)
    entry(tmp_path, 2, "Switched off", attributes=0)
    entry(tmp_path, 4, "Disk\x07 B")
    entry(tmp_path, 5, "UiApp", attributes=0x109)
    return tmp_path


def test_a_server_with_everything_switched_on(server: Path) -> None:
    assert settings.read(server) == wire.Settings(
        virtualization=True,
        iommu=True,
        iommu_groups=2,
        sriov=[wire.VirtualFunctions("0000:18:00.0", 63, 0)],
        boot_mode="uefi",
        secure_boot=False,
        smt=True,
        numa_nodes=2,
        c_states=["C1", "C1E", "C6"],
        power_limits=[wire.PowerLimit("package-0", "long_term", 125.0)],
        boot_order=["PXE Device 1", "proxmox", "Disk B"],
        tpm="2.0",
    )


def test_where_nothing_can_be_read_nothing_is_known(tmp_path: Path) -> None:
    assert settings.read(tmp_path) == wire.Settings()


def test_virtual_functions_of_a_device_that_can_not_be_read_leave_the_list_unknown(server: Path) -> None:
    count = next((server / "sys/bus/pci/devices").glob("*/sriov_totalvfs"))
    count.write_text("many\n")
    assert settings.read(server).sriov is None


def test_what_is_switched_off_is_known_to_be_off(tmp_path: Path) -> None:
    tree(tmp_path, {
        "proc/cpuinfo": "flags\t\t: fpu vme\n", f"{TABLES}/FACP": "", f"{CPU}/smt/active": "0",
        f"{CPU}/cpuidle/current_driver": "none", "sys/bus/pci/devices/0000:00:1f.2/class": "0x010601",
    })  # fmt: skip
    (tmp_path / "sys/kernel/iommu_groups").mkdir(parents=True)
    assert settings.read(tmp_path) == wire.Settings(
        virtualization=False,
        iommu=False,
        iommu_groups=0,
        sriov=[],
        boot_mode="bios",
        secure_boot=False,
        smt=False,
        c_states=[],
        boot_order=[],
        tpm="none",
    )


@pytest.mark.parametrize(
    ("line", "locked"),
    [
        ("6,42,1000,-;x86/cpu: VMX (outside TXT) disabled by BIOS\n", True),
        ("5,42,1000,-;SVM disabled (by BIOS) in MSR_VM_CR\n", True),
        ("6,42,1000,-;x86/cpu: SGX disabled by BIOS.\n", None),
    ],
)
def test_the_kernels_log_says_that_the_firmware_locked_it(tmp_path: Path, line: str, locked: bool | None) -> None:
    tree(tmp_path, {"proc/cpuinfo": "flags : fpu\n", "dev/kmsg": f"6,1,0,-;Linux version 6.12\n{line}"})
    assert settings.read(tmp_path).virtualization_locked is locked


def test_groups_are_unknown_if_the_kernel_does_not_use_the_iommu(tmp_path: Path) -> None:
    tree(tmp_path, {f"{TABLES}/IVRS": ""})
    (tmp_path / "sys/kernel/iommu_groups").mkdir(parents=True)
    read = settings.read(tmp_path)
    assert (read.iommu, read.iommu_groups) == (True, None)


def test_secure_boot_that_is_on(server: Path) -> None:
    variable(server, "SecureBoot", b"\1")
    assert settings.read(server).secure_boot is True


@pytest.mark.parametrize("broken", ["BootOrder", "Boot0000"])
def test_a_variable_that_was_not_read_leaves_the_order_unknown(server: Path, broken: str) -> None:
    (server / EFI / f"{broken}-{GLOBAL}").unlink()
    (server / EFI / f"{broken}-{GLOBAL}").mkdir()
    assert settings.read(server).boot_order is None


def test_without_an_order_there_is_none_to_compare(server: Path) -> None:
    (server / EFI / f"BootOrder-{GLOBAL}").unlink()
    assert settings.read(server).boot_order is None


def test_an_entry_that_is_gone_is_named_as_missing(server: Path) -> None:
    (server / EFI / f"Boot0000-{GLOBAL}").unlink()
    assert settings.read(server).boot_order == ["PXE Device 1", "Boot0000 (missing)", "Disk B"]


@pytest.mark.parametrize("torn", [b"", b"\1", b"\1\0\0\0\xff\xff", b"\1\0\0\0\4\0A", b"\1\0\0\0\xff\xffA\0\0\0\3\5\0"])
def test_a_torn_entry_raises_no_error(server: Path, torn: bytes) -> None:
    variable(server, "Boot0000", torn)
    assert settings.read(server).boot_mode == "uefi"


def test_a_tpm_that_no_driver_took_is_known_by_its_table(tmp_path: Path) -> None:
    tree(tmp_path, {f"{TABLES}/TCPA": ""})
    assert settings.read(tmp_path).tpm == "1.2"
