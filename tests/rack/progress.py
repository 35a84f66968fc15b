"""What the rack says while it works, on standard error: one line each, with the seconds since it began and,
where several work at a time, whose it is."""

from __future__ import annotations

import sys
import time
from typing import Any, TextIO


class Progress:
    def __init__(self, stream: TextIO | None = None, *, verbose: bool = False, label: str = "") -> None:
        self._stream = stream
        self._verbose = verbose
        self._label = f"{label}  " if label else ""
        self._began = time.monotonic()
        self._said: set[str] = set()

    def say(self, text: str) -> None:
        line = f"{time.monotonic() - self._began:7.1f} s  {self._label}{text}"
        print(line, file=self._stream or sys.stderr, flush=True)

    def once(self, text: str) -> None:
        if text not in self._said:
            self._said.add(text)
            self.say(text)

    def show(self, snapshot: dict[str, Any]) -> None:
        """Everything in a snapshot of the run that was not there before."""
        for rung in snapshot["rungs"]:
            self.once(f"boot {rung['boot']}: {rung['rung']} {rung['detail']}".rstrip())
        for event in snapshot["events"]:
            if event["kind"] != "rung":
                self._show_event(event)
        for finding in snapshot["findings"]:
            self.once(f"  {finding['severity']} in {finding['stage']}: {finding['message']} [{finding['code']}]")
        for stage in snapshot["stages"]:
            self._show_stage(stage)

    def _show_event(self, event: dict[str, Any]) -> None:
        moved = f"{event['before']} -> {event['after']}" if event["before"] != event["after"] else event["after"]
        self.say(f"{moved}  ({event['kind']} by {event['actor']}) {event['text']}".rstrip())

    def _show_stage(self, stage: dict[str, Any]) -> None:
        name = stage["name"] if stage["attempt"] == 1 else f"{stage['name']} attempt {stage['attempt']}"
        if stage["outcome"]:
            self.once(f"  {name}: {stage['outcome']} {stage['reason']}".rstrip())
        elif self._verbose:
            for item in stage["progress"]:
                self.once(f"  {name}: {item['item']} {item['percent']:.0f} % {item['doing']}")
