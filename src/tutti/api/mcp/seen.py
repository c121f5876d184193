"""Whether an answer to an approval can be the caller's; all else `rights` says for every door."""

from __future__ import annotations

from tutti.errors import Refused
from tutti.model.caller import Caller


def by_a_person(caller: Caller) -> None:
    """Raises `Refused` for a caller that is a program, or acts through one: an approval is a person's own answer."""
    if any(link.kind != "person" for link in (caller, *caller.chain)):
        raise Refused(f"{caller.id} is no person.", hint="An approval is answered by a person, with a token of their own.")
