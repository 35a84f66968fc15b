"""The bench's own network port, over which every host is measured: its link, its negotiated speed, a rate limit that
someone set on it, and its errors. A host is not blamed for what this port can't carry, nor for its silence while the
port has no link."""

from __future__ import annotations

import json
import re
import subprocess
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil
from django.conf import settings
from django.utils import timezone

from pxe import daemon
from runs import outages
from runs.bench import fitness
from runs.bench import problems as bench
from runs.bench.load import Shortage
from runs.bench.problems import Problem
from runs.models import BenchShortage

SOURCE = "port"
LOOK_EVERY_S = 3.0
_TC_TIMEOUT_S = 3.0
_MIN_PACKETS = 1000
_NET = Path("/sys/class/net")
_UP = 0x1  # IFF_UP [include/uapi/linux/if.h]
# As tc prints a rate in words; in its JSON it is bytes per second. [iproute2, lib/utils_math.c]
_RATE = re.compile(r"\bceil (\d{1,12}(?:\.\d{1,6})?)([KMGT]?)bit\b")
_UNIT_MBIT = {"": 1e-6, "K": 1e-3, "M": 1.0, "G": 1e3, "T": 1e6}


@dataclass(frozen=True)
class Port:
    """What is known of the port. `speed_mbit` and `limit_mbit` are None if unknown."""

    name: str
    speed_mbit: float | None = None
    limit_mbit: float | None = None
    errors: int = 0
    packets: int = 0


_before: Port | None = None
_looked_at: float | None = None


def tick() -> None:
    """Look at the port every few seconds; a process that has just started looks at once."""
    global _before, _looked_at
    now = time.monotonic()
    if _looked_at is not None and now - _looked_at < LOOK_EVERY_S:
        return
    _looked_at = now
    if why := unreachable():
        # Only a run's deadlines need the row. Without a run, nothing is written to the disk while nothing happens.
        if outages.somebody_is_waited_for():
            _note(BenchShortage.LINK, why)
        bench.report(SOURCE, [no_link(why)])
        return
    port = look()
    config = settings.VETTING
    why = "" if port is None else unfit(port, _before, config.iperf3.link_mbit, config.bench.port_errors_max_percent)
    _before = port
    if why:
        _note(BenchShortage.PORT, why)
    bench.report(SOURCE, [problem(why)] if why else [])


def _note(kind: str, why: str) -> None:
    fitness.note(kind, Shortage(why, 1.0), timezone.now(), settings.VETTING.web.address)


def problem(why: str) -> Problem:
    return Problem(
        "bench",
        f"This bench can't measure hosts: {why}",
        "fix the port, its cable or its limit, or set iperf3.link_mbit",
    )


def no_link(why: str) -> Problem:
    return Problem(
        "bench",
        f"No host can reach this bench: {why}; deadlines wait, within bounds",
        "look at the cable, the switch and `ip address`",
    )


def unreachable(net: Path = _NET) -> str:
    """Why no host can reach this bench; empty if nothing says so. With `pxe.mode: off`, `web.address` may be another
    machine's, which passes calls on. Otherwise it is a port's, and systemd-networkd removes it with the link."""
    config = settings.VETTING
    holder = _named(config.web.address)
    name = holder or ("" if config.pxe.mode == "off" else config.pxe.interface)
    if name and is_set_down(name, net):
        return f"its own port {name} is set down (`ip link set {name} up`)"
    if name and has_link(name, net) is False:
        return f"its own port {name} has no link"
    return "" if holder or not name else f"no port has web.address {config.web.address}"


def is_set_down(name: str, net: Path = _NET) -> bool:
    """Whether somebody has switched the interface off. Of a tap or a veth, too, whose carrier says nothing."""
    with suppress(OSError, ValueError):
        return not int((net / name / "flags").read_text(), 16) & _UP
    return False


def has_link(name: str, net: Path = _NET) -> bool | None:
    """Whether one of the real ports has a link. None if that is not known: taps and veths say nothing of a cable."""
    links = [_carrier(net / one) for one in (name, *lowest(name, net)) if _is_real(net / one)]
    if True in links:
        return True
    return False if links and None not in links else None


def _carrier(port: Path) -> bool | None:
    """The kernel gives no carrier of a port that is set down; such a port has no link either."""
    with suppress(OSError):
        return {"0": False, "1": True}.get((port / "carrier").read_text().strip())
    with suppress(OSError):
        return False if (port / "operstate").read_text().strip() == "down" else None
    return None


