"""Agents in this process: async functions on the loop, sync ones in threads, CPU-heavy ones in processes."""

from __future__ import annotations

import asyncio
import inspect
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from concurrent.futures import Executor
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Literal, Protocol, get_type_hints

from tutti.errors import Invalid
from tutti.model.agent import Skill
from tutti.model.conflict import Lease
from tutti.model.outcome import Emission, Ending, Outcome, Proposal
from tutti.model.party import opening_of
from tutti.model.usage import Held, Spent

_SETTLED_IN = timedelta(seconds=60)  # a negotiation, where nothing else is said
Mode = Literal["async", "thread", "process"]
log = logging.getLogger("tutti.agent")


class Line(Protocol):
    """The agent's line to the fleet while it runs: the corridor holds the other end."""

    async def ask(self, skill: str, input: Any, name: str, *, to: str = "", deadline_at: int | None = None) -> Any:
        """Have another agent do a skill as the task `name` of this run, and give its output."""

    async def question(self, text: str, number: int, *, auth: bool = False) -> Any:
        """Have a person or another agent answer, and give the answer."""

    async def keep(self, name: str, value: Any) -> None:
        """Keep something for the run that takes this one's place."""

    async def kept(self, name: str) -> Any:
        """What an earlier run kept; None where it kept nothing."""

    @property
    def outside(self) -> Any:
        """The `Outside` that calls leave this process through."""

    @property
    def caller(self) -> str:
        """Who asked for this task from outside; empty where nobody did."""

    def skill(self, name: str) -> Skill:
        """A skill as the fleet offers it now."""

    async def reserve(self, model: str, most: Spent) -> Held:
        """Hold the most that a call to a model may take against all caps. Raises `AgentFailed` where one might be exceeded."""

    async def settle(self, held: Held, spent: Spent, *, error: str = "", keep: tuple[str, Any] | None = None) -> None:
        """Record what a call to a model took, and keep something with it."""

    def progress(self, share: float, text: str) -> None:
        """Tell how far the run is."""

    def paused(self) -> AbstractContextManager[None]:
        """Stop the clock of the attempt inside this block."""


