"""The BMC: its identity, its sensors, the power that it measures. Its event log is in `sel`, its sensors of power
supplies and fans in `supplies` and `bmc_fans`."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
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
_AUX = re.compile(r"^Aux Firmware Rev Info *:[ \t]*\n((?:[ \t]+0x[0-9a-f]{2}[ \t]*(?:\n|$)){4})", re.MULTILINE)
# What ipmitool 1.8.19 says on stderr if it ends with status 0 without its whole answer: `sdr type` if it could read no
# sensor record at all (lib/ipmi_sdr.c, ipmi_sdr_print_type), `sel elist` if an entry failed twice (lib/ipmi_sel.c,
# __ipmi_sel_savelist_entries).
_CUT_OFF = {
    "sdr": re.compile(r"^(Unable to open SDR for reading)", re.MULTILINE),
    "sel": re.compile(r"^(Get SEL Entry [0-9a-f]{1,4} command failed).*\n\1", re.MULTILINE),
}
# `sdr type` stops at a record whose header it can't read. Some sound BMCs have such a record at the end of their list.
_STOPPED_AT = re.compile(
    r"^(Get SDR [0-9a-f]{4} command failed|SDR record id 0x[0-9a-f]{4}: invalid length|"
    r"Unable to renew SDR reservation)",
    re.MULTILINE,
)
# Each `sdr` takes a reservation from the BMC and cancels that of another one, which may then leave out records. So the
# side-car's sensors and the stages ask one after the other.
_ONE_AT_A_TIME = threading.Lock()


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
    """One command, while no other one of this agent runs. An answer that ipmitool could not finish is not `ok`."""
    with _ONE_AT_A_TIME:
        done = shell.run(["ipmitool", *words], timeout_s)
    said = _CUT_OFF[words[0]].search(done.stderr) if words[0] in _CUT_OFF and done.ok else None
    return replace(done, cut_off=said[1]) if said else done


def run_sdr_type(kind: str, lacks: Callable[[str], bool] = lambda text: False) -> shell.Completed:
    """The sensors of one type. `lacks` says whether the output lacks a sensor that should be there.

    ipmitool leaves out a record that it could not read, often without a word. So if something may be missing, it is
    asked twice, and a sensor counts as listed if one of the two answers has it. If ipmitool says that it stopped before
    the end, and something is lacking, the answer is not whole.
    """

    def is_lacking(text: str) -> bool:
        return not text.strip() or lacks(text)

    first = run("sdr", "type", kind)
    if not _may_say_more(first) and not (first.ok and is_lacking(first.stdout)):
        return first
    second = run("sdr", "type", kind)
    if not second.ok:
        return first if first.ok and not is_lacking(first.stdout) else second
    both = replace(second, stdout=_all_rows(second.stdout, first.stdout if first.ok else ""))
    stopped = _STOPPED_AT.search(second.stderr)
    return replace(both, cut_off=stopped[1]) if stopped and is_lacking(both.stdout) else both


def _may_say_more(done: shell.Completed) -> bool:
    """Whether ipmitool says that it could not read the whole list."""
    return bool(done.cut_off) or (done.ok and _STOPPED_AT.search(done.stderr) is not None)


def _all_rows(newest: str, older: str) -> str:
    """The newest rows, after those that only the older output has."""
    known = {_key(line) for line in newest.splitlines()}
    return "".join(f"{line}\n" for line in older.splitlines() if _key(line) not in known) + newest


def _key(line: str) -> tuple[str, ...]:
    """Name, number and entity of a sensor."""
    cells = [clean(cell) for cell in line.split("|")]
    return (*cells[:2], *cells[3:4]) if len(cells) > 3 else (line,)


def parse_mc_info(text: str) -> dict[str, str]:
    """`Firmware Revision`, `IPMI Version`, `Manufacturer Name` and so on. `Aux Firmware Rev Info` are four bytes in one
    line. Raises ParseError."""
    pairs = (line.partition(":") for line in text.splitlines() if not line.startswith((" ", "\t")))
    found = {clean(key): clean(value) for key, colon, value in pairs if colon and clean(value)}
    if "Firmware Revision" not in found:
        raise ParseError("ipmitool mc info named no firmware revision")
    aux = _AUX.search(text)
    return {**found, "Aux Firmware Rev Info": clean(aux[1])} if aux else found


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


def sensors_of(kind: str, lacks: Callable[[str], bool] = lambda text: False) -> tuple[list[Sensor], str]:
    """The sensors of one type, and why they could not be read. Both are empty if the BMC has none."""
    done = run_sdr_type(kind, lacks)
    try:
        return (parse_sdr(done.stdout), "") if done.ok else ([], done.trouble)
    except ParseError as error:
        return [], done.trouble_or(error)


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
