"""What the kernel of the image is told."""

from __future__ import annotations

from pathlib import Path

from builder import output

ARGS = output.kernel_args(Path(__file__).parents[2] / "live-image")


def test_the_kernel_keeps_no_corrected_memory_error_to_itself() -> None:
    """With the collector on, EDAC's drivers are not told of errors that it took in: their counters stay at 0."""
    assert "ras=cec_disable" in ARGS


def test_the_kernels_log_is_long_enough_for_a_large_machines_boot() -> None:
    assert "log_buf_len=4M" in ARGS