@dataclass(slots=True)
class Context:
    """What an agent may use besides its input.

    `key` is the idempotency key: the same for every attempt at this task. Proposals, signals and notes take effect when the run
    has finished, all together or not at all. `ask` and `input` wait; when the process ends meanwhile, the function runs again from
    its start and is given the recorded answers, so what stands before them must bear being done twice.
    """

    task: str
    skill: str
    key: str
    attempt: int
    deadline: int | None  # instant, microseconds since 1970 UTC
    subject: str | None
    known: dict[str, Any] = field(default_factory=dict)
    _line: Line | None = None
    _proposals: list[Proposal] = field(default_factory=list)
    _emissions: list[Emission] = field(default_factory=list)
    _notes: list[tuple[str, Any]] = field(default_factory=list)
    _asked: int = 0
    _questions: int = 0
    cost: float = 0.0  # what this run has cost, if the agent knows
    leases: tuple[Lease, ...] = ()  # what this action holds while it runs: the right to touch what its skill says it touches

    @property
    def lease(self) -> Lease | None:
        """The first of `leases`, where there is one. Its token goes along with the effect: who guards the resource refuses a lower one than the last."""
        return self.leases[0] if self.leases else None

    @property
    def log(self) -> logging.LoggerAdapter[logging.Logger]:
        """A logger that carries the task's id. Nothing an agent logs enters the journal."""
        return logging.LoggerAdapter(log, {"task": self.task, "skill": self.skill})

    async def ask(self, skill: str, input: Any, *, to: str = "", name: str = "", deadline_at: int | None = None) -> Any:
        """Another agent's output for `skill`. Raises `AgentFailed` when that task did not complete.

        `to` names the agent that is to do it. A run that starts again finds its tasks by their order, or by their `name` where the order is
        not the same each time. `deadline_at` (an instant, microseconds) may be earlier than this task's own deadline, never later.
        """
        self._asked += not name
        return await self._open_line().ask(skill, _plain(input), name or str(self._asked), to=to, deadline_at=deadline_at)

    async def negotiate(
        self,
        issues: Mapping[str, Sequence[Any]],
        parties: Mapping[str, Any] | Sequence[str],
        *,
        policy: Sequence[Any] = (),
        approval: Sequence[Any] = (),
        fallback: Mapping[str, Any] | None = None,
        deadline: timedelta = _SETTLED_IN,
        name: str = "",
        **more: Any,
    ) -> dict[str, Any]:
        """What a negotiation between agents ends with: how (settled, fallback, person), outcome, why, gains. Arguments as in `Workspace.negotiate`.

        It is over by its deadline, and some time before this task's. Raises `AgentFailed` where it could not be opened.
        """
        opening = opening_of(issues, parties, policy=policy, approval=approval, fallback=fallback, deadline=deadline, **more)
        found: dict[str, Any] = await self.ask("negotiation.mediate", opening, name=name)
        return found

    async def input(self, question: str, *, auth: bool = False) -> Any:
        """What a person (or another agent) answers. `auth` says that the question is about being let in somewhere."""
        self._questions += 1
        return await self._open_line().question(question, self._questions, auth=auth)

    async def keep(self, name: str, value: Any) -> None:
        """Keep a value under a name for the run that takes this one's place if the process ends. Durable when it returns."""
        await self._open_line().keep(name, _plain(value))

    async def kept(self, name: str) -> Any:
        """What an earlier run of this task kept under a name; None where it kept nothing."""
        return await self._open_line().kept(name)

    def propose(self, action: str, input: Any, *, alternatives: Sequence[Any] = ()) -> None:
        """Propose an action: a gated task of its own, once this run has finished.

        `alternatives` are other inputs that would do, the best first: where this one collides with another action, the best that fits is taken.
        Raises: `Invalid` where they are no list, or hold what is not JSON.
        """
        if isinstance(alternatives, str | bytes) or not isinstance(alternatives, Sequence):  # a text would be taken for its letters
            hint = 'For example alternatives=[{"room": "blue"}, {"room": "green"}], the best first.'
            raise Invalid(f"{action}: alternatives is a list of inputs.", hint=hint)
        self._proposals.append(Proposal(action, _plain(input), tuple(_plain(other) for other in alternatives)))

    def signal(self, type: str, *, subject: str | None = None, data: Any = None) -> None:
        """Send a signal, about this task's subject unless another is named, once this run has finished."""
        self._emissions.append(Emission(type, subject if subject is not None else self.subject, _plain(data)))

    def note(self, topic: str, value: Any) -> None:
        """Share what is now known of this task's subject, once this run has finished."""
        self._notes.append((topic, _plain(value)))

    def progress(self, share: float, text: str = "") -> None:
        """Tell how far this run is, 0..1."""
        if self._line is not None:
            self._line.progress(share, text)

    def _open_line(self) -> Line:
        if self._line is None:
            raise Invalid("A sync agent cannot wait for others.", hint="Declare the function with `async def` to use ctx.ask and ctx.input.")
        return self._line


@dataclass(frozen=True, slots=True)
class Bound:
    """A function as an agent: how to call it, and how its input and output pass the border as JSON."""

    function: Callable[..., Any]
    mode: Mode
    takes_context: bool
    read: Callable[[Any], Any]  # JSON → typed input; raises Invalid
    write: Callable[[Any], Any]  # whatever came back → JSON; raises Invalid
    input_schema: dict[str, Any]
    output_schema: dict[str, Any]
    tools: tuple[str, ...] = ()  # skills of the fleet that it is given to choose from


