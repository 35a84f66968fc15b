"""Connections of threads that serve no request of Django's."""

from __future__ import annotations

from django.db import close_old_connections, connection


def renew_connection() -> None:
    """Drop a broken connection. Django does that at the begin and end of a request, and a stream's thread has none."""
    if not connection.in_atomic_block:
        close_old_connections()
