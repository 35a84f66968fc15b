"""Answers that are right on every machine, for two seeds of each operation that agrees everywhere. A change of such an
operation changes them: `tests/agent/test_core_screen.py` then shows the new ones."""

from __future__ import annotations

SEEDS = (1, 2)
_ANSWERS: dict[str, tuple[str, str]] = {
    "integers": ("aae320d689f28943", "8d8490e958658fa5"),
    "large_numbers": ("21beef5efe836a74", "5424a4e817e9b858"),
    "floats": ("e065f924fef511a6", "fb446a25e99eec40"),
    "hashes": ("e25ef6c4768ef5f8", "b6c86dc87882cce8"),
    "checksums": ("85b704e2e0e57c0c", "e3f4d957e3a4244c"),
    "ciphers": ("428c73d06bdd0fee", "b142c09e2ccc03b4"),
    "seals": ("03e73a9c880bc126", "54297b45f97c81a1"),
}
KNOWN = {(name, seed): text for name, texts in _ANSWERS.items() for seed, text in zip(SEEDS, texts, strict=True)}
