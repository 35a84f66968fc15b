"""From the kernel's start to the agent's claim: the live image booted directly in QEMU, with this checkout's agent and
a server that answers it. The rest of a host's way, from power-on to the kernel, is firmware and network.

The times are the guest's own, in seconds since its kernel began; `cpu_s` is what QEMU used of this machine's processors
until the claim, which a busy machine changes less. `--icount` counts instructions instead: QEMU runs one processor's
instruction after the other, and the guest's clock advances by one nanosecond for each.
"""

from __future__ import annotations

import contextlib
import http.server
import json
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Any

import psutil

from agent.contract import codec, wire

ROOT = Path(__file__).parents[2]
LIMIT_S = 600.0
MEMORY_MIB = 2048
TOKEN = wire.TOKEN_PREFIX + "0" * 43
DISK_BYTES = 256 * 1024 * 1024


@dataclass(frozen=True)
class Boot:
    """Seconds since the guest's kernel began, but for `cpu_s` and `wall_s`, which are this machine's."""

    unpacked_s: float
    userspace_s: float
    network_s: float
    agent_s: float
    claim_s: float
    cpu_s: float
    wall_s: float
    details: str


class Orchestrator(http.server.ThreadingHTTPServer):
    """Answers hello and claim; notes how much QEMU had used when each came."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Answers)
        self.qemu: psutil.Process | None = None
        self.began = 0.0
        self.seen: dict[str, tuple[float, float]] = {}

    def note(self, call: str) -> None:
        if call not in self.seen and self.qemu is not None:
            used = self.qemu.cpu_times()
            self.seen[call] = (time.monotonic() - self.began, used.user + used.system)


class Answers(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Orchestrator

    def do_POST(self) -> None:
        call = self.path.rpartition("/")[2]
        self.server.note(call)
        self.rfile.read(int(self.headers["Content-Length"]))
        body = codec.dumps(answer(call))
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing."""


def answer(call: str) -> object:
    if call == "hello":
        return wire.HelloAnswer(wire.Cmd.CONTINUE, now=time.time())
    if call == "claim":
        return wire.ClaimAnswer(
            mode=wire.Mode.TEST, run=1, boot=1, host="bench", stages=[], disks=[], destructive_allowed=False,
            write_mode=False, not_expected=[], expected={}, sensor_limits={}, iperf=wire.IperfServer(),
            next_state="Wait", attempt=1, go=False,
        )  # fmt: skip
    if call == "heartbeat":
        return wire.HeartbeatAnswer(wire.Cmd.CONTINUE, "Wait", 1, go=False)
    return wire.Accepted(0)


def main(image: Path, repeat: int, icount: bool, as_json: bool) -> None:
    boots = []
    for _ in range(repeat):
        with tempfile.TemporaryDirectory(prefix="bench-claim-") as directory:
            boots.append(boot(image, Path(directory), icount))
        print({key: value for key, value in asdict(boots[-1]).items() if key != "details"}, flush=True)
    if not as_json:
        print(boots[-1].details)
    names = [name for name in asdict(boots[0]) if name != "details"]
    middle = {name: round(median(getattr(one, name) for one in boots), 2) for name in names}
    print(json.dumps({"boots": len(boots), **middle}) if as_json else middle)


def boot(image: Path, directory: Path, icount: bool = False) -> Boot:
    server = Orchestrator()
    threading.Thread(target=server.serve_forever, daemon=True).start()
    initrd = joined(image, directory)
    command = qemu_command(image, initrd, directory, server.server_address[1], icount)
    server.began = time.monotonic()
    with subprocess.Popen(command, stdin=subprocess.DEVNULL) as qemu:
        server.qemu = psutil.Process(qemu.pid)
        with contextlib.suppress(subprocess.TimeoutExpired):
            qemu.wait(LIMIT_S)
        qemu.kill()
        server.shutdown()
    said = (directory / "report").read_text(errors="replace")
    return seen(said, server)


def joined(image: Path, directory: Path) -> Path:
    """The image, and after it a second archive with the agent and a unit that reports, as iPXE would put them into
    memory."""
    sys.path.insert(0, str(ROOT / "live-image"))
    from builder import cpio

    tree, made = directory / "second", directory / "initrd"
    agent, units = tree / "usr/lib/vetting/agent", tree / "usr/lib/systemd/system"
    shutil.copytree(ROOT / "agent", agent, ignore=shutil.ignore_patterns("__pycache__"))
    (units / "vetting.target.wants").mkdir(parents=True)
    (units / "boot-report.service").write_text(UNIT)
    (units / "vetting.target.wants/boot-report.service").symlink_to("../boot-report.service")
    (tree / "usr/lib/vetting/boot-report").write_text(REPORT)
    with made.open("wb") as out:
        out.write(cpio.padded((image / "initrd.zst").read_bytes()))
        cpio.write_entries(tree, cpio.walk(tree), out, mtime=0)
    return made


