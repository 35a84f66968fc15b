"""A host on which every tool is there and every part is well, as shell scripts that print what the real tools print;
and each way in which a tool can break."""

from __future__ import annotations

import ast
import contextlib
import os
import re
import stat
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from agent.contract import wire
from agent.disk_writes import diskio, wipe_probe
from agent.exercises import drive_self_tests
from agent.host import shell
from agent.probes.bmc import ipmitool
from agent.probes.bus import pcilink
from agent.probes.bus.pcilink import Link
from agent.probes.drives import disks
from agent.probes.drives.disks import DiskIdentity
from agent.probes.network import nics
from agent.probes.network.nics import NicState
from agent.sensors import readings
from agent.sensors.readings import Temperature
from tests.agent_stages.recordings import RECORDED, recorded

MAC = "52:54:00:00:00:09"
SIZE_MB = 8
SERIAL = "S1"
AGENT = Path(shell.__file__).parents[1]
# A tool that hangs is given so long; the others have what the stage gives them.
PATIENCE_S = 0.3

SDR = "PS1 Status       | C8h | ok  | 10.1 | Presence detected\n"
PING = "2 packets transmitted, 2 received, 0% packet loss\nrtt min/avg/max/mdev = 0.1/0.2/0.3/0.1 ms\n"
ADDRESSES = '[{"ifname":"eth9","addr_info":[{"family":"inet","scope":"global","local":"10.0.0.9"}]}]'
SMARTCTL = """
test -e "$0.tested" && n=1 || n=0
case "$*" in *-t*) : > "$0.tested"; echo '{"smartctl": {"exit_status": 0}}'; exit 0;; esac
echo '{"smartctl": {"exit_status": 0}, "device": {"protocol": "NVMe"}, "smart_status": {"passed": true},'
echo '"nvme_smart_health_information_log": {"critical_warning": 0, "media_errors": 0,'
echo '"available_spare": 100, "available_spare_threshold": 10, "percentage_used": 1},'
echo '"nvme_self_test_log": {"current_self_test_operation": {"value": 0}'
test $n = 1 && echo ', "table": [{"self_test_result": {"value": 0, "string": "ok"}, "power_on_hours": 7}]'
echo '}}'
"""
# One job for each --name, which did what its --size says: reading, or writing and reading back.
FIO = """
jobs= names= size=0 wrote=0
for word in "$@"; do case "$word" in
  --name=*) name=${word#--name=};;
  --size=*) size=${word#--size=};;
  --rw=write) wrote=1;;
esac; case "$word" in --rw=*)
  names="$names$name
";; esac; done
echo '{"jobs": ['
sep=
printf %s "$names" | while read -r name; do
  echo "$sep {\\"jobname\\": \\"$name\\", \\"error\\": 0,"
  echo "\\"read\\": {\\"io_bytes\\": $size, \\"bw_bytes\\": 9e9, \\"iops\\": 9e6, \\"runtime\\": 1,"
  echo "\\"clat_ns\\": {\\"max\\": 1}},"
  echo "\\"write\\": {\\"io_bytes\\": $((size * wrote)), \\"bw_bytes\\": 9e9}}"
  sep=,
done
echo ']}'
"""
STRESS_NG = """
while [ $# -gt 0 ]; do [ "$1" = --yaml ] && yaml=$2; shift; done
printf 'metrics:\\n    - stressor: cpu\\n      bogo-ops-per-second-real-time: 2160.5\\n' > "$yaml"
echo 'stress-ng: info: [1] successful run completed'
"""
IPMITOOL = """
case "$*" in
  *"mc info"*) echo 'Firmware Revision         : 1.02';;
  *"Power Supply"*) echo 'PS1 Status       | C8h | ok  | 10.1 | Presence detected';;
  *Fan*) echo 'FAN1             | 41h | ok  |  29.1 | 4200 RPM';;
  *sdr*) ;;
  *dcmi*) echo '    Instantaneous power reading:                   120 Watts';;
  *) echo 'SEL has no entries';;
esac
"""


