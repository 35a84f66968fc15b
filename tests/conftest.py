"""For every test: files in a directory of its own, cheap hashes (bcrypt at cost 12 takes 250 ms a login), and no time
limit on a property's example, which a busy machine misses."""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

# Before any test module imports twisted.internet.testing: zope.interface then marks Python's own Mapping in a way that
# sushy, whose fields are mappings, can't be imported with. No process of the product imports it.
import sushy  # noqa: F401
from django.conf import settings as django_settings
from hypothesis import settings as property_settings

from runs.bench import faults
from runs.files import volatile

property_settings.register_profile("busy", deadline=None)
property_settings.load_profile("busy")

WHOLE_MACHINE_S = 3600
_FOR_NEW_FILES = "PRAGMA auto_vacuum=INCREMENTAL;"


def pytest_configure() -> None:
    """The tests' database is new, also where the working copy has one: vetting/settings.py then leaves this out."""
    options = django_settings.DATABASES["default"].get("OPTIONS", {})
    if (words := options.get("init_command")) and _FOR_NEW_FILES not in words:
        options["init_command"] = _FOR_NEW_FILES + words


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Where several processes share the tests, start with the files that take long: they then end at the same time.
    Whole machines and installations have more time than `timeout` in pyproject.toml."""
    for item in items:
        if any(item.iter_markers("rack")) or any(item.iter_markers("install")):
            item.add_marker(pytest.mark.timeout(WHOLE_MACHINE_S))
    if not hasattr(config, "workerinput"):
        return
    tests = Counter(item.path for item in items)
    slow = {item.path for item in items if any(item.iter_markers("slow")) or any(item.iter_markers("browser"))}
    items.sort(key=lambda item: (item.path not in slow, -tests[item.path], item.path))


@pytest.fixture(autouse=True)
def own_files(tmp_path: Path, settings: object, request: pytest.FixtureRequest) -> Iterator[None]:
    """No test writes into the working copy's data. A real web process has the real hashers, and so has who asks."""
    settings.DATA_DIR = tmp_path
    settings.RUNS_DIR = tmp_path / "runs"
    settings.PXE_DIR = tmp_path / "pxe"
    settings.PID_DIR = tmp_path / "run"
    settings.AGENT_TOKEN_BCRYPT_ROUNDS = 4
    faults.forget()
    if not {"web", "shared_web", "real_hashers"} & set(request.fixturenames):
        settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    yield
    shutil.rmtree(volatile.path(tmp_path / "run"), ignore_errors=True)


@pytest.fixture
def real_hashers() -> None:
    """For tests of the hashers themselves."""
