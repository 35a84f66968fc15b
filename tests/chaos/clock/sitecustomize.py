"""The clock of a process that is started with this folder in PYTHONPATH: as many seconds off as the file says that
CHAOS_CLOCK names. Both that are read here: Django's `timezone.now` and `time.time`."""

from __future__ import annotations

import importlib.abc
import importlib.machinery
import os
import sys
import time
from collections.abc import Sequence
from datetime import timedelta
from types import ModuleType
from typing import Any

_FILE = os.environ.get("CHAOS_CLOCK", "")
_real_time = time.time


def offset_s() -> float:
    try:
        with open(_FILE, encoding="ascii") as file:
            return float(file.read() or 0)
    except (OSError, ValueError):
        return 0.0


class _Zones(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Comes before everybody who keeps `timezone.now` as a default."""

    def find_spec(self, name: str, path: Sequence[str] | None, target: Any = None) -> Any:
        if name != "django.utils.timezone":
            return None
        found = importlib.machinery.PathFinder.find_spec(name, path)
        if found is not None:
            self._real, found.loader = found.loader, self
        return found

    def create_module(self, spec: Any) -> None:
        return None

    def exec_module(self, module: ModuleType) -> None:
        self._real.exec_module(module)
        real_now = module.now
        module.now = lambda: real_now() + timedelta(seconds=offset_s())


if _FILE:
    time.time = lambda: _real_time() + offset_s()
    sys.meta_path.insert(0, _Zones())
