"""Skills of the fleet as tools of an agent that chooses for itself what to call.

A tool that is advice asks: it is a task of its own, and its output comes back. A tool that acts proposes: a gated task of its own once the
run has finished, or, where the fleet says so, one whose end the agent waits for. Nothing an agent calls goes past the gates.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

import orjson

from tutti.errors import Invalid
from tutti.transports.inprocess import Context
from tutti.transports.schemas import reader

Tools = Sequence[str] | Mapping[str, Mapping[str, Any]]
_NAME = re.compile(r"[^a-zA-Z0-9_-]")
_LONGEST = 64  # characters that model APIs take as a tool's name
PROPOSED = "Proposed. Rules, limits or a person decide about it after you have finished; do not say that it has happened."


@dataclass(frozen=True, slots=True)
class FleetTool:
    """One skill as a tool. `call` takes the arguments by name; it raises `Invalid` where they do not fit, before anything has happened,
    and `AgentFailed` or `NoRoute` where the fleet could not do it."""

    name: str
    skill: str
    description: str
    schema: dict[str, Any]
    call: Callable[[dict[str, Any]], Coroutine[Any, Any, Any]]


def wanted(tools: Tools) -> dict[str, bool]:
    """Which skills, and whether an action's end is waited for. Raises: `Invalid`."""
    offers = {skill: dict(offer) for skill, offer in tools.items()} if isinstance(tools, Mapping) else {skill: {} for skill in tools}
    found = {}
    for skill, offer in offers.items():
        if not isinstance(skill, str) or set(offer) - {"wait"}:
            raise Invalid(f"{skill!r} is no tool.", hint="Tools are names of skills, or a mapping of them to options: {'refund.pay': {'wait': True}}.")
        found[skill] = bool(offer.get("wait", False))
    return found


def fleet_tools(ctx: Context, tools: Mapping[str, bool]) -> list[FleetTool]:
    """The tools of one run. Raises: `NoRoute` for a skill that nobody offers now."""
    line = ctx._open_line()
    taken: set[str] = set()
    asked: Counter[bytes] = Counter()
    made = []
    for skill_name, wait in tools.items():
        skill = line.skill(skill_name)
        name = _NAME.sub("_", skill_name)[:_LONGEST]
        while name in taken:
            name = f"{name[: _LONGEST - 1]}_"
        taken.add(name)
        schema, bare = _arguments(skill.input_schema)
        check = reader(skill.input_schema, skill_name)
        made.append(FleetTool(name, skill_name, skill.description, schema, _caller(ctx, skill_name, check, bare, skill.is_action and not wait, asked)))
    return made


def _caller(
    ctx: Context, skill: str, check: Callable[[Any], Any], bare: bool, proposes: bool, asked: Counter[bytes]
) -> Callable[[dict[str, Any]], Coroutine[Any, Any, Any]]:
    async def call(arguments: dict[str, Any]) -> Any:
        if bare and set(arguments) != {"input"}:
            raise Invalid("Give exactly one argument: input.", code="invalid_input")
        input = arguments["input"] if bare else arguments
        check(input)
        if proposes:
            ctx.propose(skill, input)
            return PROPOSED
        # The same question is the same task whenever the run starts again, whatever was asked before it.
        question = skill.encode() + b"\0" + orjson.dumps(input, option=orjson.OPT_SORT_KEYS)
        asked[question] += 1
        return await ctx.ask(skill, input, name="tool " + sha256(question + b"\0%d" % asked[question]).hexdigest()[:16])

    return call


def _arguments(schema: dict[str, Any]) -> tuple[dict[str, Any], bool]:
    """A skill's input as named arguments, and whether it is wrapped: models call tools with an object only."""
    if schema.get("type") == "object":
        return schema, False
    return {"type": "object", "properties": {"input": schema}, "required": ["input"], "additionalProperties": False}, True
