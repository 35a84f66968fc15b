"""Which tools and finding codes the source of a stage comes to: what its spec says is compared with it."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from agent.contract.codes import CODES
from agent.stage_functions import STAGES

ROOT = Path(__file__).resolve().parents[2]
# Where a stage's own work is done; the rest is the runtime's.
WORK = (
    "agent.stages.", "agent.exercises.", "agent.reports.", "agent.loads.", "agent.probes.",
    "agent.disk_writes.verified_writes", "agent.disk_writes.wipe_probe", "agent.counters.gpu_faults",
)  # fmt: skip
# Not a stage's own work: faults made on purpose, by which the tester is proven, and the tables of the BMC's event log.
# A module that takes few codes from these tables lists them as `CODES`.
OTHERS = ("agent.tester_proof.made_faults", "agent.probes.bmc.bmc_meanings")


def tools(stage: str) -> list[str]:
    """What the stage starts, by the first words of its commands."""
    return sorted({name for tree in _reached(stage).values() for name in _commands(tree)})


def finding_codes(stage: str) -> list[str]:
    """Every registered code that the stage's own work names."""
    reached = _reached(stage)
    listed = [_module(module)["CODES"] for module, _ in reached if "CODES" in _module(module)]
    constants = {
        node.value for tree in (*reached.values(), *listed) for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }  # fmt: skip
    return sorted(constants & CODES.keys())


def _reached(stage: str) -> dict[tuple[str, str], ast.AST]:
    """Every function, class and constant of the modules in `WORK` that the stage's `run` comes to, by place."""
    if stage not in STAGES:
        return {}
    waiting = [(STAGES[stage].__module__, "run")]
    seen: dict[tuple[str, str], ast.AST] = {}
    while waiting:
        place = waiting.pop()
        node = _module(place[0]).get(place[1])
        if place not in seen and node is not None:
            seen[place] = node
            waiting += _mentioned(place[0], node)
    return seen


@cache
def _module(name: str) -> dict[str, ast.AST]:
    """What a module in `WORK` defines at its top, by name; nothing for other modules."""
    path = ROOT / f"{name.replace('.', '/')}.py"
    if not name.startswith(WORK) or name in OTHERS or not path.is_file():
        return {}
    found: dict[str, ast.AST] = {}
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        targets = node.targets if isinstance(node, ast.Assign) else []
        names = [target.id for target in targets if isinstance(target, ast.Name)]
        found |= dict.fromkeys(names or [getattr(node, "name", "")], node)
    return found


@cache
def _imported(name: str) -> dict[str, tuple[str, str]]:
    """What a name means in a module: a module of its own ('' as the second), or something in one."""
    found = {}
    for node in ast.walk(ast.parse((ROOT / f"{name.replace('.', '/')}.py").read_text(encoding="utf-8"))):
        for alias in node.names if isinstance(node, ast.ImportFrom) else []:
            inner = f"{node.module}.{alias.name}"
            is_module = (ROOT / f"{inner.replace('.', '/')}.py").is_file()
            found[alias.asname or alias.name] = (inner, "") if is_module else (str(node.module), alias.name)
    return found


def _mentioned(module: str, node: ast.AST) -> Iterator[tuple[str, str]]:
    """Where the names in a piece of a module lead: into the module itself, or into one that it imports."""
    imported = _imported(module)
    for inner in ast.walk(node):
        if isinstance(inner, ast.Attribute) and isinstance(inner.value, ast.Name) and inner.value.id in imported:
            yield imported[inner.value.id][0], inner.attr
        elif isinstance(inner, ast.Name):
            yield imported.get(inner.id, (module, inner.id))


def _commands(tree: ast.AST) -> Iterator[str]:
    """First words of lists that are a command: given to `run`, returned by an `argv`, or with an option or a size as
    the second word; and the `NAMES` that a tool goes by."""
    if isinstance(tree, ast.Assign) and isinstance(tree.value, ast.Tuple) and ast.unparse(tree.targets[0]) == "NAMES":
        yield from (str(name.value) for name in tree.value.elts if isinstance(name, ast.Constant))
    makes_one = isinstance(tree, ast.FunctionDef) and tree.name.endswith("argv")
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and getattr(node.func, "attr", "") == "run" and node.args:
            yield from _first_word(node.args[0], surely=True)
        elif isinstance(node, ast.Return | ast.Assign):
            yield from _first_word(node.value, surely=makes_one)


def _first_word(node: ast.expr | None, *, surely: bool) -> Iterator[str]:
    if isinstance(node, ast.List) and node.elts and isinstance(node.elts[0], ast.Constant):
        second = node.elts[1] if len(node.elts) > 1 else None
        is_option = isinstance(second, ast.Constant) and str(second.value).startswith("-")
        if surely or is_option or isinstance(second, ast.JoinedStr):
            yield str(node.elts[0].value)
