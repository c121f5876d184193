"""95 % intervals: of a share, of a mean, and of the difference of two numbers that have one each."""

from __future__ import annotations

import math
from typing import NamedTuple

Z = 1.959964  # two-sided 95 %


class Estimate(NamedTuple):
    """A number with its 95 % interval; all None where nothing was seen, bounds None where too little was seen to say."""

    value: float | None = None
    low: float | None = None
    high: float | None = None


def share(hits: int, of: int) -> Estimate:
    """A share of `of` cases. Source: Wilson's score interval."""
    if not of:
        return Estimate()
    p, scale = hits / of, 1 + Z * Z / of
    middle = (p + Z * Z / (2 * of)) / scale
    half = Z * math.sqrt(p * (1 - p) / of + Z * Z / (4 * of * of)) / scale
    return Estimate(p, min(max(middle - half, 0.0), p), max(min(middle + half, 1.0), p))


def mean_of_shares(n: int, total: float, squares: float) -> Estimate:
    """The mean of n numbers from 0 to 1, of which the sum and the sum of squares are given.

    Normal, with a variance that counts one case more, of the largest variance there is (1/4): one perfect case is no certainty.
    """
    if not n:
        return Estimate()
    mean = total / n
    variance = (max(squares - n * mean * mean, 0.0) + 0.25) / (n + 1)
    half = Z * math.sqrt(variance / n)
    return Estimate(mean, max(mean - half, 0.0), min(mean + half, 1.0))


def mean(n: int, total: float, squares: float) -> Estimate:
    """The mean of n numbers from 0 up, of which the sum and the sum of squares are given. Normal; of a single one there are no bounds."""
    if not n:
        return Estimate()
    middle = total / n
    if n < 2:
        return Estimate(middle)
    half = Z * math.sqrt(max(squares - n * middle * middle, 0.0) / (n - 1) / n)
    return Estimate(middle, max(middle - half, 0.0), middle + half)


def difference(after: Estimate, before: Estimate) -> tuple[float, float] | None:
    """Bounds of `after` − `before`; None where one of them has none.

    Source: Zou and Donner 2008 (the method of variance estimates recovery); for shares it is Newcombe's interval.
    """
    if None in after or None in before:
        return None
    a, a_low, a_high = (float(value or 0.0) for value in after)
    b, b_low, b_high = (float(value or 0.0) for value in before)
    return a - b - math.hypot(a - a_low, b_high - b), a - b + math.hypot(a_high - a, b - b_low)
