"""Memory errors that the kernel logs in one line. machine_checks reads those of several lines.

Wordings: drivers/edac/edac_mc.c (edac_ce_error, edac_ue_error) and edac_device.c, arch/x86/kernel/cpu/mce/core.c,
mm/memory-failure.c, drivers/ras/cec.c.
"""

from __future__ import annotations

from agent.counters.kernel.rules.pattern import critical, warning

# The label ends where the location begins: `(channel:1 slot:0 page:0x1 …`, `( page:0x0 …`, `(node:0 card:0 …`.
_ON = r"\b.{0,200}? on (?P<dimm>\S.{0,150}?)(?: \((?=\s?[a-z_ ]{1,20}:)|$)"
_MC = r"EDAC .{0,24}\bMC\d*: (?:\d+ )?"
_ADDRESS = r"(?P<address>[0-9a-f]{1,16})"
_OLD = r"EDAC MC\d*: "
PATTERNS = (
    critical("memory.uncorrected", rf"{_OLD}\d+ UE{_ON}"),
    warning("memory.corrected", rf"{_OLD}(?P<times>\d{{1,9}}) CE{_ON}"),
    critical("memory.uncorrected", rf"{_OLD}UE .{{0,160}}labels? \"(?P<dimm>[^\"-][^\"]{{1,100}})\""),
    warning("memory.corrected", rf"{_OLD}CE .{{0,160}}labels? \"(?P<dimm>[^\"-][^\"]{{1,100}})\""),
    # Caches and buses of a chip, not memory modules.
    critical("cpu.machine_check", r"EDAC DEVICE\d+: UE\b"),
    warning("cpu.corrected_machine_check", r"EDAC DEVICE\d+: CE\b"),
    critical("memory.uncorrected", rf"{_MC}UE\b"),
    warning("memory.corrected", rf"{_MC}CE\b"),
    critical("memory.uncorrected", rf"mce: Uncorrected hardware memory error(?: in user-access at {_ADDRESS})?"),
    critical("memory.uncorrected", r"Memory failure: 0x(?P<frame>[0-9a-f]{1,16}): "),
    critical("memory.uncorrected", r"(?:Killing|Sending SIGBUS to) \S{1,40} due to hardware memory corruption"),
    # The kernel's own test of memory (memtest=), mm/memtest.c.
    critical("memory.uncorrected", rf"\b[0-9a-f]{{16}} bad mem addr 0x{_ADDRESS} - "),
    warning("memory.corrected", r"(?:Soft-offlining pfn|soft offline): 0x(?P<frame>[0-9a-f]{1,16})"),
    warning("system.machine_check_logged", r"\bCMCI storm detected"),
)
