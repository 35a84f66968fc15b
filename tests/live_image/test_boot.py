"""What the built image does on a machine whose five disks all hold something: one boot, many questions."""

from __future__ import annotations

import json

import pytest

from tests.live_image.machine import Booted

pytestmark = [pytest.mark.image, pytest.mark.slow]

HOLDS = {
    "NVME-0001": None,
    "SATA-0001": "ext4",
    "VIRTIO-0001": "LVM2_member",
    "SCSI-0001": "linux_raid_member",
    "USB-0001": "swap",
}
NO_SUCH_CODE = ("md-mod", "raid1", "dm-mod", "bcache", "ext4", "xfs", "btrfs", "vfat", "zfs", "nvme-tcp", "nbd")
DRIVERS = (
    "ahci aacraid hpsa megaraid_sas mpt3sas mpi3mr smartpqi nvme sd_mod virtio_blk virtio_scsi usb-storage uas "
    "e1000e igb ixgbe i40e ice bnx2 bnx2x bnxt_en tg3 r8169 mlx4_en mlx5_core qede cxgb4 virtio_net vmxnet3 "
    "ipmi_si ipmi_devintf ipmi_ssif coretemp k10temp drivetemp jc42 intel_rapl_msr msr i2c-i801 iTCO_wdt mei_me "
    "sb_edac skx_edac i10nm_edac amd64_edac ie31200_edac vmd"
)
CHECKED_HASH = 0b11
FIRMWARE = ("bnx2/bnx2-mips-09-6.2.1b.fw", "rtl_nic/rtl8168g-2.fw", "tigon/tg3.bin")


def test_every_disk_and_partition_is_read_only(booted: Booted) -> None:
    devices = {device["path"]: device["ro"] for device in booted.report["devices"]}
    assert sum(path.startswith("/dev/nvme") for path in devices) == 3, "the disk and its two partitions"
    assert len(devices) == len(HOLDS) + 2
    assert [path for path, is_read_only in devices.items() if not is_read_only] == []


def test_the_kernel_refuses_each_write(booted: Booted) -> None:
    assert booted.report["writes"]
    assert set(booted.report["writes"].values()) <= {"EPERM", "EACCES"}


def test_no_byte_of_any_disk_has_changed(booted: Booted) -> None:
    assert booted.after == booted.before


def test_it_sees_what_the_disks_hold_and_assembles_none_of_it(booted: Booted) -> None:
    disks = {device["serial"]: device["fstype"] for device in booted.report["devices"] if device["type"] == "disk"}
    assert disks == HOLDS
    assert booted.report["mapped"] == []


def test_nothing_of_a_disk_is_mounted_or_swapped_on(booted: Booted) -> None:
    assert [source for source in booted.report["sources_mounted"] if source.startswith("/dev/")] == []
    assert booted.report["swaps"] == []


@pytest.mark.parametrize("module", NO_SUCH_CODE)
def test_there_is_no_code_that_could_assemble_or_mount(booted: Booted, module: str) -> None:
    assert not any(name.partition(".ko")[0].replace("_", "-") == module for name in booted.report["all_modules"])


def test_the_drivers_of_real_servers_are_there(booted: Booted) -> None:
    present = {name.partition(".ko")[0].replace("_", "-") for name in booted.report["all_modules"]}
    assert [driver for driver in DRIVERS.split() if driver.replace("_", "-") not in present] == []


def test_the_firmware_that_network_cards_ask_for_is_there(booted: Booted) -> None:
    assert [path for path in FIRMWARE if path not in booted.report["firmware"]] == []
    assert any(path.startswith("bnx2x/") for path in booted.report["firmware"])
    assert any(path.startswith("intel/ice/ddp/") for path in booted.report["firmware"])


def test_every_tool_of_the_stages_does_its_work(booted: Booted) -> None:
    broken = {name: seen for name, seen in booted.report["tools"].items() if seen["status"] not in ok_statuses(name)}
    assert broken == {}


def ok_statuses(tool: str) -> tuple[int, ...]:
    """smartctl answers 4 for a disk that lacks a command, as QEMU's does."""
    return (0, 4) if tool == "smartctl" else (0,)


def test_tools_answer_about_this_machine(booted: Booted) -> None:
    tools = booted.report["tools"]
    assert json.loads(tools["smartctl"]["out"])["serial_number"] == "SATA-0001"
    assert "NVME-0001" in tools["nvme"]["out"]
    assert "IPMI Version" in tools["ipmitool"]["out"]
    assert '"jobname" : "read"' in tools["fio"]["out"]
    assert "Status: PASS" in tools["stressapptest"]["out"]
    assert "ext4" in tools["wipefs"]["out"]