def qemu_command(image: Path, initrd: Path, directory: Path, port: int, icount: bool) -> list[str]:
    """A host with two processors, two network cards, three disks and a BMC."""
    manifest = json.loads((image / "manifest.json").read_text())
    arguments = [*manifest["kernel_args"], f"vetting.url=http://10.0.2.2:{port}", "vetting.run=1"]
    arguments += [f"vetting.token={TOKEN}"]
    accel = (
        ["-accel", "tcg,thread=single", "-icount", "shift=0,sleep=off"] if icount else ["-accel", "tcg,thread=multi"]
    )
    command = ["qemu-system-x86_64", *accel, "-cpu", "max", "-machine", "q35"]
    command += ["-smp", "2", "-m", str(MEMORY_MIB), "-display", "none", "-monitor", "none", "-no-reboot"]
    command += ["-serial", f"file:{directory / 'console'}", "-serial", f"file:{directory / 'report'}"]
    command += ["-kernel", str(image / "vmlinuz"), "-initrd", str(initrd), "-append", " ".join(arguments)]
    command += ["-device", "virtio-scsi-pci,id=scsi", "-device", "ipmi-bmc-sim,id=bmc0"]
    command += ["-device", "isa-ipmi-kcs,bmc=bmc0"]
    for number, model in enumerate(("e1000e", "virtio-net-pci")):
        command += ["-netdev", f"user,id=net{number}", "-device", f"{model},netdev=net{number}"]
    for number, device in enumerate(("nvme", "ide-hd,bus=ide.0", "scsi-hd,bus=scsi.0")):
        disk = directory / f"disk{number}"
        with disk.open("wb") as made:
            made.truncate(DISK_BYTES)
        command += ["-drive", f"file={disk},format=raw,if=none,id=drive{number}"]
        command += ["-device", f"{device},drive=drive{number},serial=BENCH-{number}"]
    return command


def seen(said: str, server: Orchestrator) -> Boot:
    assert "claim" in server.seen, f"no claim came; the guest said:\n{said[-3000:]}"
    at = {
        name: float(found[1]) for name, pattern in MOMENTS.items() if (found := re.search(pattern, said, re.MULTILINE))
    }
    units = dict(line.split("=", 1) for line in said.splitlines() if re.match(r"\w+=\d+$", line))
    wall_s, cpu_s = server.seen["claim"]
    return Boot(
        unpacked_s=at.get("unpacked", 0.0),
        userspace_s=at.get("userspace", 0.0),
        network_s=int(units["online"]) / 1e6,
        agent_s=int(units["agent"]) / 1e6,
        claim_s=at.get("claim", 0.0),
        cpu_s=cpu_s,
        wall_s=wall_s,
        details=said,
    )


MOMENTS = {
    "unpacked": r"^\[ *([\d.]+)\] Freeing initrd memory",
    "userspace": r"^\[ *([\d.]+)\] Run /init as init process",
    "claim": r"^\[ *([\d.]+)\] python3.*: claimed$",
}
UNIT = """[Unit]
Description=How this boot went
[Service]
StandardOutput=file:/dev/ttyS1
ExecStart=/bin/sh /usr/lib/vetting/boot-report
"""
# It sleeps first: until the claim it takes nothing.
REPORT = """sleep 20
until journalctl --unit vetting-agent --output=cat | grep -q claimed; do sleep 3; done
for one in online:systemd-networkd-wait-online:ActiveEnterTimestampMonotonic \\
    agent:vetting-agent:ExecMainStartTimestampMonotonic; do
  IFS=: read -r name unit property <<END
$one
END
  echo "$name=$(systemctl show -P "$property" "$unit.service")"
done
systemd-analyze
systemd-analyze --no-pager blame
for group in /sys/fs/cgroup/system.slice/*.service /sys/fs/cgroup/init.scope; do
  echo "used $(sed -n 's/^usage_usec //p' "$group/cpu.stat") us: ${group##*/}"
done
dmesg
journalctl --no-pager --output=short-monotonic --no-hostname
sleep 1
systemctl poweroff --force --force
"""
