"""What findings call a GPU, and the words of `not_expected` that its checks stand under."""

from __future__ import annotations

from collections.abc import Collection

from agent.contract import wire

TOPIC = "gpu"
# What only the maker's driver does or tells: load and state; and what only memory with ECC counts.
LOAD_TOPIC = "gpu_load"
MEMORY_TOPIC = "gpu_memory"
REMEDY = (
    "put the maker's driver into the live image, or, where seeing the card is enough, into the host's spec: "
    "not_expected: [gpu_load, gpu_memory]"
)


def name_of(gpu: wire.Gpu) -> str:
    """Its UUID, or where it sits when no driver tells one."""
    return gpu.uuid or gpu.pci


def topic(word: str, not_expected: Collection[str]) -> str:
    """`gpu` takes in the narrower words: who expects no GPU at all expects none of them."""
    return TOPIC if TOPIC in not_expected else word
