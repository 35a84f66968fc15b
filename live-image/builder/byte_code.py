"""Byte code of the agent, made by the image's own Python.

A host gets the agent's sources from its orchestrator, beside the image. Without byte code, each boot would compile all
that the agent imports before it can claim. Python takes it only for a source with the same hash: an image that was
built beside another version of the agent starts that one more slowly, and in the same way otherwise.
"""

import hashlib
import shutil
import subprocess
from pathlib import Path

from builder import BuildError

# Where the boot script's second archive puts the sources: a code object has this path in its traces.
AGENT = "usr/lib/vetting/agent"


def add(tree: Path, agent: Path) -> str:
    """Leave the byte code of `agent` in the tree, without its sources; returns the digest of these."""
    target = tree / AGENT
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(agent, target, ignore=shutil.ignore_patterns("__pycache__"))
    compiled = [
        "chroot",
        str(tree),
        "/usr/bin/python3",
        "-m",
        "compileall",
        "-q",
        "--invalidation-mode",
        "checked-hash",
    ]
    done = subprocess.run([*compiled, f"/{AGENT}"], capture_output=True, text=True)
    if done.returncode != 0:
        raise BuildError(f"the image's Python can not compile the agent:\n{done.stdout}{done.stderr}")
    return take_sources(target)


def take_sources(target: Path) -> str:
    seen = hashlib.sha256()
    for path in sorted(target.rglob("*")):
        if path.is_file() and "__pycache__" not in path.parts:
            seen.update(f"{path.relative_to(target)}\0{hashlib.sha256(path.read_bytes()).hexdigest()}\n".encode())
            path.unlink()
    return seen.hexdigest()
