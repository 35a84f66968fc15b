"""The meaning of entries in the BMC's event log: sensor type and event → finding. Data only.

Events of one sensor type: IPMI 2.0, table 42-3, in the words of ipmitool's `sensor_specific_event_types`
(include/ipmitool/ipmi_sel.h), hyphens as blanks, in small letters. Events of every type are in `bmc_states`. Severities
follow FreeIPMI's freeipmi_interpret_sel.conf and Dell's messages reference (OMSA, chapter "System Event Log Messages
for IPMI Systems").
"""

from __future__ import annotations

from dataclasses import dataclass

from agent.contract.wire import Severity


@dataclass(frozen=True)
class Meaning:
    """`code` is the finding's; empty means that there is nothing to report. `severity` replaces the code's default.
    `part` is the kind of part that the event is about: psu and fan are named by their sensor, dimm by the slot in the
    entry, all else is the system."""

    code: str = ""
    severity: Severity | None = None
    part: str = "system"


_CRITICAL, _WARNING = Severity.CRITICAL, Severity.WARNING
ORDINARY = Meaning()
# The BMC itself calls this a warning.
EVENT = Meaning("bmc.event", part="bmc")
GRAVE = Meaning("bmc.event", _CRITICAL)
PSU_EVENT, FAN_EVENT = Meaning("bmc.event", part="psu"), Meaning("bmc.event", part="fan")
PSU_FAILED, PSU_MISSING = Meaning("psu.failed", part="psu"), Meaning("psu.missing", part="psu")
PSU_WARNING = Meaning("psu.failed", _WARNING, "psu")
PSU_PREDICTED = Meaning("psu.predicted_failure", part="psu")
POWER_FAILED, POWER_PREDICTED = Meaning("psu.failed"), Meaning("psu.predicted_failure")
REDUNDANCY_LOST, FAN_REDUNDANCY = Meaning("psu.redundancy_lost"), Meaning("fan.redundancy_lost")
FAN_STOPPED, FAN_MISSING = Meaning("fan.stopped", part="fan"), Meaning("fan.missing", part="fan")
FAN_LOW, FAN_HIGH = Meaning("sensor.fan_low", part="fan"), Meaning("sensor.fan_high", part="fan")
FAN_LOW_WARNING = Meaning("sensor.fan_low", _WARNING, "fan")
HOT, HOT_WARNING, COLD = Meaning("sensor.temp_high"), Meaning("sensor.temp_high", _WARNING), Meaning("sensor.temp_low")
VOLTAGE, VOLTAGE_WARNING = Meaning("psu.voltage"), Meaning("psu.voltage", _WARNING)
POWER_HIGH, POWER_WARNING = Meaning("sensor.power_high"), Meaning("sensor.power_high", _WARNING)
POWER_LOW = Meaning("sensor.power_low")
CORRECTED = Meaning("memory.corrected", part="dimm")
CORRECTED_MANY = Meaning("memory.corrected", _CRITICAL, "dimm")
UNCORRECTED = Meaning("memory.uncorrected", part="dimm")
MEMORY_FAULT = Meaning("memory.fault_reported", part="dimm")
MEMORY_GRAVE = Meaning("memory.fault_reported", _CRITICAL, "dimm")
MACHINE_CHECK, CPU_FAULT = Meaning("cpu.machine_check"), Meaning("cpu.fault_reported")
CPU_CORRECTED = Meaning("cpu.corrected_machine_check")
THROTTLED = Meaning("thermal.throttled", _WARNING)
PCIE, PCIE_CORRECTED = Meaning("pcie.uncorrected"), Meaning("pcie.corrected")
DRIVE_FAULT, DRIVE_WARNING = Meaning("disk.fault_reported"), Meaning("disk.fault_reported", _WARNING)
DRIVE_GONE = Meaning("system.part_gone")
STOPPED, PANIC = Meaning("system.stopped_by_watchdog"), Meaning("system.kernel_oops")


def _all(meaning: Meaning, *words: str) -> dict[str, Meaning]:
    return dict.fromkeys(words, meaning)


# Progress of the firmware, or where it hangs.
_BOOTING = (
    "memory initialization", "hard disk initialization", "secondary cpu initialization", "user authentication",
    "user initiated system setup", "usb resource configuration", "pci resource configuration",
    "option rom initialization", "video initialization", "cache initialization", "smbus initialization",
    "keyboard controller initialization", "management controller initialization", "docking station attachment",
    "enabling docking station", "docking station ejection", "disabling docking station",
    "calling operating system wake up vector", "system boot initiated", "motherboard initialization",
    "floppy initialization", "keyboard test", "pointing device test", "primary cpu initialization",
)  # fmt: skip


