"""What the API answers, as types, a noun a module: the description of the API is made of them, and the client gives them back."""

from __future__ import annotations

from typing_extensions import TypedDict


# Here and not in `agents`: two types have this name, so the API's description calls each by the module it stands in, and readers know it by that.
class Registered(TypedDict):
    """An agent that was taken in. `new` says whether this version was not known before."""

    schema: str
    name: str
    version: str
    digest: str
    skills: list[str]
    new: bool
