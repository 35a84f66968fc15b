"""Events that a sensor of any type can write into the BMC's log, and their meaning by the sensor's type. Data only.

IPMI 2.0, table 42-2, in the words of ipmitool's `generic_event_types`, hyphens as blanks, in small letters.
"""

from __future__ import annotations

import re
from enum import Enum, auto

from agent.probes.bmc.bmc_events import (
    COLD,
    CPU_FAULT,
    DRIVE_FAULT,
    DRIVE_GONE,
    DRIVE_WARNING,
    FAN_EVENT,
    FAN_HIGH,
    FAN_LOW_WARNING,
    FAN_MISSING,
    FAN_REDUNDANCY,
    FAN_STOPPED,
    GRAVE,
    HOT,
    HOT_WARNING,
    MEMORY_FAULT,
    PCIE,
    POWER_FAILED,
    POWER_HIGH,
    POWER_LOW,
    POWER_PREDICTED,
    POWER_WARNING,
    PSU_EVENT,
    PSU_FAILED,
    PSU_MISSING,
    PSU_PREDICTED,
    REDUNDANCY_LOST,
    UNCORRECTED,
    VOLTAGE,
    VOLTAGE_WARNING,
    Meaning,
)


class State(Enum):
    """The meaning of the events of table 42-2, whatever the sensor measures."""

    ON = auto()
    PREDICTED = auto()
    EXCEEDED = auto()
    LAGS = auto()
    UNWELL = auto()
    NON_CRITICAL = auto()
    CRITICAL = auto()
    ABSENT = auto()
    DISABLED = auto()
    DEGRADED = auto()
    NOT_REDUNDANT = auto()
    NONE = auto()


def _each(state: State, is_so: bool, *words: str) -> dict[str, tuple[State, bool]]:
    return dict.fromkeys(words, (state, is_so))


