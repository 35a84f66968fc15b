"""One agent call: bearer token → boot, JSON → message, a function of `runs`, answer → JSON, errors → status.

Django's views (`views.py`) and the group commit (`ingest.py`) both go through `answer`.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django.db import DataError
from django.utils import timezone

from agent.contract import codec, wire
from agentapi.cleaning import cleaned, may_need_cleaning
from agentapi.refusals import refusals
from hosts import bounds
from runs import agent_calls, boots, intake, received, tokens, watchdog
from runs.database import transactions
from runs.machine import AGENT_SILENT, ENDED, Event, NotAllowed, State
from runs.models import Boot, Run
from runs.querysets import DOCUMENTS
from runs.received import Bounded
from runs.transition import Refused

log = logging.getLogger("vetting.agentapi")
# Documents that were frozen when the run was queued; some are large, and no heartbeat needs them.
HEAVY = tuple(f"run__{name}" for name in DOCUMENTS)
RETRY_AFTER_S = 5
AFTER_THE_END = frozenset(("hello", "heartbeat", "log", "sensor", "result"))


class Rejected(Exception):
    """The token is not valid for this call: answered 401 and shown in the run's history."""

    def __init__(self, run: Run | None, reason: str) -> None:
        super().__init__(reason)
        self.run = run
        self.reason = reason


@dataclass(frozen=True)
class Call:
    """`handle(boot, message, address)` runs in the transaction that `answer` opened. Before it, `take(boot, message)`
    cuts the message to its bounds; a call with its own `take` gets a report of what was cut."""

    message: type
    handle: Callable[..., Any]
    take: Callable[[Boot, Any], Bounded] | None = None


@dataclass(frozen=True)
class Request:
    """One HTTP request: the call, the run, the token, and the sender's address."""

    call: str
    run: int
    bearer: str
    body: bytes
    address: str
    taken: Bounded | codec.WireError | None = None


@dataclass(frozen=True)
class Answer:
    status: int
    body: bytes


CALLS: dict[str, Call] = {
    "hello": Call(wire.Hello, agent_calls.hello),
    "claim": Call(wire.Claim, agent_calls.claim),
    "result": Call(wire.Result, agent_calls.result, agent_calls.take_result),
    "hold": Call(wire.Hold, agent_calls.held),
    "heartbeat": Call(wire.Heartbeat, intake.heartbeat),
    "log": Call(wire.LogBatch, intake.log_lines),
    "sensor": Call(wire.SensorBatch, intake.measurements),
}


def answer(request: Request) -> Answer:
    """Carry out one call in a transaction of its own (a savepoint inside the group commit)."""
    try:
        call = CALLS[request.call]
        boot = authenticate(request)
        message = taken(request, boot)
        cut = (message.cut,) if call.take else ()
        with transactions.short(f"run {request.run} {request.call}"):
            return Answer(200, codec.dumps(call.handle(boot, message.message, request.address, *cut)))
    except Rejected as error:
        if error.run is not None:
            _show(error.run, "token_refused", request, error.reason)
        return problem(401, error.reason)
    except codec.WireError as error:
        log.warning("run %s %s from %s: %s", request.run, request.call, request.address, error)
        return problem(400, str(error), path=error.path)
    except (agent_calls.NotThisMachine, intake.UnknownBoot) as error:
        _show(boot.run, "machine_refused", request, str(error))
        return problem(403, str(error))
    except (Refused, NotAllowed) as error:
        return problem(409, str(error))
    except DataError as error:
        log.error("run %s %s from %s: %s", request.run, request.call, request.address, error)
        return problem(400, "it holds a value that no database takes")
    except OSError as error:
        log.error("run %s %s: %s: check the orchestrator's disk", request.run, request.call, error)
        return problem(503, f"not recorded ({error.strerror}): send it again")


