"""The work that every core does, as a table. Each operation takes a seed and gives a short text, its answer, which
depends on every bit that was calculated. It checks itself where its answer can be checked: then a wrong one begins with
`!`.

Each takes about a millisecond on a server, and a few MiB at most."""

from __future__ import annotations

import array
import binascii
import bz2
import ctypes
import hashlib
import lzma
import math
import operator
import random
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from agent.core_screen import libblas, libcrypto

# An answer that begins so is wrong, whatever the other cores say: the operation has refuted it.
REFUTED = "!"
_BYTES = 16384
_FLOAT_STEPS, _FUNCTION_STEPS, _WHOLE_STEPS = 1500, 400, 8
_HASHES = ("sha256", "sha512", "sha3_256", "sha1")
# OpenSSL's name → bytes of its key
_CIPHERS = {"AES-256-CTR": 32, "AES-128-CBC": 16, "ChaCha20": 32}
_SEALS = {"AES-256-GCM": 32}
_ROWS = 48
# Two ways of calculation in double precision differ by less, unless one of them is wrong.
_NEAR = 1e-9


@dataclass(frozen=True)
class Shared:
    """Memory that all workers see: one block for each CPU package, written by a core of that package."""

    blocks: Sequence[memoryview] = ()


@dataclass(frozen=True)
class Operation:
    """`agrees_everywhere`: the answer is the same on every machine, so that known answers can be kept for it. `library`
    loads what it needs and raises OSError if it is missing. `optional`: nothing is untested without it."""

    name: str
    words: str
    run: Callable[[int, Shared], str]
    agrees_everywhere: bool = True
    library: Callable[[], object] = bool
    optional: bool = False


def answer(operation: Operation, seed: int, shared: Shared) -> str:
    """The answer. An exception of a library that was given good data is a wrong answer. Want of memory is not, and is
    raised (MemoryError, OSError with a number, CryptoFailed)."""
    try:
        return operation.run(seed, shared)
    except (MemoryError, libcrypto.CryptoFailed):
        raise
    except Exception as error:
        # bz2 raises OSError without a number for data that it can't unpack.
        if isinstance(error, OSError) and error.errno:
            raise
        return f"{REFUTED}{type(error).__name__}: {error}"[:120]


def _digest(content: bytes | bytearray | memoryview) -> str:
    return hashlib.blake2b(content, digest_size=8).hexdigest()


def _data(seed: int, length: int = _BYTES) -> bytes:
    return random.Random(seed).randbytes(length)


