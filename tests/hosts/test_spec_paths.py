"""Every path that a spec names is checked against the schema: what is wrong, in which line, and what was meant."""

from __future__ import annotations

import time

import pytest

from hosts import adoption, expectations
from hosts.expectations import ExpectationError
from hosts.nearest import nearest
from runs.judging import specdiff
from tests.hosts.test_expectations import FOUND
from tests.runs.test_specdiff import SERVER, SPEC

PARTS = """\
system: {product: R100, serial: S-1}
cpu: {cores: 8}
memory: {ecc: true, dimms: [{locator: DIMM_A1, serial: 4711, part: P}]}
disks: [{serial: SATA-1, wwn: "0x5000c5", model: Big}]
fans: [{name: "FAN [1].a"}]
firmware: {bios: '1.10'}
pinned:
- firmware.bios
"""


def refusal(text: str) -> str:
    with pytest.raises(ExpectationError) as caught:
        expectations.read(text)
    return str(caught.value)


@pytest.mark.parametrize(
    "path",
    [
        "system.serial",
        "memory.dimms[DIMM_A1].serial",
        "memory.dimms[DIMM_A1].part",
        "disks[SATA-1].model",
        "disks[SATA-1].wwn",
        "fans[FAN [1].a].name",
    ],
)
def test_a_text_that_the_spec_states_can_be_pinned(path: str) -> None:
    assert expectations.read(f'{PARTS}- "{path}"\n').spec["pinned"] == ["firmware.bios", path]


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("firmware.bois", "is no path of the spec; did you mean 'firmware.bios'?"),
        ("bios", "is no path of the spec; did you mean 'firmware.bios'?"),
        ("Firmware.Bios", "is no path of the spec; did you mean 'firmware.bios'?"),
        ("firmware.bmc", "is not stated in the spec: state the text that it must be"),
        ("firmware", "is more than one text: name one, such as 'firmware.bios'"),
        ("disks[SATA-1]", "is more than one text: name one, such as 'disks[SATA-1].serial'"),
        ("disks.model", "is no path of the spec; did you mean 'disks[SERIAL].model'?"),
        ("disk[SATA-1].modle", "is no path of the spec; did you mean 'disks[SATA-1].model'?"),
        ("disks[SATA-2].model", "names a part that the spec does not list; did you mean 'disks[SATA-1].model'?"),
        ("disks[0x5000c5].model", "names a part that the spec does not list; did you mean 'disks[SATA-1].model'?"),
        ("memory.dimms[dimm_a1].part", "does not list; did you mean 'memory.dimms[DIMM_A1].part'?"),
        ("gpus[GPU-1].model", "names a part that the spec does not list"),
        ("cpu.cores", "is no text; only texts can be pinned, and less than expected is critical as it is"),
        ("memory.ecc", "is no text"),
        ("not_expected", "is more than one text: name one"),
        ("[[", "is no path of the spec"),
    ],
)
def test_a_path_that_pins_nothing_is_refused_with_its_line(path: str, words: str) -> None:
    message = refusal(f'{PARTS}- "{path}"\n')
    assert message.startswith(f"expected spec, line 9: pinned: {path!r} ")
    assert words in message


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("memroy: {ecc: true}", "line 1: memroy is not known; known here: system, cpu"),
        ("memroy: {ecc: true}", "did you mean 'memory'?"),
        ("cpu: {cores: 2}\nbios: '1'", "line 2: bios is not known"),
        ("cpu: {cores: 2}\nbios: '1'", "did you mean 'firmware.bios'?"),
        ("cores: 8", "did you mean 'cpu.cores'?"),
        ("disks:\n- serial: A\n  modell: B", "line 3: disks[0].modell is not known"),
        ("disks:\n- serial: A\n  modell: B", "did you mean 'model'?"),
        ("memory:\n  dimms:\n  - locator: A\n    sise_mb: 2", "line 4: memory.dimms[0].sise_mb is not known"),
        ("not_expected: [gpus]", "line 1: not_expected[0]: known words are"),
        ("not_expected: [gpus]", "did you mean 'gpu'?"),
        ("cpu: {cores: 2}\nfirmware:\n  bios: '1'\n  bios: '2'", "line 4: bios stands here twice (first in line 3)"),
        ("disks: [{serial: A}]\ndisks: []", "line 2: disks stands here twice (first in line 1)"),
    ],
)
def test_an_unknown_or_doubled_key_is_refused_at_any_depth(text: str, words: str) -> None:
    assert words in refusal(text)


def test_what_is_similar_to_nothing_is_not_guessed_at() -> None:
    assert nearest("zzz", ["cores", "model"]) == "" and nearest("x" * 10_000, ["x"]) == ""


def test_a_spec_full_of_mistakes_is_answered_soon_and_in_few_lines() -> None:
    keys = "".join(f"key{n}: 1\n" for n in range(15_000))
    pins = "".join(f"- memory.dims[A{n}].prat\n" for n in range(256))
    for text in (keys, f"pinned:\n{pins}"):
        began = time.monotonic()
        assert len(refusal(text).splitlines()) == 21
        assert time.monotonic() - began < 20


def test_a_run_that_was_frozen_with_a_pin_of_nothing_says_so() -> None:
    """Of a spec that was saved before paths were checked."""
    spec = SPEC | {"pinned": ["firmware.bois"]}
    assert specdiff.not_compared(spec, SERVER) == [
        "pinned 'firmware.bois' could not be compared: it is no path of the spec; did you mean 'firmware.bios'?"
    ]
    assert specdiff.not_compared(SPEC | {"pinned": ["system.product"]}, SERVER) == []


def test_a_pin_goes_with_the_value_that_adopting_takes_out() -> None:
    spec = {"firmware": {"bios": "1", "bmc": "2"}, "pinned": ["firmware.bios", "firmware.bmc"]}
    adopted = adoption.adopt(spec, "firmware.bmc", None, FOUND | {"bmc": False})
    assert adopted["pinned"] == ["firmware.bios"]
    emptied = FOUND | {"firmware": {"bios": "", "bios_date": "", "bmc": ""}}
    assert adoption.adopt(spec, "firmware.bios", "", emptied)["pinned"] == ["firmware.bmc"]
