"""Which accelerator a QEMU on this machine can use: found out by starting a guest, since /dev/kvm may exist
and not work."""

from __future__ import annotations

import functools
import subprocess
import time
from pathlib import Path

from tests.rack.errors import RackBroken
from tests.rack.qemu import QEMU

TCG = "tcg,thread=multi"
KVM = "kvm"
# SeaBIOS writes to port 0x402 (its debug console) within milliseconds of starting under a KVM that works.
_PROBE = (
    QEMU, "-accel", KVM, "-cpu", "host", "-machine", "q35", "-nodefaults", "-display", "none", "-m", "64M",
    "-chardev", "stdio,id=bios", "-device", "isa-debugcon,iobase=0x402,chardev=bios",
)  # fmt: skip
_PROBE_S = 1.0
_LAST_WORDS_OF_SEABIOS = b"enter handle_19"


@functools.cache
def best() -> str:
    """A value for -accel: KVM when a guest was seen to run its firmware through under it, else TCG."""
    return KVM if Path("/dev/kvm").exists() and _firmware_runs_under_kvm() else TCG


def _firmware_runs_under_kvm() -> bool:
    try:
        with subprocess.Popen(_PROBE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as guest:
            time.sleep(_PROBE_S)
            guest.kill()
            said, _ = guest.communicate()
    except FileNotFoundError as error:
        raise RackBroken(f"{QEMU} is not installed (apt install qemu-system-x86)") from error
    return _LAST_WORDS_OF_SEABIOS in said
