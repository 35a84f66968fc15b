"""Two conditions that an NVIDIA card reports beside its errors: heat beyond its own limits, and its state in an NVLink
fabric.

Elements: nvsmi_device schema, versions 10 to 13. Meanings: nvidia-smi(1), "Temperature", and NVML's nvmlGpuFabricInfo
(state, status, healthMask: DCGM's health watch fails each of its faults). Drivers up to 575 print no summary.
"""

from __future__ import annotations

import re
from xml.etree.ElementTree import Element

from agent.parsing import clean
from agent.probes.gpu import nvidia_words

_DEGREES = re.compile(r"(-?\d{1,4}) C")
# A temperature, the card's own limit for it, how many degrees above the limit are too hot, and words for both. At its
# slowdown temperature the card already slows down; its memory may be as warm as its limit.
_HEAT = (
    ("gpu_temp", "gpu_temp_max_threshold", 0, "", "and it shuts down at"),
    ("gpu_temp", "gpu_temp_slow_threshold", 0, "", "and it slows down at"),
    ("memory_temp", "gpu_temp_max_mem_threshold", 1, "its memory has ", "which is made for at most"),
)
# Words in the fabric's health that mean a fault.
_UNHEALTHY = {"bandwidth": ("degraded",), "route_unhealthy": ("true",), "summary": ("unhealthy", "limited capacity")}
# A link or a route has failed and is being repaired. While the fabric comes up, this is ordinary.
_RECOVERING = {"route_recovery_in_progress": ("true",), "access_timeout_recovery": ("true",)}
# Any other word says what is configured wrongly, such as `Insufficient Nvlinks` or `Incorrect Sysguid`.
_CONFIGURATION, _CONFIGURED = "incorrect_configuration", ("", "none", "false")


def heat(card: Element) -> str:
    """A sentence if the card or its memory is hotter than its own limit. Empty if not, or if it gives no such values.
    Newer cards report the distance to their limit instead, and some drivers write it in place of the limit: a limit of
    0 or below is none."""
    for name, limit, beyond, what, words in _HEAT:
        now, most = _degrees(card, name), _degrees(card, limit)
        if now is not None and most is not None and most > 0 and now >= most + beyond:
            return f"{what}{now} °C, {words} {most} °C"
    left, slow = (_degrees(card, f"gpu_temp_{name}") for name in ("tlimit", "slow_tlimit_threshold"))
    if left is not None and slow is not None and left <= slow <= 0:
        return f"{left} °C left to its limit, and it slows down at {slow} °C"
    return ""


def fabric(card: Element) -> str:
    """A sentence about what is wrong with the card's place in the fabric. Empty if nothing is, if the card has none, or
    if the fabric is not up yet."""
    state, status = (clean(card.findtext(f"fabric/{name}"))[:60] for name in ("state", "status"))
    is_refused = status.casefold() not in ("", "success") and not nvidia_words.is_absent(status)
    is_up = state.casefold() == "completed"
    if is_up and is_refused:
        return f"status {status}"
    wrong = _UNHEALTHY | (_RECOVERING if is_up else {})
    told = {name: nvidia_words.plain(card.findtext(f"fabric/health/{name}"))[:60] for name in (*wrong, _CONFIGURATION)}
    faults = [name for name, words in told.items() if words.casefold() in wrong.get(name, ())]
    if told[_CONFIGURATION].casefold() not in _CONFIGURED and not nvidia_words.is_absent(told[_CONFIGURATION]):
        faults.append(_CONFIGURATION)
    return ", ".join(f"{name} {told[name]}" for name in faults)


def _degrees(card: Element, name: str) -> int | None:
    match = _DEGREES.fullmatch(nvidia_words.plain(card.findtext(f"temperature/{name}")))
    return int(match[1]) if match else None