def read(request: Request) -> Request:
    """Decode the message and cut it to its bounds, or note why it can't be read, so that the transaction only has to
    write. Only for a caller whose token was valid before."""
    try:
        taken: Bounded | codec.WireError = received.within_bounds(_message(request))
    except codec.WireError as error:
        taken = error
    return Request(request.call, request.run, request.bearer, request.body, request.address, taken)


def taken(request: Request, boot: Boot) -> Bounded:
    if isinstance(request.taken, codec.WireError):
        raise request.taken
    if request.taken is not None:
        return request.taken
    take = CALLS[request.call].take
    return take(boot, _message(request)) if take else received.within_bounds(_message(request))


def _message(request: Request) -> Any:
    return codec.decode(CALLS[request.call].message, _json(request.body))


def _show(run: Run, kind: str, request: Request, reason: str) -> None:
    refusals.show(run, kind, request.address, f"{request.call}: {reason}")


def authenticate(request: Request) -> Boot:
    """Check a token and return the boot that it was made for.

    1. Its form, and that it names the run of the URL. 2. Its signature, in constant time. 3. That its boot is not dead.
    4. bcrypt, once per process. Raises Rejected.
    """
    token = tokens.parse(request.bearer)
    if token is None or token.run != request.run:
        raise Rejected(_run(request), f"a token of run {token.run}" if token else "no token of ours")
    boot = Boot.objects.select_related("run").defer(*HEAVY).filter(run=token.run, number=token.boot).first()
    if boot is None:
        raise Rejected(_run(request), f"a token of boot {token.boot}; there was no such boot")
    check(request, token, boot)
    return boot


def check(request: Request, token: tokens.Token, boot: Boot) -> None:
    """Check that this token is the one of its boot, and that it may make this call. Raises Rejected."""
    run = boot.run
    if not tokens.signed_by_us(token, run.host_id):
        raise Rejected(run, "a token that we did not sign")
    if boot.dead_at is not None or boot.nonce != token.nonce:
        raise Rejected(run, f"a stale token, of boot {token.boot}: the host has booted again since")
    if not tokens.matches(request.bearer, boot.agent_token_hash):
        raise Rejected(run, "a token that does not match")
    if why := _too_late(run, boot, request.call):
        raise Rejected(run, why)


def _too_late(run: Run, boot: Boot, call: str) -> str:
    """Whether the token has expired. A run that has ended still accepts calls for a while and tells its agent to shut
    down. A token that was never claimed expires with the boot deadline."""
    if run.state in ENDED and call not in AFTER_THE_END:
        return f"a token of a run that is {run.state}"
    if boot.claimed_at is None and _has_expired(run) and not (call == "hello" and _failed_by_hello(run)):
        return "an expired token: nobody claimed it before the boot deadline"
    return ""


def _failed_by_hello(run: Run) -> bool:
    """Answer a repeated hello as the first one: with the reason why the agent is not wanted."""
    return run.state == State.FAILED and run.events.filter(kind=Event.CONTRACT_MISMATCH).exists()


def _has_expired(run: Run) -> bool:
    if run.state in AGENT_SILENT:
        return watchdog.boot_is_overdue(run, timezone.now())
    return run.state == State.FAILED and boots.last_claimed(run) is None


def problem(status: int, reason: str, **more: str) -> Answer:
    """The text of an error, cut to a bounded length."""
    return Answer(status, json.dumps({"error": bounds.ANSWER.cut(reason), **more}).encode())


def more_headers(answer: Answer) -> dict[str, str]:
    return {"Retry-After": str(RETRY_AFTER_S)} if answer.status == 503 else {}


def _run(request: Request) -> Run | None:
    return Run.objects.defer(*DOCUMENTS).filter(pk=request.run).first()


def _json(body: bytes) -> Any:
    """Parse JSON, and clean it only if `may_need_cleaning` says so: most bodies need none."""
    try:
        text = body.decode()
        data = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise codec.WireError("", f"not JSON: {error}") from None
    return cleaned(data) if may_need_cleaning(text) else data
