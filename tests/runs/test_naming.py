from __future__ import annotations

import pytest

from runs.naming import in_words


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("counters.edac", "error counters EDAC"),
        ("counters.kernel_log", "error counters kernel log"),
        ("pcie_links", "PCIe links"),
        ("rand_read_p99", "random read 99th percentile"),
        ("nobody_knows_this", "nobody knows this"),
        ("", ""),
    ],
)
def test_an_identifier_is_put_into_words(name: str, words: str) -> None:
    assert in_words(name) == words
