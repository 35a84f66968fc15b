"""Switches the detector of one finding code off: whatever the product then finds of that code is an unimportant remark
on nobody. What a test or the wire's decoder makes is left alone, since no detector made it."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from agent.contract import wire
from agent.contract.codes import CODES
from runs.judging.specdiff.difference import Difference

Init = Callable[..., None]
ROOT = Path(__file__).resolve().parents[2]
DETECTORS = tuple(str(ROOT / folder) + "/" for folder in ("agent", "runs"))
NOT_A_DETECTOR = str(ROOT / "agent/contract/") + "/"


def remark(silenced: str) -> str:
    """A code of least severity, so that no judge stumbles over one that the registry does not know."""
    return next(code for code, said in CODES.items() if said.severity is wire.Severity.INFO and code != silenced)


@contextmanager
def watching(each: Callable[[str], bool]) -> Iterator[None]:
    """Calls `each` with the code of every finding, or difference from the spec, that a detector makes, as it is made.
    Where it answers True, that one is silenced."""
    with _replaced(wire.Finding, _finding(each)), _replaced(Difference, _difference(each)):
        yield


@contextmanager
def _replaced(kind: type, wrap: Callable[[Init], Init]) -> Iterator[None]:
    made = kind.__init__  # type: ignore[misc]
    kind.__init__ = wrap(made)  # type: ignore[misc]
    try:
        yield
    finally:
        kind.__init__ = made  # type: ignore[misc]


def _finding(each: Callable[[str], bool]) -> Callable[[Init], Init]:
    def wrap(made: Init) -> Init:
        def make(self: wire.Finding, code: str, *args: Any, **kwargs: Any) -> None:
            if _is_a_detector(sys._getframe(1).f_code.co_filename) and each(code):
                made(self, remark(code), wire.Severity.INFO, "system", "system", "")
            else:
                made(self, code, *args, **kwargs)

        return make

    return wrap


def _difference(each: Callable[[str], bool]) -> Callable[[Init], Init]:
    def wrap(made: Init) -> Init:
        def make(self: Difference, path: str, severity: wire.Severity, code: str, *args: Any, **kwargs: Any) -> None:
            if _is_a_detector(sys._getframe(1).f_code.co_filename) and each(code):
                made(self, path, wire.Severity.INFO, remark(code), "system", "system", None, None, "")
            else:
                made(self, path, severity, code, *args, **kwargs)

        return make

    return wrap


def _is_a_detector(path: str) -> bool:
    return path.startswith(DETECTORS) and not path.startswith(NOT_A_DETECTOR)
