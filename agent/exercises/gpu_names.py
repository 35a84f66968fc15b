"""The name of a GPU in findings, and the topics of `not_expected` for its checks."""

from __future__ import annotations

from collections.abc import Collection

from agent.contract import wire

TOPIC = "gpu"
# Topics: load and state need the maker's driver, memory errors need memory with ECC.
LOAD_TOPIC = "gpu_load"
MEMORY_TOPIC = "gpu_memory"
REMEDY = (
    "put the maker's driver into the live image, or, where seeing the card is enough, into the host's spec: "
    "not_expected: [gpu_load, gpu_memory]"
)


def name_of(gpu: wire.Gpu) -> str:
    """Its UUID, or its PCI address if no driver gives one."""
    return gpu.uuid or gpu.pci


def topic(word: str, not_expected: Collection[str]) -> str:
    """The topic for a check. `gpu` includes the narrower topics: a host without GPUs has none of them."""
    return TOPIC if TOPIC in not_expected else word
