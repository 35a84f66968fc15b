"""A stage's context as the runtime makes it, from the shipped quick profile, for stages run in this process."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from agent.contract import wire
from agent.host.stop import StopFlag
from agent.stage import StageContext, StageMemory

PROFILE = yaml.safe_load((Path(__file__).parents[2] / "runs/profiles/quick.yaml").read_text())
INVENTORY = wire.Inventory(
    cpu=wire.Cpu(sockets=1, cores=2, threads=2),
    memory=wire.Memory(dimms=[wire.Dimm("DIMM_A1", 2048, "D-1")]),
    disks=[wire.Disk("vetting-no-such-disk", "S1", "", "sata", 256)],
    nics=[wire.Nic("eth9", "52:54:00:00:00:09")],
    bmc=False,
)


def context(
    stage: str,
    directory: Path,
    *,
    inventory: wire.Inventory | None = INVENTORY,
    params: dict[str, Any] | None = None,
    limits: dict[str, Any] | None = None,
    required: list[str] | None = None,
    **claim: Any,
) -> StageContext:
    """`params` and `limits` are laid over the profile's, `required` stands for its own; `claim` is laid over a claim
    that expects nothing."""
    given = PROFILE["stages"][stage]
    required = required or given.get("required", [])
    order = wire.StageOrder(
        stage, stage, 1, given["timeout_s"], {**given.get("params", {}), **(params or {})},
        {**given.get("limits", {}), **(limits or {})}, required, claim.get("write_mode", False),
    )  # fmt: skip
    answer = {
        "mode": wire.Mode.TEST, "run": 1, "boot": 1, "host": "pve1", "stages": [order], "disks": [],
        "destructive_allowed": False, "write_mode": False, "not_expected": [], "expected": {}, "sensor_limits": {},
        "iperf": wire.IperfServer(), "next_state": stage, "attempt": 1, "go": True, **claim,
    }  # fmt: skip
    return StageContext(
        order=order,
        claim=wire.ClaimAnswer(**answer),
        inventory=inventory,
        overrides=[],
        progress=lambda rows: None,
        log=lambda level, text: None,
        measure=lambda measurement: None,
        stop=StopFlag(),
        last_continue_age_s=lambda: 1.0,
        in_image=True,
        memory=StageMemory(directory, stage, 1),
    )
