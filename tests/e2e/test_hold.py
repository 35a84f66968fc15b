"""The hold: who can log in, and what is left of it after the release."""

from __future__ import annotations

import pytest

from tests.e2e.machines import small
from tests.e2e.waiting import until
from tests.rack.rack import Rack
from tests.rack.ssh import REFUSED_STATUS, Login

pytestmark = [pytest.mark.rack, pytest.mark.slow]
MISSING_DIMM = {"memory": {"dimms": [{"locator": "DIMM_Z9", "size_mb": 1024, "serial": "D-9", "part": "P"}]}}


def hold(rack: Rack) -> Login:
    rack.register()
    rack.start_run()
    until("the run is held", lambda: rack.snapshot()["state"] == "FailedHolding", 300)
    return until("the host says where it is held", rack.login, 30)


def test_only_the_issued_key_logs_in_and_release_takes_it_before_the_power() -> None:
    with Rack(small(expected=MISSING_DIMM)) as rack:
        login = hold(rack)
        until("the key logs in", lambda: not login.trouble(), 60)
        stranger = login.with_a_key_of_its_own()
        assert stranger.run("true").returncode == REFUSED_STATUS

        rack.desk.ask("release", run=rack.run)
        until("the key is refused", lambda: login.run("true").returncode == REFUSED_STATUS, 60, every_s=0.1)
        assert rack.vm.is_on, "the machine went off before the key was seen to be refused"
        until("the machine powers itself off", lambda: not rack.vm.is_on, 120)
        assert rack.snapshot()["state"] == "Released"
