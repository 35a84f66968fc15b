"""OpenSSL's library by ctypes: ciphers, arithmetic with large numbers, and an atomic counter, none of which the
standard library offers. Only documented functions of OpenSSL 3 are called."""

from __future__ import annotations

import ctypes
import functools

NAME = "libcrypto.so.3"
# EVP_CTRL_AEAD_GET_TAG (openssl/evp.h)
_GET_TAG, _TAG_BYTES = 0x10, 16
_IV_BYTES = 16
_POINTER, _INT, _TEXT = ctypes.c_void_p, ctypes.c_int, ctypes.c_char_p
# name → type of the result, types of the arguments
_FUNCTIONS: dict[str, tuple[type | None, tuple[type, ...]]] = {
    "EVP_CIPHER_CTX_new": (_POINTER, ()),
    "EVP_CIPHER_CTX_free": (None, (_POINTER,)),
    "EVP_CIPHER_CTX_ctrl": (_INT, (_POINTER, _INT, _INT, _POINTER)),
    "EVP_CIPHER_fetch": (_POINTER, (_POINTER, _TEXT, _TEXT)),
    "EVP_CIPHER_free": (None, (_POINTER,)),
    "EVP_CipherInit_ex": (_INT, (_POINTER, _POINTER, _POINTER, _TEXT, _TEXT, _INT)),
    "EVP_CipherUpdate": (_INT, (_POINTER, _POINTER, _POINTER, _TEXT, _INT)),
    "EVP_CipherFinal_ex": (_INT, (_POINTER, _POINTER, _POINTER)),
    "BN_new": (_POINTER, ()),
    "BN_free": (None, (_POINTER,)),
    "BN_bin2bn": (_POINTER, (_TEXT, _INT, _POINTER)),
    "BN_bn2binpad": (_INT, (_POINTER, _POINTER, _INT)),
    "BN_CTX_new": (_POINTER, ()),
    "BN_CTX_free": (None, (_POINTER,)),
    "BN_mod_exp": (_INT, (_POINTER, _POINTER, _POINTER, _POINTER, _POINTER)),
    "CRYPTO_atomic_add": (_INT, (_POINTER, _INT, _POINTER, _POINTER)),
}


class CryptoFailed(Exception):
    """A call of libcrypto reported that it could not do its work, for example for want of memory."""


@functools.cache
def library() -> ctypes.CDLL:
    """The library with the types of what is called. Raises OSError if it or a function of it is missing."""
    loaded = ctypes.CDLL(NAME)
    for name, (result, arguments) in _FUNCTIONS.items():
        try:
            function = getattr(loaded, name)
        except AttributeError as error:
            raise OSError(f"{NAME} has no {name}") from error
        function.restype, function.argtypes = result, arguments
    return loaded


def crypt(cipher: str, key: bytes, data: bytes, *, encrypt: bool) -> tuple[bytes, bytes]:
    """`data` in or out of `cipher`, in OpenSSL's name for it, and the tag of an encryption that has one. The
    initialisation vector is a constant: nothing here is secret. Raises CryptoFailed, and ValueError if `data` can't be
    what was encrypted."""
    lib = library()
    fetched = lib.EVP_CIPHER_fetch(None, cipher.encode(), None)
    context = lib.EVP_CIPHER_CTX_new()
    try:
        _need(fetched and context, cipher)
        _need(lib.EVP_CipherInit_ex(context, fetched, None, key, bytes(range(_IV_BYTES)), int(encrypt)), cipher)
        room, size, rest = ctypes.create_string_buffer(len(data) + 32), ctypes.c_int(), ctypes.c_int()
        _need(lib.EVP_CipherUpdate(context, room, ctypes.byref(size), data, len(data)), cipher)
        has_tag = cipher.endswith("GCM")
        # Without its tag, the end of a decryption in this mode says that the tag is wrong. The text is out already.
        ends = lib.EVP_CipherFinal_ex(context, ctypes.byref(room, size.value), ctypes.byref(rest))
        if not ends and (encrypt or not has_tag):
            raise ValueError(f"{cipher}: the end is not what was encrypted")
        tag = ctypes.create_string_buffer(_TAG_BYTES)
        if has_tag and encrypt:
            _need(lib.EVP_CIPHER_CTX_ctrl(context, _GET_TAG, _TAG_BYTES, tag), cipher)
        return room.raw[: size.value + rest.value], tag.raw
    finally:
        lib.EVP_CIPHER_CTX_free(context)
        lib.EVP_CIPHER_free(fetched)


def power(base: int, exponent: int, modulus: int) -> int:
    """base ** exponent % modulus. `modulus` is odd."""
    lib = library()
    length = (modulus.bit_length() + 7) // 8
    numbers = [_number(number) for number in (base, exponent, modulus)]
    result, context = lib.BN_new(), lib.BN_CTX_new()
    try:
        _need(result and context and all(numbers), "BN_new")
        _need(lib.BN_mod_exp(result, *numbers, context), "BN_mod_exp")
        room = ctypes.create_string_buffer(length)
        _need(lib.BN_bn2binpad(result, room, length) == length, "BN_bn2binpad")
        return int.from_bytes(room.raw, "big")
    finally:
        for number in (*numbers, result):
            lib.BN_free(number)
        lib.BN_CTX_free(context)


def _number(value: int) -> int | None:
    content = value.to_bytes((value.bit_length() + 7) // 8 or 1, "big")
    found: int | None = library().BN_bin2bn(content, len(content), None)
    return found


def add(address: int, times: int) -> bool:
    """Add 1 to the C int at `address` so many times, atomically. False if a value came back that is not larger than the
    one before, which no other writer can cause by adding."""
    function, now, last, rising = library().CRYPTO_atomic_add, ctypes.c_int(), -1, True
    for _ in range(times):
        _need(function(address, 1, ctypes.byref(now), None), "CRYPTO_atomic_add")
        rising &= now.value > last
        last = now.value
    return rising


def _need(succeeded: object, what: str) -> None:
    if not succeeded:
        raise CryptoFailed(f"{NAME} could not do {what}")
