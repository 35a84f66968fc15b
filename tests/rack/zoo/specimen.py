"""A machine file as the zoo sees it: what is wrong with it in words, and which machine files are meant."""

from __future__ import annotations

import fnmatch
import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from tests.rack import machinefile
from tests.rack.errors import BadMachineFile
from tests.rack.machinefile import Machine

MACHINES = Path(machinefile.__file__).parent / "machines"
HEALTHY = "healthy"


@dataclass(frozen=True)
class Specimen:
    """`says` is the file's own first comment; `digest` tells whether the file is still the one that was run."""

    machine: Machine
    says: str
    digest: str

    @property
    def name(self) -> str:
        return self.machine.name

    @property
    def is_healthy(self) -> bool:
        """Nothing is wrong with it and nothing happens to it: whatever is found above information is a false alarm."""
        wanted = self.machine.outcome
        happens = self.machine.events or self.machine.operator or self.machine.bad_ram or wanted.warnings
        return wanted.verdict == "passed" and not wanted.components and not happens


def every(directory: Path = MACHINES) -> list[Specimen]:
    """By name. Raises BadMachineFile."""
    return [read(path) for path in sorted(directory.glob("*.yaml"))]


def read(path: Path) -> Specimen:
    machine = machinefile.load(path)
    if machine.name != path.stem:
        raise BadMachineFile(f"{path}: the machine is called {machine.name}; the file must be, too")
    content = path.read_bytes()
    return Specimen(machine, _first_comment(content.decode()), hashlib.sha256(content).hexdigest()[:12])


def chosen(specimens: Iterable[Specimen], only: str) -> list[Specimen]:
    """Those whose name fits one of the patterns; `healthy` means all that are; nothing said means all."""
    patterns = only.split() or ["*"]
    return [one for one in specimens if any(_fits(one, pattern) for pattern in patterns)]


def _fits(one: Specimen, pattern: str) -> bool:
    return one.is_healthy if pattern == HEALTHY else fnmatch.fnmatchcase(one.name, pattern)


def _first_comment(text: str) -> str:
    lines = []
    for line in text.splitlines():
        if not line.startswith("#"):
            break
        lines.append(line.lstrip("# "))
    return " ".join(lines)
