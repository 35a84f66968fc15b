"""What must hold of our own settings, whatever an operator configures."""

from __future__ import annotations

import logging
import os
import runpy
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.utils.module_loading import import_string

from vetting import rounds

SETTINGS = Path(__file__).resolve().parents[2] / "vetting" / "settings.py"


def installed(monkeypatch: pytest.MonkeyPatch, data: Path, **environment: str) -> dict[str, Any]:
    """The settings as an installation has them: what the environment of the tests says does not count."""
    monkeypatch.delenv("VETTING_TESTING", raising=False)
    monkeypatch.delenv("DATABASE_URL", raising=False)
    for name, value in {"VETTING_DATA_DIR": str(data), "VETTING_SECRET_KEY": "k" * 32, **environment}.items():
        monkeypatch.setenv(name, value)
    return runpy.run_path(str(SETTINGS))


def test_sqlite_s_transactions_are_immediate(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Its default is to upgrade a transaction when it first writes: with several writers that fails with "database is
    locked", 860 times in 20 s when we measured it, and never with IMMEDIATE."""
    assert installed(monkeypatch, tmp_path)["DATABASES"]["default"]["OPTIONS"]["transaction_mode"] == "IMMEDIATE"


def test_postgresql_gets_no_options_of_sqlite(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    found = installed(monkeypatch, tmp_path, DATABASE_URL="postgres://vetting:pass@db/vetting")
    options = found["DATABASES"]["default"]["OPTIONS"]
    assert all(name.startswith(("connect_", "keepalives_", "tcp_")) for name in options)


def test_the_address_of_postgresql_may_set_other_options(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    address = "postgres://vetting:pass@db/vetting?connect_timeout=9&sslmode=require"
    options = installed(monkeypatch, tmp_path, DATABASE_URL=address)["DATABASES"]["default"]["OPTIONS"]
    assert (options["connect_timeout"], options["sslmode"], options["tcp_user_timeout"]) == (9, "require", 10_000)


def test_a_task_ends_before_it_would_be_started_a_second_time_beside_the_first() -> None:
    assert settings.Q_CLUSTER["retry"] > settings.Q_CLUSTER["timeout"] > rounds.SESSION_S


@pytest.mark.parametrize("path", settings.MIDDLEWARE)
def test_no_middleware_is_only_synchronous(path: str) -> None:
    """One that is costs a thread per request, and the web process may not stop."""
    assert getattr(import_string(path), "async_capable", False)


def test_what_a_library_says_of_each_task_is_not_logged() -> None:
    assert not import_string("django_q.conf.logger").isEnabledFor(logging.INFO)


def test_commands_and_the_worker_load_no_web_server() -> None:
    """daphne with Twisted takes 17 MB and a fifth of the time of every start, cryptography 9 MB."""
    heavy = {"daphne", "twisted", "autobahn", "django_eventstream", "cryptography", "sushy", "apprise"}
    program = f"import django, sys; django.setup(); print(*{heavy!r} & set(sys.modules))"
    environment = {**os.environ, "DJANGO_SETTINGS_MODULE": "vetting.settings"}
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=settings.BASE_DIR,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.split() == []


def test_a_short_secret_key_stops_the_start_and_is_not_repeated(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with pytest.raises(ImproperlyConfigured, match="32 characters") as refused:
        installed(monkeypatch, tmp_path, VETTING_SECRET_KEY="swordfish")
    assert "swordfish" not in str(refused.value)


def test_hashes_are_dear_to_try(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    found = installed(monkeypatch, tmp_path)
    assert found["AGENT_TOKEN_BCRYPT_ROUNDS"] >= 10
    assert found["PASSWORD_HASHERS"][0].endswith("BCryptSHA256PasswordHasher")