# An entry's type → event → meaning when it is asserted. When it is deasserted, it is over; but see PRESENCE.
SPECIFIC: dict[str, dict[str, Meaning]] = {
    # Somebody opened the case, or pulled a network cable. The links of the ports are watched by the kernel.
    "physical security": _all(
        ORDINARY, "general chassis intrusion", "drive bay intrusion", "i/o card area intrusion",
        "processor area intrusion", "fan area intrusion", "unauthorized dock", "system unplugged from lan",
    ),
    # Somebody mistyped a password.
    "platform security": _all(
        ORDINARY, "front panel lockout violation attempted", "pre boot password violation user password",
        "pre boot password violation setup password", "pre boot password violation network boot password",
        "other pre boot password violation", "out of band access password violation",
    ),
    "processor": {
        **_all(MACHINE_CHECK, "ierr", "sm bios uncorrectable cpu complex error",
               "uncorrectable machine check exception", "machine check exception"),
        **_all(CPU_FAULT, "frb1/bist failure", "frb2/hang in post failure", "frb3/processor startup/init failure",
               "configuration error", "disabled"),
        **_all(ORDINARY, "presence detected", "terminator presence detected"),
        "thermal trip": HOT,
        "throttled": THROTTLED,
        "correctable machine check error": CPU_CORRECTED,
    },
    "power supply": {
        **_all(PSU_FAILED, "failure detected", "power supply ac lost", "ac lost", "ac lost or out of range",
               "ac out of range, but present", "power supply input lost",
               "power supply input lost or out of range", "power supply input out of range, but present",
               "config error",
               "config error: vendor mismatch", "config error: revision mismatch", "config error: processor missing",
               "config error: power supply rating mismatch", "config error: voltage rating mismatch"),
        "predictive failure": PSU_PREDICTED,
        # The supply is on standby until it is needed.
        **_all(ORDINARY, "presence detected", "power supply inactive"),
    },
    "power unit": {
        **_all(ORDINARY, "power off/down", "power cycle"),
        **_all(POWER_FAILED, "240va power down", "interlock power down", "ac lost", "soft power control failure",
               "failure detected"),
        "predictive failure": POWER_PREDICTED,
    },
    "memory": {
        **_all(UNCORRECTED, "uncorrectable ecc", "parity", "memory scrub failed"),
        "correctable ecc": CORRECTED,
        # More than the firmware allows, and it counts no further. (FreeIPMI: a warning; Dell: critical.)
        "correctable ecc logging limit reached": CORRECTED_MANY,
        **_all(MEMORY_GRAVE, "memory device disabled", "configuration error"),
        **_all(ORDINARY, "presence detected", "spare"),
        "throttled": THROTTLED,
        "critical overtemperature": HOT,
    },
    "drive slot / bay": {
        # A drive that predicts its failure fails also if SMART or a RAID controller says so.
        **_all(DRIVE_FAULT, "drive fault", "predictive failure", "in critical array", "in failed array"),
        "rebuild aborted": DRIVE_WARNING,
        "rebuild in progress": EVENT,
        **_all(ORDINARY, "drive present", "parity check in progress", "hot spare"),
    },
    "system firmwares": {
        **_all(GRAVE, "no system memory installed", "no usable system memory", "unrecoverable ide device failure",
               "unrecoverable system board failure", "unrecoverable hard disk controller failure",
               "unrecoverable video controller failure", "bios corruption detected", "cpu voltage mismatch",
               "cpu speed mismatch failure"),
        # The newest ipmitool has one type for the firmware's progress and for where it hangs.
        **_all(ORDINARY, *_BOOTING, "unknown progress"),
        "unknown hang": GRAVE,
    },
    # Versions up to 1.8.12 give it in the type.
    "system firmware hang": _all(GRAVE, *_BOOTING, "unspecified", "unknown hang"),
    "event logging disabled": {
        "log area reset/cleared": ORDINARY,
        # The firmware stopped reporting corrected errors because there were so many.
        "correctable memory error logging disabled": CORRECTED_MANY,
        "log full": Meaning("bmc.log_full", part="bmc"),
    },
    "watchdog1": {
        **_all(STOPPED, "bios reset", "os reset", "os shut down", "os power down", "os power cycle"),
        **_all(EVENT, "os nmi/diag interrupt", "os expired", "os pre timeout interrupt"),
    },
    "watchdog2": {
        **_all(STOPPED, "hard reset", "power down", "power cycle"),
        **_all(EVENT, "timer expired", "timer interrupt"),
    },
    "system event": {
        "undetermined system hardware failure": GRAVE,
        **_all(ORDINARY, "system reconfigured", "oem system boot event", "timestamp clock sync",
               "entry added to auxiliary log", "pef action"),
    },
    "critical interrupt": {
        **_all(PCIE, "bus timeout", "i/o channel check nmi", "pci perr", "pci serr", "bus uncorrectable error",
               "bus fatal error"),
        # An interrupt from a bus, memory or CPU, or from a button that nobody presses during a run. The entry does not
        # say which.
        **_all(GRAVE, "fatal nmi", "nmi/diag interrupt", "eisa failsafe timeout"),
        **_all(EVENT, "software nmi", "bus degraded"),
        "bus correctable error": PCIE_CORRECTED,
    },
    "button": _all(ORDINARY, "power button pressed", "sleep button pressed", "reset button pressed", "fru latch",
                   "fru service"),
    "chip set": {"soft power control failure": GRAVE, "thermal trip": HOT},
    "cable / interconnect": {"connected": ORDINARY, "config error": GRAVE},
    "system boot initiated": _all(
        ORDINARY, "initiated by power up", "initiated by hard reset", "initiated by warm reset",
        "user requested pxe boot", "automatic boot to diagnostic", "os initiated hard reset",
        "os initiated warm reset", "system restart",
    ),
    "os boot": _all(
        ORDINARY, "a: boot completed", "c: boot completed", "pxe boot completed", "diagnostic boot completed",
        "cd rom boot completed", "rom boot completed", "boot completed device not specified",
        "installation started", "installation completed",
        "installation aborted", "installation failed",
    ),
    "os critical stop": {
        **_all(PANIC, "run time critical stop", "error during system startup"),
        **_all(ORDINARY, "os graceful stop", "os graceful shutdown"),
    },
    "slot / connector": {
        "fault status": GRAVE,
        **_all(ORDINARY, "identify status", "device installed", "ready for device installation",
               "ready for device removal", "interlock", "spare device"),
    },
    "entity presence": {"present": ORDINARY, "entity present": ORDINARY},
    "lan": {"heartbeat": ORDINARY},
    "management subsys health": {"fru failure": GRAVE},
    "battery": {"failed": GRAVE, "presence detected": ORDINARY},
    "version change": {
        **_all(ORDINARY, "hardware change detected", "hardware change success"),
        **_all(EVENT, "hardware incompatibility detected", "firmware or software incompatibility detected"),
    },
    "fru state": _all(
        ORDINARY, "active", "inactive", "activation requested", "activation in progress", "deactivation requested",
        "deactivation in progress",
    ),
}  # fmt: skip
# Records that Windows writes: their type (DCh boot, DDh reason of a shutdown, DEh code of a bug check), and the maker
# of the driver, Microsoft or Intel (Intel, System Event Log Troubleshooting Guide, "Microsoft Windows Records").
OF_WINDOWS = {"dc": ORDINARY, "dd": ORDINARY, "de": PANIC}
WINDOWS_DRIVERS = ("000137", "000157")
# Types whose events all appear on healthy machines: logins, power states, alerts that were sent.
ORDINARY_TYPES = frozenset({"session audit", "system acpi power state", "platform alert"})
# Types whose sensors, if their name says nothing, are asserted on healthy machines at each boot.
ORDINARY_STATES = ORDINARY_TYPES | {
    "system boot initiated", "os boot", "system event", "button", "version change", "system firmwares",
    "physical security", "lan",
}  # fmt: skip
# An event that reports a part as present → its meaning when it is deasserted.
PRESENCE: dict[tuple[str, str], Meaning] = {
    ("power supply", "presence detected"): PSU_MISSING,
    ("drive slot / bay", "drive present"): DRIVE_GONE,
    ("processor", "presence detected"): EVENT,
    ("memory", "presence detected"): EVENT,
    ("battery", "presence detected"): EVENT,
    ("entity presence", "present"): EVENT,
    ("entity presence", "entity present"): EVENT,
    ("slot / connector", "device installed"): EVENT,
    ("cable / interconnect", "connected"): EVENT,
}
