"""Money as whole millionths of a currency: sums are exact, and a fact holds no floating-point number."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation
from typing import Any

from tutti.errors import Invalid

_LARGEST = 10**12  # so that sums of millionths stay far below the 63 bits of a database's integer


def to_millionths(amount: Any, where: str) -> int:
    """Money as whole millionths. Raises `Invalid` for what is no finite number, or above a million million."""
    try:
        number = Decimal(str(amount))
        if not number.is_finite() or isinstance(amount, bool) or abs(number) > _LARGEST:
            raise InvalidOperation
    except InvalidOperation:
        raise Invalid(f"{where} is {amount!r}, not an amount.", hint="Write a number, for example 20.00.") from None
    return int((number * 1_000_000).to_integral_value())
