"""Database connections of threads that serve no Django request."""

from __future__ import annotations

from django.db import close_old_connections, connection


def renew_connection() -> None:
    """Drop a broken connection. Django does that at the beginning and end of a request, but the thread of a stream has
    no request."""
    if not connection.in_atomic_block:
        close_old_connections()
