"""A program that calls the REST API with a token."""

from __future__ import annotations

from typing import Any

from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group
from django.http import HttpResponse
from django.test import Client

from restapi import scopes, tokens
from vetting import roles

SHAPE = {"code", "error", "do"}
ALL = tuple(scopes.BY_NAME)


def account(role: str = roles.OPERATOR) -> Any:
    user, new = get_user_model().objects.get_or_create(username=f"{role}-of-tests", defaults={"is_staff": True})
    if new:
        user.groups.add(Group.objects.get(name=role))
    return user


class Caller:
    """Each call asserts the status that is expected of it, and the one shape of errors."""

    def __init__(self, role: str = roles.OPERATOR, *scope_names: str) -> None:
        user = account(role)
        names = scope_names or ALL
        self.token = tokens.make(user, f"{'-'.join(names)} {user.api_tokens.count()}", names)
        self.client = Client(headers={"Authorization": f"Bearer {self.token.secret}"})

    def get(self, address: str, /, status: int = 200, headers: dict[str, str] | None = None, **query: Any) -> Any:
        return self._answered(self.client.get(f"/rest/v1{address}", query, headers=headers), status)

    def post(self, address: str, /, status: int = 200, **body: Any) -> Any:
        sent = self.client.post(f"/rest/v1{address}", body, content_type="application/json")
        return self._answered(sent, status)

    def _answered(self, response: HttpResponse, status: int) -> Any:
        assert response.status_code == status, (response.status_code, response.getvalue()[:600])
        if status >= 400:
            told = response.json()
            assert told.keys() == SHAPE and all(isinstance(word, str) and word for word in told.values()), told
            return told
        return response.json() if "json" in response.headers.get("Content-Type", "") and status != 304 else response
