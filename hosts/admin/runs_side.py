"""What the inventory's pages ask about runs and profiles. This app knows neither: runs/inventory has the answers."""

from __future__ import annotations

from typing import Any

from hosts.models import Host


class RunsSide:
    """The methods of the hosts' ModelAdmin that a subclass has to write."""

    refusals: tuple[type[Exception], ...]
    """What an action raises to refuse one host, with the reason as its text."""

    may_compare: tuple[str, ...]
    """The permissions that `differences` and a host's own page ask for: they show what runs found."""

    def profile_titles(self) -> dict[str, str]:
        """Each profile that there is: name → title."""
        raise NotImplementedError

    def busy_hosts(self) -> dict[str, str]:
        """The hosts that can't be disabled now: name → why."""
        raise NotImplementedError

    def why_busy(self, host: Host) -> str:
        """Why this host can't be disabled now; empty if it can."""
        raise NotImplementedError

    def disable_host(self, host: Host) -> None:
        """Disable it, or raise one of `refusals`."""
        raise NotImplementedError

    def last_found(self, host: Host) -> tuple[int | None, str]:
        """The newest run that found something, and what it found as the YAML of a spec; None and empty without one."""
        raise NotImplementedError

    def differences(self, spec: dict[str, Any] | None, host_id: str) -> dict[str, Any]:
        """`run`: the newest run of this host that found something, None without one. `differences`: how what it found
        differs from the spec, each with `severity` and `message`. `host_id` is as the browser sent it."""
        raise NotImplementedError
