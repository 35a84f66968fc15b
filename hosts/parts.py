"""The kinds of part of a host: their names, and where a spec and an inventory list them. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Kind:
    """`word` is a `component_kind` of the agent's; `one` and `many` are for people. `path` leads to such parts in a
    spec and in an inventory. `keys` are the fields that identify a part in a list, the best first."""

    word: str
    one: str
    many: str
    path: str = ""
    keys: Sequence[str] = ()

    @property
    def title(self) -> str:
        return _capital(self.one)

    @property
    def titles(self) -> str:
        return _capital(self.many)

    @property
    def leaf(self) -> str:
        """`dimms` of `memory.dimms`."""
        return self.path.rpartition(".")[2]

    def within(self, document: dict[str, Any]) -> Any:
        """The value at its path, None if there is none."""
        here: Any = document
        for step in self.path.split("."):
            here = (here or {}).get(step)
        return here

    def name(self, part: dict[str, Any]) -> str:
        """The name of one part of a list; empty if it has none."""
        return next((str(part[key]) for key in self.keys if part.get(key)), "")


def _capital(words: str) -> str:
    return words[:1].upper() + words[1:]


# In the order in which pages show them. Memory, firmware and settings are parts of a spec only.
KINDS: Sequence[Kind] = (
    Kind("system", "system", "system", "system"),
    Kind("cpu", "processor", "processors", "cpu"),
    Kind("memory", "memory", "memory", "memory"),
    Kind("dimm", "memory module", "memory modules", "memory.dimms", ("locator",)),
    Kind("disk", "disk", "disks", "disks", ("serial", "wwn")),
    Kind("nic", "network card", "network cards", "nics", ("mac",)),
    Kind("gpu", "GPU", "GPUs", "gpus", ("uuid", "model")),
    Kind("infiniband", "InfiniBand port", "InfiniBand ports", "infiniband", ("guid",)),
    Kind("adapter", "adapter", "adapters", "adapters", ("serial", "model")),
    Kind("psu", "power supply", "power supplies", "psus", ("name",)),
    Kind("fan", "fan", "fans", "fans", ("name",)),
    Kind("hba", "storage adapter", "storage adapters"),
    Kind("bmc", "BMC", "BMCs"),
    Kind("firmware", "firmware", "firmware", "firmware"),
    Kind("settings", "setting", "settings", "settings"),
)
BY_WORD = {kind.word: kind for kind in KINDS}
# The kinds that a spec can state, by the last word of their path; then those that are lists.
BY_LEAF = {kind.leaf: kind for kind in KINDS if kind.path}
LISTS = {leaf: kind for leaf, kind in BY_LEAF.items() if kind.keys}


def in_words(word: str) -> str:
    """`dimm` as "memory module"; an unknown word unchanged."""
    return BY_WORD[word].one if word in BY_WORD else word


def title(word: str) -> str:
    return _capital(in_words(word))
