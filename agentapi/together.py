"""Answer the calls of many agents in one transaction, with one statement for each table. Other calls are left to
`endpoint.answer`, one at a time: refusals, changes of state, messages above a bound."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from agent.contract import codec
from agentapi import endpoint
from agentapi.endpoint import Answer, Request
from runs import callers, intake, tokens
from runs.callers import Caller
from runs.database import transactions
from runs.together import Alone, Together
from runs.transition import Refused

_KINDS: dict[str, Callable[[Together, Caller, Any], object]] = {
    "heartbeat": Together.heartbeat,
    "log": Together.log_lines,
    "sensor": Together.measurements,
}
# Errors that become the answer of a call that is answered alone.
_NOT_PLAIN = (Alone, endpoint.Rejected, codec.WireError, Refused, intake.UnknownBoot)


def answer(requests: Sequence[Request]) -> list[Answer | None]:
    """The answer of each call, None for those that are left. All are committed when this returns. If a call of a run is
    left, its later ones are too, so that they are handled in their order."""
    named = [tokens.parse(request.bearer) for request in requests]
    together = Together()
    with transactions.short(f"{len(requests)} calls of agents"):
        found = callers.of({(token.run, token.boot) for token in named if token is not None})
        left: set[int] = set()
        answers: list[Answer | None] = []
        for request, token in zip(requests, named, strict=True):
            caller = found.get((token.run, token.boot)) if token is not None else None
            one = None if request.run in left else _one(together, request, token, caller)
            answers.append(one)
            if one is None:
                left.add(request.run)
        together.write()
    return answers


def _one(together: Together, request: Request, token: tokens.Token | None, caller: Caller | None) -> Answer | None:
    kind = _KINDS.get(request.call)
    if kind is None or token is None or caller is None or token.run != request.run or caller.boot.claimed_at is None:
        return None
    try:
        endpoint.check(request, token, caller.boot)
        message = endpoint.taken(request, caller.boot).message
        return Answer(200, codec.dumps(kind(together, caller, message)))
    except _NOT_PLAIN:
        return None
