"""The journal as the API shows it: its facts, its heads, and the proofs of them."""

from __future__ import annotations

from typing import Any

from typing_extensions import TypedDict


class Head(TypedDict):
    """Where the journal stands: how many facts, and the root over them."""

    workspace: str
    seq: int
    root: str
    at: str | None


class SignedHead(TypedDict):
    """A head under the journal's signature (Ed25519), which is over the exact text of `statement`; `key` and `signature` are hex."""

    seq: int
    at: str
    root: str
    key: str
    signature: str
    origin: str
    statement: str


class Leaf(TypedDict):
    """The exact text that was sealed for a fact, and its hash: SHA-256 over a zero byte and the text in UTF-8."""

    seq: int
    content: str
    leaf: str


class Leaves(TypedDict):
    """Leaves in order, and the newest signed head: what it takes to check the record elsewhere (RFC 6962)."""

    schema: str
    leaves: list[Leaf]
    head: SignedHead | None


class Fact(TypedDict):
    """A fact. `about` is the id of the thing, `cause` the `seq` of the fact that led to it, `leaf` its hash in the record."""

    seq: int
    at: str
    kind: str
    about: str
    by: str
    cause: int | None
    data: dict[str, Any]
    leaf: str


class Inclusion(TypedDict):
    """That fact `seq` is under the root over `size` facts. Hashes are hex, `path` lowest first (RFC 6962)."""

    schema: str
    seq: int
    size: int
    leaf: str
    root: str
    path: list[str]


class Consistency(TypedDict):
    """That the root over `second` facts only adds to the one over `first` (RFC 6962)."""

    schema: str
    first: int
    second: int
    first_root: str
    second_root: str
    path: list[str]


class Erased(TypedDict):
    """How many payloads of a subject were removed."""

    subject: str
    payloads: int


class BackedUp(Head):
    """Where the copy is, and where the journal stood."""

    path: str