def unfit(now: Port, before: Port | None, link_mbit: int, errors_max_percent: float) -> str:
    """Why the port can't carry `link_mbit`; empty if nothing is known against it."""
    if now.limit_mbit is not None and now.limit_mbit < link_mbit:
        return f"its own port {now.name} is limited to {now.limit_mbit:g} Mbit/s (tc), iperf3.link_mbit is {link_mbit}"
    if now.speed_mbit is not None and now.speed_mbit < link_mbit:
        return f"its own port {now.name} negotiated {now.speed_mbit:g} Mbit/s, iperf3.link_mbit is {link_mbit}"
    if before is None or before.name != now.name or now.packets - before.packets < _MIN_PACKETS:
        return ""
    percent = 100.0 * (now.errors - before.errors) / (now.packets - before.packets)
    # The message has the share and not the number of errors: the number changes with every look, and the message should
    # not.
    return (
        f"its own port {now.name} counts errors in {percent:.1f} % of packets" if percent > errors_max_percent else ""
    )


def look() -> Port | None:
    """The port with the address that hosts are given; None if that is the loopback's or no port's."""
    name = _named(settings.VETTING.web.address)
    if not name or name == "lo":
        return None
    below = [name, *lowest(name)]
    limits = [mbit for one in below if (mbit := _limit_mbit(one)) is not None]
    counters = psutil.net_io_counters(pernic=True)
    counted = [counters[one] for one in (below[1:] or below) if one in counters]
    return Port(
        name,
        speed_mbit=speed_mbit(name),
        limit_mbit=min(limits, default=None),
        errors=sum(one.errin + one.errout for one in counted),
        packets=sum(one.packets_recv + one.packets_sent for one in counted),
    )


def lowest(name: str, net: Path = _NET) -> list[str]:
    """The physical ports below a bridge, bond or VLAN; none for a physical port."""
    if _is_real(net / name):
        return []
    beneath = [path.name.removeprefix("lower_") for path in sorted((net / name).glob("lower_*"))]
    found = [one for each in beneath for one in ([each] if _is_real(net / each) else lowest(each, net))]
    return list(dict.fromkeys(found))


def speed_mbit(name: str, net: Path = _NET) -> float | None:
    """The speed of a physical port or a bond. Bridges, taps and veths report an invented speed, so their physical ports
    are read."""
    if _is_real(net / name) or (net / name / "bonding").is_dir():
        return _positive(net / name / "speed")
    beneath = [path.name.removeprefix("lower_") for path in sorted((net / name).glob("lower_*"))]
    known = [mbit for one in beneath if (mbit := speed_mbit(one, net)) is not None]
    return max(known, default=None)


def parse_limit(qdiscs: str, classes: str = "") -> float | None:
    """The rate limit of the port's root queue in Mbit/s, from `tc -j qdisc` and, for HTB, the text of `tc class`."""
    try:
        listed = json.loads(qdiscs or "[]")
    except ValueError:
        return None
    for one in listed if isinstance(listed, list) else []:
        if not isinstance(one, dict) or not one.get("root"):
            continue
        if one.get("kind") == "htb":
            ceilings = [float(number) * _UNIT_MBIT[unit] for number, unit in _RATE.findall(classes[:100_000])]
            return max(ceilings, default=None)
        return _rate_mbit(one.get("options"))
    return None


def _rate_mbit(options: object) -> float | None:
    """tbf says `rate`, cake `bandwidth`, netem a `rate` inside `rate`."""
    if not isinstance(options, dict):
        return None
    rate = options.get("rate", options.get("bandwidth"))
    rate = rate.get("rate") if isinstance(rate, dict) else rate
    return rate * 8 / 1e6 if isinstance(rate, int | float) and not isinstance(rate, bool) and rate > 0 else None


def _limit_mbit(name: str) -> float | None:
    qdiscs = _tc("-j", "qdisc", "show", "dev", name)
    return parse_limit(qdiscs, _tc("class", "show", "dev", name) if '"htb"' in qdiscs else "")


def _tc(*words: str) -> str:
    tool = daemon.which("tc")
    if tool is None:
        return ""
    try:
        done = subprocess.run([tool, *words], capture_output=True, text=True, timeout=_TC_TIMEOUT_S, check=False)
    except (subprocess.TimeoutExpired, OSError):
        return ""
    return done.stdout if done.returncode == 0 else ""


def _named(address: str) -> str:
    known = psutil.net_if_addrs().items()
    return next((name for name, addresses in known if any(one.address == address for one in addresses)), "")


def _is_real(port: Path) -> bool:
    return (port / "device").exists()


def _positive(path: Path) -> float | None:
    try:
        number = int(path.read_text())
    except (OSError, ValueError):
        return None
    return float(number) if number > 0 else None
