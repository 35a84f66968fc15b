"""Where in the kernel's log its own start begins and ends. No I/O here."""

from __future__ import annotations

import re

from agent.counters.kernel.kmsg_record import Record
from agent.probes.board import early_memtest

# A log that has lost its beginning says nothing of the start. Its first lines count as such up to this time.
AT_BOOT_US = 10_000_000
# A log may lack the start's end. With many CPUs and terabytes of memory it takes minutes, and before these the kernel
# may test the memory for hours: on x86 its clock runs by then (setup_arch calls tsc_early_init before
# init_mem_mapping, which calls early_memtest).
LONGEST_US = 300_000_000
_BEGINS = "Linux version "
# Older kernels don't name their init process. All free their own start-up code right before it (init/main.c).
_ENDS = re.compile(r"Run /\S{1,60} as init process|Freeing unused kernel |systemd\[1\]: ")


def ends(record: Record) -> bool:
    """Whether the first program runs, or is about to."""
    return record.from_user or _ENDS.match(record.text) is not None


class Boot:
    """`look` takes the lines in their order; `is_on` says whether the last one belongs to the start."""

    def __init__(self) -> None:
        self.is_on = False
        self._from_us = 0
        self._is_testing = False

    def look(self, record: Record) -> None:
        if record.text.startswith(_BEGINS) and not record.from_user:
            # In a log without times this line is as late as all others, and proves nothing.
            self.is_on, self._from_us = record.time_us < AT_BOOT_US, record.time_us
        elif self.is_on:
            self._note_memory_test(record)
            self.is_on = not ends(record) and record.time_us <= self._from_us + LONGEST_US

    def _note_memory_test(self, record: Record) -> None:
        """The time counts from the first line after the test: each line of the test comes before the range it names."""
        was_testing, self._is_testing = self._is_testing, not early_memtest.parse(record.text).is_empty
        if was_testing or self._is_testing:
            self._from_us = record.time_us
