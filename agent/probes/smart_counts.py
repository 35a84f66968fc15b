"""What a drive has counted over its life, by the code of the finding that it makes."""

from __future__ import annotations

from agent.probes.smartctl import FAILING, PREFAIL, Smart

# Of NVMe's critical warning (NVM Express base specification 1.4, figure 194).
TEMPERATURE_BIT = 1 << 1

# Attributes of which vendors agree what they count: D. Pinheiro et al., FAST '07, and Backblaze's yearly reports.
ATTRIBUTES = {
    5: "smart.reallocated_sectors",
    187: "smart.reported_uncorrectable",
    188: "smart.command_timeouts",
    197: "smart.pending_sectors",
    198: "smart.uncorrectable_sectors",
    199: "smart.crc_errors",
}
# Of some attributes only the lowest 16 bits are the count: Seagate packs three into 188, of which the lowest is the
# total, and 5 has further words of each maker's own above it (`raw16(raw16)` is smartctl's usual format for it).
_RAW_MASK = {5: 0xFFFF, 188: 0xFFFF}
# What smartctl's database calls an attribute of which it knows that it counts something else, or nothing: the MX500's
# 197 comes and goes on healthy drives ("Bogus_Current_Pend_Sect").
_NOT_WHAT_IT_SEEMS = ("Bogus", "Unknown")


def of(smart: Smart) -> dict[str, int]:
    """NVMe's number of log entries is not among them: asking can raise it."""
    found: dict[str, int | None] = {code: _raw(smart, number) for number, code in ATTRIBUTES.items()}
    if 197 not in smart.attributes:
        found["smart.pending_sectors"] = smart.pending_defects
    found["smart.media_errors"] = smart.nvme.media_errors if smart.nvme else None
    found["smart.grown_defects"] = smart.grown_defects
    found["smart.uncorrected_errors"] = smart.uncorrected_errors
    found["smart.error_log"] = smart.error_log_count
    return {code: count for code, count in found.items() if count is not None}


def states(smart: Smart) -> dict[str, int]:
    """What a drive says of itself, as numbers that rise when it gets worse: health is looked at in SMART, and a drive
    that gives up later must not be missed. NVMe's temperature bit comes and goes."""
    found = {
        "smart.failing": int(smart.passed is False or bool(smart.exit_status & FAILING)),
        "smart.prefail": int(bool(smart.exit_status & PREFAIL)),
    }
    if smart.nvme is not None:
        bits = smart.nvme.critical_warning & ~TEMPERATURE_BIT
        found |= {"smart.critical_warning": bits, "smart.failing": int(bits != 0)}
    return {} if smart.trouble else found


def _raw(smart: Smart, number: int) -> int | None:
    attribute = smart.attributes.get(number)
    if attribute is None or any(word in attribute.name for word in _NOT_WHAT_IT_SEEMS):
        return None
    return attribute.raw & _RAW_MASK.get(number, -1)
