"""Products and inverses in pieces so small that a threaded BLAS leaves its threads asleep: for matrices of this size they cost more than they do."""

from __future__ import annotations

from typing import TypeVar

import numpy as np
import numpy.typing as npt

Numbers = npt.NDArray[np.float64]
Width = TypeVar("Width", np.float32, np.float64)

ALONE = (
    500_000  # multiplications above which OpenBLAS wakes its threads, which then spin: twice the CPU, and on a busy machine a hundred times the wait (measured)
)
WIDE = 96  # rows above which it does so for an inverse (above 120 for a solution, 127 for a Cholesky factor)


def product(one: npt.NDArray[Width], other: npt.NDArray[Width]) -> npt.NDArray[Width]:
    """The matrix product."""
    rows = max(1, ALONE // max(1, one.shape[1] * other.shape[1]))
    if len(one) <= rows:
        return np.asarray(one @ other)
    out = np.empty((len(one), other.shape[1]), dtype=one.dtype)
    for at in range(0, len(one), rows):
        np.matmul(one[at : at + rows], other, out=out[at : at + rows])
    return out


def inverse(matrix: Numbers) -> Numbers:
    """The inverse of a symmetric positive definite matrix, by blocks (Schur complement)."""
    if len(matrix) <= WIDE:
        return np.asarray(np.linalg.inv(matrix), dtype=float)
    at = len(matrix) // 2
    first = inverse(matrix[:at, :at])
    across = product(first, matrix[:at, at:])
    last = inverse(matrix[at:, at:] - product(np.ascontiguousarray(across.T), matrix[:at, at:]))
    out = np.empty_like(matrix)
    out[at:, at:] = last
    out[:at, at:] = -product(across, last)
    out[at:, :at] = out[:at, at:].T
    out[:at, :at] = first - product(out[:at, at:], np.ascontiguousarray(across.T))
    return out


def solution(matrix: Numbers, right: Numbers) -> Numbers:
    """What this matrix, symmetric and positive definite, makes `right` (a vector)."""
    return np.asarray(np.linalg.solve(matrix, right) if len(matrix) <= WIDE else inverse(matrix) @ right)


def inverse_root(matrix: Numbers) -> Numbers:
    """A square root of the inverse, root @ root.T, by blocks. Raises: `numpy.linalg.LinAlgError` where the matrix is not positive definite."""
    if len(matrix) <= WIDE:
        return np.asarray(np.linalg.inv(np.linalg.cholesky(matrix)).T)
    at = len(matrix) // 2
    first = inverse_root(matrix[:at, :at])
    across = product(first, product(np.ascontiguousarray(first.T), matrix[:at, at:]))
    last = inverse_root(matrix[at:, at:] - product(np.ascontiguousarray(across.T), matrix[:at, at:]))
    out = np.zeros_like(matrix)
    out[:at, :at], out[:at, at:], out[at:, at:] = first, -product(across, last), last
    return out
