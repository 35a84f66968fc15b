"""The function of each stage: `run(ctx) -> StageReport` in `stage.py` of its folder. It is imported when the stage is
due."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator, Mapping

from agent.contract.stages import SPECS
from agent.stage import StageContext, StageReport


class _Functions(Mapping[str, Callable[[StageContext], StageReport]]):
    """Stage → its function. The names are known without an import."""

    def __getitem__(self, name: str) -> Callable[[StageContext], StageReport]:
        run: Callable[[StageContext], StageReport] = importlib.import_module(
            f"agent.stages.{SPECS[name].folder}.stage"
        ).run
        return run

    def __contains__(self, name: object) -> bool:
        return name in SPECS

    def __iter__(self) -> Iterator[str]:
        return iter(SPECS)

    def __len__(self) -> int:
        return len(SPECS)


STAGES: Mapping[str, Callable[[StageContext], StageReport]] = _Functions()
