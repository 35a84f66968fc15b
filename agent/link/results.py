"""Keeps the results of stages from the end of the stage until the orchestrator has answered."""

from __future__ import annotations

from pathlib import Path

from agent.contract import codec, wire
from agent.host.spool import write_whole
from agent.link.client import encoded


class Results:
    """One file per attempt. An attempt's result always has the same bytes, however often it is sent."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        directory.mkdir(parents=True, exist_ok=True)

    def keep(self, result: wire.Result) -> None:
        write_whole(self._file(result.stage, result.attempt), encoded(result))

    def waiting(self) -> list[wire.Result]:
        """The results that are not answered yet, oldest first."""
        paths = sorted(self.directory.glob("*.json"), key=lambda path: path.stat().st_mtime_ns)
        return [result for path in paths if (result := _read(path)) is not None]

    def answered(self, stage: str, attempt: int) -> None:
        self._file(stage, attempt).unlink(missing_ok=True)

    def _file(self, stage: str, attempt: int) -> Path:
        return self.directory / f"{stage}-{attempt}.json"


def _read(path: Path) -> wire.Result | None:
    try:
        return codec.loads(wire.Result, path.read_bytes())
    except (OSError, codec.WireError):
        return None
