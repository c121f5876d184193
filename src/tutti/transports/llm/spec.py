"""What an LLM agent is: everything that makes its answers what they are, and so its version."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from hashlib import sha256
from importlib import import_module
from importlib.util import find_spec
from typing import Any

import orjson

from tutti.errors import AgentFailed, Invalid
from tutti.model.usage import Price
from tutti.transports.inprocess import Bound, Context, bind
from tutti.transports.schemas import reader, writer

_Run = Callable[["Spec", Any, Context], Awaitable[Any]]
MODES = ("tool", "native", "prompted")  # how a model is made to answer in a form: a tool's arguments, the API's own schema, words


@dataclass(frozen=True, slots=True)
class Spec:
    """An LLM agent. `input` and `output` are types, or JSON Schemas as mappings; `str` as output is text as it comes."""

    name: str
    model: str
    instructions: str
    base_url: str = ""
    api_key: str = ""  # a reference: secret://name
    input: Any = Any
    output: Any = str
    mode: str = "tool"
    tools: Mapping[str, bool] = field(default_factory=dict)  # skill → whether an action's end is waited for
    max_tokens: int = 4096  # of one answer; with the prompt's length, the most that a call can cost
    temperature: float | None = None
    timeout: timedelta = timedelta(seconds=60)
    retries: int = 2  # answers of the wrong form that are sent back
    max_calls: int = 16  # calls in one run
    stream: bool = False
    price: Price | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)  # what else the model takes

    def digest(self) -> str:
        """What makes this agent what it is, as 12 hexadecimal digits."""
        price = None if self.price is None else [self.price.input, self.price.cached, self.price.output]
        told = {
            "model": self.model, "instructions": self.instructions, "base_url": self.base_url, "input": _schema(self.input), "output": _schema(self.output),
            "mode": self.mode, "tools": dict(self.tools), "max_tokens": self.max_tokens, "temperature": self.temperature, "retries": self.retries,
            "max_calls": self.max_calls, "price": price, "settings": dict(self.settings),
        }  # fmt: skip
        return sha256(orjson.dumps(told, option=orjson.OPT_SORT_KEYS | orjson.OPT_NON_STR_KEYS, default=str)).hexdigest()[:12]


_loaded: dict[bool, _Run] = {}  # with OpenAI's part of the library, or without


def _load(openai: bool) -> _Run:
    """Load the library: that takes seconds on a busy machine, in which others must go on, so it is never done in the loop's thread."""
    from tutti.transports.llm.run import run

    if openai:
        import_module("pydantic_ai.models.openai")
    _loaded[openai] = run
    return run


def llm_agent(spec: Spec, where: str) -> Bound:
    """An LLM agent as something to call. Raises: `Invalid` for a declaration that cannot work."""
    _check(spec, where)
    openai = bool(spec.base_url) or spec.model.startswith("openai:")

    async def answer(input: Any, ctx: Context) -> Any:
        if find_spec("pydantic_ai") is None or find_spec("openai") is None:
            raise AgentFailed(f"{spec.name} needs the extra llm, which is not installed.", hint="pip install 'tutti[llm]'", retry=False)
        run = _loaded[openai] if openai in _loaded else await asyncio.to_thread(_load, openai)
        return await run(spec, input, ctx)

    return replace(bordered(answer, spec.input, spec.output, where), tools=tuple(spec.tools))


def bordered(function: Callable[[Any, Context], Awaitable[Any]], input: Any, output: Any, where: str) -> Bound:
    """A function of (input, context) with its border: types, or JSON Schemas as mappings."""
    plain = {"input": Any if isinstance(input, Mapping) else input, "ctx": Context, "return": Any if isinstance(output, Mapping) else output}
    function.__annotations__ = plain
    bound = bind(function, where=where)
    if isinstance(input, Mapping):
        bound = replace(bound, read=reader(dict(input), where), input_schema=dict(input))
    if isinstance(output, Mapping):
        bound = replace(bound, write=writer(dict(output), where), output_schema=dict(output))
    return bound


def _check(spec: Spec, where: str) -> None:
    if not spec.model:
        raise Invalid(f"{where} names no model.", hint='For example model="openai:gpt-5-mini", or base_url="http://localhost:11434/v1" with model="qwen3".')
    if spec.api_key and not spec.api_key.startswith("secret://"):
        raise Invalid(f"{where}: api_key must be a reference, not a key.", hint='Write api_key="secret://name" and set TUTTI_SECRET_NAME.')
    if not spec.base_url and ":" not in spec.model:
        raise Invalid(f"{where}: {spec.model!r} names no provider.", hint='Write provider:model, for example "openai:gpt-5-mini", or give base_url=.')
    if not spec.base_url and not spec.api_key:
        raise Invalid(f"{where} has no key for {spec.model.partition(':')[0]}.", hint='Give api_key="secret://name"; keys are never read from elsewhere.')
    if spec.base_url and not spec.base_url.startswith(("http://", "https://")):
        raise Invalid(f"{where}: {spec.base_url!r} is no address.", hint="Write https://host/v1.")
    if not spec.instructions.strip():
        raise Invalid(f"{where} has no instructions.", hint="Say in instructions= what it is to do.")
    if spec.mode not in MODES:
        raise Invalid(f"{where}: {spec.mode!r} is no mode.", hint=f"Modes are {', '.join(MODES)}.")
    if spec.max_tokens < 1 or spec.max_calls < 1 or spec.retries < 0:
        raise Invalid(f"{where}: max_tokens and max_calls are 1 or more, retries 0 or more.")
    if isinstance(spec.output, Mapping) and spec.output.get("type") != "object":
        raise Invalid(f"{where}: an output schema is an object's.", hint='Wrap it: {"type": "object", "properties": {"value": …}}.')


def _schema(kind: Any) -> Any:
    if isinstance(kind, Mapping):
        return dict(kind)
    from pydantic import TypeAdapter

    return TypeAdapter(kind).json_schema()
