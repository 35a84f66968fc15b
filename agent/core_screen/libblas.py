"""OpenBLAS by ctypes: products of matrices with the widest vector instructions that the processor has."""

from __future__ import annotations

import ctypes
import functools
from collections.abc import Sequence
from typing import Any

NAME = "libopenblas.so.0"
# cblas.h
_ROW_MAJOR, _AS_IS = 101, 111
_TYPES: dict[str, Any] = {"d": ctypes.c_double, "f": ctypes.c_float}
_FUNCTIONS = {"d": "cblas_dgemm", "f": "cblas_sgemm"}


@functools.cache
def library() -> ctypes.CDLL:
    """Raises OSError if it is missing, or has no interface for C."""
    loaded = ctypes.CDLL(NAME)
    for kind, name in _FUNCTIONS.items():
        try:
            function = getattr(loaded, name)
        except AttributeError as error:
            raise OSError(f"{NAME} has no {name}") from error
        number, whole, pointer = _TYPES[kind], ctypes.c_int, ctypes.c_void_p
        function.restype = None
        function.argtypes = (
            *(whole,) * 6, number, pointer, whole, pointer, whole, number, pointer, whole,
        )  # fmt: skip
    return loaded


def product(kind: str, left: Sequence[float], right: Sequence[float], rows: int) -> bytes:
    """The bytes of the product of two square matrices, in double (`d`) or single precision (`f`)."""
    matrix = _TYPES[kind] * (rows * rows)
    result = matrix()
    getattr(library(), _FUNCTIONS[kind])(
        _ROW_MAJOR, _AS_IS, _AS_IS, rows, rows, rows, 1.0, matrix(*left), rows, matrix(*right), rows, 0.0, result, rows
    )
    return bytes(result)
