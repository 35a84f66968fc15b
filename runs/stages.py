"""The stages of a run, in order: those that the agent runs say so themselves (`agent/stages/<folder>/spec.py`), and two
are the orchestrator's own."""

from __future__ import annotations

from agent.contract import stages
from agent.contract.stage_spec import Owner, StageSpec

SPEC_VALIDATE = StageSpec(
    name="SpecValidate",
    title="Expected parts",
    summary="Compare what was found with what is expected",
    after="Firmware",
    owner=Owner.ORCHESTRATOR,
    codes=(
        "spec.missing",
        "spec.less",
        "spec.slower",
        "spec.passthrough",
        "spec.setting",
        "spec.wrong_bus",
        "spec.replaced",
        "spec.swapped",
        "spec.unexpected",
        "spec.more",
        "spec.text",
        "spec.link",
        "spec.pinned",
    ),
    blind="Parts and values that the expected spec omits.",
)
REPORTING = StageSpec(
    name="Reporting",
    title="Report",
    summary="Verdict and report",
    after="PSU",
    owner=Owner.ORCHESTRATOR,
    blind="Faults that no earlier stage saw.",
)

STAGES: tuple[StageSpec, ...] = stages.in_order((*stages.SPECS.values(), SPEC_VALIDATE, REPORTING))
BY_NAME: dict[str, StageSpec] = {stage.name: stage for stage in STAGES}
AGENT_STAGES: tuple[StageSpec, ...] = tuple(stage for stage in STAGES if stage.owner is Owner.AGENT)
# For how long an attempt that can use the bench's link, but does not need it, has it on loan: long enough for the next
# heartbeat and one test of ten seconds. An attempt that needs the link alone waits so long at most. [ours]
LENT_S = 25.0
