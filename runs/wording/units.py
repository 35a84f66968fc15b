"""Units: the end of a name that tells one, and how it is written for people. Pure."""

from __future__ import annotations

from collections.abc import Sequence

# What is counted, and its word for one of it.
_ONE = {"drives": "drive", "errors": "error", "messages": "message", "places": "place", "sectors": "sector"}
# The longer of two endings that fit stands first.
_ENDINGS: Sequence[tuple[str, str]] = (
    ("_per_hour", "per hour"),
    ("_percent", "%"),
    ("_hours", "h"),
    ("_ops_s", "ops/s"),
    ("_c_w", "°C/W"),
    ("_mb_s", "MB/s"),
    ("_iops", "IOPS"),
    ("_mbit", "Mbit/s"),
    ("_mts", "MT/s"),
    ("_sigmas", "standard deviations"),
    ("_mhz", "MHz"),
    ("_rpm", "rpm"),
    ("_mb", "MiB"),
    ("_ms", "ms"),
    ("_c", "°C"),
    ("_w", "W"),
    ("_h", "h"),
    ("_s", "s"),
)


def ending(name: str) -> tuple[str, str]:
    """The end of the name that tells its unit, and the unit: `_mb` and MiB of `size_mb`. Two empty texts for none."""
    return next((known for known in _ENDINGS if name.endswith(known[0])), ("", ""))


def written(unit: str, value: object = None) -> str:
    """The wire's `C` is °C, and of errors one is an error."""
    if value == 1 and unit in _ONE:
        return _ONE[unit]
    return "°C" if unit == "C" else unit
