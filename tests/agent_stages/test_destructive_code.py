"""Where destructive things may stand in the source, so that a review of three files is a review of all."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from agent.contract.codes import CODES

AGENT = Path(__file__).parents[2] / "agent"
SOURCES = {path.relative_to(AGENT).as_posix(): path.read_text() for path in AGENT.rglob("*.py")}


def files_with(pattern: str) -> set[str]:
    return {name for name, text in SOURCES.items() if re.search(pattern, text)}


def test_only_the_decision_makes_a_grant() -> None:
    assert files_with(r"WriteGrant\(") == {"disk_writes/safety.py"}


def test_only_one_place_takes_the_read_only_flag_away() -> None:
    assert files_with(r"BLKROSET") == {"disk_writes/diskio.py"}
    assert files_with(r"setrw") == set()


def test_only_the_verified_write_opens_for_writing() -> None:
    assert files_with(r"diskio\.writable\(") == {"disk_writes/verified_writes.py"}


@pytest.mark.parametrize(
    "word",
    [
        "sanitize",
        "--secure-erase",
        "security-erase",
        "blkdiscard",
        "mkfs",
        "sgdisk",
        '"dd"',
        "hdparm",
        "shred",
        "badblocks",
    ],
)
def test_no_tool_that_destroys_is_ever_named_as_a_command(word: str) -> None:
    assert files_with(rf'"[^"\n]*{re.escape(word)}[^"\n]*",') == set()


def test_nvme_is_asked_and_never_told() -> None:
    commands = {match for text in SOURCES.values() for match in re.findall(r'\["nvme", "([a-z-]+)"', text)}
    assert commands == {"id-ctrl"}


def test_fio_writes_in_two_functions_only() -> None:
    assert files_with(r'"--rw=(rand)?(write|rw|trim)') == {"loads/fio.py"}
    assert len(re.findall(r'"--rw=(?:rand)?(?:write|rw|trim)', SOURCES["loads/fio.py"])) == 2
    assert files_with(r"fio\.(verify|blank)_argv") == {"disk_writes/verified_writes.py"}


def test_the_rehearsal_of_a_verified_write_has_no_way_to_a_disk() -> None:
    """Its only file is one in memory that it makes itself."""
    source = SOURCES["disk_writes/verified_writes.py"]
    rehearsal = source[source.index("def write_in_memory(") : source.index("def _wrong(")]
    assert re.findall(r"os\.(open|memfd_create)\(", rehearsal) == ["memfd_create"]
    assert "/dev" not in rehearsal and "writable" not in rehearsal


def test_every_code_that_is_used_is_in_the_registry() -> None:
    used = {code for text in SOURCES.values() for code in re.findall(r'findings\.make\(\s*"([a-z_]+\.[a-z_]+)"', text)}
    assert used
    assert used <= set(CODES)


@pytest.mark.parametrize("code", CODES)
def test_every_code_says_what_to_do(code: str) -> None:
    assert re.fullmatch(r"[a-z]+\.[a-z_]+", code)
    assert CODES[code].title and CODES[code].advice.endswith(".")
