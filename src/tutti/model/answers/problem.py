"""An error as the API answers it."""

from __future__ import annotations

from typing_extensions import TypedDict


class Problem(TypedDict):
    """An error. `code` is stable and names the family; `hint` says what to do next."""

    type: str
    title: str
    status: int
    code: str
    detail: str
    hint: str