# Event → its state, and whether the state begins with the event.
GENERIC: dict[str, tuple[State, bool]] = {
    "state asserted": (State.ON, True),
    "state deasserted": (State.ON, False),
    "predictive failure asserted": (State.PREDICTED, True),
    "predictive failure deasserted": (State.PREDICTED, False),
    "limit exceeded": (State.EXCEEDED, True),
    "limit not exceeded": (State.EXCEEDED, False),
    "performance lags": (State.LAGS, True),
    "performance met": (State.LAGS, False),
    "transition to ok": (State.UNWELL, False),
    **_each(State.NON_CRITICAL, True, "transition to non critical from ok", "monitor", "transition to non critical",
            "transition to non critical from more severe"),
    **_each(State.CRITICAL, True, "transition to critical from less severe", "transition to critical",
            "transition to non recoverable from less severe", "transition to critical from non recoverable",
            "transition to non recoverable"),
    **_each(State.ABSENT, True, "device absent", "device removed / device absent", "device removed"),
    **_each(State.ABSENT, False, "device present", "device inserted / device present", "device inserted"),
    "device disabled": (State.DISABLED, True),
    "device enabled": (State.DISABLED, False),
    **_each(State.DEGRADED, True, "transition to off line", "transition to degraded", "install error"),
    "fully redundant": (State.NOT_REDUNDANT, False),
    **_each(State.NOT_REDUNDANT, True, "redundancy lost", "redundancy degraded",
            "non redundant: sufficient from redundant", "non redundant: sufficient from insufficient",
            "non redundant: insufficient resources", "redundancy degraded from fully redundant",
            "redundancy degraded from non redundant", "non redundant",
            "non redundant: sufficient resources from redundant",
            "non redundant: sufficient resources from insufficient resources"),
    **_each(State.NONE, True, "informational", "transition to idle", "transition to active", "transition to busy",
            "transition to running", "transition to in test", "transition to power off", "transition to on line",
            "transition to off duty", "transition to power save", "d0 power state", "d1 power state",
            "d2 power state", "d3 power state"),
}  # fmt: skip
# Sensors with two states that are asserted while all is well: Cisco's `PSU1_PWRGD`, Sun's `PS0/VINOK`, boards'
# `PG_P3V3_AUX`; not Huawei's `PwrOk Sig. Drop`. Dell has `PG` at the end, asserted while power is not good.
POWER_GOOD = re.compile(
    r"(?i)^(?!.*(?:drop|fail|fault|lost|err))"
    r"(?:.*(?:pwr|power|p|vin|v[ _]?out|ac|dc)[ _]?(?:good|gd|ok)(?![a-z0-9])|pg[ _].)"
)
# State → type → meaning, if it is not EVENT. ON: for a sensor whose name does not say what it is about.
BY_STATE: dict[State, dict[str, Meaning]] = {
    State.ON: {
        "power supply": PSU_EVENT, "fan": FAN_EVENT, "cooling device": FAN_EVENT, "memory": MEMORY_FAULT,
    },
    State.PREDICTED: {
        "power supply": PSU_PREDICTED, "power unit": POWER_PREDICTED, "memory": MEMORY_FAULT, "fan": FAN_EVENT,
        "cooling device": FAN_EVENT, "drive slot / bay": DRIVE_FAULT,
    },
    State.EXCEEDED: {"temperature": HOT, "voltage": VOLTAGE, "current": POWER_HIGH, "power supply": PSU_EVENT},
    State.LAGS: {"power supply": PSU_EVENT, "fan": FAN_EVENT, "cooling device": FAN_EVENT},
    State.UNWELL: {"power supply": PSU_EVENT, "fan": FAN_EVENT, "cooling device": FAN_EVENT},
    State.NON_CRITICAL: {
        "temperature": HOT_WARNING, "voltage": VOLTAGE_WARNING, "current": POWER_WARNING, "power supply": PSU_EVENT,
        "fan": FAN_EVENT, "cooling device": FAN_EVENT, "memory": MEMORY_FAULT, "drive slot / bay": DRIVE_WARNING,
    },
    State.ABSENT: {
        "power supply": PSU_MISSING, "fan": FAN_MISSING, "cooling device": FAN_MISSING, "drive slot / bay": DRIVE_GONE,
    },
    State.DISABLED: {"power supply": PSU_EVENT, "fan": FAN_EVENT, "cooling device": FAN_EVENT},
    State.DEGRADED: {"power supply": PSU_EVENT, "fan": FAN_EVENT, "cooling device": FAN_EVENT},
    State.NOT_REDUNDANT: {
        "power supply": REDUNDANCY_LOST, "power unit": REDUNDANCY_LOST, "fan": FAN_REDUNDANCY,
        "cooling device": FAN_REDUNDANCY, "memory": MEMORY_FAULT,
    },
    State.CRITICAL: {
        "temperature": HOT, "voltage": VOLTAGE, "current": POWER_HIGH, "power supply": PSU_FAILED,
        "power unit": POWER_FAILED, "fan": FAN_STOPPED, "cooling device": FAN_STOPPED, "memory": UNCORRECTED,
        "processor": CPU_FAULT, "drive slot / bay": DRIVE_FAULT, "critical interrupt": PCIE,
    },
}  # fmt: skip
# A sensor of this type whose name means a fault is asserted.
FAULTS: dict[str, Meaning] = {
    "temperature": HOT, "voltage": VOLTAGE, "current": POWER_HIGH, "power supply": PSU_FAILED,
    "power unit": POWER_FAILED, "fan": FAN_STOPPED, "cooling device": FAN_STOPPED, "memory": MEMORY_FAULT,
    "processor": CPU_FAULT, "drive slot / bay": DRIVE_FAULT, "critical interrupt": PCIE, "chassis": GRAVE,
    "module / board": GRAVE, "add-in card": GRAVE, "chip set": GRAVE, "slot / connector": GRAVE,
}  # fmt: skip
# A threshold was crossed: type, side → meaning beyond a critical one, and beyond a non-critical one.
THRESHOLDS: dict[tuple[str, str], tuple[Meaning, Meaning]] = {
    ("temperature", "upper"): (HOT, HOT_WARNING),
    ("temperature", "lower"): (COLD, COLD),
    ("processor", "upper"): (HOT, HOT_WARNING),
    ("memory", "upper"): (HOT, HOT_WARNING),
    ("voltage", "upper"): (VOLTAGE, VOLTAGE_WARNING),
    ("voltage", "lower"): (VOLTAGE, VOLTAGE_WARNING),
    ("current", "upper"): (POWER_HIGH, POWER_WARNING),
    ("current", "lower"): (POWER_LOW, POWER_LOW),
    ("power supply", "upper"): (POWER_HIGH, POWER_WARNING),
    ("power supply", "lower"): (PSU_EVENT, PSU_EVENT),
    ("fan", "upper"): (FAN_HIGH, FAN_HIGH),
    ("fan", "lower"): (FAN_STOPPED, FAN_LOW_WARNING),
    ("cooling device", "upper"): (FAN_HIGH, FAN_HIGH),
    ("cooling device", "lower"): (FAN_STOPPED, FAN_LOW_WARNING),
}
