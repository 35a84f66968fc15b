"""Who is answered on the network, and what a machine that is not to be vetted boots."""

from __future__ import annotations

import pytest

from tests.e2e.machines import MAC, small
from tests.e2e.waiting import says, until
from tests.rack.content.place import write_at
from tests.rack.rack import Rack

pytestmark = [pytest.mark.rack, pytest.mark.slow]
GREETING = b"This is the local disk.\r\n"


def boot_sector() -> bytes:
    """A master boot record that says its greeting on the first serial port and stops."""
    code = bytes.fromhex(
        "fa"  # cli
        "31c0 8ed8"  # ds = 0
        "be167c"  # si = the greeting
        "ac 08c0 7406"  # next character, or to the end
        "baf803 ee ebf5"  # out to the port, again
        "f4 ebfd"  # hlt, for ever
    )
    return (code + GREETING + b"\0").ljust(510, b"\0") + b"\x55\xaa"


def test_a_machine_that_is_not_registered_gets_no_answer() -> None:
    with Rack(small(firmware="bios", boot_deadline_s=30)) as rack:
        log = rack.orchestrator.data / "pxe" / "dnsmasq.log"
        until("dnsmasq is up", log.exists, 30)
        rack.vm.press_power()
        until("the machine asks for an address", says(log, f"DHCPDISCOVER(br0) {MAC}"), 60)
        until("the machine gives up", says(rack.vm.bay.console, "No bootable device"), 120)
        assert "DHCPOFFER" not in log.read_text()


def test_a_registered_machine_without_a_run_boots_from_its_disk() -> None:
    with Rack(small(firmware="bios")) as rack:
        rack.register()
        hosts = rack.orchestrator.data / "pxe" / "dnsmasq.hosts"
        until("dnsmasq knows the machine", says(hosts, MAC), 30)
        write_at(rack.vm.bay.image(0), 0, boot_sector())
        rack.vm.press_power()
        until("the disk boots", says(rack.vm.bay.console, GREETING.decode().strip()), 120)
        console = rack.vm.bay.console.read_text(errors="replace")
        assert "vetting.token" not in console
