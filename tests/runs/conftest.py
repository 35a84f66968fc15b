"""A web process for tests that need a real one."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from django.db import connection

from tests import factories
from tests.runs.webprocess import WebProcess, database_url

PASSWORD = "a-pass-for-tests"


@pytest.fixture
def web(transactional_db: None, tmp_path: Path) -> Iterator[WebProcess]:
    """Started, over the database that the test writes to, with an operator who can log in."""
    user = factories.UserFactory()
    user.set_password(PASSWORD)
    user.save()
    process = WebProcess(tmp_path, database_url(connection.settings_dict))
    process.start()
    yield process
    if process.process is not None and process.process.poll() is None:
        process.stop()
