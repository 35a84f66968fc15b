"""How an operator calls one of Vetting's commands on this machine."""

from __future__ import annotations

from django.conf import settings


def command(arguments: str) -> str:
    """`command("hosts import FILE")`: `vetting hosts import FILE` on an installation, with `./manage.py` in a
    checkout."""
    return f"{'vetting' if settings.INSTALLED else './manage.py'} {arguments}"
