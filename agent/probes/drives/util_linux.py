"""wipefs and blkid: every signature on a device that util-linux knows."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from agent.host import shell
from agent.parsing import ParseError, clean, mapping, parse_json, sequence

BLKID_NOTHING, BLKID_AMBIVALENT = 2, 8
# libblkid's types → the kinds of agent.disk_writes.signatures, if both know them.
_KINDS = {
    "lvm2_member": "lvm", "lvm1_member": "lvm", "linux_raid_member": "md_raid", "crypto_luks": "luks",
    "zfs_member": "zfs", "ceph_bluestore": "ceph", "pmbr": "mbr", "dos": "mbr",
    "ext2": "ext", "ext3": "ext", "ext4": "ext", "swsuspend": "swap", "isw_raid_member": "isw_raid",
    "ddf_raid_member": "ddf_raid",
}  # fmt: skip


@dataclass(frozen=True)
class Signature:
    """`kind` in one word, `words` for the operator."""

    kind: str
    label: str
    words: str


def run_wipefs(path: Path, timeout_s: float) -> shell.Completed:
    """Only lists the signatures: -n means "no act"."""
    return shell.run(["wipefs", "-n", "-J", str(path)], timeout_s)


def run_blkid(path: Path, timeout_s: float) -> shell.Completed:
    return shell.run(["blkid", "-p", "-o", "export", str(path)], timeout_s)


def parse_wipefs(text: str) -> list[Signature]:
    """Raises ParseError. A blank device gives an empty list (2.38 and 2.41). No output at all is no answer."""
    data = parse_json(text, "wipefs")
    if "signatures" not in data:
        raise ParseError("wipefs printed no signatures")
    return [
        _signature(str(row.get("type") or "unknown"), row.get("label"))
        for row in map(mapping, sequence(data["signatures"]))
    ]


def parse_blkid(text: str) -> list[Signature]:
    """TYPE and PTTYPE, from `-o export`. Raises ParseError for output without either. For a blank device blkid prints
    nothing, and its exit status says so."""
    pairs = dict(line.partition("=")[::2] for line in text.splitlines() if "=" in line)
    found = [_signature(pairs[key], pairs.get("LABEL")) for key in ("TYPE", "PTTYPE") if key in pairs]
    if not found and not any(key.startswith("PART_ENTRY_") for key in pairs):
        raise ParseError("blkid named neither TYPE nor PTTYPE")
    return found


def _signature(kind: str, label: object) -> Signature:
    name = clean(label)
    return Signature(_KINDS.get(kind.lower(), clean(kind).lower()), name, f"{clean(kind)} signature {name}".rstrip())
