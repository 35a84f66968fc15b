"""What the stage Network says of itself."""

from __future__ import annotations

from agent.contract.stage_spec import StageSpec

SPEC = StageSpec(
    name="Network",
    title="Network",
    summary="Negotiated speed, throughput both ways, loss, errors",
    after="Storage",
    shares_link=True,
    blind="More than the bench's own link can carry, ports without an address, and who sits at the other end. "
    "Anything while the bench is starved or its own port is poor: it measures again then "
    "(docs/operations.md).",
)
