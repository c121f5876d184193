"""Usage: what calls to models took, and caps: what they may take at most."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tutti.model.view import Table


@dataclass(frozen=True, slots=True)
class Cap:
    """A hard limit on calls to models in a period (UTC). Empty scopes speak of everything; `per_task` counts each chain of tasks by itself."""

    name: str
    agent: str = ""
    department: str = ""
    per_task: bool = False
    money: int | None = None  # millionths of the fleet's currency
    tokens: int | None = None  # input and output together
    calls: int | None = None
    per: str = "ever"  # hour, day, month or ever


@dataclass(frozen=True, slots=True)
class Price:
    """What a million tokens cost, in millionths of the fleet's currency: read, read again from the provider's cache, and written."""

    input: int
    cached: int
    output: int

    def of(self, input: int, cached: int, output: int) -> int:
        """The cost of a call in millionths, rounded up. `input` counts the cached tokens too."""
        cached = min(cached, input)
        return -(-((input - cached) * self.input + cached * self.cached + output * self.output) // 1_000_000)


@dataclass(frozen=True, slots=True)
class Spent:
    """What one call took, or may take at most."""

    input_tokens: int
    output_tokens: int
    cached: int = 0
    cost: int | None = None  # millionths; None where nobody knows the model's price

    @property
    def tokens(self) -> int:
        return self.input_tokens + self.output_tokens


@dataclass(frozen=True, slots=True)
class Claim:
    """What a call takes from one cap in one period."""

    cap: str
    scope: str  # the first task of the chain where the cap counts chains, else empty
    period: str
    money: int
    tokens: int


@dataclass(frozen=True, slots=True)
class Held:
    """A call that may be made: what is known of it, the most it can take, and what it holds of each cap until it is settled."""

    about: dict[str, Any]
    most: Spent
    claims: tuple[Claim, ...]
    cause: int  # seq of the fact that led to it


CAPS = Table(
    "cap",
    key=("name",),
    columns={
        "name": "text", "agent": "text", "department": "text", "per_task": "int", "money": "int", "tokens": "int", "calls": "int", "per": "text",
        "state": "text", "by": "text",
    },
)  # fmt: skip
CAPPED = Table(  # what is taken from each cap, reserved for calls under way included
    "capped",
    key=("cap", "scope", "period"),
    columns={"cap": "text", "scope": "text", "period": "text", "money": "int", "tokens": "int", "calls": "int"},
    hot=False,
    defaults={"money": 0, "tokens": 0, "calls": 0},
)
USAGE = Table(  # what calls took, by agent, department and model, and by day
    "usage",
    key=("scope", "name", "period"),
    columns={
        "scope": "text", "name": "text", "period": "text", "calls": "int", "input_tokens": "int", "output_tokens": "int", "cached": "int", "cost": "int",
        "reserved": "int", "unpriced": "int",
    },
    hot=False,
    defaults={"calls": 0, "input_tokens": 0, "output_tokens": 0, "cached": 0, "cost": 0, "reserved": 0, "unpriced": 0},
)  # fmt: skip