DCGMI = """
{"DCGM GPU Diagnostic": {"test_categories": [{"category": "Hardware", "tests": [
  {"name": "Memory", "results": [{"gpu_ids": "0", "status": "Pass"}]}]}]}}
"""


def _file(tool: str, name: str) -> str:
    return f"exec /bin/cat '{RECORDED / tool / name}'"


def _text(text: str) -> str:
    return f"/bin/cat <<'END'\n{text.rstrip()}\nEND"


HEALTHY: dict[str, str] = {
    "dmidecode": _file("dmidecode", "qemu-q35.txt"),
    "lspci": _file("lspci", "qemu-q35.txt"),
    "lshw": _file("lshw", "qemu-q35.json"),
    "lsblk": _file("lsblk", "qemu-q35.json"),
    "lscpu": _file("lscpu", "qemu-q35.json"),
    "ethtool": _file("ethtool", "qemu-q35-e1000e.txt"),
    "ip": _text(ADDRESSES),
    "ipmitool": IPMITOOL,
    "smartctl": SMARTCTL,
    "nvme": _text('{"oacs": 16, "edstt": 1}'),
    "stress-ng": STRESS_NG,
    "stressapptest": _file("stressapptest", "pass.txt"),
    "memtester": _file("memtester", "pass.txt"),
    "fio": FIO,
    "iperf3": _file("iperf3", "four-streams.json"),
    "ping": _text(PING),
    "nvidia-smi": _text(re.sub(r"(uncorrectable)>\d+<", r"\1>0<", recorded("nvidia-smi", "written-by-schema-v12.xml"))),
    "dcgmi": _text(DCGMI),
    "gpu_burn": _text(recorded("gpu_burn", "written-by-source-ok.txt").replace("\tGPU 1: OK\n", "")),
    "wipefs": _text('{"signatures": []}'),
    "blkid": "exit 2",
}  # fmt: skip
# Found by `shutil.which`, under either of its names.
BY_WHICH = frozenset({"gpu_burn"})
# These make the hold and the power; no stage asks them, and each has its own answer to failure.
NO_STAGE = frozenset({"systemctl", "ssh-keygen"})

BREAKAGES: dict[str, str] = {
    "missing": "",
    "hanging": "exec /bin/sleep 600",
    "hanging after its whole answer": '"$0.well" "$@"; exec /bin/sleep 600',
    "killed": "kill -9 $$",
    "killed halfway": '"$0.well" "$@" > "$0.said"; n=$(/usr/bin/wc -c < "$0.said")\n'
    '/usr/bin/head -c $((n / 2)) "$0.said"; kill -9 $$',
    "killed after its whole answer": '"$0.well" "$@"; kill -9 $$',
    "printing rubbish": "printf '\\377\\376{[<|: \\000'; echo 'Segmentation fault'",
    "printing an empty object": "echo '{}'",
    "printing nothing": "exit 0",
    "failing in silence": "exit 1",
}


def install(directory: Path, broken: str = "", how: str = "") -> str:
    """The PATH of a host on which all tools are well but `broken`."""
    for name, body in HEALTHY.items():
        _script(directory / name, body)
    if broken and how == "missing":
        (directory / broken).unlink()
    elif broken:
        (directory / broken).rename(directory / f"{broken}.well")
        _script(directory / broken, BREAKAGES[how])
    return str(directory)


def started_by_the_agent() -> set[str]:
    """Every tool that the agent's source names as the first word of a command."""
    trees = [ast.parse(path.read_text()) for path in AGENT.rglob("*.py")]
    return {name for tree in trees for name in _first_words(tree)}


