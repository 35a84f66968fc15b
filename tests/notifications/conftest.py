from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.work import do_jobs
from vetting import config


@pytest.fixture
def configure(settings: Any) -> Callable[..., None]:
    """Sets the notifications part of the configuration, and the secrets that the environment holds."""

    def apply(targets: list[dict], routes: list[dict] | None = None, secrets: dict[str, str] | None = None) -> None:
        routes = routes if routes is not None else [{"to": [target["name"] for target in targets]}]
        wanted = {
            "web": {"public_url": "https://vetting.test"},
            "notifications": {"targets": targets, "routes": routes},
        }
        settings.VETTING = config.parse(wanted, "test")
        settings.TARGET_SECRETS = secrets or {}

    return apply


@pytest.fixture
def run_queue(db: None) -> Callable[[], int]:
    """Does what a worker would: every job that is due, once. Returns how many there were."""
    return do_jobs
