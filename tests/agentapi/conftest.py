"""A host with a queued run, and somebody to speak for its agent."""

from __future__ import annotations

import pytest

from hosts.models import Host
from runs import lifecycle
from runs.models import Run
from tests.rows import a_host
from tests.talker import EXPECTED, MAC, Talker


@pytest.fixture
def host(db: None) -> Host:
    return a_host("node-1", mac=MAC, expected=EXPECTED)


@pytest.fixture
def run(host: Host) -> Run:
    return lifecycle.start_run(host, profile_name="quick", who="admin")


@pytest.fixture
def talker(host: Host, run: Run) -> Talker:
    return Talker(host)
