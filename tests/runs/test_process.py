"""Whether the process that a row names has ended: told of this machine only."""

from __future__ import annotations

import os
from typing import Any

from runs.bench import process


def test_this_process_goes_on() -> None:
    assert not process.is_gone(process.mine())
    assert process.mine().startswith(process.here())


def test_a_process_that_ended_is_gone() -> None:
    assert process.is_gone(f"{process.here()}{2**22 + 1}/1")


def test_another_process_with_the_same_number_is_not_the_one_that_was_meant() -> None:
    assert process.is_gone(f"{process.here()}{os.getpid()}/1")


def test_a_process_of_an_earlier_boot_is_gone(settings: Any) -> None:
    name = process.mine().split("/")
    assert process.is_gone("/".join([settings.MACHINE, "00000000", *name[2:]]))


def test_of_another_machine_nothing_is_known() -> None:
    assert not process.is_gone(f"other/00000000/{2**22 + 1}/1")
    assert not process.is_gone("an-older-version:17")
    assert not process.is_gone("")
