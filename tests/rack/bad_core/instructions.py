"""Instructions whose register holds data and never an address: a change of it gives a wrong result and no crash.

They are found in the bytes of a library's code without decoding it: if a processor stops at such an address, an
instruction begins there, so it is what its bytes say. An address in the middle of an instruction is never reached.

Encodings: Intel SDM volume 2. Registers are numbered as gdb does."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from tests.rack.bad_core.gdbstub import XMM0

# Kind of operation → the library that does it.
LIBRARIES = {"hash": "libcrypto.so", "cipher": "libcrypto.so", "integer": "libcrypto.so", "float": "libm.so",
             "compression": "liblzma.so"}  # fmt: skip
# The processor's numbers of rax, rcx, rdx, rbx, rsp, rbp, rsi, rdi → gdb's.
_GDB = (0, 2, 3, 1, 7, 6, 4, 5)
_RDX = 3
_NO_REX = 0x40


@dataclass(frozen=True)
class Site:
    """An instruction at `offset` of the code, and the register to change: `bits` of it count."""

    offset: int
    register: int
    bits: int
    kind: str


Match = re.Match[bytes]
# Gives gdb's number of the register and how many bits of it count.
_Reads = Callable[[Match], tuple[int, int]]


def general(number: int) -> int:
    return number if number > 7 else _GDB[number]


def _rex(match: Match) -> int:
    return match["rex"][0] if match["rex"] else _NO_REX


def _rm(match: Match) -> tuple[int, int]:
    """The register of the lower three bits of the last byte that names one."""
    rex = _rex(match)
    return general((match["reg"][0] & 7) + 8 * (rex & 1)), 64 if rex & 8 else 32


def _reg(match: Match) -> tuple[int, int]:
    rex = _rex(match)
    return general((match["reg"][0] >> 3 & 7) + 8 * (rex >> 2 & 1)), 64 if rex & 8 else 32


def _rorx(match: Match) -> tuple[int, int]:
    number = (match["reg"][0] & 7) + (0 if match["vex"][0] & 0x20 else 8)
    return general(number), 64 if match["wide"][0] & 0x80 else 32


def _rdx(match: Match) -> tuple[int, int]:
    return _RDX, 64


def _xmm(bits: int) -> _Reads:
    def read(match: Match) -> tuple[int, int]:
        return XMM0 + (match["reg"][0] >> 3 & 7) + 8 * (_rex(match) >> 2 & 1), bits

    return read


def _vvvv(bits: int) -> _Reads:
    """The second source of a VEX instruction, which is written inverted."""

    def read(match: Match) -> tuple[int, int]:
        return XMM0 + (match["vvvv"][0] >> 3 & 15 ^ 15), bits

    return read


def _two(*patterns: bytes) -> re.Pattern[bytes]:
    return re.compile(b"".join(patterns), re.DOTALL)


_REX = rb"(?P<rex>[\x40-\x4f]?)"
_WIDE = rb"(?P<rex>[\x48-\x4f])"
_BOTH_REGISTERS = rb"(?P<reg>[\xc0-\xff])"
_ANY = rb"(?P<reg>.)"
_PATTERNS: dict[str, tuple[tuple[re.Pattern[bytes], _Reads], ...]] = {
    "hash": (
        (_two(_REX, rb"\xc1(?P<reg>[\xc0-\xcf])"), _rm),  # rol, ror
        (_two(rb"\xc4(?P<vex>[\xc3\xe3\x43\x63])(?P<wide>[\x7b\xfb])\xf0", _BOTH_REGISTERS), _rorx),
        (_two(_REX, rb"\x0f\x38[\xc8-\xcd]", _BOTH_REGISTERS), _xmm(128)),  # sha1…, sha256…
    ),
    "cipher": (
        (_two(rb"\x66", _REX, rb"\x0f\x38[\xdc-\xdf]", _ANY), _xmm(128)),  # aesenc, aesdec and their last rounds
        (_two(rb"\xc4[\xe2\xc2\x62\x42](?P<vvvv>[\x01-\x7f])[\xdc-\xdf]", _ANY), _vvvv(128)),
    ),
    "integer": (
        (_two(rb"[\x66\xf3]", _WIDE, rb"\x0f\x38\xf6", _ANY), _reg),  # adcx, adox
        (_two(rb"\xc4[\xe2\xc2\x62\x42][\x83\x8b\x93\x9b\xa3\xab\xb3\xbb\xc3\xcb\xd3\xdb\xe3\xeb\xf3\xfb]\xf6"), _rdx),
        (_two(_WIDE, rb"\x13", _BOTH_REGISTERS), _reg),  # adc
    ),
    "float": (
        (_two(rb"\xf2", _REX, rb"\x0f[\x58\x59\x5c\x5e]", _ANY), _xmm(64)),  # addsd, mulsd, subsd, divsd
        (_two(rb"\xc5(?P<vvvv>[\x03\x0b\x13\x1b\x23\x2b\x33\x3b\x43\x4b\x53\x5b\x63\x6b\x73\x7b"
              rb"\x83\x8b\x93\x9b\xa3\xab\xb3\xbb\xc3\xcb\xd3\xdb\xe3\xeb\xf3\xfb])[\x58\x59\x5c\x5e]"), _vvvv(64)),
        (_two(rb"\xc4[\xe2\xc2\x62\x42](?P<vvvv>[\x81-\xf9])[\x99\x9b\x9d\x9f\xa9\xab\xad\xaf\xb9\xbb\xbd\xbf]"),
         _vvvv(64)),  # vfmadd…sd
    ),
    "compression": ((_two(rb"(?P<rex>[\x40-\x47]?)\x0f\xaf", _BOTH_REGISTERS), _reg),),  # imul of the range coder
}  # fmt: skip
KINDS = tuple(_PATTERNS)


def sites(code: bytes, kinds: Iterable[str]) -> list[Site]:
    """The instructions of these kinds in a piece of code, in their order."""
    found = [
        Site(match.start(), *reads(match), kind)
        for kind in kinds
        for pattern, reads in _PATTERNS[kind]
        for match in pattern.finditer(code)
    ]
    return sorted(found, key=lambda site: site.offset)
