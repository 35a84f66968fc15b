"""The BMC: its identity, its sensors, the power that it measures. Its event log is in `sel`, its sensors of power
supplies and fans in `supplies` and `bmc_fans`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from agent.host import shell
from agent.parsing import ParseError, clean

_DEVICES = ("dev/ipmi0", "dev/ipmi/0", "dev/ipmidev/0")

# The status of a sensor in `sdr elist` (lib/ipmi_sdr.c, ipmi_sdr_get_thresh_status), and in short lists.
LIMITS_CROSSED = ("lnc", "lcr", "lnr", "unc", "ucr", "unr", "nc", "cr", "nr")
STATUSES = ("ok", "ns", *LIMITS_CROSSED)
UNREAD = "?"
# A controller has up to 255 sensors in each of four logical units (IPMI 2.0, table 43-1). Large machines have several
# controllers.
MOST_SENSORS = 3000
# In many languages ipmitool prints 12,06 Volts. States are separated by a comma and a blank.
_COMMA = re.compile(r"(?<=\d),(?=\d)")


@dataclass(frozen=True)
class Sensor:
    """One row of `sdr elist`. `status` is ok, ns (no reading), one of LIMITS_CROSSED, or UNREAD. `reading` is the BMC's
    text."""

    name: str
    number: str
    status: str
    entity: str
    reading: str


def has_bmc(root: Path = Path("/")) -> bool:
    """Whether the kernel found a BMC. Without its device file ipmitool can only fail."""
    return any((root / device).exists() for device in _DEVICES)


def run(*words: str, timeout_s: float = 60.0) -> shell.Completed:
    return shell.run(["ipmitool", *words], timeout_s)


def parse_mc_info(text: str) -> dict[str, str]:
    """`Firmware Revision`, `IPMI Version`, `Manufacturer Name` and so on. Raises ParseError."""
    pairs = (line.partition(":") for line in text.splitlines() if not line.startswith((" ", "\t")))
    found = {clean(key): clean(value) for key, colon, value in pairs if colon and clean(value)}
    if "Firmware Revision" not in found:
        raise ParseError("ipmitool mc info named no firmware revision")
    return found


def parse_sdr(text: str) -> list[Sensor]:
    """Rows of `sdr elist` or `sdr type …`. A row without all cells has the status UNREAD. Raises ParseError for text
    without any row."""
    rows = [[clean(cell) for cell in line.split("|")] for line in text.splitlines()]
    sensors = [_sensor(cells) for cells in rows if len(cells) > 1]
    if sensors and len(rows[-1]) == 1 and rows[-1][0] and not text.endswith("\n"):
        sensors.append(_sensor(rows[-1]))  # the output ends within a row
    if len(sensors) > MOST_SENSORS:
        raise ParseError(f"ipmitool sdr printed {len(sensors)} sensors, more than a BMC has")
    if all(sensor.status == UNREAD for sensor in sensors) and text.strip():
        raise ParseError(f"ipmitool sdr printed no sensor: {clean(text)[:100]}")
    return sensors


def sensors_of(kind: str) -> list[Sensor]:
    """The sensors of one type. Empty if the BMC does not answer, or has none."""
    done = run("sdr", "type", kind)
    try:
        return parse_sdr(done.stdout) if done.ok else []
    except ParseError:
        return []


def _sensor(cells: list[str]) -> Sensor:
    if len(cells) < 5:
        return Sensor(cells[0] or "a sensor without a name", "", UNREAD, "", " ".join(cells[1:]))
    name, number, status, entity, *reading = cells
    known = status.lower() if status.lower() in STATUSES else UNREAD
    return Sensor(name or f"sensor {number}", number, known, entity, _COMMA.sub(".", " ".join(reading)))


def parse_dcmi_power(text: str) -> float:
    """Watts of the whole system now. Raises ParseError if the BMC does not measure them."""
    match = re.search(r"Instantaneous power reading:\s*(\d{1,9})\s*Watts", text)
    if match is None:
        raise ParseError(f"the BMC gives no DCMI power reading: {clean(text)[:100]}")
    return float(match[1])
