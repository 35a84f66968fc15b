"""How much of each memory module an attempt tested: the rows of a small table, from its checks and numbers. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

CHECK = "module_coverage"
MOST = 128  # no board has as many modules
# Names of the numbers of a module, before its name.
NUMBERS = ("covered_percent", "passes", "patterns")


def rows(checks: Iterable[Mapping[str, Any]], numbers: Mapping[str, float]) -> list[dict[str, Any]]:
    """One row for each module. A number that is not known is None, and `words` say why."""
    return [
        {
            "module": check.get("component", ""),
            **{name: numbers.get(f"{name}.{check.get('component', '')}") for name in NUMBERS},
            "words": check.get("reason", ""),
        }
        for check in checks
        if check["name"] == CHECK
    ]
