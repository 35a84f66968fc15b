"""What the stage InventoryCheck says of itself."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from agent.contract.stage_spec import Plan, RequiredCheck, StageSpec


@dataclass(frozen=True)
class Params:
    link_wait_s: float
    disk_wait_s: float
    udev_wait_s: float
    prove_tester: bool


@dataclass(frozen=True)
class Limits:
    pcie_width_min_percent: float
    pcie_speed_min_percent: float


def _also_required(params: Params, plan: Plan) -> Iterator[RequiredCheck]:
    if params.prove_tester:
        yield RequiredCheck("tester.")


SPEC = StageSpec(
    name="InventoryCheck",
    title="Inventory",
    summary="Collect every part with its serial number",
    params=Params,
    limits=Limits,
    also_required=_also_required,
    tools=(
        "dmidecode",
        "ethtool",
        "ip",
        "ipmitool",
        "lsblk",
        "lscpu",
        "lshw",
        "lspci",
        "nvidia-smi",
    ),
    codes=(
        "network.slow_link",
        "pcie.link_limited",
        "pcie.link_reduced",
        "pcie.link_slow",
        "system.controller_not_ready",
        "usb.link_slow",
    ),
    blind=(
        "Parts that the firmware's tables describe wrongly or leave out, and parts without a serial number of "
        "their own."
    ),
)
