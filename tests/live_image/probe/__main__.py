"""Runs in the agent's place inside the image: looks, tries, reports on the second serial port, powers off."""

from __future__ import annotations

import ctypes
import errno
import importlib
import json
import os
import subprocess
import sys
import termios
import time
from pathlib import Path

REPORT = "/dev/ttyS1"
RESTARTED = Path("/run/vetting/restarted")
AGENT_NEEDS = (
    "argparse base64 collections concurrent.futures contextlib ctypes dataclasses datetime enum fcntl functools "
    "glob gzip hashlib hmac http.client ipaddress itertools json logging math mmap os pathlib queue random re "
    "secrets select selectors shutil signal socket stat string struct subprocess sys tempfile threading time "
    "traceback types typing unicodedata urllib.parse urllib.request uuid zlib"
)
TOOLS = {
    "badblocks": "badblocks -b 4096 $SATA",
    "blkdiscard": "blkdiscard --version",
    "blkid": "blkid -p $SATA",
    "dmidecode": "dmidecode",
    "ethtool": "for nic in /sys/class/net/e*; do ethtool $(basename $nic) && ethtool -S $(basename $nic); done",
    "fio": "fio --name=read --filename=$SATA --readonly --rw=read --bs=1M --direct=1 --ioengine=libaio "
    "--size=16M --output-format=json",
    "hdparm": "hdparm -I $SATA",
    "ip": "ip -json -statistics link && ip route",
    "ipmitool": "ipmitool mc info && ipmitool sel info",
    "iperf3": "iperf3 --server --one-off --daemon && sleep 1 && iperf3 --client 127.0.0.1 --time 1 --json",
    "lsblk": "lsblk --json --output-all --bytes",
    "lscpu": "lscpu --json",
    "lshw": "lshw -json -quiet",
    "lspci": "lspci -vmmnnk",
    "lsusb": "lsusb",
    "memtester": "memtester 1M 1",
    "nvme": "nvme list --output-format=json && nvme smart-log $NVME",
    "ping": "ping -c 1 -W 5 127.0.0.1",
    "ps": "ps -e",
    "sg_inq": "sg_inq $SCSI",
    "smartctl": "smartctl -j -i $SATA",
    "ssh-keygen": "ssh-keygen -q -t ed25519 -N '' -f /tmp/made",
    "stress-ng": "stress-ng --cpu 2 --cpu-method loop --verify --timeout 1s --metrics",
    "stressapptest": "stressapptest -s 2 -M 32 -m 1",
    "taskset": "taskset --cpu-list 0 true",
    "udevadm": "udevadm info --export-db",
    "wipefs": "wipefs --no-act --json $SATA",
}


def shell(command: str, timeout_s: float = 90) -> dict[str, object]:
    try:
        done = subprocess.run(
            ["sh", "-c", command], capture_output=True, text=True, errors="replace", timeout=timeout_s
        )
    except subprocess.TimeoutExpired:
        return {"status": "timeout", "out": "", "err": ""}
    return {"status": done.returncode, "out": done.stdout[-20000:], "err": done.stderr[-2000:]}


def block_devices() -> list[dict[str, object]]:
    columns = "NAME,PATH,TYPE,RO,FSTYPE,SERIAL,TRAN,MOUNTPOINTS"
    return json.loads(shell(f"lsblk --json --list --output {columns}")["out"])["blockdevices"]


def try_to_write(path: str) -> str:
    """The name of the error that stops a write to the device's first sector; "written" if nothing did."""
    try:
        handle = os.open(path, os.O_WRONLY)
    except OSError as refused:
        return errno_name(refused)
    try:
        os.write(handle, b"X" * 512)
        os.fsync(handle)
    except OSError as refused:
        return errno_name(refused)
    finally:
        os.close(handle)
    return "written"


def errno_name(error: OSError) -> str:
    return errno.errorcode[error.errno]


def missing_modules() -> dict[str, str]:
    missing = {}
    for name in AGENT_NEEDS.split():
        try:
            importlib.import_module(name)
        except ImportError as absent:
            missing[name] = str(absent)
    return missing


def compiled_anew() -> list[str]:
    """Modules of the standard library that this start had to compile, since their byte code was not taken."""
    began = time.time() - time.clock_gettime(time.CLOCK_BOOTTIME)
    library = Path(json.__file__).parents[1]
    return [path.name for path in library.glob("__pycache__/*.pyc") if path.stat().st_mtime > began]


def agent_byte_code() -> dict[str, int]:
    """Flags of the byte code that the image brings for the agent, by source (PEP 552): 3 is checked by hash."""
    found = Path("/usr/lib/vetting/agent").rglob("__pycache__/*.cpython-313.pyc")
    return {path.name.split(".")[0]: int.from_bytes(path.read_bytes()[4:8], "little") for path in found}


def listening() -> list[str]:
    """Local TCP addresses in state LISTEN (0A), as the kernel writes them."""
    lines = [line for name in ("tcp", "tcp6") for line in Path("/proc/net", name).read_text().splitlines()[1:]]
    return [line.split()[1] for line in lines if line.split()[3] == "0A"]


def hold() -> dict[str, object]:
    """Open the host to one key as the agent does at a hold, log in, close it again."""
    make_keys()
    started = shell("systemctl start vetting-sshd.service")
    wait_for("ssh-keyscan -q -T 20 127.0.0.1 | grep .")
    opened = {
        "started": started,
        "issued": shell(ssh("issued", "id -u")),
        "stranger": shell(ssh("stranger", "id -u")),
        "password": shell(f"ssh {SSH_OPTIONS} -o PubkeyAuthentication=no root@127.0.0.1 id"),
    }
    return opened | close_over_a_login() | {"log": shell("journalctl --unit vetting-sshd --output=cat")}


