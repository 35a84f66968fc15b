"""What the agent knows of its host and does to it: identity, names, logins, waking up."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from agent.contract import wire
from agent.counters.component_names import Names
from agent.host import identity
from agent.host.hold import Hold, HoldFailed, Sshd
from agent.host.power import supports_magic_packet
from agent.link.redact import printable, sendable
from agent.sensors.chip import Part

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIA vetting-run-7"


def put(root: Path, path: str, text: str) -> None:
    target = root / path
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(text)


def test_identity_is_the_boot_the_board_and_the_physical_ports(tmp_path: Path) -> None:
    put(tmp_path, "proc/sys/kernel/random/boot_id", "0c5f-boot\n")
    put(tmp_path, "sys/class/dmi/id/product_uuid", "4C4C4544-0050\n")
    for port, mac, physical in (("eth1", "52:54:00:BB:00:02", True), ("eth0", "52:54:00:aa:00:01", True), ("lo", "00:00:00:00:00:00", True), ("br0", "52:54:00:aa:00:01", False)):  # fmt: skip # noqa: E501
        put(tmp_path, f"sys/class/net/{port}/address", f"{mac}\n")
        if physical:
            put(tmp_path, f"sys/class/net/{port}/device/vendor", "0x8086")
    assert identity.read(tmp_path) == identity.Identity(
        "0c5f-boot", "4C4C4544-0050", ["52:54:00:aa:00:01", "52:54:00:bb:00:02"]
    )


@pytest.mark.parametrize(
    ("bus", "mac", "cmdline", "counts"),
    [
        ("usb1/1-1/1-1:1.0", "be:65:00:00:00:01", "", False),
        ("usb1/1-1/1-1:1.0", "be:65:00:00:00:01", "vetting.mac=be:65:00:00:00:01", True),
        ("usb1/1-1/1-1:1.0", "d0:94:66:00:00:01", "", True),
        ("0000:00:02.0", "be:65:00:00:00:01", "", True),
    ],
    ids=["made up by a BMC", "booted by it", "a maker's", "a card"],
)
def test_the_mac_that_a_bmc_makes_up_for_its_port_on_usb_names_no_machine(
    bus: str, mac: str, cmdline: str, counts: bool, tmp_path: Path
) -> None:
    put(tmp_path, "proc/cmdline", f"quiet {cmdline}\n")
    put(tmp_path, f"sys/devices/pci0000:00/{bus}/vendor", "0x8086")
    put(tmp_path, "sys/class/net/usb0/address", f"{mac}\n")
    (tmp_path / "sys/class/net/usb0/device").symlink_to(tmp_path / "sys/devices/pci0000:00" / bus)
    assert identity.read(tmp_path).macs == ([mac] if counts else [])


def test_a_host_without_firmware_tables_has_an_empty_uuid(tmp_path: Path) -> None:
    assert identity.read(tmp_path) == identity.Identity("", "", [])


@pytest.mark.parametrize(
    ("mounts", "agent", "cmdline", "expected"),
    [
        ("rootfs / rootfs rw 0 0\nproc /proc proc rw 0 0\n", True, "vetting.url=http://x", True),
        ("tmpfs / tmpfs rw 0 0\n", True, "vetting.url=http://x", True),
        ("/dev/sda1 / ext4 rw 0 0\n", True, "vetting.url=http://x", False),
        ("rootfs / rootfs rw 0 0\n/dev/sda1 / ext4 rw 0 0\n", True, "vetting.url=http://x", False),
        ("overlay / overlay rw 0 0\n", True, "vetting.url=http://x", False),
        ("rootfs / rootfs rw 0 0\n", False, "vetting.url=http://x", False),
        ("rootfs / rootfs rw 0 0\n", True, "quiet", False),
        ("", True, "vetting.url=http://x", False),
    ],
)
def test_only_a_system_in_memory_with_the_agent_of_the_boot_is_our_image(
    tmp_path: Path, mounts: str, agent: bool, cmdline: str, expected: bool
) -> None:
    put(tmp_path, "proc/self/mounts", mounts)
    put(tmp_path, "proc/cmdline", cmdline)
    if agent:
        put(tmp_path, "usr/lib/vetting/agent/__main__.py", "")
    assert identity.in_image(tmp_path) is expected


def test_the_address_toward_the_orchestrator_is_asked_of_the_routing_table() -> None:
    assert identity.local_address("http://127.0.0.1:8000") == "127.0.0.1"


# --- names -----------------------------------------------------------------------------------------------------------

INVENTORY = wire.Inventory(
    disks=[wire.Disk("sda", "SATA-0001", "", "sata", 1), wire.Disk("nvme0n1", "NVME-1", "", "nvme", 1)],
    nics=[wire.Nic("eth0", "52:54:00:AA:00:01", pci="0000:04:00.0")],
    gpus=[wire.Gpu("GPU-1", pci="00000000:41:00.0")],
    memory=wire.Memory(dimms=[wire.Dimm("A1", 1), wire.Dimm("A10", 1)]),
)


@pytest.mark.parametrize(
    ("kind", "name", "part"),
    [
        ("blk", "sda", Part("disk", "SATA-0001")),
        ("blk", "sda1", Part("disk", "SATA-0001")),
        ("blk", "nvme0n1", Part("disk", "NVME-1")),
        ("blk", "nvme0n1p2", Part("disk", "NVME-1")),
        ("nvme", "nvme0", Part("disk", "NVME-1")),
        ("blk", "sdz", Part("disk", "sdz")),
        ("net", "eth0", Part("nic", "52:54:00:aa:00:01")),
        ("net", "eth9", Part("nic", "eth9")),
        ("pci", "0000:41:00.0", Part("gpu", "GPU-1")),
        ("pci", "0000:00:1c.0", Part("system", "0000:00:1c.0")),
        ("pci", "10000:01:00.0", Part("system", "10000:01:00.0")),
        ("pci", "0000:04:00.0", Part("nic", "52:54:00:aa:00:01")),
        ("gpu", "0000:41:00", Part("gpu", "GPU-1")),
        ("gpu", "00000000:41:00.0", Part("gpu", "GPU-1")),
        ("gpu", "0000:42:00", Part("gpu", "0000:42:00.0")),
        ("word", "mpt3sas_cm0", Part("system", "mpt3sas_cm0")),
        ("package", "1", Part("cpu", "CPU1")),
        ("scsi", "0:0:1:0", Part("disk", "0:0:1:0")),
        ("blk", "nvme0c1n1", Part("disk", "NVME-1")),
        ("dimm", "any memory", Part("system", "system")),
        ("dimm", "unknown label", Part("system", "system")),
        ("dimm", "NODE 3 CPU0_DIMM_G1", Part("dimm", "CPU0_DIMM_G1")),
        ("dimm", "CPU 1 DIMM 8", Part("dimm", "CPU 1 DIMM 8")),
        ("dimm", "Not Specified A1", Part("dimm", "A1")),
        ("dimm", "Bank 1 Dimm 13", Part("dimm", "Dimm 13")),
        ("dimm", "P0 CHANNEL A DIMM 0", Part("dimm", "P0 CHANNEL A DIMM 0")),
        ("dimm", "PROC 1 DIMM 4", Part("dimm", "PROC 1 DIMM 4")),
        ("dimm", "A1 or A10", Part("dimm", "A1 or A10")),
        ("cpu", "3", Part("cpu", "CPU0")),
        ("dimm", "CPU_SrcID#0_A10", Part("dimm", "A10")),
        ("dimm", "mc#0 csrow#1", Part("dimm", "mc#0 csrow#1")),
        ("ata", "ata7", Part("disk", "ata7")),
        ("blk", "mmcblk0", Part("disk", "mmcblk0")),
        ("blk", "mmcblk0p2", Part("disk", "mmcblk0")),
        ("blk", "pmem1", Part("disk", "pmem1")),
        ("blk", "sr0", Part("disk", "sr0")),
        ("blk", "sdaaa12", Part("disk", "sdaaa")),
        ("blk", "nvme3c1n2p1", Part("disk", "nvme3n2")),
        ("blk", "vdb1", Part("disk", "vdb")),
        ("blk", "xvda1", Part("disk", "xvda")),
        ("", "", Part("system", "system")),
    ],
)
def test_a_kernels_word_becomes_a_component(tmp_path: Path, kind: str, name: str, part: Part) -> None:
    assert Names(tmp_path, INVENTORY).part(kind, name) == part


def test_without_an_inventory_a_module_keeps_its_socket(tmp_path: Path) -> None:
    assert Names(tmp_path, None).part("dimm", "CPU0 DIMM_A1") == Part("dimm", "CPU0 DIMM_A1")


def test_before_there_is_an_inventory_sysfs_knows_the_serial(tmp_path: Path) -> None:
    put(tmp_path, "sys/class/nvme/nvme0/serial", "NVME-9  \n")
    put(tmp_path, "sys/class/net/eth0/address", "52:54:00:AA:00:09\n")
    names = Names(tmp_path, None)
    assert names.part("nvme", "nvme0") == Part("disk", "NVME-9")
    assert names.part("net", "eth0") == Part("nic", "52:54:00:aa:00:09")


def test_an_ata_port_is_the_disk_behind_it(tmp_path: Path) -> None:
    behind = tmp_path / "sys/devices/pci0000:00/0000:00:1f.2/ata3/host2/target2:0:0/2:0:0:0/block/sda"
    behind.mkdir(parents=True)
    (tmp_path / "sys/block").mkdir()
    (tmp_path / "sys/block/sda").symlink_to(behind)
    assert Names(tmp_path, INVENTORY).part("ata", "ata3") == Part("disk", "SATA-0001")
    assert Names(tmp_path, INVENTORY).part("ata", "ata33") == Part("disk", "ata33")


def test_an_emmc_is_found_by_its_controller(tmp_path: Path) -> None:
    device = "sys/devices/pci0000:00/0000:00:1a.0/mmc_host/mmc0/mmc0:0001/block"
    (tmp_path / "sys/block").mkdir(parents=True)
    for name in ("mmcblk0", "mmcblk0boot0"):
        put(tmp_path, f"{device}/{name}/size", "1\n")
        (tmp_path / "sys/block" / name).symlink_to(tmp_path / device / name)
    inventory = wire.Inventory(disks=[wire.Disk("mmcblk0", "EMMC-1", "", "other", 1000)])
    assert Names(tmp_path, inventory).part("mmc", "mmc0") == Part("disk", "EMMC-1")
    assert Names(tmp_path, inventory).part("mmc", "mmc1") == Part("disk", "mmc1")


# --- the hold --------------------------------------------------------------------------------------------------------


class Door:
    def __init__(self) -> None:
        self.actions: list[str] = []

    def start(self) -> None:
        self.actions.append("start")

    def stop(self) -> None:
        self.actions.append("stop")

    def users(self) -> list[str]:
        return []


@pytest.mark.parametrize(
    "key",
    ["", "none", f"{KEY}\nssh-rsa AAAA other", 'command="sh" ssh-ed25519 AAAA', "ssh-ed25519", "ssh-dss AAAA x"],
)
def test_what_is_not_one_public_key_lets_nobody_in(tmp_path: Path, key: str) -> None:
    door = Door()
    with pytest.raises(HoldFailed, match="nobody is let in"):
        Hold(tmp_path, door).admit(key)
    assert door.actions == [] and not (tmp_path / "authorized_keys").exists()


def test_the_same_key_again_disturbs_nobody_and_another_ends_the_logins_of_the_first(tmp_path: Path) -> None:
    door = Door()
    hold = Hold(tmp_path, door)
    hold.admit(KEY)
    hold.admit(KEY)
    assert door.actions == ["start"]
    hold.admit(KEY.replace("AAAAIA", "AAAAIB"))
    assert door.actions == ["start", "stop", "start"]
    assert "AAAAIB" in (tmp_path / "authorized_keys").read_text()


@pytest.mark.skipif(not shutil.which("ssh-keygen"), reason="needs ssh-keygen")
def test_every_hold_has_a_host_key_of_its_own(tmp_path: Path) -> None:
    hold = Hold(tmp_path, Door())
    first = hold.prepare()
    assert first == hold.prepare() and first.startswith("ssh-ed25519 ")
    assert (tmp_path / "ssh_host_ed25519_key").stat().st_mode & 0o777 == 0o600
    hold.close()
    assert list(tmp_path.iterdir()) == []
    assert hold.prepare() != first


def test_who_is_logged_in_is_read_from_the_titles_of_sshd(tmp_path: Path) -> None:
    titles = [
        b"sshd-session: root@pts/0\0\0",
        b"sshd: root@notty\0",
        b"sshd-session: root [preauth]\0",
        b"sshd-session: root [priv]\0",
        b"sshd: /usr/sbin/sshd -D -e [listener] 0 of 10-100 startups\0",
        b"bash\0-c\0sshd: root@pts/9\0",
    ]
    for number, title in enumerate(titles, start=100):
        (tmp_path / str(number)).mkdir()
        (tmp_path / str(number) / "cmdline").write_bytes(title)
    assert Sshd(tmp_path).users() == ["root on notty", "root on pts/0"]


# --- power and text --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "can"),
    [
        ("\tSupports Wake-on: pumbg\n\tWake-on: d\n", True),
        ("\tSupports Wake-on: g\n", True),
        ("\tSupports Wake-on: d\n\tWake-on: g\n", False),
        ("Settings for eth0:\n\tLink detected: yes\n", False),
        ("", False),
    ],
)
def test_a_port_that_can_be_woken_says_so(text: str, can: bool) -> None:
    assert supports_magic_packet(text) is can


def test_tokens_and_control_characters_go_and_tabs_and_lines_stay() -> None:
    assert printable('a\tb\n"vt1.7.1.x.y" \x1b[0m\x00é\ud800') == 'a\tb\n"vt1.…" [0mé?'


def test_a_number_that_is_not_finite_is_left_out_of_its_object() -> None:
    tree = {"numbers": {"a": 1.5, "b": float("nan")}, "list": [{"v": float("inf")}], "t": "\x07x"}
    assert sendable(tree) == {"numbers": {"a": 1.5}, "list": [{}], "t": "x"}


def test_the_agent_starts_without_what_only_a_stage_or_another_command_needs() -> None:
    """Each module costs a slow host time before its claim."""
    loaded = subprocess.run(
        [sys.executable, "-c", "import agent.__main__, sys; print(*sys.modules)"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split()
    late = ("agent.judge", "agent.tester_proof", "agent.loads.", "agent.exercises.")
    assert [name for name in loaded if name.startswith(late) or name.endswith(".stage")] == ["agent.stage"]
