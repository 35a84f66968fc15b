"""Our commands and programs, as the reader of a remedy has to type them: an installation has `vetting` and systemd
units, a checkout has `./manage.py` and `make`."""

from __future__ import annotations

from django.conf import settings

from hosts import command_line

_ALL_UNITS = "vetting-web vetting-worker vetting-keeper.timer"
command = command_line.command


def build_image() -> str:
    """What builds the live image."""
    return "deploy/install.sh (in a checkout of this version)" if settings.INSTALLED else "make image"


def restart(program: str) -> str:
    """The command that restarts one of Vetting's programs: web, worker, dnsmasq, iperf3@PORT."""
    return f"systemctl restart vetting-{program}" if settings.INSTALLED else f"end {command('up')}, and start it again"


def stop_all() -> str:
    """What stops everything that writes to the data. That includes the keeper, which does some of the worker's work
    while the worker is stopped."""
    return f"systemctl stop {_ALL_UNITS}" if settings.INSTALLED else f"end {command('up')}"


def start_all() -> str:
    """What starts it again after `stop_all`."""
    return f"systemctl start {_ALL_UNITS}" if settings.INSTALLED else command("up")


def log_of(program: str) -> str:
    """The command that shows the log of one of Vetting's programs."""
    return f"journalctl -u vetting-{program}" if settings.INSTALLED else f"the output of {command('up')}"
