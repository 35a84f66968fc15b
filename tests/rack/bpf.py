"""Small eBPF programs on a network device's ingress and egress (tc-bpf(8), clsact), for what tc itself can't do."""

from __future__ import annotations

import ctypes
import os
import struct
import subprocess
import tempfile
from collections.abc import Iterable
from pathlib import Path

ACT_OK, ACT_SHOT = 0, 2
_SYS_BPF = 321  # x86-64
_BPF_PROG_LOAD, _BPF_OBJ_PIN = 5, 6
_PROG_TYPE_SCHED_CLS = 3
_libc = ctypes.CDLL(None, use_errno=True)


def instruction(code: int, dst: int = 0, src: int = 0, offset: int = 0, imm: int = 0) -> bytes:
    """One of eight bytes (linux/bpf.h, struct bpf_insn)."""
    return struct.pack("<BBhi", code, src << 4 | dst, offset, imm)


def attach(device: str, program: bytes, sides: Iterable[str]) -> None:
    """`sides` of `ingress` and `egress`. In a process of its own: the program is pinned in a file system that only this
    process's mount namespace has. Raises OSError or CalledProcessError."""
    with tempfile.TemporaryDirectory() as directory:
        subprocess.run(["mount", "-t", "bpf", "bpf", directory], check=True)
        try:
            pinned = Path(directory) / "program"
            _pin(_load(program), pinned)
            subprocess.run(["tc", "qdisc", "replace", "dev", device, "clsact"], check=True)
            for side in sides:
                words = ["tc", "filter", "add", "dev", device, side, "bpf", "da", "object-pinned", str(pinned)]
                subprocess.run(words, check=True)
        finally:
            subprocess.run(["umount", directory], check=True)


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
