"""Block devices as util-linux and udev see them: serial number, WWN, transport, and which device holds which."""

from __future__ import annotations

from dataclasses import dataclass, field

from agent.host import shell
from agent.parsing import ParseError, clean, integer, mapping, parse_json, sequence


@dataclass(frozen=True)
class BlockDevice:
    """One row. `size_bytes` is 0 for a drive without a medium. `children` are partitions and what is built on them."""

    name: str
    kind: str
    size_bytes: int
    serial: str = ""
    wwn: str = ""
    transport: str = ""
    model: str = ""
    revision: str = ""
    rotational: bool = False
    removable: bool = False
    children: list[BlockDevice] = field(default_factory=list)


def run(timeout_s: float = 30.0) -> shell.Completed:
    return shell.run(["lsblk", "-J", "-b", "-O"], timeout_s)


def parse(text: str) -> list[BlockDevice]:
    """Raises ParseError for anything but lsblk's JSON. An empty list is a host without block devices."""
    data = parse_json(text, "lsblk")
    if "blockdevices" not in data:
        raise ParseError("lsblk printed no blockdevices")
    return [_device(mapping(row)) for row in sequence(data["blockdevices"])]


def _device(row: dict[str, object]) -> BlockDevice:
    return BlockDevice(
        name=clean(row.get("kname") or row.get("name")),
        kind=clean(row.get("type")),
        size_bytes=integer(row.get("size")) or 0,
        serial=clean(row.get("serial")),
        wwn=clean(row.get("wwn")),
        transport=clean(row.get("tran")),
        model=clean(row.get("model")),
        revision=clean(row.get("rev")),
        rotational=_flag(row.get("rota")),
        removable=_flag(row.get("rm")) or _flag(row.get("hotplug")),
        children=[_device(mapping(child)) for child in sequence(row.get("children"))],
    )


def _flag(value: object) -> bool:
    """Older versions write "1", newer ones true."""
    return value is True or value in ("1", 1)
