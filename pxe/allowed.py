"""The MACs that may boot: those of the enabled hosts. The round needs them every second, so the database returns all of
them as one text, and the text is processed only if it has changed."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from django.db.models import Aggregate, TextField, Value
from django.db.models.functions import Concat

from hosts.models import HostMac
from pxe import dnsmasq
from pxe.dnsmasq import KnownMac
from runs.database import commits


class Lines(Aggregate):
    """An aggregate: all values joined to one text, one per line. NULL if there are none."""

    output_field = TextField()
    arity = 1

    def as_sqlite(self, compiler: Any, connection: Any, **context: Any) -> tuple[str, tuple[str | int, ...]]:
        return super().as_sql(compiler, connection, template="group_concat(%(expressions)s, char(10))", **context)

    def as_postgresql(self, compiler: Any, connection: Any, **context: Any) -> tuple[str, tuple[str | int, ...]]:
        return super().as_sql(compiler, connection, template="string_agg(%(expressions)s, chr(10))", **context)


@dataclass(frozen=True)
class Allowed:
    """`hosts_file` is what `dhcp-hostsfile` is to contain; `native` is for `dnsmasq.Plan`."""

    macs: tuple[KnownMac, ...]
    hosts_file: str
    native: tuple[str, ...]


def now() -> Allowed:
    return _made_of(_text())


@commits.remembered
def _text() -> str:
    each = Concat("mac", Value(" "), "host__boot_binary", output_field=TextField())
    text: str | None = HostMac.objects.filter(host__enabled=True).aggregate(all=Lines(each))["all"]
    return text or ""


@lru_cache(maxsize=1)
def _made_of(text: str) -> Allowed:
    macs = tuple(KnownMac(*line.split(" ", 1)) for line in text.splitlines())
    return Allowed(macs, dnsmasq.render_hosts(macs), dnsmasq.native(macs))
