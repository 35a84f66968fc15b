"""What the stage GPU says of itself."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from agent.contract.stage_spec import Plan, RequiredCheck, StageSpec


@dataclass(frozen=True)
class Params:
    dcgm_level: int
    dcgm_max_s: float
    load_duration_s: float
    burn_memory_percent: int


@dataclass(frozen=True)
class Limits:
    uncorrected_errors_max: float
    retired_pages_max: float


def _also_required(params: Params, plan: Plan) -> Iterator[RequiredCheck]:
    """Seeing a GPU is not enough to pass, unless the spec says so."""
    yield RequiredCheck("load", topic="gpu_load")
    yield RequiredCheck("memory", topic="gpu_memory")
    yield RequiredCheck("state", topic="gpu_load")


SPEC = StageSpec(
    name="GPU",
    title="GPU",
    summary="Presence, link width, load, state, memory",
    after="Burn",
    topic="gpu",
    parts="gpus",
    found_by="lspci",
    params=Params,
    limits=Limits,
    also_required=_also_required,
    tools=(
        "dcgmi",
        "gpu-burn",
        "gpu_burn",
        "nvidia-smi",
    ),
    codes=(
        "gpu.diagnostic",
        "gpu.ecc",
        "gpu.ecc_past",
        "gpu.fabric",
        "gpu.inforom",
        "gpu.link_width",
        "gpu.lost",
        "gpu.memory_worn_out",
        "gpu.miscompare",
        "gpu.missing",
        "gpu.needs_reset",
        "gpu.no_power",
        "gpu.pages_retired",
        "gpu.remap_failed",
        "gpu.remap_pending",
        "gpu.repair_pending",
        "gpu.rows_remapped",
        "gpu.throttled",
        "gpu.too_hot",
        "pcie.link_limited",
        "pcie.link_slow",
    ),
    blind=(
        "Load, state and memory errors without the maker's driver, which the live image does not have: the "
        "stage is then not tested, unless the spec says that seeing the cards is enough. Memory errors of a "
        "card without ECC. The speed of a card's PCIe link where no tool loads the card: an idle card lowers it."
    ),
)
