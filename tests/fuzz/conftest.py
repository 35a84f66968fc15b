"""Thousands of calls, most of them refused: what is logged of each helps nobody."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest
from hypothesis.internal.conjecture import providers

from tests.fuzz import budget


@pytest.fixture(autouse=True)
def silent() -> Iterator[None]:
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


@pytest.fixture(autouse=True)
def same_draws(monkeypatch: pytest.MonkeyPatch) -> None:
    """In the suite, a seed draws the same in every process. Hypothesis also draws constants from the source of all
    modules that are loaded, and which those are depends on the tests that ran before."""
    if not budget.SECONDS:
        monkeypatch.setattr(providers, "_get_local_constants", lambda: providers.GLOBAL_CONSTANTS)
        monkeypatch.setattr(providers, "CONSTANTS_CACHE", {})
