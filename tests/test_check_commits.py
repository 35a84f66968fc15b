"""The check of commit subjects: what it lets through, what it names, and how it ends."""

from __future__ import annotations

from pathlib import Path

import pytest

from scripts import check_commits


@pytest.mark.parametrize(
    "subject",
    [
        "runs: refuse a second retry",
        "agent/probes, docs: read the RTC",
        "tests: embed the recording",
        "Merge branch 'main'",
        'Revert "runs: refuse a second retry"',
    ],
)
def test_a_good_subject_and_git_s_own_pass(subject: str) -> None:
    assert check_commits.faults(subject) == []


@pytest.mark.parametrize(
    ("subject", "fault"),
    [
        ("Disk errors of a repeated inventory have their judge, too", "scope"),
        ("runs: refused a second retry", "imperative"),
        ("runs: refusing a second retry", "imperative"),
        ("runs: fixes the retry", "imperative"),
        ("runs: refuse a second retry.", "full stop"),
        ("runs: " + "x" * 67, "73 characters"),
    ],
)
def test_a_bad_subject_is_named(subject: str, fault: str) -> None:
    assert fault in " ".join(check_commits.faults(subject))


def test_the_hook_refuses_a_bad_message_and_skips_comments(tmp_path: Path) -> None:
    message = tmp_path / "COMMIT_EDITMSG"
    message.write_text("# a comment of git's\n\nruns: refuse a second retry\n\nWhy it is so.\n")
    assert check_commits.main(["--message", str(message)]) == 0
    message.write_text("quick fix\n")
    assert check_commits.main(["--message", str(message)]) == 1


def test_recent_commits_only_warn_unless_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(check_commits, "recent_subjects", lambda: ["abc123 quick fix", "abc124 runs: refuse it"])
    assert check_commits.main([]) == 0
    assert check_commits.main(["--strict"]) == 1
