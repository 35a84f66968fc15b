"""Permission to write to a disk is given in one place: where the host's form is saved."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
APPS = ("hosts", "runs", "agentapi", "restapi", "pxe", "notifications", "vetting")
GIVES = {"create", "bulk_create", "get_or_create", "update_or_create", "add", "set", "acreate"}
FORM = "hosts/admin/__init__.py: _save_permissions"


def calls() -> Iterator[tuple[str, ast.Call]]:
    """Every call in the server's code, with the file and the function that it stands in."""
    for path in sorted(path for app in APPS for path in (ROOT / app).rglob("*.py")):
        for function in (node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.FunctionDef)):
            place = f"{path.relative_to(ROOT)}: {function.name}"
            yield from ((place, node) for node in ast.walk(function) if isinstance(node, ast.Call))


def gives_permission(call: ast.Call) -> bool:
    """`WritableDisk(…)`, or `….writable_disks.create(…)` and its like, however it is reached."""
    words = ast.unparse(call.func)
    makes_row = words.rpartition(".")[2] in GIVES and ("writable_disks" in words or "WritableDisk" in words)
    return makes_row or words.rpartition(".")[2] == "WritableDisk"


def test_only_the_saving_of_the_hosts_form_gives_permission_to_write() -> None:
    assert {place for place, call in calls() if gives_permission(call)} == {FORM}


def test_nothing_but_the_form_allows_a_host_destructive_tests() -> None:
    """The one call that passes the word on tells the agent what was frozen into its run."""
    passed = {place for place, call in calls() for word in call.keywords if word.arg == "destructive_allowed"}
    assert passed == {"runs/answers.py: claim_answer"}
    sources = [path for app in APPS for path in (ROOT / app).rglob("*.py")]
    assert [str(path) for path in sources if re.search(r"\.destructive_allowed\s*=[^=]", path.read_text())] == []
