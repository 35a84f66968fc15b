"""The operator's desk: a process beside the orchestrator that looks into its database and presses its
buttons.

A process of its own, because the rack may be used from a program that has a Django of its own set up (the
tests, a management command). One JSON object a line: `{"do": "snapshot", "run": 1}` is answered with
`{"value": …}` or `{"error": "…"}`.
"""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

from tests.rack.errors import RackBroken

ROOT = Path(__file__).parents[2]


class DeskRefused(Exception):
    """The orchestrator does not allow what was asked for; the message is its own."""


class Desk:
    def __init__(self, env: dict[str, str], log: Path) -> None:
        with log.open("ab") as errors:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.rack.desk_process"], cwd=ROOT, env=env, text=True,
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors, start_new_session=True,
            )  # fmt: skip
        self._log = log
        self._turn = threading.Lock()

    def close(self) -> None:
        """It ends when nobody asks any more."""
        self._process.communicate()

    def ask(self, do: str, **arguments: Any) -> Any:
        """Raises DeskRefused when the orchestrator says no, RackBroken when the desk itself is gone."""
        with self._turn:
            answer = self._exchange(json.dumps({"do": do, **arguments}))
        if "error" in answer:
            raise DeskRefused(answer["error"])
        return answer["value"]

    def _exchange(self, request: str) -> dict[str, Any]:
        assert self._process.stdin is not None and self._process.stdout is not None
        try:
            self._process.stdin.write(request + "\n")
            self._process.stdin.flush()
            line = self._process.stdout.readline()
        except BrokenPipeError:
            line = ""
        if not line:
            raise RackBroken(f"the desk has ended: {self._log.read_text(errors='replace').strip()[-2000:]}")
        return json.loads(line)
