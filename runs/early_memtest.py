"""The kernel's early test of memory, which a profile orders and the boot script asks for. It runs before anything else
of the live image, so the boot takes longer by it."""

from __future__ import annotations

from agent.contract.host_facts import EARLY_TEST_S_PER_GIB
from runs.machine import AGENT_SILENT, HELD, State
from runs.models import Run
from runs.profiles import estimate

# A host whose memory nobody knows yet may have so much.
UNKNOWN_GIB = 1024.0


def patterns(run: Run) -> int:
    """How many patterns the run's profile orders. 0 if it orders no such test."""
    memory = run.frozen.stages.get("Memory")
    given = memory.params.get("early_test_patterns", 0) if memory else 0
    return int(given) if isinstance(given, int | float) and given > 0 else 0


def kernel_args(run: Run) -> tuple[str, ...]:
    """The arguments of the kernel for the next boot. A host that restarts by itself in a stage gets none: it would be
    silent for longer, and that stage has failed."""
    wanted = patterns(run)
    is_due = State(run.state) in (*AGENT_SILENT, *HELD)
    return (f"memtest={wanted}",) if wanted and is_due else ()


def takes_at_most_s(run: Run) -> float:
    """By how many seconds the boot may take longer than without the test."""
    wanted = patterns(run)
    if not wanted:
        return 0.0
    machine = estimate.machine_of(run.host)
    gib = machine.memory_mb / 1024 if machine and machine.memory_mb else UNKNOWN_GIB
    return wanted * gib * EARLY_TEST_S_PER_GIB
