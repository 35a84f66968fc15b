"""Arithmetic with times inside the database. Django itself can't multiply a time by a number on SQLite."""

from __future__ import annotations

from typing import Any

from django.db.models import DateTimeField, Func


class Later(Func):
    """`Later("go_at", "timeout_s")` is the time in `go_at` plus the seconds in `timeout_s`; to the millisecond on
    SQLite."""

    output_field = DateTimeField()
    arity = 2

    def as_sqlite(self, compiler: Any, connection: Any, **context: Any) -> tuple[str, tuple[str | int, ...]]:
        template = "strftime('%%%%Y-%%%%m-%%%%d %%%%H:%%%%M:%%%%f', %(expressions)s || ' seconds')"
        return super().as_sql(compiler, connection, template=template, arg_joiner=", '+' || ", **context)

    def as_postgresql(self, compiler: Any, connection: Any, **context: Any) -> tuple[str, tuple[str | int, ...]]:
        template = "(%(expressions)s * interval '1 second')"
        return super().as_sql(compiler, connection, template=template, arg_joiner=" + ", **context)
