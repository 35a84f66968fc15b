"""What the image's units and network files say, where a mistake would show on a rare host only."""

from __future__ import annotations

from pathlib import Path

from builder import output

IMAGE = Path(__file__).parents[2] / "live-image"
LIB = IMAGE / "mkosi.extra/usr/lib/systemd"


def lines(path: str) -> list[str]:
    return (LIB / path).read_text().splitlines()


def test_a_module_that_hangs_in_its_start_does_not_keep_the_agent_from_starting() -> None:
    """A oneshot unit has no time limit of its own, and the agent starts after it."""
    assert "Before=vetting-agent.service" in lines("system/vetting-modules.service")
    assert "TimeoutStartSec=60" in lines("system/vetting-modules.service")


def test_a_host_keeps_its_address_when_the_dhcp_server_is_away_for_longer_than_the_lease() -> None:
    assert "KeepConfiguration=dhcp" in lines("network/80-vetting.network")


def test_udev_ends_no_driver_that_takes_minutes_and_says_in_the_kernels_log_if_it_does() -> None:
    assert "udev.event_timeout=1800" in output.kernel_args(IMAGE)
    assert "Environment=SYSTEMD_LOG_TARGET=kmsg" in lines("system/systemd-udevd.service.d/kernel-log.conf")