def _text(seed: int) -> bytes:
    """Data that can be compressed."""
    half = random.Random(seed).randbytes(_BYTES // 4).hex().encode()
    return half + half[100:] + half[: _BYTES // 8]


def _integers(seed: int, shared: Shared) -> str:
    """Products and quotients of numbers of thousands of bits, each quotient known."""
    numbers = random.Random(seed)
    product, factor = numbers.getrandbits(2048), numbers.getrandbits(1024) | 1 << 1023
    for step in range(_WHOLE_STEPS):
        before = product
        product = product * factor + step
        quotient, rest = divmod(product, factor)
        if (quotient, rest) != (before, step):
            return f"{REFUTED}a product divided by its factor is not what it was"
        product ^= (product >> 61) * 0x9E3779B97F4A7C15
        product &= (1 << 4096) - 1
    return _digest(product.to_bytes(512, "big"))


def _large_numbers(seed: int, shared: Shared) -> str:
    """A power modulo 1024 bits, by OpenSSL and by Python."""
    numbers = random.Random(seed)
    base, exponent = numbers.getrandbits(1024), numbers.getrandbits(64) | 1
    modulus = numbers.getrandbits(1024) | 1 << 1023 | 1
    found, known = libcrypto.power(base, exponent, modulus), pow(base, exponent, modulus)
    if found != known:
        return f"{REFUTED}OpenSSL and Python disagree: {_digest(found.to_bytes(128, 'big'))}"
    return _digest(found.to_bytes(128, "big"))


def _floats(seed: int, shared: Shared) -> str:
    """A recurrence in double precision that doubles every error with each step: one wrong bit changes the answer. IEEE
    754 defines each result to the last bit."""
    value, total = random.Random(seed).uniform(0.1, 0.9), 0.0
    for step in range(1, _FLOAT_STEPS):
        value = 3.99 * value * (1.0 - value)
        total += math.sqrt(value) / step
    return _digest(array.array("d", (value, total)).tobytes())


def _functions(seed: int, shared: Shared) -> str:
    """Functions of the C library. Its releases differ in the last bit, so that bit is compared between cores only."""
    value, total = random.Random(seed).uniform(0.5, 1.5), 0.0
    for _ in range(_FUNCTION_STEPS):
        before, turn = value, value * 12.9898
        value = 0.5 + math.fabs(math.sin(turn) + math.exp(-value) * math.cos(value))
        if math.fabs(math.hypot(math.sin(turn), math.cos(turn)) - 1.0) > _NEAR:
            return f"{REFUTED}sine and cosine of {turn!r} do not fit"
        if math.fabs(math.exp(math.log(before)) - before) > _NEAR * before:
            return f"{REFUTED}the logarithm of {before!r} does not fit"
        total += math.log(value) + math.pow(value, 1.37) + math.atan(value)
    return _digest(array.array("d", (value, total)).tobytes())


def _vectors(seed: int, shared: Shared) -> str:
    """Products of matrices in double and single precision, by OpenBLAS."""
    numbers = random.Random(seed)
    values = [numbers.uniform(-1.0, 1.0) for _ in range(2 * _ROWS * _ROWS)]
    left, right = values[: _ROWS * _ROWS], values[_ROWS * _ROWS :]
    double = libblas.product("d", left, right, _ROWS)
    vector = [numbers.uniform(-1.0, 1.0) for _ in range(_ROWS)]
    found = _times(array.array("d", double), vector)
    known = _times(left, _times(right, vector))
    if any(math.fabs(one - other) > _NEAR for one, other in zip(found, known, strict=True)):
        return f"{REFUTED}the product times a vector is not the factors times the vector"
    return _digest(double + libblas.product("f", left, right, _ROWS))


def _times(matrix: Sequence[float], vector: Sequence[float]) -> list[float]:
    """Matrix times vector, without the library."""
    rows = range(0, len(matrix), len(vector))
    return [math.fsum(map(operator.mul, matrix[row : row + len(vector)], vector)) for row in rows]


def _hashes(seed: int, shared: Shared) -> str:
    data = _data(seed)
    return _digest(b"".join(hashlib.new(name, data).digest() for name in _HASHES))


def _checksums(seed: int, shared: Shared) -> str:
    data = _data(seed)
    return _digest(f"{zlib.crc32(data)} {zlib.adler32(data)} {binascii.crc_hqx(data, 7)}".encode())


def _ciphers(seed: int, shared: Shared) -> str:
    return _there_and_back(seed, _CIPHERS)


def _seals(seed: int, shared: Shared) -> str:
    """Encryption that also signs, which multiplies without carries (PCLMULQDQ)."""
    return _there_and_back(seed, _SEALS)


def _there_and_back(seed: int, ciphers: dict[str, int]) -> str:
    data, made = _data(seed), []
    for name, length in ciphers.items():
        key = _data(seed + 1, length)
        secret, tag = libcrypto.crypt(name, key, data, encrypt=True)
        if libcrypto.crypt(name, key, secret, encrypt=False)[0] != data:
            return f"{REFUTED}{name} gave back other data"
        made += [secret, tag]
    return _digest(b"".join(made))


def _compression(pack: Callable[[bytes], bytes], unpack: Callable[[bytes], bytes]) -> Callable[[int, Shared], str]:
    """There and back. The packed form differs between releases of a library, so it is compared between cores only."""

    def run(seed: int, shared: Shared) -> str:
        data = _text(seed)
        packed = pack(data)
        if unpack(packed) != data:
            return f"{REFUTED}gave back other data"
        return _digest(packed)

    return run


def _copies(seed: int, shared: Shared) -> str:
    """Copies of memory that a core of each package has written, to addresses that are not aligned."""
    found = []
    for block in shared.blocks:
        room = bytearray(len(block) + 64)
        offset = seed % 61
        target = (ctypes.c_char * len(block)).from_buffer(room, offset)
        ctypes.memmove(target, (ctypes.c_char * len(block)).from_buffer(block), len(block))
        if target.raw != bytes(block):
            return f"{REFUTED}a copy is not what was copied"
        found.append(_digest(target.raw))
    return "-".join(found)


OPERATIONS: tuple[Operation, ...] = (
    Operation("integers", "products and quotients of whole numbers", _integers),
    Operation("large_numbers", "modular powers", _large_numbers, library=libcrypto.library),
    Operation("floats", "double precision", _floats),
    Operation("functions", "functions of the C library", _functions, agrees_everywhere=False),
    Operation("vectors", "products of matrices", _vectors, False, libblas.library, optional=True),
    Operation("hashes", "SHA-1, SHA-2, SHA-3", _hashes),
    Operation("checksums", "CRC and Adler", _checksums),
    Operation("ciphers", "AES and ChaCha20 there and back", _ciphers, library=libcrypto.library),
    Operation("seals", "AES-GCM there and back", _seals, library=libcrypto.library),
    Operation("zlib", "compression there and back", _compression(zlib.compress, zlib.decompress), False),
    Operation(
        "bz2", "compression there and back", _compression(lambda data: bz2.compress(data, 1), bz2.decompress), False
    ),
    Operation(
        "lzma",
        "compression there and back",
        _compression(lambda data: lzma.compress(data, preset=0), lzma.decompress),
        False,
    ),
    Operation("copies", "copies of memory", _copies, agrees_everywhere=False),
)
BY_NAME = {operation.name: operation for operation in OPERATIONS}


def usable() -> tuple[list[Operation], dict[str, str]]:
    """The operations whose library is there, and for each other one why it isn't."""
    missing = {}
    for operation in OPERATIONS:
        try:
            operation.library()
        except OSError as error:
            missing[operation.name] = str(error)
    return [operation for operation in OPERATIONS if operation.name not in missing], missing
