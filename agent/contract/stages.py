"""The stages that the agent runs: the `SPEC` in `spec.py` of each folder in `agent/stages`. No list is kept by hand.

The specs are imported by their folders' names. They import nothing but the contract and each other, so that the
orchestrator knows what a stage says of itself and nothing of how it works."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterable, Iterator
from pathlib import Path

from agent.contract.stage_spec import Owner, StageSpec

_FOLDER = Path(__file__).parents[1] / "stages"


def _collected() -> dict[str, StageSpec]:
    """In the order of their names."""
    folders = sorted(found.name for found in pkgutil.iter_modules([str(_FOLDER)]) if found.ispkg)
    specs = [importlib.import_module(f"agent.stages.{folder}.spec").SPEC for folder in folders]
    misplaced = [spec.name for spec, folder in zip(specs, folders, strict=True) if spec.folder != folder]
    if misplaced:
        raise ValueError(f"agent/stages: not in the folder of its name: {', '.join(misplaced)}")
    return {spec.name: spec for spec in specs}


SPECS: dict[str, StageSpec] = _collected()


def in_order(specs: Iterable[StageSpec]) -> tuple[StageSpec, ...]:
    """The stages in order: each comes directly after the stage that its `after` names. If two stages name the same one,
    the one that fewer stages follow comes first, and the orchestrator's last stages come last. Raises ValueError for a
    stage that can't be placed."""
    specs = tuple(specs)
    followers: dict[str, list[StageSpec]] = {}
    for spec in specs:
        followers.setdefault(spec.after, []).append(spec)
    placed = tuple(_followed("", followers))
    if lost := [f"{spec.name} (after {spec.after})" for spec in specs if spec not in placed]:
        raise ValueError(f"no such stage to come after: {', '.join(lost)}")
    return placed


def _followed(name: str, followers: dict[str, list[StageSpec]]) -> Iterator[StageSpec]:
    """All stages behind `name`, directly or further on."""
    chains = [(spec, tuple(_followed(spec.name, followers))) for spec in followers.get(name, [])]
    for spec, behind in sorted(chains, key=lambda one: (one[0].owner is Owner.ORCHESTRATOR, len(one[1]), one[0].name)):
        yield spec
        yield from behind
