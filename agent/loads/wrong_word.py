"""A word of memory that did not hold what was written to it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class WrongWord:
    """`addresses` are physical: one; two if the test compares two words and can't tell which of them is wrong; none if
    the kernel did not tell. `where` is the place in the test's own words, `note` what else the test saw, `named` are
    modules that the test itself names. Without `found` and `expected`, only a checksum was wrong."""

    addresses: tuple[int, ...]
    found: int | None
    expected: int | None
    where: str = ""
    note: str = ""
    named: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        """The word in one phrase, for a message."""
        place = " or ".join(f"{address:#x}" for address in self.addresses) or self.where
        details = f" ({self.note})" if self.note else ""
        if self.found is None or self.expected is None:
            return f"at {place}{details}"
        return f"at {place} found {self.found:#018x}, expected {self.expected:#018x}{details}"
