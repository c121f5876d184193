"""The agents whose work is a plan: the house's own planner, and those that declare a playbook."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from datetime import timedelta
from hashlib import sha256
from typing import Any

from tutti.corridor import Corridor
from tutti.house import Own, own
from tutti.model.plan import Playbook
from tutti.plans.order import RUN, Order, order_of
from tutti.plans.run import Run
from tutti.registry import card_to_json
from tutti.transports import Bound, Context

_TIMEOUT = timedelta(minutes=5)  # of the planner's own work; waiting for steps does not count
_ATTEMPTS = 100  # processes that may end while a plan runs: one that waits for weeks sees many; a plan that fails is not tried again


def planner(corridor: Corridor) -> Own:
    """The house's own agent that runs plans."""

    async def run(input: dict[str, Any], ctx: Context) -> Any:
        """Run a plan, or plan for a goal and run that: {"plan" or "goal", "input", "money", "replans"}."""
        return await Run(corridor, ctx, order_of(input), "planner").go()

    made = own("planner", {RUN: run}, timeout=_TIMEOUT)
    card = replace(made.card, skills={RUN: replace(made.card.skills[RUN], attempts=_ATTEMPTS)})
    return made._replace(card=replace(card, digest=sha256(card_to_json(card).encode()).hexdigest()[:16]))


def played(corridor: Corridor, playbooks: Mapping[tuple[str, str, str], Playbook], functions: Mapping[tuple[str, str, str], Bound]) -> dict[Any, Bound]:
    """The functions of playbooks, bound to the corridor that runs their steps."""

    def function(agent: str, playbook: Playbook) -> Callable[[Any, Context], Awaitable[Any]]:
        async def play(input: Any, ctx: Context) -> Any:
            from pydantic_core import to_jsonable_python

            said = to_jsonable_python(input)  # with a declared type it comes as that type; templates speak of its fields
            order = Order(playbook.plan, None, said, playbook.money, 0, "playbook")
            return await Run(corridor, ctx, order, agent).go()

        return play

    return {key: replace(functions[key], function=function(key[0], playbook)) for key, playbook in playbooks.items()}
