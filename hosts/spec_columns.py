"""What lists ask of expected specs, as expressions that the database computes. A spec is large: reading it as JSON in
Python takes ten times as long as everything else that a list needs of a host."""

from __future__ import annotations

from typing import Any

from django.db import connection
from django.db.models import BooleanField, Func, QuerySet, TextField

from hosts.expectations import ABOUT_OTHERS

_TABLE = "hosts_host"
_SQLITE = "JSON_EXTRACT(%(expressions)s, '$.system.product')"
_POSTGRESQL = "(%(expressions)s #>> '{system,product}')"
_NO_TEXT = "''"
_OTHERS = ", ".join(f"'{key}'" for key in sorted(ABOUT_OTHERS))


class Product(Func):
    """The model that a spec names, or NULL. Its SQL has no parameters: SQLite finds the index of an expression by its
    text alone."""

    arity = 1
    output_field = TextField()

    def as_sqlite(self, compiler: Any, connection: Any, **context: Any) -> Any:
        return self.as_sql(compiler, connection, template=_SQLITE, **context)

    def as_postgresql(self, compiler: Any, connection: Any, **context: Any) -> Any:
        return self.as_sql(compiler, connection, template=_POSTGRESQL, **context)


class NamesParts(Func):
    """The same as `expectations.names_parts`."""

    arity = 1
    output_field = BooleanField()

    def as_sqlite(self, compiler: Any, connection: Any, **context: Any) -> Any:
        stated = f"key NOT IN ({_OTHERS}) AND type <> 'null' AND NOT (type = 'object' AND value = '{{}}')"
        template = f"EXISTS(SELECT 1 FROM JSON_EACH(%(expressions)s) WHERE {stated})"
        return self.as_sql(compiler, connection, template=template, **context)

    def as_postgresql(self, compiler: Any, connection: Any, **context: Any) -> Any:
        stated = f"key NOT IN ({_OTHERS}) AND value NOT IN ('null'::jsonb, '{{}}'::jsonb)"
        template = f"EXISTS(SELECT 1 FROM JSONB_EACH(%(expressions)s) WHERE {stated})"
        return self.as_sql(compiler, connection, template=template, **context)


def of_product(hosts: QuerySet[Any], product: str) -> QuerySet[Any]:
    """The hosts whose spec names this model; all of them without one."""
    return hosts.alias(product=Product("expected")).filter(product=product) if product else hosts


def products() -> list[str]:
    """The models that expected specs name, sorted. One look into the index for each: DISTINCT would read all hosts."""
    of = (_SQLITE if connection.vendor == "sqlite" else _POSTGRESQL) % {"expressions": f'"{_TABLE}"."expected"'}

    def after(model: str) -> str:
        return f"(SELECT {of} FROM {_TABLE} WHERE {of} > {model} ORDER BY {of} LIMIT 1)"

    with connection.cursor() as cursor:
        cursor.execute(
            f"WITH RECURSIVE found(model) AS (SELECT {after(_NO_TEXT)} "
            f"UNION ALL SELECT {after('found.model')} FROM found WHERE found.model IS NOT NULL) "
            "SELECT model FROM found WHERE model IS NOT NULL"
        )
        return sorted(str(model) for (model,) in cursor.fetchall())
