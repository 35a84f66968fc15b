"""Reads a recorded kernel log: `dmesg` in each of its formats, `journalctl -k`, syslog files, or /dev/kmsg itself. No
I/O here."""

from __future__ import annotations

import re
from dataclasses import replace

from agent.contract.wire import Finding
from agent.counters.component_names import Names
from agent.counters.kernel.boot import AT_BOOT_US
from agent.counters.kernel.kernel_findings import Tallies
from agent.counters.kernel.kmsg import Classifier, parse
from agent.counters.kernel.kmsg_record import Record
from agent.counters.kernel.optical_drives import OpticalDrives
from agent.counters.kernel.usb_disks import UsbDisks

# The time of a line without a time stamp: it is unknown whether the line is from the boot.
LATER_US = 6 * AT_BOOT_US
LEVELS = ("emerg", "alert", "crit", "err", "warn", "notice", "info", "debug")

_RAW = re.compile(r"\d{1,4},\d{1,20},\d{1,20},[^;]{0,40};")
_PRIORITY = re.compile(r"<(?P<number>\d{1,4})>")
# dmesg -x.
_DECODED = re.compile(rf"(?P<facility>[a-z0-9]{{2,10}}) *:(?P<level>{'|'.join(LEVELS)}) *: ")
_UPTIME = re.compile(r"\[ *(?P<seconds>\d{1,10}\.\d{1,9})(?: <[^<>]{0,20}>)?\] ?")
# dmesg -T, -e and -d, and `--time-format iso`, whose fraction begins with a comma.
_CLOCK = re.compile(
    r"\[(?:(?:[A-Z][a-z]{2} )?[A-Z][a-z]{2} {0,2}\d{1,2} \d\d:\d\d[ :\d]{0,12}|[ +<]{0,8}\d{1,10}\.\d{1,9}>?)\] ?|"
    r"\d{4}-\d\d-\d\dT[\d:]{8},\d{1,9}\S{0,6} "
)
_CALLER = re.compile(r"\[ *[TC]\d{1,10}\] ?")
# syslog and journalctl: time (month and day of the week may be in the operator's language; `-o short-full` writes the
# zone, `-o short-unix` seconds), host, in busybox's facility and level, program, perhaps its number.
_SYSLOG = re.compile(
    r"(?:(?:\d{4} )?[^\W\d_]{3,5}\.? [ \d]\d (?:\d{4} )?\d\d:\d\d:\d\d(?:\.\d{1,9})?|"
    r"[^\W\d_]{2,5}\.? \d{4}-\d\d-\d\d [\d:]{8}(?:\.\d{1,9})? [A-Z+-][\w:+-]{1,6}|"
    r"\d{4}-\d\d-\d\d[T ][\d:]{8}(?:\.\d{1,9})?\S{0,6}|\d{10}\.\d{1,9}) "
    r"(?P<host>\S{1,255}) (?:[a-z0-9]{2,8}\.[a-z]{3,7} )?(?P<who>[^\s:\[\]]{1,64})(?:\[\d{1,10}\])?: ?"
)
# RFC 5424: version, time, host, program, its number, kind of message, structured data.
_RFC_5424 = re.compile(
    r"1 \d{4}-\d\d-\d\dT\S{8,24} \S{1,255} (?P<who>\S{1,48}) \S{1,128} \S{1,32} (?:-|\[.{1,200}\]) ?"
)
_MONOTONIC = re.compile(r"\S{1,255} (?P<who>kernel|[\w.@-]{1,64}\[\d{1,10}\]): ")
# What is left of such a line where the host's name was taken out.
_NO_HOST = re.compile(
    r"(?:(?:\d{4}-\d\d-\d\d[T ][\d:]{8}\S{0,16}|[^\W\d_]{3,5}\.? [ \d]\d \d\d:\d\d:\d\d(?:\.\d{1,9})?) {1,2})?kernel: ?"
)
# A program's line in the kernel's log. The kernel's own line about a crashed program begins the same way.
_PROGRAM = re.compile(
    r"\(?[\w.@/-]{1,64}\)?\[\d{1,10}\]: (?!segfault at|general protection|trap |bad frame)|"
    r"(?:systemd|dracut|udevd?|cloud-init)[\w-]{0,32}: "
)
# `Linux version 6.12`, or `pci 0000:00:00.0: …`: the name of the source, and a colon. Ordinary text has no colon so
# near the start. Lines without one come from the block layer, from stack traces, and a few from the boot.
_NAMED = re.compile(
    r"Linux version |\s?[\w{(\[][^\"]{0,60}?:(?: |$)|[\w/ -]{0,40}\berror(?:,| on) dev(?:ice)? \w|"
    r" <(?:/?TASK|/?IRQ|/?NMI)>$|---\[ |Run /\w|Adding \d+k swap on |device \S{1,16} (?:entered|left) |"
    r"Emulex LightPulse |Freeing "
)
# `dmesg -J`, `journalctl -o json`: only some of the lines inside would be found.
_JSON = re.compile(r"\s{0,80}\{\s{0,80}\"")
_COLOUR = re.compile(r"\x1b\[[\d;]{0,12}[mK]")
# Messages of tools that could not read the log.
_NO_LOG = re.compile(r"(?:-?(?:ba|da|z)?sh|sudo|dmesg|journalctl|cat|tail): |-- |Hint: |No journal files|No entries")