def make_keys() -> None:
    for path in ("/run/vetting/ssh_host_ed25519_key", "/tmp/issued", "/tmp/stranger"):
        shell(f"ssh-keygen -q -t ed25519 -N '' -f {path}")
    shell("umask 077; cp /tmp/issued.pub /run/vetting/authorized_keys")


def close_over_a_login() -> dict[str, object]:
    """First the key goes, then the service, with somebody logged in all the while."""
    login = subprocess.Popen(["sh", "-c", ssh("issued", "sleep 1000")])
    inside = wait_for("pgrep -x sleep")
    Path("/run/vetting/authorized_keys").unlink()
    refused = shell(ssh("issued", "id -u"))
    stopped = shell("systemctl stop vetting-sshd.service")
    login.wait(timeout=90)
    return {
        "inside": inside,
        "refused_without_key_file": refused,
        "stopped": stopped,
        "login_status": login.returncode,
        "sessions_after": shell("pgrep -x sleep"),
        "listening_after": listening(),
    }


def wait_for(command: str, limit_s: float = 90) -> dict[str, object]:
    """The command's outcome when it succeeds, or its last failure: an emulated host may take long."""
    until = time.monotonic() + limit_s
    while (seen := shell(command))["status"] != 0 and time.monotonic() < until:
        time.sleep(0.5)
    return seen


SSH_OPTIONS = (
    "-o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o BatchMode=yes -o ConnectTimeout=60 "
    "-o IdentitiesOnly=yes"
)


def ssh(key: str, command: str) -> str:
    return f"ssh {SSH_OPTIONS} -i /tmp/{key} root@127.0.0.1 '{command}'"


def own_cgroup() -> Path:
    return Path("/sys/fs/cgroup") / Path("/proc/self/cgroup").read_text().strip().split("::/")[1]


def delegated() -> str:
    """Whether a group for tests can be made beside the agent's own and a limit put on it."""
    tests = own_cgroup().parent / "tests"
    try:
        tests.mkdir(exist_ok=True)
        (own_cgroup().parent / "cgroup.subtree_control").write_text("+memory +cpu")
        (tests / "memory.max").write_text("100M")
    except OSError as refused:
        return errno_name(refused)
    return "ok"


def look(started_uptime_s: float) -> dict[str, object]:
    devices = block_devices()
    paths = {str(device["serial"]): device["path"] for device in devices if device["type"] == "disk"}
    for name in ("SATA", "SCSI", "NVME"):
        os.environ[name] = str(paths.get(f"{name}-0001", "/dev/absent"))
    return {
        "started_uptime_s": started_uptime_s,
        "python": sys.version.split()[0],
        "listening_at_start": listening(),
        "devices": devices,
        "writes": {str(device["path"]): try_to_write(str(device["path"])) for device in devices},
        "sources_mounted": [line.split()[0] for line in Path("/proc/self/mounts").read_text().splitlines()],
        "swaps": Path("/proc/swaps").read_text().splitlines()[1:],
        "mapped": [path.name for path in Path("/sys/class/block").iterdir() if path.name.startswith(("dm-", "md"))],
        "modules": [line.split()[0] for line in Path("/proc/modules").read_text().splitlines()],
        "all_modules": shell("find /usr/lib/modules -name '*.ko*' -printf '%f\\n'")["out"].split(),
        "cmdline": Path("/proc/cmdline").read_text().split(),
        "links": json.loads(str(shell("ip -json -4 address")["out"])),
        "sysctl": shell("sysctl -n net.ipv4.conf.all.arp_ignore net.ipv4.conf.all.arp_announce")["out"].split(),
        "failed_units": shell("systemctl --failed --plain --no-legend")["out"],
        "services": shell("systemctl list-units --type=service --state=active --plain --no-legend")["out"],
        "host_keys": [path.name for path in Path("/etc/ssh").glob("ssh_host_*")],
        "shadow": [line for line in Path("/etc/shadow").read_text().splitlines() if line.startswith("root:")],
        "oom_score_adj": int(Path("/proc/self/oom_score_adj").read_text()),
        "nice": os.nice(0),
        "cgroup": str(own_cgroup()),
        "delegated": delegated(),
        "missing_modules": missing_modules(),
        "compiled_anew": compiled_anew(),
        "agent_byte_code": agent_byte_code(),
        "libc": bool(ctypes.CDLL(None).getpid()),
        "memory": Path("/proc/meminfo").read_text(),
        "media_poll_ms": Path("/sys/module/block/parameters/events_dfl_poll_msecs").read_text().strip(),
        "firmware": shell("find /usr/lib/firmware -type f -printf '%P\\n'")["out"].split(),
        "tools": {name: shell(command) for name, command in TOOLS.items()},
        "udev_ipmi": os.path.exists("/dev/ipmi0"),
        "hold": hold(),
        "blame": shell("systemd-analyze blame --no-pager")["out"],
        "warnings": shell("journalctl --boot --priority=warning --no-pager --no-hostname")["out"],
    }  # fmt: skip


def main() -> None:
    started_uptime_s = float(Path("/proc/uptime").read_text().split()[0])
    if not RESTARTED.exists():
        print(f"the probe's first life began at {started_uptime_s} s and ends now", flush=True)
        RESTARTED.write_text(str(started_uptime_s))
        sys.exit(1)
    report = look(float(RESTARTED.read_text()))
    with open(REPORT, "w") as port:
        json.dump(report, port)
        port.flush()
        termios.tcdrain(port.fileno())
    subprocess.run(["systemctl", "poweroff"])
    time.sleep(60)


if __name__ == "__main__":
    main()
