"""Disk errors that the kernel logged before any disk stage ran, for example while it read the partition tables.

They are shown as a warning in the stage that saw them, and judged by Storage, the stage that reads the disks. If they
failed the inventory instead, the run would end there, and nobody would learn how much of the disk is unreadable.
"""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import replace
from pathlib import Path

from agent.contract import codec, wire
from agent.contract.component_kinds import ComponentKind
from agent.host.spool import write_whole

BEFORE_DISK_STAGES = ("InventoryCheck", "Firmware")
JUDGING_STAGE = "Storage"


class BootDiskErrors:
    """Postponed disk errors, kept in files of the agent's directory. An agent that is started again in the same boot
    finds them; the next boot starts without them."""

    def __init__(self, directory: Path) -> None:
        self._file = directory / "boot-disk-errors.json"
        self._judged_by = directory / "boot-disk-errors-judged-by"

    def judge(self, order: wire.StageOrder, ordered: Collection[str], seen: list[wire.Finding]) -> list[wire.Finding]:
        """The findings for this attempt. `ordered` names the run's stages, `seen` are the findings of this attempt.

        Before Storage, a critical disk error becomes a warning and is kept. Storage gets the kept errors as they were,
        but only in its first attempt of this boot: attempts are numbered through all boots of a run.
        """
        if order.name in BEFORE_DISK_STAGES and JUDGING_STAGE in ordered:
            postponed = [finding for finding in seen if _is_critical_on_disk(finding)]
            if postponed:
                self._keep(postponed)
            return [replace(f, severity=wire.Severity.WARNING) if f in postponed else f for f in seen]
        return [*self._kept(), *seen] if order.name == JUDGING_STAGE and self._is_first(order.attempt) else seen

    def _is_first(self, attempt: int) -> bool:
        """Whether no other attempt of this boot has judged them."""
        if not self._judged_by.exists():
            write_whole(self._judged_by, str(attempt).encode())
        return self._judged_by.read_text() == str(attempt)

    def _keep(self, findings: list[wire.Finding]) -> None:
        if self._judged_by.exists():  # the errors kept before were judged, the new ones were not
            self._file.unlink(missing_ok=True)
            self._judged_by.unlink()
        kept = {(finding.code, finding.component): finding for finding in [*self._kept(), *findings]}
        write_whole(self._file, json.dumps(codec.encode(list(kept.values()))).encode())

    def _kept(self) -> list[wire.Finding]:
        if not self._file.exists():
            return []
        return [codec.decode(wire.Finding, finding) for finding in json.loads(self._file.read_bytes())]


def _is_critical_on_disk(finding: wire.Finding) -> bool:
    return finding.component_kind == ComponentKind.DISK and finding.severity is wire.Severity.CRITICAL
