"""A result must arrive: what the orchestrator can't take as it is, it gets shorter."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from agent.contract import wire
from agent.link.client import Client
from agent.link.errors import BadMessage


def deliver(client: Client, result: wire.Result, say: Callable[[str, str], None]) -> wire.ResultAnswer:
    """Send one result. Raises what the client raises but BadMessage while there is something left to
    leave out: a fault of ours must not cost the run its result, and with it the host its verdict."""
    for shorten in (_without_evidence, _bare):
        try:
            return client.post("result", result, wire.ResultAnswer)
        except BadMessage as error:
            say("error", f"the result of {result.stage} has to be shortened: {error}")
            result = shorten(result)
    return client.post("result", result, wire.ResultAnswer)


def _without_evidence(result: wire.Result) -> wire.Result:
    return replace(result, evidence={"left-out.txt": "The evidence was left out: the result was too large."})


def _bare(result: wire.Result) -> wire.Result:
    """Outcome, reason and the findings' sentences; a critical finding still fails the stage by the
    outcome."""
    sentences = "; ".join(finding.message for finding in result.findings[:20])
    return wire.Result(
        result.boot_id,
        result.stage,
        result.attempt,
        result.outcome,
        f"{result.reason} {sentences}".strip()[:4000],
        result.started,
        result.ended,
    )
