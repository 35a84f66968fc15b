"""What the wipe probe listed in one boot can't be overridden in the next: the host was out of our sight in between."""

from __future__ import annotations

import pytest

from hosts.models import Host
from runs import lifecycle
from runs.models import Run
from runs.transition import Refused
from tests.agentapi.test_a_whole_run import SERIAL, _refused_in_storage
from tests.talker import Talker

pytestmark = pytest.mark.django_db


def test_a_list_of_an_older_boot_is_refused_though_the_caller_names_no_boot(
    talker: Talker, host: Host, run: Run
) -> None:
    _refused_in_storage(talker)
    Talker(host, boot_id="boot-2").boot_and_claim()
    with pytest.raises(Refused, match="list is of boot 1, the host is in boot 2"):
        lifecycle.override_wipe(run, 1, SERIAL, "d1g3st", "admin")
    assert not run.overrides.exists()
