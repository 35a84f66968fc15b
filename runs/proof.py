"""The second look at a result: does what the agent calls passed carry what the profile requires of it?

The agent settles a stage first, by the same rule in its own code. A bad host that passes is the worst that can happen,
so nothing is taken as passed here because somebody said so.
"""

from __future__ import annotations

from collections.abc import Collection

from agent import wire


def lacking(result: wire.Result, required: Collection[str], not_expected: Collection[str]) -> str:
    """Why the result can't be passed, in words; empty where nothing is lacking.

    Each required check has to be there and to have passed, unless the host is not expected to have what it looks at:
    by the check's topic, or by the first word of its name where it was not made.
    """
    unproven = [name for name in required if not _proven(name, result.checks, not_expected)]
    return f"called passed without {', '.join(unproven)}" if unproven else ""


def _proven(name: str, checks: list[wire.Check], not_expected: Collection[str]) -> bool:
    made = [check for check in checks if check.name == name]
    if not made:
        return name.partition(".")[0] in not_expected
    return all(check.outcome is wire.Outcome.PASSED or _taken_off(check, not_expected) for check in made)


def _taken_off(check: wire.Check, not_expected: Collection[str]) -> bool:
    return check.outcome is wire.Outcome.NOT_TESTED and check.topic in not_expected
