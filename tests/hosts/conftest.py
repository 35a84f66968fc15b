"""An operator in the admin, a host, and two small profiles."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.test import Client

from hosts.models import Host, HostMac
from runs.profiles import load as profiles
from tests.hosts.adminclient import (
    SPEC,
)
from tests.runs.test_profiles import QUICK, WRITE, take_any_values


@pytest.fixture
def two_profiles(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "profiles").mkdir()
    (tmp_path / "profiles" / "quick.yaml").write_text(QUICK)
    (tmp_path / "profiles" / "quick-write.yaml").write_text(WRITE)
    monkeypatch.setattr(profiles, "SHIPPED", tmp_path / "profiles")
    take_any_values(monkeypatch)


@pytest.fixture
def operator(client: Client, two_profiles: None) -> Client:
    user = get_user_model().objects.create_superuser("ada", password="correct horse battery")
    client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
    return client


@pytest.fixture
def host() -> Host:
    host = Host.objects.create(name="pve-1", expected=SPEC)
    HostMac.objects.create(host=host, mac="52:54:00:00:00:01")
    return host
