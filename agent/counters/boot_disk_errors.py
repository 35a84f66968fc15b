"""Disk errors that the kernel met before disks were anyone's turn: while it looked for partitions, say. They are shown
where they were seen, as a warning, and judged by the stage that reads the disks; the run gets there that way and can
say how much is unreadable, instead of ending at the inventory.
"""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import replace
from pathlib import Path

from agent.contract import codec, wire
from agent.host.spool import write_whole

ONLY_LOOK = ("InventoryCheck", "Firmware")
JUDGE = "Storage"


class EarlyErrors:
    """Kept in files of the agent's directory, for an agent that is started again in this boot; another boot begins
    without them."""

    def __init__(self, directory: Path) -> None:
        self._file = directory / "early-errors.json"
        self._judged_by = directory / "early-errors-judged-by"

    def judge(self, order: wire.StageOrder, ordered: Collection[str], seen: list[wire.Finding]) -> list[wire.Finding]:
        """What was seen in this attempt, with critical disk errors put off while the stage that judges them is still
        to come (`ordered` are the run's stages), and with those put off when it is that stage's first attempt in this
        boot: attempts are numbered through all boots of a run."""
        if order.name in ONLY_LOOK and JUDGE in ordered:
            put_off = [finding for finding in seen if _is_critical_on_disk(finding)]
            if put_off:
                self._keep(put_off)
            return [replace(f, severity=wire.Severity.WARNING) if f in put_off else f for f in seen]
        return [*self._kept(), *seen] if order.name == JUDGE and self._is_first(order.attempt) else seen

    def _is_first(self, attempt: int) -> bool:
        """Whether no other attempt of this boot has judged them."""
        if not self._judged_by.exists():
            write_whole(self._judged_by, str(attempt).encode())
        return self._judged_by.read_text() == str(attempt)

    def _keep(self, findings: list[wire.Finding]) -> None:
        if self._judged_by.exists():  # a repeated look: what was put off before has had its judge, this has not
            self._file.unlink(missing_ok=True)
            self._judged_by.unlink()
        kept = {(finding.code, finding.component): finding for finding in [*self._kept(), *findings]}
        write_whole(self._file, json.dumps(codec.encode(list(kept.values()))).encode())

    def _kept(self) -> list[wire.Finding]:
        if not self._file.exists():
            return []
        return [codec.decode(wire.Finding, finding) for finding in json.loads(self._file.read_bytes())]


def _is_critical_on_disk(finding: wire.Finding) -> bool:
    return finding.component_kind == "disk" and finding.severity is wire.Severity.CRITICAL
