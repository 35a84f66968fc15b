"""What the controller answers (IPMI 2.0): the commands that Linux's driver and ipmitool ask of it."""

from __future__ import annotations

import struct
import threading
import time
from collections.abc import Callable

from tests.rack.bmc.sensors import (
    EVENT_TEXTS,
    LOWEST_GOOD_RPM,
    PSU_FAILED,
    PSU_PRESENT,
    RPM_PER_COUNT,
    Sensor,
)
from tests.rack.bmc.watchdog import ACTIONS, NEVER_SET, USES, Watchdog
from tests.rack.machinefile import Bmc

OK, NO_DATA, UNKNOWN_COMMAND, NOT_PRESENT, WRONG_LENGTH = 0x00, 0x80, 0xC1, 0xCB, 0xC7
_CHASSIS, _SENSOR, _APP, _STORAGE = 0x00, 0x04, 0x06, 0x0A
_VERSION = 0x51
_FOR_EVER = 0xFFFF

Answer = tuple[int, bytes]


class Controller:
    """The state of one BMC. Requests come from QEMU's thread, faults from the rack's: one lock for both."""

    def __init__(self, bmc: Bmc) -> None:
        psus = [("psu", psu.name, PSU_PRESENT | (0 if psu.ok else PSU_FAILED)) for psu in bmc.psus]
        fans = [("fan", fan.name, fan.rpm) for fan in bmc.fans]
        self._sensors = [
            Sensor(number, kind, name, number, value) for number, (kind, name, value) in enumerate(psus + fans, start=1)
        ]
        self._log: list[bytes] = []
        self._clock_offset_s = 0
        self._lock = threading.Lock()
        self._armed_by_firmware = bmc.watchdog
        self._reset: Callable[[], None] = lambda: None
        self._watchdog = Watchdog(self._watchdog_ran_out)
        for entry in bmc.sel:
            self.log_event(entry.sensor, entry.text)

    def fail_psu(self, name: str) -> None:
        """The power supply stays in its bay and says so in its sensor and in the event log, as a real BMC
        does."""
        self._sensor(name).value |= PSU_FAILED
        self.log_event(name, "Failure detected")

    def log_event(self, name: str, text: str) -> None:
        """`text` in any case; raises KeyError for a sensor that is not there."""
        sensor = self._sensor(name)
        text = next(known for known in EVENT_TEXTS[sensor.kind] if known.lower() == text.lower())
        with self._lock:
            self._log.append(sensor.event(len(self._log) + 1, self._now(), text))

    def firmware_starts(self, reset: Callable[[], None]) -> None:
        """The machine was switched on or reset: its firmware arms the watchdog, if the machine's file says so. `reset`
        resets the machine."""
        self._reset = reset
        if (armed := self._armed_by_firmware) is not None:
            with self._lock:
                count = int(armed.seconds * 10)
                self._watchdog.set(struct.pack("<BBBBH", USES[armed.use], ACTIONS[armed.action], 0, 0, count))
                self._watchdog.start()

    def power_is_off(self) -> None:
        with self._lock:
            self._watchdog.halt()

    def _watchdog_ran_out(self, action: int) -> None:
        with self._lock:
            self._log.append(self._watchdog.entry(len(self._log) + 1, self._now()))
        if action != ACTIONS["No action"]:
            self._reset()
            self.firmware_starts(self._reset)

    def answer(self, net_function: int, command: int, data: bytes) -> Answer:
        """Completion code and data."""
        handler = _HANDLERS.get((net_function, command))
        if handler is None:
            return UNKNOWN_COMMAND, b""
        with self._lock:
            try:
                return handler(self, data)
            except (struct.error, IndexError):
                return WRONG_LENGTH, b""

    def _sensor(self, name: str) -> Sensor:
        return {sensor.name.lower(): sensor for sensor in self._sensors}[name.lower()]

    def _numbered(self, number: int) -> Sensor | None:
        return next((sensor for sensor in self._sensors if sensor.number == number), None)

    def _now(self) -> int:
        return int(time.time()) + self._clock_offset_s

    def _device_id(self, _: bytes) -> Answer:
        sensors_sdr_sel_fru = 0x0F
        return OK, struct.pack("<BBBBBB3sH4s", 0x20, 0, 1, 0x07, 0x02, sensors_sdr_sel_fru, b"\0\0\0", 1, bytes(4))

    def _nothing_to_say(self, _: bytes) -> Answer:
        return OK, b""

    def _enables(self, _: bytes) -> Answer:
        event_log_enabled = 0x08
        return OK, bytes([event_log_enabled])

    def _no_flags(self, _: bytes) -> Answer:
        return OK, bytes(1)

    def _no_message(self, _: bytes) -> Answer:
        return NO_DATA, b""

    def _reset_watchdog(self, _: bytes) -> Answer:
        return (OK if self._watchdog.start() else NEVER_SET), b""

    def _set_watchdog(self, data: bytes) -> Answer:
        self._watchdog.set(data)
        return OK, b""

    def _get_watchdog(self, _: bytes) -> Answer:
        return OK, self._watchdog.get()

    def _self_test(self, _: bytes) -> Answer:
        return OK, b"\x55\0"

    def _chassis(self, _: bytes) -> Answer:
        power_on = 0x01
        return OK, bytes([power_on, 0, 0])

    def _sdr_info(self, _: bytes) -> Answer:
        reserve = 0x02
        return OK, struct.pack("<BHHIIB", _VERSION, len(self._sensors), _FOR_EVER, 0, 0, reserve)

    def _reserve(self, _: bytes) -> Answer:
        return OK, struct.pack("<H", 1)

    def _get_sdr(self, data: bytes) -> Answer:
        _, wanted, offset, count = struct.unpack("<HHBB", data[:6])
        index = len(self._sensors) - 1 if wanted == _FOR_EVER else wanted
        if index >= len(self._sensors):
            return NOT_PRESENT, b""
        following = index + 1 if index + 1 < len(self._sensors) else _FOR_EVER
        return OK, struct.pack("<H", following) + self._sensors[index].record(index)[offset : offset + count]

    def _reading(self, data: bytes) -> Answer:
        sensor = self._numbered(data[0])
        return (OK, sensor.reading()) if sensor else (NOT_PRESENT, b"")

    def _thresholds(self, data: bytes) -> Answer:
        sensor = self._numbered(data[0])
        if sensor is None or sensor.kind != "fan":
            return NOT_PRESENT, b""
        lower_critical = 0x02
        return OK, bytes([lower_critical, 0, LOWEST_GOOD_RPM // RPM_PER_COUNT, 0, 0, 0, 0])

    def _event_enables(self, data: bytes) -> Answer:
        return (OK, b"\xc0\x0f\0\x0f\0") if self._numbered(data[0]) else (NOT_PRESENT, b"")

    def _log_info(self, _: bytes) -> Answer:
        newest = struct.unpack("<I", self._log[-1][3:7])[0] if self._log else 0
        reserve = 0x02
        return OK, struct.pack("<BHHIIB", _VERSION, len(self._log), _FOR_EVER, newest, 0, reserve)

    def _get_log_entry(self, data: bytes) -> Answer:
        _, wanted, offset, count = struct.unpack("<HHBB", data[:6])
        index = {0: 0, _FOR_EVER: len(self._log) - 1}.get(wanted, wanted - 1)
        if not 0 <= index < len(self._log):
            return NOT_PRESENT, b""
        following = index + 2 if index + 1 < len(self._log) else _FOR_EVER
        return OK, struct.pack("<H", following) + self._log[index][offset : offset + count]

    def _add_log_entry(self, data: bytes) -> Answer:
        record_id = len(self._log) + 1
        kind = data[2]
        self._log.append(struct.pack("<HBI", record_id, kind, self._now()) + data[7:16])
        return OK, struct.pack("<H", record_id)

    def _clear_log(self, _: bytes) -> Answer:
        self._log.clear()
        complete = 0x01
        return OK, bytes([complete])

    def _time(self, _: bytes) -> Answer:
        return OK, struct.pack("<I", self._now())

    def _set_time(self, data: bytes) -> Answer:
        self._clock_offset_s = struct.unpack("<I", data[:4])[0] - int(time.time())
        return OK, b""


_HANDLERS: dict[tuple[int, int], Callable[[Controller, bytes], Answer]] = {
    (_CHASSIS, 0x01): Controller._chassis,
    (_SENSOR, 0x27): Controller._thresholds,
    (_SENSOR, 0x29): Controller._event_enables,
    (_SENSOR, 0x2D): Controller._reading,
    (_APP, 0x01): Controller._device_id,
    (_APP, 0x04): Controller._self_test,
    (_APP, 0x22): Controller._reset_watchdog,
    (_APP, 0x24): Controller._set_watchdog,
    (_APP, 0x25): Controller._get_watchdog,
    (_APP, 0x2E): Controller._nothing_to_say,
    (_APP, 0x2F): Controller._enables,
    (_APP, 0x30): Controller._nothing_to_say,
    (_APP, 0x31): Controller._no_flags,
    (_APP, 0x33): Controller._no_message,
    (_STORAGE, 0x20): Controller._sdr_info,
    (_STORAGE, 0x22): Controller._reserve,
    (_STORAGE, 0x23): Controller._get_sdr,
    (_STORAGE, 0x40): Controller._log_info,
    (_STORAGE, 0x42): Controller._reserve,
    (_STORAGE, 0x43): Controller._get_log_entry,
    (_STORAGE, 0x44): Controller._add_log_entry,
    (_STORAGE, 0x47): Controller._clear_log,
    (_STORAGE, 0x48): Controller._time,
    (_STORAGE, 0x49): Controller._set_time,
}
