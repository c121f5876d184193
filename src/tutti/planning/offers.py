"""What the fleet offers a plan: each skill with its best agent's price, and what a step with it is expected to take."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

from tutti.planning.forms import Form, form

Permit = Callable[[str], str | None]  # skill → the rule that forbids it, or None


@dataclass(frozen=True)
class Offer:
    """A skill as a plan sees it: types, what one attempt costs and takes, and the chance (0..1) that it succeeds."""

    skill: str
    input_schema: Mapping[str, Any]
    output_schema: Mapping[str, Any]
    cost: float = 0.0
    latency_ms: float = 50.0
    quality: float = 0.5
    attempts: int = 3
    is_action: bool = False
    description: str = ""
    agents: tuple[str, ...] = ()  # that offer it, where a step may be sent to one of them

    @cached_property
    def takes(self) -> Form:
        """The type of its input."""
        return form(self.input_schema)

    @cached_property
    def gives(self) -> Form:
        """The type of its output."""
        return form(self.output_schema)

    @property
    def _chance(self) -> float:
        return min(max(self.quality, 0.01), 1.0)

    @property
    def tries(self) -> float:
        """Attempts that it is expected to take: the first, and each further one where those before failed."""
        return (1.0 - (1.0 - self._chance) ** self.attempts) / self._chance

    @property
    def success(self) -> float:
        """The chance that one of its attempts succeeds."""
        return float(1.0 - (1.0 - self._chance) ** self.attempts)


class Prices(NamedTuple):
    """What is worth how much, in the fleet's currency, so that one number says which plan is best."""

    second: float = 0.001  # of waiting
    failure: float = 1.0  # of a step that fails for good, by the logarithm of its chance, so that chances multiply
    effect: float = 1.0  # of an action that is not itself wanted: effects are a last resort

    def burden(self, offer: Offer) -> float:
        """What a step with this skill weighs in a plan: above 0, and burdens add up."""
        taken = offer.tries * (offer.cost + self.second * offer.latency_ms / 1000)
        return max(taken - self.failure * math.log(offer.success) + (self.effect if offer.is_action else 0.0), 1e-9)


class Bounds(NamedTuple):
    """What a plan must stay within."""

    money: float | None = None  # expected, in the fleet's currency
    steps: int = 32
    chain: int = 16  # steps that come one after the other
