"""lshw's tree, for what neither sysfs nor DMI gives. It is kept whole as evidence, and read only for counts and
firmware."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from agent.host import shell
from agent.parsing import ParseError, clean, flat, mapping, sequence


@dataclass(frozen=True)
class Node:
    """One device: its class (network, disk, display, …), its place, its name, and its settings."""

    kind: str
    description: str
    product: str
    vendor: str
    serial: str
    bus: str
    version: str
    settings: dict[str, str]


def run(timeout_s: float = 120.0) -> shell.Completed:
    return shell.run(["lshw", "-json", "-quiet"], timeout_s)


def parse(text: str) -> list[Node]:
    """All nodes, root first. The top level is a list in some versions and an object in others. Raises ParseError."""
    try:
        data = flat(json.loads(text, strict=False), "lshw")
    except ParseError:
        raise
    except (ValueError, RecursionError) as error:
        raise ParseError(f"lshw printed broken JSON: {error}") from None
    roots = data if isinstance(data, list) else [data]
    nodes = [node for root in roots for node in _walk(mapping(root))]
    if not any(node.kind for node in nodes):
        raise ParseError("lshw listed no device")
    return nodes


def _walk(data: dict[str, Any]) -> Iterator[Node]:
    settings = {str(key): clean(value) for key, value in mapping(data.get("configuration")).items()}
    keys = ("class", "description", "product", "vendor", "serial", "businfo", "version")
    kind, description, product, vendor, serial, bus, version = (clean(data.get(key)) for key in keys)
    yield Node(kind, description, product, vendor, serial, bus, version, settings)
    for child in sequence(data.get("children")):
        yield from _walk(mapping(child))
