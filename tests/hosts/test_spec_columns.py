"""What the database computes of expected specs is what Python would read in them."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.urls import reverse

from hosts import expectations, spec_columns
from hosts.models import Host
from tests.database_work import watched

pytestmark = pytest.mark.django_db

SPECS: list[dict[str, Any] | None] = [
    None,
    {},
    {"pinned": ["memory"]},
    {"not_expected": ["gpu"], "pinned": []},
    {"system": None},
    {"system": {}},
    {"system": {"vendor": "Acme"}},
    {"system": {"product": ""}},
    {"system": {"product": 'R\'100 "é"'}, "not_expected": ["gpu"]},
    {"disks": []},
    {"disks": [{"serial": "{}"}], "fans": None},
    {"firmware": {"bios": "null"}},
]


@pytest.fixture
def hosts() -> list[Host]:
    return [Host.objects.create(name=f"n-{number:02d}", expected=spec) for number, spec in enumerate(SPECS)]


def test_each_spec_is_read_as_python_reads_it(hosts: list[Host]) -> None:
    rows = Host.objects.annotate(
        names_parts=spec_columns.NamesParts("expected"), product=spec_columns.Product("expected")
    )
    found = {row.name: (row.names_parts, row.product or "") for row in rows}
    assert found == {host.name: (expectations.names_parts(host.expected), host.model) for host in hosts}


def test_the_filter_lists_each_model_once_and_finds_its_hosts(operator: Client, hosts: list[Host]) -> None:
    for number, product in enumerate(("B", "A", "B")):
        Host.objects.create(name=f"m-{number}", expected={"system": {"product": product}})
    assert spec_columns.products() == ["A", "B", 'R\'100 "é"']
    for product in ("B", 'R\'100 "é"'):
        page = operator.get(reverse("admin:hosts_host_changelist"), {"model": product})
        assert {host.model for host in page.context["cl"].result_list} == {product}


def test_without_a_model_there_is_nothing_to_list() -> None:
    assert spec_columns.products() == []


def test_the_list_can_be_ordered_by_model(operator: Client, hosts: list[Host]) -> None:
    page = operator.get(reverse("admin:hosts_host_changelist"), {"o": "-6"})
    assert {host.name for host in page.context["cl"].result_list} == {host.name for host in hosts}


def _ask(count: int) -> tuple[int, int, int]:
    """How many statements, rows and instructions the models and the hosts of one take, with so many more hosts."""
    first = Host.objects.count()
    spec = {"system": {"product": "R100"}, "disks": [{"serial": "S" * 60}] * 20}
    Host.objects.bulk_create(Host(name=f"a-{first + n}", expected=spec) for n in range(count))
    with watched() as work:
        spec_columns.products()
        assert spec_columns.of_product(Host.objects.all(), "R200").count() == 1
    return len(work.statements), work.rows, work.steps


def test_many_hosts_of_a_model_cost_nothing() -> None:
    Host.objects.create(name="other", expected={"system": {"product": "R200"}})
    few, many = _ask(10), _ask(1000)
    assert few[:2] == many[:2] == (2, 3)
    assert many[2] - few[2] <= 200, "instructions of SQLite"


@pytest.mark.skipif(connection.vendor != "postgresql", reason="reads PostgreSQL's plans")
def test_postgresql_reads_no_table_from_end_to_end() -> None:
    with watched() as work:
        spec_columns.products()
        list(spec_columns.of_product(Host.objects.all(), "R200"))
    assert work.scanned() == []
