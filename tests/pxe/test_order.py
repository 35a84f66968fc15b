"""The order for dnsmasq's unit is written to the disk when it changes, and renewed without that."""

from __future__ import annotations

from pathlib import Path

import pytest

from pxe import order
from pxe.order import Order
from pxe.paths import Paths
from runs.files import volatile

WANTED = Order("configuration", "conf", "hosts")


@pytest.fixture
def files(tmp_path: Path) -> Paths:
    made = Paths(tmp_path / "pxe", tmp_path / "run")
    made.make()
    return made


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [1000.0]
    monkeypatch.setattr(order, "_now_s", lambda: now[0])
    return now


def test_an_order_that_stays_the_same_is_renewed_without_a_write(files: Paths, clock: list[float]) -> None:
    order.renew(files, WANTED)
    written = files.order.stat()
    for _ in range(20):
        clock[0] += order.RENEW_AFTER_S
        order.renew(files, WANTED)
        renewed = order.read(files)
        assert renewed is not None and renewed.age_s() == 0
    assert files.order.stat() == written


def test_an_order_that_nobody_renews_grows_old(files: Paths, clock: list[float]) -> None:
    order.renew(files, WANTED)
    clock[0] += order.RENEW_AFTER_S
    order.renew(files, WANTED)
    clock[0] += 90
    assert (order.read(files) or WANTED).age_s() == 90


def test_another_order_is_written(files: Paths, clock: list[float]) -> None:
    order.renew(files, WANTED)
    clock[0] += order.RENEW_AFTER_S
    order.renew(files, WANTED)
    order.renew(files, Order("configuration", "conf", "other hosts"))
    assert (order.read(files) or WANTED).hosts == "other hosts"


def test_an_order_of_another_boot_is_written_though_it_seems_to_be_renewed(
    files: Paths, clock: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    order.renew(files, WANTED)
    clock[0] += order.RENEW_AFTER_S
    order.renew(files, WANTED)
    monkeypatch.setattr(order, "this_boot", lambda: "another 1")
    assert (order.read(files) or WANTED).age_s() == float("inf")
    order.renew(files, WANTED)
    assert (order.read(files) or WANTED).age_s() == 0


def test_a_renewal_of_a_later_time_than_now_does_not_hold_for_ever(files: Paths, clock: list[float]) -> None:
    order.renew(files, WANTED)
    clock[0] += 1000
    order.renew(files, WANTED)
    clock[0] -= 500
    order.renew(files, WANTED)
    assert (order.read(files) or WANTED).age_s() == 0


def test_where_the_time_can_not_be_kept_in_memory_the_order_is_written(
    files: Paths, clock: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(file: Path, ns: int) -> None:
        raise PermissionError

    monkeypatch.setattr(volatile, "set_time", refuse)
    order.renew(files, WANTED)
    clock[0] += order.RENEW_AFTER_S
    order.renew(files, WANTED)
    assert (order.read(files) or WANTED).age_s() == 0


def test_a_new_order_is_not_taken_for_renewed_by_the_time_of_the_one_before(files: Paths, clock: list[float]) -> None:
    order.renew(files, WANTED)
    clock[0] += order.RENEW_AFTER_S
    order.renew(files, WANTED)
    order.withdraw(files)
    assert order.read(files) is None
    assert order._renewed_s(files) == 0
