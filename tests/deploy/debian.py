"""This checkout, and a Debian to install it on."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = ROOT / "deploy" / "install.sh"
LEFT_OUT = shutil.ignore_patterns("__pycache__", "node_modules")


def code_list() -> list[str]:
    text = SCRIPT.read_text()
    return text.split('code="', 1)[1].split('"', 1)[0].split()


def own_mirror() -> list[str]:
    """Where this machine's apt has Debian from; nothing where it can't say, and debootstrap takes its default."""
    wanted = ["apt-get", "indextargets", "--format", "$(LABEL) $(REPO_URI)", "Created-By: Packages"]
    done = subprocess.run(wanted, capture_output=True, text=True, timeout=30)
    return [uri for label, _, uri in (line.partition(" ") for line in done.stdout.splitlines()) if label == "Debian"][
        :1
    ]


def copy_checkout(target: Path) -> None:
    for name in code_list():
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, target / name, symlinks=True, ignore=LEFT_OUT)
        else:
            target.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, target / name)
