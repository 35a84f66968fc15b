"""Makes a network device lose packets at random, both ways: `python -m tests.rack.packetloss DEVICE PERCENT`.

tc-netem would do it in one direction only (what is sent into the machine), and is not in every kernel. This
is an eBPF program of seven instructions on the device's ingress and egress (tc-bpf(8), clsact).
"""

from __future__ import annotations

import ctypes
import os
import struct
import subprocess
import sys
import tempfile
from pathlib import Path

_SYS_BPF = 321  # x86-64
_BPF_PROG_LOAD, _BPF_OBJ_PIN = 5, 6
_PROG_TYPE_SCHED_CLS = 3
_GET_PRANDOM_U32 = 7
_TC_ACT_OK, _TC_ACT_SHOT = 0, 2
_libc = ctypes.CDLL(None, use_errno=True)


def program(percent: float) -> bytes:
    """Drops a packet when a random 32-bit number is below the share of `percent`."""
    threshold = min(int(percent / 100 * 2**32), 2**32 - 1)
    signed = struct.unpack("<i", struct.pack("<I", threshold))[0]
    return b"".join(
        (
            _instruction(0x85, imm=_GET_PRANDOM_U32),  # r0 = random
            _instruction(0xB4, dst=1, imm=signed),  # w1 = threshold
            _instruction(0xB4, dst=2, imm=_TC_ACT_SHOT),  # w2 = drop
            _instruction(0xAE, dst=0, src=1, offset=1),  # if w0 < w1, over the next one
            _instruction(0xB4, dst=2, imm=_TC_ACT_OK),  # w2 = let through
            _instruction(0xBC, dst=0, src=2),  # w0 = w2
            _instruction(0x95),  # return
        )
    )


def _instruction(code: int, dst: int = 0, src: int = 0, offset: int = 0, imm: int = 0) -> bytes:
    return struct.pack("<BBhi", code, src << 4 | dst, offset, imm)


def _load(instructions: bytes) -> int:
    """The descriptor of the loaded program; raises OSError."""
    code = ctypes.create_string_buffer(instructions, len(instructions))
    licence = ctypes.create_string_buffer(b"MIT")
    count = len(instructions) // 8
    return _bpf(_BPF_PROG_LOAD, struct.pack("<IIQQ", _PROG_TYPE_SCHED_CLS, count, _at(code), _at(licence)))


def _pin(descriptor: int, path: Path) -> None:
    name = ctypes.create_string_buffer(os.fsencode(path))
    _bpf(_BPF_OBJ_PIN, struct.pack("<QII", _at(name), descriptor, 0))


def _at(buffer: ctypes.Array[ctypes.c_char]) -> int:
    return ctypes.addressof(buffer)


def _bpf(command: int, attributes: bytes) -> int:
    """bpf(2). The kernel wants the part of `union bpf_attr` that it does not get to be zero."""
    block = ctypes.create_string_buffer(attributes.ljust(120, b"\0"), 120)
    result = _libc.syscall(_SYS_BPF, command, block, len(block))
    if result < 0:
        error = ctypes.get_errno()
        raise OSError(error, f"bpf: {os.strerror(error)}")
    return result


def attach(device: str, percent: float) -> None:
    """Raises OSError or CalledProcessError. The mount is gone with this process's mount namespace."""
    with tempfile.TemporaryDirectory() as directory:
        subprocess.run(["mount", "-t", "bpf", "bpf", directory], check=True)
        try:
            pinned = Path(directory) / "loss"
            _pin(_load(program(percent)), pinned)
            subprocess.run(["tc", "qdisc", "add", "dev", device, "clsact"], check=True)
            for side in ("ingress", "egress"):
                subprocess.run(
                    ["tc", "filter", "add", "dev", device, side, "bpf", "da", "object-pinned", str(pinned)],
                    check=True,
                )
        finally:
            subprocess.run(["umount", directory], check=True)


if __name__ == "__main__":
    attach(sys.argv[1], float(sys.argv[2]))
