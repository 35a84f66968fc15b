"""Exactly the enabled hosts are given an address."""

from __future__ import annotations

from collections.abc import Iterator

from django.conf import settings

from pxe import allowed
from pxe.paths import paths
from runs.bench import service_state
from runs.invariants import Broken, Invariant, Scope


def _list_differs(scope: Scope) -> Iterator[Broken]:
    """If the worker is not running, nobody writes the list; then the bench reports that problem."""
    if settings.VETTING.pxe.mode == "off" or service_state.is_silent():
        return
    wanted = set(allowed.now().hosts_file.splitlines())
    try:
        listed = set(paths().hosts.read_text().splitlines())
    except FileNotFoundError:
        listed = set()
    for line in sorted(listed - wanted):
        yield Broken(None, f"{_mac(line)} is served and belongs to no enabled host")
    for line in sorted(wanted - listed):
        yield Broken(None, f"{_mac(line)} of an enabled host is not served")


def _mac(line: str) -> str:
    return line.partition(",")[0]


ALL = (
    Invariant(
        "allowlist_is_enabled_hosts",
        "dnsmasq serves exactly the MAC addresses of enabled hosts.",
        "A host that should not boot from here does, or one that should does not. The worker writes the list every "
        "second: its log says why it can't.",
        _list_differs,
    ),
)
