"""Every address of the REST API with a token of every role: it answers as vetting/rights.py says, with and without the
scope."""

from __future__ import annotations

import pytest
from django.db import transaction

from restapi import scopes
from tests.restapi.caller import ALL, Caller
from tests.vetting import everyaddress
from vetting import rights, roles

pytestmark = [pytest.mark.slow, pytest.mark.django_db]


_BODIES = {"rest:retry": {"stage": "Storage"}, "rest:tags": {"tags": ["rack3"]}, "rest:power": {"verb": "on"}}


def method_of(name: str) -> str:
    return "get" if rights.API[name].post == rights.NOT_OFFERED else "post"


@pytest.mark.parametrize("role", list(roles.ROLES))
def test_every_address_answers_as_the_table_says(role: str) -> None:
    every = [one for one in everyaddress.addresses(everyaddress.rows()) if one.name in rights.API]
    assert {one.name for one in every} == set(rights.API)
    callers = {names: Caller(role, *names) for names in (ALL, ("read",), ("start",))}
    wrong = []
    for names, caller in callers.items():
        for address in every:
            status = _status(caller, address)
            scope = address.name.removeprefix("rest:") if method_of(address.name) == "post" else scopes.READ.name
            right = getattr(rights.API[address.name], method_of(address.name))
            may = set(right) <= set(roles.ROLES[role]) and scope in names
            if (status == 403) is may or status >= 500 or status in (401, 405):
                wrong.append(f"{role} with {names}: {address.path}: {status}")
    assert "\n".join(wrong) == ""


def _status(caller: Caller, address: everyaddress.Address) -> int:
    """What the call changed is taken back."""
    with transaction.atomic():
        if method_of(address.name) == "get":
            response = caller.client.get(address.path)
        else:
            body = _BODIES.get(address.name, {})
            response = caller.client.post(address.path, body, content_type="application/json")
        transaction.set_rollback(True)
    return int(response.status_code)
