"""The script that takes serial numbers out of recordings: none is left, and what is judged stays as it was."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "scripts/redact_recording.py"


def redacted(text: str, directory: Path) -> str:
    file = directory / "recording"
    file.write_text(text)
    return subprocess.run([sys.executable, SCRIPT, file], capture_output=True, text=True, check=True).stdout


@pytest.mark.parametrize(
    ("text", "secret"),
    [
        ("Memory Device\n\tSerial Number: 8A7F33C1\n\tAsset Tag: HOST-77\n", "8A7F33C1"),
        ("Memory Device\n\tSerial Number: 8A7F33C1\n\tAsset Tag: HOST-77\n", "HOST-77"),
        ("System Information\n\tUUID: 4c4c4544-0037-5910-8052-b4c04f4a3332\n", "b4c04f4a3332"),
        ('{"serial_number": "ZC1A2B3C", "device": {"name": "/dev/sda"}}', "ZC1A2B3C"),
        ('{"wwn": {"naa": 5, "oui": 3152, "id": 3519237651}}', "3519237651"),
        ('{"logical_unit_id": "0x5000c500a1b2c3d4"}', "5000c500a1b2c3d4"),
        ("<gpu><serial>1320123456789</serial><uuid>GPU-3b0c1b1f-86bb-4cd6-9e37-7e9eb4ae4ab5</uuid></gpu>", "3b0c1b1f"),
        ("e1000e 0000:00:1f.6 eno1: 54:bf:64:12:34:56\n", "12:34:56"),
    ],
)
def test_what_names_one_machine_is_replaced_by_something_of_the_same_length(
    text: str, secret: str, tmp_path: Path
) -> None:
    result = redacted(text, tmp_path)
    assert secret not in result
    assert len(result) == len(text)


def test_the_same_serial_number_becomes_the_same_again_and_other_numbers_stay(tmp_path: Path) -> None:
    text = json.dumps(
        {"serial_number": "ZC1A2B3C", "self": "ZC1A2B3C", "temperature": {"current": 41}, "raw": 4295032833}
    )
    result = json.loads(redacted(text, tmp_path))
    assert result["self"] == result["serial_number"] != "ZC1A2B3C"
    assert result["temperature"]["current"] == 41
    assert result["raw"] == 4295032833


@pytest.mark.parametrize("word", ["Not Specified", "00000000", "Dimm0_SerNum", "<OUT OF SPEC>", "0123456789ABCDEF"])
def test_a_placeholder_stays_since_it_may_be_the_point_of_the_recording(word: str, tmp_path: Path) -> None:
    assert word in redacted(f"Memory Device\n\tSerial Number: {word}\n", tmp_path)


def test_the_makers_part_of_a_mac_address_stays(tmp_path: Path) -> None:
    assert re.match(r"54:bf:64:", redacted("54:bf:64:12:34:56 up\n", tmp_path))
