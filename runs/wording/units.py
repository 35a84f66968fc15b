"""Units: the suffix of a name that stands for a unit, and how the unit is written. Pure."""

from __future__ import annotations

from collections.abc import Sequence

# Plural and singular of what is counted.
_ONE = {"drives": "drive", "errors": "error", "messages": "message", "places": "place", "sectors": "sector"}
# If two suffixes match, the longer one is listed first.
_ENDINGS: Sequence[tuple[str, str]] = (
    ("_per_hour", "per hour"),
    ("_per_tbit", "in 1e12 bits"),
    ("_gbit", "Gbit"),
    ("_percent", "%"),
    ("_hours", "h"),
    ("_ops_s", "ops/s"),
    ("_c_w", "°C/W"),
    ("_dbm", "dBm"),
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
    """The suffix of a name and its unit: `_mb` and MiB for `size_mb`. Two empty texts if there is none."""
    return next((known for known in _ENDINGS if name.endswith(known[0])), ("", ""))


def written(unit: str, value: object = None) -> str:
    """The unit as it is written: `C` as °C; the singular for one."""
    if value == 1 and unit in _ONE:
        return _ONE[unit]
    return "°C" if unit == "C" else unit