def bind(function: Callable[..., Any], *, cpu: bool = False, where: str = "") -> Bound:
    """Read a function's types. Raises `Invalid` where its parameters do not fit an agent."""
    from pydantic import PydanticSchemaGenerationError, PydanticUserError, TypeAdapter

    where = where or getattr(function, "__qualname__", repr(function))
    parameters = [p for p in inspect.signature(function).parameters.values() if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    required = [p for p in parameters if p.default is p.empty]
    if not len(parameters) >= 1 or len(required) > 2:
        raise Invalid(f"{where} must take its input, and may take a Context after it.", hint="async def agent(ticket: Ticket, ctx: Context) -> Triage: ...")
    try:
        hints = get_type_hints(function)
    except NameError as error:
        raise Invalid(f"{where} names a type that is not there: {error}.", hint="Define the types at the top of the module.") from error
    takes_context = len(parameters) > 1 and (hints.get(parameters[1].name) is Context or parameters[1].name in ("ctx", "context"))
    mode: Mode = "async" if inspect.iscoroutinefunction(function) else "process" if cpu else "thread"
    if cpu and (mode == "async" or takes_context):
        raise Invalid(f"{where} is declared cpu=True, so it runs in another process.", hint="Make it a plain function of its input alone.")
    try:
        read = TypeAdapter(hints.get(parameters[0].name, Any))
        write = TypeAdapter(hints.get("return", Any))
        schemas = read.json_schema(), write.json_schema(mode="serialization")
    except (PydanticSchemaGenerationError, PydanticUserError) as error:
        raise Invalid(
            f"{where} has a type that has no JSON Schema: {str(error).splitlines()[0]}", hint="Use pydantic models, dataclasses or plain types."
        ) from error
    return Bound(function, mode, takes_context, _reader(read, where), _writer(write, where), *schemas)


def _reader(adapter: Any, where: str) -> Callable[[Any], Any]:
    from pydantic import ValidationError

    def read(value: Any) -> Any:
        try:
            return adapter.validate_python(value)
        except ValidationError as error:
            raise Invalid(f"The input does not fit {where}: {_problem(error)}", hint="`tutti agents show` prints the schema.", code="invalid_input") from None

    return read


def _writer(adapter: Any, where: str) -> Callable[[Any], Any]:
    from pydantic import ValidationError
    from pydantic_core import PydanticSerializationError

    def write(value: Any) -> Any:
        try:
            return adapter.dump_python(adapter.validate_python(value), mode="json")
        except ValidationError as error:
            raise Invalid(f"{where} returned what it does not declare: {_problem(error)}", code="wrong_output") from None
        except PydanticSerializationError as error:
            raise Invalid(f"{where} returned what is not JSON: {error}", code="wrong_output") from None

    return write


def _problem(error: Any) -> str:
    first = error.errors(include_url=False, include_input=False)[0]
    place = ".".join(map(str, first["loc"]))
    return f"{place}: {first['msg']}" if place else first["msg"]


def _plain(value: Any) -> Any:
    """A value as JSON data: pydantic models and dataclasses become dicts."""
    if value is None or isinstance(value, str | int | float | bool):
        return value
    from pydantic_core import PydanticSerializationError, to_jsonable_python

    try:
        return to_jsonable_python(value)
    except PydanticSerializationError as error:
        raise Invalid(f"{type(value).__name__} is not JSON: {error}", hint="Pass pydantic models, dataclasses or plain data.") from error


def call(bound: Bound, input: Any, context: Context, executor: Callable[[Mode], Executor | None]) -> Awaitable[Outcome]:
    """Call an agent in its mode. Raises what the agent raises, and `Invalid` for input or output of the wrong form."""
    return _call(bound, input, context, executor)


async def _call(bound: Bound, input: Any, context: Context, executor: Callable[[Mode], Executor | None]) -> Outcome:
    value = bound.read(input)
    arguments = (value, context) if bound.takes_context else (value,)
    if bound.mode == "async":
        result = await bound.function(*arguments)
    else:
        result = await asyncio.get_running_loop().run_in_executor(executor(bound.mode), bound.function, *arguments)
    return Outcome(
        Ending.DONE,
        output=bound.write(result),
        cost=context.cost,
        proposals=tuple(context._proposals),
        emissions=tuple(context._emissions),
        notes=tuple(context._notes),
    )
