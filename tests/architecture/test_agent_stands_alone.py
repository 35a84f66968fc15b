"""The agent is standard library only: every module of it is imported in a fresh interpreter that has nothing else."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

REPOSITORY = Path(__file__).parents[2]
IMPORT_ALL = """
import importlib, pathlib, pkgutil, sys

class Blocked:
    def find_spec(self, name, path=None, target=None):
        top = name.partition(".")[0]
        if top not in sys.stdlib_module_names and top != "agent":
            raise ImportError(f"the agent may not import {name}")

sys.meta_path.insert(0, Blocked())
sys.path.insert(0, sys.argv[1])
import agent
names = [m.name for m in pkgutil.walk_packages(agent.__path__, "agent.") if not m.name.endswith("__main__")]
for name in names + ["agent.__main__"]:
    importlib.import_module(name)
print(len(names))
"""


def test_every_module_of_the_agent_imports_with_nothing_but_the_standard_library() -> None:
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", IMPORT_ALL, str(REPOSITORY)], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) > 25


def test_django_would_be_noticed(tmp_path: Path) -> None:
    package = tmp_path / "agent"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "__main__.py").write_text("")
    (package / "bad.py").write_text("def lazy():\n    pass\nimport django\n")
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", IMPORT_ALL, str(tmp_path)], capture_output=True, text=True, timeout=60
    )
    assert "the agent may not import django" in done.stderr
