"""A wrong configuration is told at the start, with the fix."""

from __future__ import annotations

import errno
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pxe import checks
from pxe.paths import Paths

Bench = Callable[..., Paths]


def ids(messages: list[Any]) -> list[str]:
    assert all(message.hint for message in messages)
    return [message.id for message in messages]


def test_a_right_configuration_has_nothing_to_say(bench: Bench) -> None:
    assert checks.boot_configuration() == []


@pytest.mark.parametrize(
    ("sections", "expected"),
    [
        ({"web": {"address": "vetting.lan"}}, "pxe.E001"),
        ({"web": {"address": "fd00::1"}}, "pxe.E001"),
        ({"web": {"address": "127.0.0.1"}}, "pxe.E002"),
        ({"pxe": {"range_end": "10.78.0.9"}}, "pxe.E003"),
        ({"pxe": {"router": "10.78.0.1"}}, "pxe.E003"),
        ({"pxe": {"range_start": "10.77.0.121"}}, "pxe.E004"),
        ({"boot_files": {"extra_args": "quiet || reboot"}}, "pxe.E005"),
        ({"boot_files": {"extra_args": "x=${net0/mac}"}}, "pxe.E005"),
        ({"boot_files": {"extra_args": "a\nb"}}, "pxe.E005"),
        ({"web": {"address": "10.77.0.110"}}, "pxe.E006"),
        ({"pxe": {"interface": "eth0\nuser=root"}}, "pxe.E007"),
    ],
)
def test_what_is_wrong_is_named(bench: Bench, sections: dict[str, Any], expected: str) -> None:
    bench(**sections)
    assert expected in ids(checks.boot_configuration())


@pytest.mark.parametrize(("minutes", "expected"), [(14, ["pxe.W006"]), (15, [])])
def test_a_lease_that_ends_during_a_boot_is_a_warning(bench: Bench, minutes: int, expected: list[str]) -> None:
    bench(pxe={"lease_minutes": minutes}, deadlines={"boot_s": 900})
    assert ids(checks.boot_configuration()) == expected


def test_a_missing_image_is_a_warning(bench: Bench, settings: Any) -> None:
    (settings.IMAGE_DIR / "initrd.zst").unlink()
    assert "pxe.W003" in ids(checks.boot_tools())


@pytest.mark.parametrize("name", ["vmlinuz", "initrd.zst", "manifest.json"])
def test_an_image_that_cannot_be_read_is_a_warning_that_says_so(
    bench: Bench, settings: Any, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As after a copy with umask 077. (Root may read everything, so the refusal is made here.)"""
    real = Path.open

    def refuse(path: Path, *args: Any, **more: Any) -> Any:
        if path.name == name:
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return real(path, *args, **more)

    monkeypatch.setattr(Path, "open", refuse)
    [message] = [message for message in checks.boot_tools() if message.id == "pxe.W003"]
    assert message.msg == f"the live image can't be read ({settings.IMAGE_DIR / name}: Permission denied)"
    assert "chmod" in message.hint


@pytest.mark.parametrize(("size", "said"), [(400, False), (403, True)])
def test_an_initrd_that_no_other_can_follow_is_a_warning(bench: Bench, settings: Any, size: int, said: bool) -> None:
    (settings.IMAGE_DIR / "initrd.zst").write_bytes(bytes(size))
    assert ("pxe.W004" in ids(checks.boot_tools())) is said
