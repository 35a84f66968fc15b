"""Where a boot stopped, and what to look at."""

from __future__ import annotations

import pytest

from runs import ladder
from runs.models import LadderRung, Rung
from tests.rows import a_run


def test_every_rung_has_its_advice() -> None:
    assert set(ladder.ADVICE) == {None, *Rung}
    for advice in ladder.ADVICE.values():
        assert advice.stopped and advice.causes and advice.checks


def test_the_highest_rung_counts_whatever_the_order() -> None:
    assert ladder.last([Rung.SCRIPT, Rung.DHCP, Rung.WAKE_SENT]) is Rung.SCRIPT
    assert ladder.last([]) is None


def test_a_firmware_that_needs_no_tftp_is_not_said_to_have_stopped_there() -> None:
    assert ladder.advice([Rung.WAKE_SENT, Rung.DHCP, Rung.SCRIPT]) is ladder.ADVICE[Rung.SCRIPT]


def test_secure_boot_stands_where_a_firmware_has_fetched_the_loader_and_refused_it() -> None:
    assert ladder.ADVICE[Rung.TFTP].causes[0].startswith("Secure Boot is on")
    others = [one for rung, one in ladder.ADVICE.items() if rung not in (Rung.TFTP, Rung.DHCP)]
    assert "Secure Boot" not in " ".join(cause for one in others for cause in one.causes)
    assert "over HTTP, and Secure Boot" in ladder.ADVICE[Rung.DHCP].causes[-1]


def test_a_long_self_test_and_a_bond_are_causes_for_a_machine_that_was_not_heard() -> None:
    causes = " ".join(ladder.ADVICE[Rung.WAKE_SENT].causes)
    assert "self test" in causes and "LACP" in causes


@pytest.mark.django_db
def test_only_the_newest_boot_counts() -> None:
    from django.utils import timezone

    run = a_run(boot=2)
    LadderRung.objects.create(run=run, boot=1, rung=Rung.CLAIMED, at=timezone.now())
    LadderRung.objects.create(run=run, boot=2, rung=Rung.DHCP, at=timezone.now())
    text = ladder.stopped_at(run)
    assert "stopped after: DHCP answered" in text
    assert "Usual causes" in text and "Check" in text


@pytest.mark.django_db
def test_a_machine_of_which_nothing_was_seen_says_so() -> None:
    assert "nothing was seen" in ladder.stopped_at(a_run())
