"""Faults that the kernel reports about itself: a core that hangs, an error in its own code or data, heat, programs that
crashed.

Wordings: arch/x86/kernel/smpboot.c, kernel/cpu.c, kernel/watchdog.c, kernel/rcu/tree_stall.h, kernel/hung_task.c,
arch/x86/mm/fault.c, arch/x86/kernel/traps.c, arch/x86/kernel/cpu/amd.c, mm/page_alloc.c, mm/memory.c,
mm/pgtable-generic.c, kernel/fork.c,
drivers/thermal/, fs/squashfs/, arch/x86/kernel/tsc.c, tsc_sync.c.
"""

from __future__ import annotations

from agent.counters.kernel.rules.pattern import critical, probe_failed, warning

PATTERNS = (
    # AMD's processors keep the reason of the last reset (since 6.16). Others are ordinary: a button, software.
    warning(
        "system.error_before_boot",
        r"Previous system reset reason \[0x[0-9a-f]+\]: "
        r"(?:thermal pin|internal CPU|an uncorrected error|a parity error)",
    ),
    critical(
        "system.lockup",
        r"BUG: soft lockup - |detected hard LOCKUP|"
        # Some kernels report expedited stalls after milliseconds.
        r"\brcu.{0,60}detected stalls?|\brcu.{0,60}self-detected stall|"
        r"\brcu.{0,60}detected expedited stalls(?!.{0,200}\} \d{1,3} jiffies)|\brcu.{0,60}kthread starved",
    ),
    warning("system.lockup", r"BUG: workqueue lockup - "),
    critical("thermal.critical", r"\bthermal.{0,60}critical temperature reached"),
    warning("thermal.throttled", r"CPU(?P<cpu>\d+): (?:Package |Core )?temperature (?:is )?above threshold"),
    warning("thermal.throttled", r"CPU(?P<cpu>\d+): Running in modulated clock mode"),
    # The line about a program's fault has its number in brackets, the line about the kernel's own fault does not.
    warning("system.program_crashed", r"\S\[\d+\]:? (?:segfault at|general protection|trap |bad frame)"),
    # A page whose bookkeeping is wrong: a bit flipped in memory, or the kernel has a bug.
    critical("system.kernel_oops", r"BUG: Bad page (?:state|map|cache)"),
    # The same, one level of the page tables higher. What is found when a program ends may be the kernel's own fault.
    critical("system.kernel_oops", r"\w\.[ch]:\d+: bad (?:pte|pmd|pud|p4d|pgd) \S"),
    warning("system.kernel_oops", r"BUG: (?:Bad rss-counter state|non-zero pgtables_bytes)"),
    # Bookkeeping of the kernel's own memory that is wrong (mm/slub.c, lib/list_debug.c).
    warning("system.kernel_oops", r"\bBUG [\w-]{1,40} \(.{1,60}\): .{0,60}(?:overwritten|corrupt)"),
    warning("system.kernel_oops", r"\blist_(?:add|del) corruption"),
    critical(
        "system.kernel_oops",
        r"Corrupted page table at address|PANIC: double fault|"
        r"BUG: unable to handle|BUG: kernel NULL pointer|kernel BUG at|general protection fault|\bOops: |"
        r"\b(?:invalid opcode|divide error|stack segment|double fault): [0-9a-f]{4} \[#\d+\]|"
        r"Unable to handle kernel (?:paging|NULL pointer)|Kernel panic - not syncing: (?!VFS)",
    ),
    # This name belongs to no known part: a core that never started is in no table of the kernel.
    critical("cpu.offline", r"do_boot_cpu failed\(-?\d+\) to wakeup (?P<word>CPU#\d+)"),
    critical("cpu.offline", r"\b(?P<word>CPU\d+):? failed to (?:report alive state|come online)"),
    critical("system.hardware_error", r"xHCI host controller not responding, assume dead|\bHC died; cleaning up"),
    warning("system.hardware_error", probe_failed("xhci_hcd")),
    # The cores' clocks disagree, or one runs wrong: by the firmware, the board or a core. A starved virtual machine
    # says so, too. Other reasons are ordinary: clocks that stop in idle states, or a hypervisor without such a clock.
    warning(
        "system.clock_unstable",
        r"\btsc: Marking TSC unstable due to (?:clocksource watchdog|check_tsc_sync_source failed)",
    ),
    # A short circuit at the connector, or in what is plugged in. (drivers/usb/core/hub.c)
    warning("system.hardware_error", r"\b(?:usb |hub )\S{1,32}: over-current condition"),
    # Read from the network or from memory, so not the fault of a disk.
    warning("system.image_corrupt", r"SQUASHFS error: "),
    warning("system.hung_task", r"task \S{1,40} blocked for more than \d+ seconds"),
    warning("system.out_of_memory", r"Out of memory: Kill(?:ed)? process"),
)
