"""What a person, a file or a BMC fills in is bounded: too long, it is refused with the figure, never cut in silence."""

from __future__ import annotations

import pytest
from django.core.exceptions import ValidationError

from hosts import bounds, expectations, wakeoptions
from hosts.fields import normalise_mac
from hosts.models import Host

LONG = "x" * 1_000_000


def test_a_text_that_is_cut_is_never_longer_than_its_bound() -> None:
    for bound in (bounds.SENTENCE, bounds.NAME, bounds.QUOTE, bounds.Bound(5, "tiny"), bounds.Bound(0, "none")):
        for text in ("", "x" * bound.most, "x" * (bound.most + 1), LONG):
            assert len(bound.cut(text)) <= bound.most and len(bound.cut_middle(text)) <= bound.most + 50
            assert bound.cut(bound.cut(text)) == bound.cut(text)


def test_notes_that_are_too_long_are_refused_with_the_figure() -> None:
    with pytest.raises(ValidationError, match="1,000,000 characters: at most 10,000"):
        Host(name="node-1", notes=LONG).clean()


def test_an_option_of_waking_that_is_too_long_is_refused() -> None:
    (problem,) = wakeoptions.problems("wol", {"broadcast": LONG})
    assert problem == "broadcast: 1,000,000 characters: at most 500 are taken"


@pytest.mark.parametrize("options", [{LONG: 1}, {"efi": LONG}, {"user": [LONG]}, {f"k{n}": 1 for n in range(5_000)}])
def test_no_problem_with_the_options_of_waking_echoes_them(options: dict) -> None:
    assert sum(map(len, wakeoptions.problems("wol", options))) < 3_000


@pytest.mark.parametrize(
    "spec", [f"disks: [{{serial: {'x' * 100_000}}}]", f"{'k' * 100_000}: 1", f"cpu: {{cores: {'9' * 9_999}}}"]
)
def test_no_problem_with_a_spec_echoes_it(spec: str) -> None:
    with pytest.raises(expectations.ExpectationError) as error:
        expectations.read(spec)
    assert len(str(error.value)) < 1_000


def test_no_problem_with_a_mac_address_echoes_it() -> None:
    with pytest.raises(ValidationError) as error:
        normalise_mac(LONG)
    assert len(error.value.messages[0]) < 300
