"""Sends the result of a stage. A result that the orchestrator rejects is sent again with less evidence."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from agent.contract import wire
from agent.link.client import Client
from agent.link.errors import BadMessage


def deliver(client: Client, result: wire.Result, say: Callable[[str, str], None]) -> wire.ResultAnswer:
    """Send one result. Raises the client's errors. BadMessage is raised only when nothing is left to leave out: an
    error in our code must not cost the run its result."""
    for shorten in (_without_evidence, _bare):
        try:
            return client.post("result", result, wire.ResultAnswer)
        except BadMessage as error:
            say("error", f"the result of {result.stage} is sent again with less evidence: {error}")
            result = shorten(result)
    return client.post("result", result, wire.ResultAnswer)


def _without_evidence(result: wire.Result) -> wire.Result:
    return replace(result, evidence={"left-out.txt": "The evidence was left out: the result was too large."})


def _bare(result: wire.Result) -> wire.Result:
    """Outcome, reason and the messages of the findings. The outcome still fails the stage."""
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