def be_well(monkeypatch: pytest.MonkeyPatch, directory: Path, broken: str) -> None:
    """What the stages read without a tool: one disk, one card, one warm CPU, a BMC. `broken` is not waited for long."""
    identity = DiskIdentity("sda", SERIAL, "", "sata", SIZE_MB << 20, "", "1", False, False, 512)
    state = NicState("eth9", MAC, "e1000e", "", True, 1000, "full")
    monkeypatch.setattr(disks, "names", lambda *_: ["sda"])
    monkeypatch.setattr(disks, "identify", lambda *_: identity)
    monkeypatch.setattr(nics, "names", lambda *_: ["eth9"])
    monkeypatch.setattr(nics, "state", lambda *_: state)
    monkeypatch.setattr(ipmitool, "has_bmc", lambda *_: True)
    monkeypatch.setattr(pcilink, "read", lambda *_: Link(16, 16, 16.0, 16.0))
    monkeypatch.setattr(readings, "temperatures", lambda *_: [Temperature("cpu", "CPU0", "Package", 50.0, 100.0)])
    monkeypatch.setattr(shell, "run", partial(impatient, shell.run, broken))
    monkeypatch.setattr(shell, "TERM_GRACE_S", 0.1)
    monkeypatch.setattr(drive_self_tests, "_LOOK_S", dict.fromkeys(drive_self_tests._LOOK_S, 0.01))
    _blank_disk(monkeypatch, directory)


def inventory() -> wire.Inventory:
    return wire.Inventory(
        cpu=wire.Cpu(1, 1, len(os.sched_getaffinity(0))),
        memory=wire.Memory(dimms=[wire.Dimm("DIMM_A1", 2048, "D-1")]),
        disks=[wire.Disk("sda", SERIAL, "", "sata", SIZE_MB)],
        nics=[wire.Nic("eth9", MAC)],
        gpus=[wire.Gpu("GPU-00000000-1111-2222-3333-444444444444", "", "0000:65:00.0")],
        bmc=True,
    )


def _first_words(tree: ast.AST) -> Iterator[str]:
    """Lists that are the command of a `run`, or made where a command is made."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and getattr(node.func, "attr", getattr(node.func, "id", "")) == "run":
            yield from _heads(node.args[:1])
        elif isinstance(node, ast.FunctionDef) and node.name.endswith("argv"):
            yield from _heads([line.value for line in node.body if isinstance(line, ast.Return) and line.value])
        elif isinstance(node, ast.Return | ast.Assign) and isinstance(node.value, ast.List):
            yield from (name for name in _heads([node.value]) if _is_command(node.value))


def _heads(nodes: list[ast.expr]) -> Iterator[str]:
    for node in nodes:
        if isinstance(node, ast.List) and node.elts and isinstance(node.elts[0], ast.Constant):
            yield str(node.elts[0].value)


def _is_command(words: ast.List) -> bool:
    """A second word that is an option, or a formatted size: lists of names have neither."""
    second = words.elts[1] if len(words.elts) > 1 else None
    option = isinstance(second, ast.Constant) and str(second.value).startswith("-")
    return option or isinstance(second, ast.JoinedStr)


def impatient(run: object, broken: str, argv: list[str], timeout_s: float, **more: object) -> shell.Completed:
    return run(argv, PATIENCE_S if argv[0] == broken else timeout_s, **more)


def _blank_disk(monkeypatch: pytest.MonkeyPatch, directory: Path) -> None:
    """sda as a file of zeros that the wipe probe can look at, opened without the flags of a block device."""
    root = directory / "root"
    (root / "dev").mkdir(parents=True)
    (root / "sys/block/sda/holders").mkdir(parents=True)
    (root / "dev/sda").write_bytes(bytes(SIZE_MB << 20))
    monkeypatch.setattr(wipe_probe, "probe", partial(wipe_probe.probe, root=root))

    @contextlib.contextmanager
    def writable(*_: object) -> Iterator[int]:
        with (root / "dev/sda").open("rb") as file:
            yield file.fileno()

    monkeypatch.setattr(diskio, "writable", writable)


def _script(path: Path, body: str) -> None:
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