def findings(text: str, names: Names) -> list[Finding] | None:
    """The findings of a run in which every line of the log were new. None for a recording without a kernel line."""
    text = _plain(text)
    if _JSON.match(text):
        return None
    lines = records(text)
    classifier, tallies, usb, optical = Classifier(), Tallies(), UsbDisks(), OpticalDrives()
    for record in lines:
        usb.look(record)
        optical.look(record)
        tallies.add(classifier.look(record))
    tallies.add(classifier.flush())
    found = tallies.take(replace(names, usb=usb.names, optical=optical.names))
    has_log = found or any(_NAMED.match(record.text) for record in lines) or _has_stamps(text)
    return found if has_log else None


def duration_s(text: str) -> float:
    """The time between the first and the last line, 0 if the lines have no time since the boot."""
    times = [record.time_us for record in records(_plain(text))]
    return (max(times) - min(times)) / 1e6 if times else 0.0


def _plain(text: str) -> str:
    """The text without colours (`dmesg --color=always`), and with blanks in place of the no-break spaces of mails and
    web pages."""
    return _COLOUR.sub("", text.replace("\xa0", " "))


def _has_stamps(text: str) -> bool:
    """Whether the kernel's own time or level stands before the line. Then the line is the kernel's."""
    return any(_RAW.match(line) or _PRIORITY.match(line) or _UPTIME.match(line) for line in text.splitlines())


def records(text: str) -> list[Record]:
    """The kernel's lines. Lines that begin with # are the recorder's comments."""
    found: list[Record] = []
    indent = 0
    for line in text.splitlines():
        if found and indent and line[:indent].isspace() and not line[indent : indent + 1].isspace():
            # dmesg indents further lines of one message by the width of its stamp; /dev/kmsg has this between them.
            found[-1] = replace(found[-1], text=rf"{found[-1].text}\x0a{line[indent:]}")
            continue
        indent = 0
        if line.startswith(" DEVICE=") and found:
            found[-1] = replace(found[-1], device=line[8:].strip())
        elif line.strip() and not line.startswith(("#", " SUBSYSTEM=")) and (record := _record(line, found)):
            found.append(record)
            indent = stamp.end() if (stamp := _UPTIME.match(line)) else 0
    return found


def _record(line: str, before: list[Record]) -> Record | None:
    """None for a line that is not the kernel's."""
    if _RAW.match(line):
        raw = parse(line)
        return None if raw is None or raw.from_user else raw
    level, rest = _level(line)
    from_kernel, rest = _without_syslog(rest)
    time_us, rest = _time(rest, before[-1].time_us if before else LATER_US)
    rest = _CALLER.sub("", rest, count=1) if _CALLER.match(rest) else rest
    if match := _MONOTONIC.match(rest):
        from_kernel, rest = from_kernel and match["who"] == "kernel", rest[match.end() :]
    if level is None or not from_kernel or not rest.strip() or _PROGRAM.match(rest) or _NO_LOG.match(rest):
        return None
    return Record(len(before), time_us, level, rest)


def _level(line: str) -> tuple[int | None, str]:
    """None for a program's line."""
    if match := _PRIORITY.match(line):
        number = int(match["number"])
        return (number & 7 if number < 8 else None), line[match.end() :]
    if match := _DECODED.match(line):
        is_kernels = match["facility"] == "kern"
        return (LEVELS.index(match["level"]) if is_kernels else None), line[match.end() :]
    return 4, line


def _without_syslog(line: str) -> tuple[bool, str]:
    if match := _NO_HOST.match(line):
        return True, line[match.end() :]
    match = _SYSLOG.match(line) or _RFC_5424.match(line)
    return (match["who"] == "kernel", line[match.end() :]) if match else (True, line)


def _time(line: str, before_us: int) -> tuple[int, str]:
    if match := _UPTIME.match(line):
        return round(float(match["seconds"]) * 1e6), line[match.end() :]
    match = _CLOCK.match(line)
    return before_us, line[match.end() :] if match else line
