"""An LLM agent as something to call: its declaration is checked, the library is loaded when it is called first."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from tutti.errors import AgentFailed, Invalid
from tutti.transports.inprocess import Bound, Context, bind
from tutti.transports.llm.spec import MODES, Spec
from tutti.transports.schemas import reader, writer

_Run = Callable[[Spec, Any, Context], Awaitable[Any]]

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
