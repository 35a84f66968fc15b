"""Which of our modules a file imports, wherever in the file it does so."""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[2]
OURS = ("agent", "agentapi", "hosts", "notifications", "pxe", "restapi", "runs", "vetting")


class Import(NamedTuple):
    """`name` is as deep as can be told: `from agent import wire` is `agent.contract.wire`."""

    path: Path
    line: int
    name: str

    @property
    def package(self) -> str:
        return self.name.split(".")[0]

    def __str__(self) -> str:
        return f"{self.path.relative_to(ROOT)}:{self.line} imports {self.name}"


def files(package: str) -> list[Path]:
    """The Python files of a package; migrations are Django's to write."""
    return sorted(path for path in (ROOT / package).rglob("*.py") if "migrations" not in path.parts)


def of(path: Path) -> list[Import]:
    """Every import of a file, those in functions and under conditions included."""
    package = path.relative_to(ROOT).with_suffix("").parts[:-1]
    return [Import(path, node.lineno, name) for node in nodes(path) for name in _names(node, package)]


@cache
def nodes(path: Path) -> list[ast.AST]:
    """Every node of a file's syntax tree. Kept: a dozen tests walk the same files."""
    return list(ast.walk(ast.parse(path.read_text(encoding="utf-8"), str(path))))


def ours(package: str) -> list[Import]:
    """What the files of a package import of other packages of ours, and of the tests, which are not installed."""
    found = [one for path in files(package) for one in of(path)]
    return [one for one in found if one.package in (*OURS, "tests") and one.package != package]


def _names(node: ast.AST, package: tuple[str, ...]) -> list[str]:
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom):
        base = ".".join((*package[: len(package) + 1 - node.level], node.module or "")) if node.level else node.module
        return [f"{base}.{alias.name}".strip(".") for alias in node.names]
    if isinstance(node, ast.Call) and getattr(node.func, "attr", getattr(node.func, "id", "")) == "import_module":
        return [arg.value for arg in node.args if isinstance(arg, ast.Constant) and isinstance(arg.value, str)]
    return []


def modules(package: str) -> dict[str, set[str]]:
    """Module → modules of the same package that it imports."""
    by_name = {_dotted(path): path for path in files(package)}
    found = {name: {_module(one.name, by_name) for one in of(path)} - {name, ""} for name, path in by_name.items()}
    return found


def cycles(package: str) -> list[list[str]]:
    """Groups of modules that reach each other by imports."""
    graph = modules(package)
    reach = {name: reached(name, graph) for name in graph}
    groups = {tuple(sorted(other for other in reach[name] if name in reach.get(other, ()))) for name in graph}
    return [list(group) for group in sorted(groups) if len(group) > 1]


def reached(start: str, graph: dict[str, set[str]]) -> set[str]:
    """All that `start` imports, directly or by others. `graph` is that of `modules`."""
    seen, left = set(), [start]
    while left:
        for name in graph.get(left.pop(), set()) - seen:
            seen.add(name)
            left.append(name)
    return seen


def _dotted(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def _module(name: str, known: dict[str, Path]) -> str:
    """The module that an imported name lies in; empty for one of another package."""
    while name and name not in known:
        name = name.rpartition(".")[0]
    return name


def writes_state(path: Path) -> list[str]:
    """Places where `.update(state=…)` or `….state = …` stands, but for an object's own `self.state`."""
    lines = [node.lineno for node in nodes(path) if _updates_state(node) or _assigns_state(node)]
    return [f"{path.relative_to(ROOT)}:{line} writes a state" for line in lines]


def _updates_state(node: ast.AST) -> bool:
    is_update = isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "update"
    return is_update and any(keyword.arg == "state" for keyword in node.keywords)


def _assigns_state(node: ast.AST) -> bool:
    targets = node.targets if isinstance(node, ast.Assign) else []
    return any(
        isinstance(target, ast.Attribute)
        and target.attr == "state"
        and not (isinstance(target.value, ast.Name) and target.value.id == "self")
        for target in targets
    )


def environment_read(path: Path) -> set[str]:
    """The variables that a file reads by `os.environ` or `os.getenv`; `?` for a name that is computed. (To set one
    for a child, or a default for Django, is not to read.)"""
    names = set()
    for node in nodes(path):
        if isinstance(node, ast.Subscript) and _is_environ(node.value) and isinstance(node.ctx, ast.Load):
            names.add(_word(node.slice))
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and _reads(node.func):
            names.add(_word(node.args[0]) if node.args else "?")
    return names


def _reads(function: ast.Attribute) -> bool:
    return function.attr == "getenv" or (function.attr == "get" and _is_environ(function.value))


def _is_environ(node: ast.AST) -> bool:
    return isinstance(node, ast.Attribute) and node.attr == "environ"


def _word(node: ast.AST) -> str:
    return str(node.value) if isinstance(node, ast.Constant) else "?"
