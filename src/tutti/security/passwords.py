"""Passwords of local accounts: argon2id, made and checked apart from the loop. Source: RFC 9106, the second recommended option."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from tutti.errors import Invalid

if TYPE_CHECKING:
    from argon2 import PasswordHasher

SHORTEST, LONGEST = 12, 1024  # characters


@cache
def _hasher() -> PasswordHasher:
    from argon2 import PasswordHasher
    from argon2.profiles import RFC_9106_LOW_MEMORY

    return PasswordHasher.from_parameters(RFC_9106_LOW_MEMORY)


@cache
def _nobody() -> str:
    """A hash that no password has, so that an account that is not there takes as long as one that is."""
    return _hasher().hash("nobody has this password: it is compared with when there is no account")


def hash_password(password: str) -> str:
    """The argon2id hash to keep. Takes about 50 ms and 64 MiB: call it in a thread. Raises: `Invalid` for one that is too short."""
    if not SHORTEST <= len(password) <= LONGEST:
        raise Invalid(f"A password has {SHORTEST} to {LONGEST} characters.", hint="Three or four words are easy to keep in mind.")
    return _hasher().hash(password)


def check_password(kept: str | None, password: str) -> bool:
    """Whether this password has this hash; without a hash the same work is done for a no. Call it in a thread."""
    from argon2.exceptions import InvalidHashError, VerificationError

    try:
        return _hasher().verify(kept or _nobody(), password[:LONGEST]) and kept is not None
    except (VerificationError, InvalidHashError):
        return False
