"""The controller's answers, byte by byte as IPMI 2.0 has them, through the framing that QEMU uses."""

from __future__ import annotations

import struct
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.rack.bmc.controller import Controller
from tests.rack.bmc.link import Unframer, frame, respond
from tests.rack.machinefile import Bmc

GET_DEVICE_ID, GET_READING = (0x06, 0x01), (0x04, 0x2D)
GET_SDR, GET_LOG_INFO, GET_LOG_ENTRY = (0x0A, 0x23), (0x0A, 0x40), (0x0A, 0x43)
PARTS = {
    "present": True,
    "psus": [{"name": "PSU1"}, {"name": "PSU2", "ok": False}],
    "fans": [{"name": "FAN1", "rpm": 4200}, {"name": "FAN2", "rpm": 0}],
}


@pytest.fixture
def controller() -> Controller:
    return Controller(Bmc.model_validate(PARTS))


def ask(controller: Controller, what: tuple[int, int], data: bytes = b"") -> tuple[int, bytes]:
    return controller.answer(*what, data)


def log(controller: Controller) -> list[bytes]:
    count = struct.unpack("<H", ask(controller, GET_LOG_INFO)[1][1:3])[0]
    requests = [struct.pack("<HHBB", 0, number, 0, 0xFF) for number in range(1, count + 1)]
    return [ask(controller, GET_LOG_ENTRY, request)[1][2:] for request in requests]


def test_the_records_are_read_one_after_the_other_and_carry_the_names(controller: Controller) -> None:
    names, wanted = [], 0
    while wanted != 0xFFFF:
        code, data = ask(controller, GET_SDR, struct.pack("<HHBB", 0, wanted, 0, 0xFF))
        assert code == 0
        wanted, record = struct.unpack("<H", data[:2])[0], data[2:]
        assert record[4] == len(record) - 5
        names.append(record[-4:].decode())
    assert names == ["PSU1", "PSU2", "FAN1", "FAN2"]


def test_a_record_can_be_read_in_pieces(controller: Controller) -> None:
    whole = ask(controller, GET_SDR, struct.pack("<HHBB", 0, 0, 0, 0xFF))[1][2:]
    pieces = [ask(controller, GET_SDR, struct.pack("<HHBB", 0, 0, at, 16))[1][2:] for at in range(0, len(whole), 16)]
    assert b"".join(pieces) == whole


def test_a_sound_supply_is_present_and_a_bad_one_has_failed(controller: Controller) -> None:
    assert ask(controller, GET_READING, b"\x01")[1][2] == 0b01
    assert ask(controller, GET_READING, b"\x02")[1][2] == 0b11


def test_a_fan_reads_in_hundreds_and_a_dead_one_is_below_critical(controller: Controller) -> None:
    assert ask(controller, GET_READING, b"\x03")[1] == bytes([42, 0xC0, 0])
    assert ask(controller, GET_READING, b"\x04")[1] == bytes([0, 0xC0, 0x02])


def test_a_supply_that_fails_during_the_run_shows_in_sensor_and_log(controller: Controller) -> None:
    controller.fail_psu("psu1")
    assert ask(controller, GET_READING, b"\x01")[1][2] == 0b11
    power_supply, asserted_state, failure = 0x08, 0x6F, 0x01
    assert [entry[10:14] for entry in log(controller)] == [bytes([power_supply, 1, asserted_state, failure])]


def test_log_entries_are_numbered_from_one_and_the_last_says_so(controller: Controller) -> None:
    controller.log_event("FAN1", "lower critical going low")
    controller.log_event("PSU2", "Predictive failure")
    assert [struct.unpack("<H", entry[:2])[0] for entry in log(controller)] == [1, 2]
    assert ask(controller, GET_LOG_ENTRY, struct.pack("<HHBB", 0, 2, 0, 0xFF))[1][:2] == b"\xff\xff"


def test_an_empty_log_has_no_entry(controller: Controller) -> None:
    assert ask(controller, GET_LOG_ENTRY, struct.pack("<HHBB", 0, 0, 0, 0xFF)) == (0xCB, b"")


def test_an_unknown_command_and_a_short_request_are_answered_with_their_codes(controller: Controller) -> None:
    assert ask(controller, (0x2C, 0x02)) == (0xC1, b"")
    assert ask(controller, GET_READING) == (0xC7, b"")


@given(st.binary(min_size=3, max_size=64))
def test_whatever_is_framed_comes_out_again(message: bytes) -> None:
    assert list(Unframer().feed(frame(message))) == [message]


def test_a_message_with_a_wrong_checksum_is_dropped() -> None:
    framed = bytearray(frame(b"\x01\x18\x01"))
    framed[0] ^= 0x02
    assert list(Unframer().feed(bytes(framed))) == []


def test_an_answer_carries_the_number_of_its_question(controller: Controller) -> None:
    (answer,) = Unframer().feed(respond(controller, bytes([0xA0, 0x06 << 2, 0x01])))
    assert answer[:4] == bytes([0xA0, 0x07 << 2, 0x01, 0x00])


SET_WATCHDOG, RESET_WATCHDOG, GET_WATCHDOG = (0x06, 0x24), (0x06, 0x22), (0x06, 0x25)
OFF = bytes([0x04, 0x00, 0x00, 0x10, 0xB8, 0x0B])


def armed(seconds: float, **changes: str) -> Controller:
    return Controller(Bmc.model_validate({**PARTS, "watchdog": {"seconds": seconds, **changes}}))


def test_the_watchdog_that_the_firmware_armed_runs_until_it_is_set_anew() -> None:
    controller = armed(300)
    controller.firmware_starts(lambda: None)
    code, data = ask(controller, GET_WATCHDOG)
    use, action, _, flags, count, left = struct.unpack("<BBBBHH", data)
    assert (code, use, action, flags, count) == (0, 0x43, 0x01, 0, 3000) and 0 < left <= 3000
    assert ask(controller, SET_WATCHDOG, OFF)[0] == 0
    assert ask(controller, GET_WATCHDOG)[1][0] == 0x04
    controller.power_is_off()


def test_a_watchdog_that_runs_out_resets_the_machine_and_says_so_in_flags_and_log() -> None:
    controller, reset = armed(0.1), threading.Event()
    controller.firmware_starts(reset.set)
    assert reset.wait(10)
    controller.power_is_off()
    assert ask(controller, GET_WATCHDOG)[1][3] == 1 << 3
    watchdog_2, sensor_specific, hard_reset = 0x23, 0x6F, 0xC1
    assert log(controller)[0][10:14] == bytes([watchdog_2, 0x03, sensor_specific, hard_reset])


def test_a_watchdog_that_nobody_set_can_not_be_restarted(controller: Controller) -> None:
    assert ask(controller, RESET_WATCHDOG) == (0x80, b"")
