"""Write many hosts at once, in few statements and short transactions. They were checked before. What may have changed
since then is checked again in the transaction."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any

from django.db import IntegrityError, transaction

from hosts.models import Host, HostMac, WritableDisk

BATCH = 200
"""Hosts in one statement, and in one transaction of the command: 0.06 s on average (docs/benchmarks.md)."""


class Changed(Exception):
    """A host changed after it was checked; the message names it. Nothing was written."""


def batches(hosts: Iterable[Any], count: int = BATCH) -> Iterator[list[Any]]:
    rest = iter(hosts)
    while batch := list(islice(rest, count)):
        yield batch


def write(hosts: Sequence[Host], columns: Collection[str], busy: Callable[[], Mapping[str, str]]) -> None:
    """Write all of these hosts or none, in one transaction. `columns` are the columns of the file; others are not
        changed.

    Raises Changed if a host was created, changed or deleted since it was read, if a host to be disabled has a
        run by now, or if another host has taken a MAC.
    """
    try:
        with transaction.atomic():
            now_busy = busy() if any(not host.enabled for host in hosts) else {}
            for host in hosts:
                if not host.enabled and host.name in now_busy:
                    raise Changed(f"{host.name} can't be disabled now: {now_busy[host.name]}")
            for batch in batches(hosts):
                _write(batch, columns)
    except IntegrityError as error:
        raise Changed(f"another change came between: {error}") from None


def _write(hosts: list[Host], columns: Collection[str]) -> None:
    _refuse_changed(hosts)
    new, old = [host for host in hosts if host.pk is None], [host for host in hosts if host.pk is not None]
    Host.objects.bulk_create(new)
    if old:
        fields = [*(name for name in columns if name not in ("name", "macs")), "updated_at"]
        Host.objects.bulk_create(old, update_conflicts=True, unique_fields=["name"], update_fields=fields)
    _write_macs([host for host in hosts if host.new_macs is not None])
    _withdraw_permissions(old)


def _refuse_changed(hosts: list[Host]) -> None:
    rows = Host.objects.select_for_update().filter(name__in=[host.name for host in hosts]).order_by("pk")
    now = dict(rows.values_list("name", "updated_at"))
    for host in hosts:
        if now.get(host.name) != host.updated_at:
            what = "was made" if host.pk is None else "was changed" if host.name in now else "was deleted"
            raise Changed(f"{host.name} {what} meanwhile: import the file again")


def _write_macs(hosts: list[Host]) -> None:
    wanted = {host.pk: host.new_macs or [] for host in hosts}
    there: dict[int, set[str]] = {pk: set() for pk in wanted}
    gone = []
    for row in HostMac.objects.filter(host__in=hosts):
        there[row.host_id].add(row.mac)
        if row.mac not in wanted[row.host_id]:
            gone.append(row.pk)
    HostMac.objects.filter(pk__in=gone).delete()
    HostMac.objects.bulk_create(
        HostMac(host_id=pk, mac=mac) for pk, macs in wanted.items() for mac in macs if mac not in there[pk]
    )


def _withdraw_permissions(hosts: list[Host]) -> None:
    """Take back the permission to write for disks that left the spec. Otherwise a later import that names the serial
    again would restore the permission."""
    specs = {host.pk: {disk.get("serial") for disk in (host.expected or {}).get("disks") or []} for host in hosts}
    rows = WritableDisk.objects.filter(host__in=hosts)
    WritableDisk.objects.filter(pk__in=[row.pk for row in rows if row.serial not in specs[row.host_id]]).delete()
