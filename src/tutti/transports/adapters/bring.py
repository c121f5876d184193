"""Whose object it is, told from the modules of its classes, and what every adapter needs."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from hashlib import sha256
from importlib import import_module
from typing import Any

import orjson

from tutti.errors import Invalid
from tutti.transports.inprocess import Bound, Context, _plain
from tutti.transports.llm.agent import bordered

log = logging.getLogger("tutti")
FRAMEWORKS = {  # root module → (the framework's name, the adapter's module, its agents' class names)
    "langgraph": ("LangGraph", "on_langgraph", ("CompiledStateGraph", "Pregel")),
    "crewai": ("CrewAI", "on_crewai", ("Crew", "Agent")),
    "agents": ("OpenAI Agents SDK", "on_openai_agents", ("Agent",)),
    "agent_framework": ("Microsoft Agent Framework", "on_agent_framework", ("BaseAgent", "RawAgent", "Agent", "ChatAgent")),
    "pydantic_ai": ("pydantic-ai", "on_pydantic_ai", ("AbstractAgent", "Agent")),
}
_YES = frozenset({"yes", "y", "true", "ok", "approve", "approved"})


@dataclass(frozen=True, slots=True)
class Brought:
    """An object of another framework and how it is spoken to: `to` makes its input of the task's, `from_` the output of its result."""

    object: Any
    name: str
    to: Callable[[Any], Any] | None = None
    from_: Callable[[Any], Any] | None = None
    tools: Mapping[str, bool] = field(default_factory=dict)  # skill → whether an action's end is waited for

    def message(self, input: Any) -> Any:
        """The task's input as what the agent is told: text as it is, data as JSON."""
        if self.to is not None:
            return self.to(input)
        return input if isinstance(input, str) else orjson.dumps(_plain(input), option=orjson.OPT_INDENT_2).decode()


def framework_of(agent: object) -> str:
    """The root module of the framework whose agent this is; empty where it is none that is known. Loads nothing."""
    for kind in type(agent).__mro__:
        root = kind.__module__.partition(".")[0]
        if root in FRAMEWORKS and kind.__name__ in FRAMEWORKS[root][2]:
            return root
    return ""


def bring(brought: Brought, input: Any, output: Any, where: str) -> Bound:
    """A framework's object as an agent. Raises: `Invalid` for an object that is no agent of a known framework."""
    root = framework_of(brought.object)
    if not root:
        known = ", ".join(name for name, _, _ in FRAMEWORKS.values())
        kind = type(brought.object)
        hint = "Compile the graph first: fleet.add(graph.compile(checkpointer=…), …)." if kind.__name__ == "StateGraph" else f"Known are: {known}."
        raise Invalid(f"{where}: {kind.__module__}.{kind.__qualname__} is no agent of a framework that is known.", hint=hint)
    module = import_module(f"tutti.transports.adapters.{FRAMEWORKS[root][1]}")
    module.check(brought, where)

    async def adapted(input: Any, ctx: Context) -> Any:
        return await module.run(brought, input, ctx)

    return replace(bordered(adapted, input, output, where), tools=tuple(brought.tools))


class Questions:
    """Questions of one run. The same question in its turn has the same number whenever the run starts again, so an answer never goes to another."""

    def __init__(self, ctx: Context) -> None:
        self._ctx = ctx
        self._asked: Counter[str] = Counter()

    async def ask(self, text: str) -> Any:
        """What a person answers."""
        self._asked[text] += 1
        number = int.from_bytes(sha256(f"{self._asked[text]}\0{text}".encode()).digest()[:6]) + (1 << 32)  # beyond the numbers that ctx.input counts
        return await self._ctx._open_line().question(text, number)

    async def approve(self, agent: str, tool: str, arguments: Any) -> bool:
        """Whether a person lets an agent use one of its own tools."""
        said = arguments if isinstance(arguments, str) else orjson.dumps(_plain(arguments)).decode()
        return yes(await self.ask(f"{agent} wants to call {tool} with {said}. May it? (yes or no)"))


def yes(answer: Any) -> bool:
    """Whether an answer says yes; whatever is not clearly a yes is a no."""
    return answer is True or (isinstance(answer, str) and answer.strip().lower() in _YES)
