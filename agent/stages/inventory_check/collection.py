"""Asks the tools and keeps what each said, so that a tool that failed is named."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from agent.contract import wire
from agent.host import shell
from agent.parsing import ParseError
from agent.reports import checks
from agent.stage import StageContext

T = TypeVar("T")


class Collection:
    """What was collected so far: each tool's output, and the tools that could not be asked."""

    def __init__(self, ctx: StageContext) -> None:
        self.ctx = ctx
        self.evidence: dict[str, str] = {}
        self.missing: list[str] = []
        self.checks: list[wire.Check] = []

    def ask(
        self,
        name: str,
        run: Callable[[], shell.Completed],
        parse: Callable[[str], T],
        *,
        topic: str = "",
        component: str = "",
    ) -> T | None:
        """The tool's output as `parse` returns it. None, with a check that says why, if that fails."""
        self.ctx.stop.check()
        return self.take(name, run(), parse, topic=topic, component=component)

    def take(
        self, name: str, done: shell.Completed, parse: Callable[[str], T], *, topic: str = "", component: str = ""
    ) -> T | None:
        self.evidence[f"{name}.{component}" if component else name] = done.stdout or done.stderr
        try:
            parsed, why = parse(done.stdout), done.trouble
        except ParseError as error:
            parsed, why = None, done.trouble_or(error)
        if parsed is None or not done.ended or (not done.ok and not parsed):
            self.missing += [name] if name not in self.missing else []
            self.checks.append(checks.not_tested(name, component, reason=why, topic=topic))
            return None
        self.checks.append(checks.passed(name, component, topic=topic))
        return parsed