def test_python_has_all_that_the_agent_imports_already_compiled(booted: Booted) -> None:
    assert booted.report["python"].startswith("3.13.")
    assert booted.report["missing_modules"] == {}
    assert booted.report["compiled_anew"] == []


def test_the_agent_s_byte_code_is_there_and_taken_for_the_same_source_only(booted: Booted) -> None:
    byte_code = booted.report["agent_byte_code"]
    assert {"session", "wire", "codec", "client", "sidecar", "safety"} <= byte_code.keys()
    # This start compiled the probe's own two, as Python does where a source has another hash.
    assert set(byte_code.values()) == {CHECKED_HASH}
    assert len(booted.manifest["agent_sha256"]) == 64


def test_removable_media_are_looked_at_every_two_seconds(booted: Booted) -> None:
    assert booted.report["media_poll_ms"] == "2000"


def test_each_network_card_has_an_address(booted: Booted) -> None:
    names = {link["ifname"]: [found["local"] for found in link["addr_info"]] for link in booted.report["links"]}
    assert names.pop("lo") == ["127.0.0.1"]
    assert len(names) == 2
    assert all(addresses for addresses in names.values())
    assert booted.report["sysctl"] == ["1", "2"], "each card answers for its own address only"


def test_no_unit_has_failed_and_only_what_is_needed_runs(booted: Booted) -> None:
    assert booted.report["failed_units"] == ""
    running = {line.split()[0] for line in booted.report["services"].splitlines()}
    unwanted = ("getty", "ssh.", "smart", "iperf3", "nvme", "nvmf", "mdmon", "lvm", "ipmievd", "udisks")
    assert [unit for unit in running if any(unit.startswith(word) for word in unwanted)] == []


def test_nobody_can_log_in_before_a_hold(booted: Booted) -> None:
    assert booted.report["listening_at_start"] == []
    assert booted.report["host_keys"] == []
    [root] = booted.report["shadow"]
    assert root.split(":")[1] == "*", "no password fits, and sshd does not take the account for locked"


def test_a_hold_lets_in_the_issued_key_and_nothing_else(booted: Booted) -> None:
    hold = booted.report["hold"]
    assert hold["started"]["status"] == 0
    assert (hold["issued"]["status"], hold["issued"]["out"].strip()) == (0, "0")
    assert hold["stranger"]["status"] == 255
    assert hold["password"]["status"] == 255
    assert "Permission denied (publickey)" in hold["password"]["err"]


def test_the_end_of_a_hold_ends_the_logins(booted: Booted) -> None:
    hold = booted.report["hold"]
    assert hold["inside"]["status"] == 0, "somebody was logged in"
    assert hold["refused_without_key_file"]["status"] == 255
    assert hold["stopped"]["status"] == 0
    assert hold["login_status"] == 255
    assert hold["sessions_after"]["out"] == ""
    assert hold["listening_after"] == []


def test_the_agent_is_started_again_above_its_tests(booted: Booted) -> None:
    assert "the probe's first life" in booted.console, "what the agent prints is on the console"
    assert booted.report["oom_score_adj"] == -1000
    assert booted.report["nice"] == -10
    assert booted.report["cgroup"].endswith("vetting-agent.service/agent")
    assert booted.report["delegated"] == "ok"


def test_the_console_offers_no_login(booted: Booted) -> None:
    assert "login:" not in booted.console


def test_it_fits_into_two_gibibytes_with_room_to_test(booted: Booted) -> None:
    meminfo = dict(line.split(":", 1) for line in booted.report["memory"].splitlines())
    available_mib = int(meminfo["MemAvailable"].split()[0]) // 1024
    assert available_mib > 1024, f"{available_mib} MiB left of 2048"


def test_the_image_is_within_its_budget(booted: Booted) -> None:
    """Of what hosts download, at the level that ships: 90 MB for the system, 120 MB with the kernel."""
    if booted.manifest["level"] != "small":
        pytest.skip("this image was built for speed: make image LEVEL=small")
    files = booted.manifest["files"]
    assert files["initrd.zst"]["bytes"] <= 90_000_000
    assert files["initrd.zst"]["bytes"] + files["vmlinuz"]["bytes"] <= 120_000_000


def test_the_manifest_names_what_is_inside(booted: Booted) -> None:
    assert {"linux-image-amd64", "stress-ng", "python3", "fio"} <= booted.manifest["packages"].keys()
    assert set(booted.manifest["kernel_args"]) <= set(booted.report["cmdline"])
