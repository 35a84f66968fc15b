"""gpu_burn: matrix products on every NVIDIA card, compared with each other. The live image does not contain it; it is
used where it is installed."""

from __future__ import annotations

import re
from dataclasses import dataclass

from agent.host import shell
from agent.host.stop import StopFlag
from agent.parsing import ParseError

_END_S = 60.0
# Debian's package has a dash in the name, every other build an underscore.
NAMES = ("gpu_burn", "gpu-burn")
_SUMMARY = re.compile(r"GPU (\d{1,4}): (OK|FAULTY)")
_PROGRESS = re.compile(r"proc'd: ([^\n]*?)\s+errors: ([^\n]*?)\s+temps: ")
_RATE = re.compile(r"\((\d{1,18}(?:\.\d{1,9})?) Gflop/s\)")
_COUNT = re.compile(r"-?(\d{1,18})(?:\s*\((?:WARNING|DIED)!\))?")


@dataclass(frozen=True)
class Burned:
    """One card, counted as nvidia-smi does. `errors` is the highest count in any line, None if a count is missing."""

    index: int
    ok: bool
    gflops: float
    errors: int | None

    @property
    def failed(self) -> bool:
        return not self.ok or bool(self.errors)


def argv(name: str, memory_percent: int, duration_s: float) -> list[str]:
    return [name, "-m", f"{memory_percent}%", str(max(1, round(duration_s)))]


def run(name: str, memory_percent: int, duration_s: float, stop: StopFlag | None = None) -> shell.Completed:
    # CUDA counts the fastest card first unless it is told to count as nvidia-smi does.
    order = {"CUDA_DEVICE_ORDER": "PCI_BUS_ID"}
    return shell.run(argv(name, memory_percent, duration_s), duration_s + _END_S, env=order, stop=stop)


def parse(text: str) -> list[Burned]:
    """Raises ParseError. The exit status is always 0, so every card must be named in the summary."""
    plain = text.replace("\r", "\n")
    verdicts = [(int(index), word == "OK") for index, word in _SUMMARY.findall(plain)]
    if not verdicts:
        raise ParseError("gpu_burn came to no verdict")
    lines = _PROGRESS.findall(plain)
    return [Burned(index, ok, _rate(lines, index), _errors(lines, index)) for index, ok in verdicts]


def _rate(lines: list[tuple[str, str]], index: int) -> float:
    """The rate in the last line: a card that stopped working ends at 0."""
    rates = [_RATE.findall(processed) for processed, _ in lines]
    known = [float(row[index]) for row in rates if index < len(row)]
    return known[-1] if known else 0.0


def _errors(lines: list[tuple[str, str]], index: int) -> int | None:
    """`0 - 12 (WARNING!)`: one number for each card. A negative number means that the card died."""
    columns = [counted.split(" - ") for _, counted in lines]
    cells = [row[index] if index < len(row) else "" for row in columns]
    counts = [int(match[1]) if (match := _COUNT.fullmatch(cell.strip())) else None for cell in cells]
    most = max((one for one in counts if one is not None), default=0)
    return most or (None if None in counts or not counts else 0)
