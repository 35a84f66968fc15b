"""A web process for tests that need a real one: one of their own (`web`), or one per file (`shared_web`)."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.hashers import make_password
from django.db import connection

from tests import factories
from tests.runs.webprocess import WebProcess, database_url

PASSWORD = "a-pass-for-tests"


@pytest.fixture
def web(transactional_db: None, tmp_path: Path) -> Iterator[WebProcess]:
    """Started, over the database that the test writes to, with an operator who can log in."""
    _make_operator()
    process = WebProcess(tmp_path, database_url(connection.settings_dict))
    process.start()
    yield process
    if process.is_running():
        process.stop()


@pytest.fixture(scope="module")
def web_of_the_file(django_db_setup: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[WebProcess]:
    """Not yet started."""
    process = WebProcess(tmp_path_factory.mktemp("web"), database_url(connection.settings_dict))
    yield process
    if process.is_running():
        process.stop()


@pytest.fixture
def shared_web(transactional_db: None, web_of_the_file: WebProcess, settings: Any) -> Iterator[WebProcess]:
    """As `web`, but it goes on from test to test, since its start takes seconds. Database and files are emptied between
    tests. What a test changes in the process itself stays, and so do the numbers of content types that it
    knows, which are others in the next test: one that floods it, or saves in the administration, takes `web`."""
    _make_operator()
    ours = {name: web_of_the_file.folder / path for name, path in _DIRECTORIES.items()}
    for name, path in ours.items():
        setattr(settings, name, path)
    if not web_of_the_file.is_running():
        web_of_the_file.start()
    yield web_of_the_file
    for path in ours.values():
        shutil.rmtree(path, ignore_errors=True)


_DIRECTORIES = {"RUNS_DIR": "runs", "PXE_DIR": "pxe", "PID_DIR": "run"}
"""As vetting/settings.py lays them below VETTING_DATA_DIR."""


def _make_operator() -> None:
    user = factories.UserFactory()
    user.password = _hashed()
    user.save()


@cache
def _hashed() -> str:
    return make_password(PASSWORD)
