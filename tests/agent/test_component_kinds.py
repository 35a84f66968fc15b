"""Each kind of component that our code writes down is one that the contract names."""

from __future__ import annotations

import ast

from agent.contract.component_kinds import ComponentKind
from tests.architecture import imports

# Folder → function or class → which of its arguments is a kind.
NAMED_BY = {
    "agent": {"make": 1, "Finding": 2, "CounterDelta": 1, "Measurement": 1, "Part": 0},
    "runs/judging/specdiff": {"Part": 1},
}


def literals(folder: str) -> list[tuple[str, str]]:
    """Place and kind."""
    found = []
    for path in imports.files(folder):
        for node in imports.nodes(path):
            if not isinstance(node, ast.Call):
                continue
            place = NAMED_BY[folder].get(getattr(node.func, "attr", getattr(node.func, "id", "")))
            kind = node.args[place] if place is not None and place < len(node.args) else None
            if isinstance(kind, ast.Constant):
                found.append((f"{path.relative_to(imports.ROOT)}:{node.lineno}", str(kind.value)))
    return found


def test_no_finding_names_a_kind_that_the_contract_does_not_know() -> None:
    found = [*literals("agent"), *literals("runs/judging/specdiff")]
    assert len(found) > 100
    assert [one for one in found if one[1] not in set(ComponentKind)] == []
