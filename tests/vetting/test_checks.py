"""The checks at the start: silent on our own settings, and loud on each thing that can be wrong."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from runs import profiles
from tests.runs.test_profiles import QUICK
from vetting import checks


def ids(messages: list) -> list[str]:
    assert all(message.hint for message in messages), "every one says what to do"
    return [message.id for message in messages]


@pytest.mark.parametrize(
    "check", [checks.database, checks.worker_queue, checks.middleware_is_async, checks.live_pages, checks.secrets]
)
def test_our_own_settings_are_right(check: Any, settings: Any, real_hashers: None) -> None:
    settings.AGENT_TOKEN_BCRYPT_ROUNDS = 10
    assert ids(check()) == []


def test_a_deferred_sqlite_is_an_error(settings: Any) -> None:
    settings.DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "OPTIONS": {}}}
    assert ids(checks.database()) == ["vetting.E001"]


def test_postgresql_needs_no_transaction_mode(settings: Any) -> None:
    settings.DATABASES = {"default": {"ENGINE": "django.db.backends.postgresql"}}
    assert ids(checks.database()) == []


@pytest.mark.parametrize(("timeout", "retry"), [(90, 90), (90, 60), (25, 120), (None, 120), (20, 120)])
def test_a_task_that_could_run_twice_is_an_error(settings: Any, timeout: int | None, retry: int) -> None:
    settings.Q_CLUSTER = {**settings.Q_CLUSTER, "timeout": timeout, "retry": retry}
    assert ids(checks.worker_queue()) == ["vetting.E002"]


class OnlySync:
    """Middleware of the old kind."""

    async_capable = False


def test_a_middleware_that_is_only_synchronous_is_an_error(settings: Any) -> None:
    settings.MIDDLEWARE = [*settings.MIDDLEWARE, f"{__name__}.OnlySync"]
    assert ids(checks.middleware_is_async()) == ["vetting.E003"]


def test_the_defaults_of_the_event_streams_are_errors(settings: Any) -> None:
    settings.EVENTSTREAM_STORAGE_CLASS = ""
    settings.EVENTSTREAM_CHANNELMANAGER_CLASS = "django_eventstream.channelmanager.DefaultChannelManager"
    assert ids(checks.live_pages()) == ["vetting.E004", "vetting.E005"]


def test_weak_secrets_are_told(settings: Any) -> None:
    settings.SECRET_KEY = "short"
    settings.AGENT_TOKEN_BCRYPT_ROUNDS, settings.TESTING = 4, False
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    messages = checks.secrets()
    assert ids(messages) == ["vetting.E006", "vetting.W001", "vetting.W002"]
    assert "short" not in str(messages[0].msg).split()


def test_a_directory_that_is_a_file_is_an_error(settings: Any, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    settings.DATA_DIR = tmp_path / "file" / "data"
    assert ids(checks.directories()) == ["vetting.E007"]
    settings.DATA_DIR = tmp_path / "not" / "there" / "yet"
    assert ids(checks.directories()) == []


def test_a_broken_profile_is_an_error_with_its_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(profiles, "SHIPPED", tmp_path)
    assert ids(checks.every_profile_loads()) == ["vetting.W004"]
    (tmp_path / "quick.yaml").write_text(QUICK)
    assert ids(checks.every_profile_loads()) == []
    (tmp_path / "bad.yaml").write_text(QUICK.replace("quick", "bad", 1).replace("mode: read", "mode: wipe"))
    (message,) = checks.every_profile_loads()
    assert "bad.yaml, line 4" in message.msg
