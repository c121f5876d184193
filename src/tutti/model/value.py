"""JSON values: what a reader must know of them that the writer of JSON does not say."""

from __future__ import annotations

import math
from typing import Any


def endless(value: Any) -> bool:
    """Whether there is a NaN or an infinity in a value: orjson writes them as null, and a limit that is null is none."""
    if isinstance(value, float):
        return not math.isfinite(value)
    if isinstance(value, dict):
        return any(map(endless, value.values()))
    if isinstance(value, (list, tuple)):
        return any(map(endless, value))
    return False
