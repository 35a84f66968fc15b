"""Storage controllers whose firmware failed or that had to be reset.

Wordings: drivers/scsi/megaraid/, mpt3sas/, mpi3mr/, hpsa.c, smartpqi/, aacraid/, arcmsr/, 3w-*.c."""

from __future__ import annotations

from agent.kmsg_says.pattern import PCI, critical, warning

_MEGARAID = rf"\bmega(?:raid_)?sas:? (?:(?P<pci>{PCI}): )?"
_MPT = r"\b(?P<word>mpt[23]sas(?:_cm)?\d+): "
_CODE = "disk.controller_error"
PATTERNS = (
    critical(
        _CODE,
        rf"{_MEGARAID}.{{0,80}}(?:FW in FAULT state|in fault ?state|forcibly FAULT|killing adapter|"
        r"Diag reset adapter never cleared|resetting fusion adapter|Reset (?:adapter )?failed|"
        r"hasn't changed in \d+ sec|Init cmd return status FAILED)",
    ),
    # The controller's own events: `1234 (581443580s/0x0002/FATAL) - …`.
    critical(_CODE, rf"{_MEGARAID}\d+ \([^()]{{1,40}}/(?:FATAL|DEAD)\) - "),
    warning(_CODE, rf"{_MEGARAID}\d+ \([^()]{{1,40}}/CRIT\) - "),
    critical(
        _CODE,
        rf"{_MPT}.{{0,60}}(?:\bfault_state\(|coredump_state\(|SAS host is non-operational|"
        r"(?:diag|hard|unit) reset: FAILED|"
        r"failed going to (?:ready|operational) state|Command Timeout|handshake failed)",
    ),
    warning(_CODE, rf"{_MPT}.{{0,40}}Temperature Threshold flags .{{0,60}}exceeded"),
    critical(_CODE, r"\b(?P<word>mpi3mr\d+): .{0,60}(?:\bfault code|\bfaulted\b|unrecoverable|reset (?:is )?failed)"),
    critical(_CODE, r"\bhpsa .{0,60}(?:controller lockup detected|resetting (?:logical|physical) )"),
    critical(_CODE, r"\bsmartpqi .{0,60}(?:controller is offline|controller offline|no heartbeat|resetting scsi )"),
    critical(_CODE, r"\baacraid:? .{0,60}Host (?:adapter|bus|device|target) (?:abort|reset) request"),
    critical(_CODE, r"\b(?P<word>aac(?:raid)?\d*):? .{0,40}adapter kernel panic"),
    critical(_CODE, r"\b(?P<word>arcmsr\d+): .{0,40}(?:abort device command|bus reset eh|notify .{0,20}timeout)"),
    critical(_CODE, r"\b3w-\w{4,5}: (?P<word>scsi\d+): (?:AEN: )?ERROR"),
)
