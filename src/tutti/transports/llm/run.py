"""One run of an LLM agent: instructions and input go to the model, its tool calls to the fleet, and its answer comes back in the declared form."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import orjson
from pydantic_ai import Agent, ModelRetry, NativeOutput, PromptedOutput, StructuredDict, Tool, ToolOutput
from pydantic_ai.exceptions import (
    AgentRunError,
    ContentFilterError,
    ModelConnectionError,
    ModelHTTPError,
    ToolFailed,
    ToolRetryError,
    UnexpectedModelBehavior,
    UsageLimitExceeded,
    UserError,
)
from pydantic_ai.models import Model
from pydantic_ai.settings import ModelSettings
from pydantic_ai.usage import UsageLimits
from pydantic_core import ValidationError

from tutti.errors import AgentFailed, Invalid, TuttiError
from tutti.security import transport
from tutti.transports.inprocess import Context, _plain
from tutti.transports.llm.metered import Metered, of_ours
from tutti.transports.llm.spec import Spec
from tutti.transports.outside import Outside
from tutti.transports.schemas import writer
from tutti.transports.tools import FleetTool, fleet_tools

_MODES: dict[str, Callable[[Any], Any]] = {"tool": ToolOutput, "native": NativeOutput, "prompted": PromptedOutput}
_OPENAI = "https://api.openai.com/v1"  # written out, so that no variable of the environment can lead a key elsewhere


async def run(spec: Spec, input: Any, ctx: Context) -> Any:
    """The agent's answer. Raises: `AgentFailed`, which never holds a key."""
    outside: Outside = ctx._open_line().outside
    key = outside.secrets.resolve(spec.api_key) if spec.api_key else ""
    wrapped = _model(spec, outside, key)
    durable = f"model/{spec.digest()}" if spec.tools else ""  # a run of one call has nothing to go on from
    model = Metered(wrapped, ctx, label=spec.model, max_tokens=spec.max_tokens, price=spec.price, stream=spec.stream, durable=durable)
    settings: dict[str, Any] = {**spec.settings, "max_tokens": spec.max_tokens, "timeout": spec.timeout.total_seconds(), "max_retries": 0}
    if spec.temperature is not None:
        settings["temperature"] = spec.temperature
    agent: Agent[object, Any] = Agent(
        model,
        name=spec.name,
        instructions=spec.instructions,
        output_type=_output(spec),
        retries=spec.retries,
        tools=[_tool(tool) for tool in fleet_tools(ctx, spec.tools)],
        model_settings=ModelSettings(**settings),  # type: ignore[typeddict-item]
    )
    if isinstance(spec.output, Mapping):
        _check_output(agent, dict(spec.output))
    try:
        result = await agent.run(_prompt(input), usage_limits=UsageLimits(request_limit=spec.max_calls), infer_name=False)
    except (AgentRunError, UserError, OSError) as error:
        raise _failure(spec, error, key) from None
    return result.output


def _prompt(input: Any) -> str:
    """The input as the one message after the instructions: what stays the same comes first, so a provider's prompt cache can hold it."""
    return input if isinstance(input, str) else orjson.dumps(_plain(input), option=orjson.OPT_SORT_KEYS | orjson.OPT_INDENT_2).decode()


def _output(spec: Spec) -> Any:
    if spec.output is str:
        return str
    form = StructuredDict(dict(spec.output), name=spec.output.get("title", "answer")) if isinstance(spec.output, Mapping) else spec.output
    return _MODES[spec.mode](form)


def _check_output(agent: Agent[object, Any], schema: dict[str, Any]) -> None:
    """Hold answers against a JSON Schema while the model can still be asked again."""
    check = writer(schema, "the answer")

    @agent.output_validator
    def fits(answer: Any) -> Any:
        try:
            return check(answer)
        except Invalid as problem:
            complaint = problem.message
        raise ModelRetry(complaint)  # outside, so that in the end it is not taken for an error of ours that led to another


def _tool(tool: FleetTool) -> Tool[object]:
    async def use(**arguments: Any) -> Any:
        try:
            return await tool.call(arguments)
        except Invalid as problem:
            raise ModelRetry(problem.message) from None
        except TuttiError as problem:
            raise ToolFailed(problem.message) from None

    return Tool.from_schema(use, tool.name, tool.description or f"The fleet's {tool.skill}.", tool.schema)


# --- the model behind it ----------------------------------------------------------------------------------------------


class _Client:
    """The HTTP client of all models, under the egress rule; kept in `outside.shared` and closed with it."""

    def __init__(self, outside: Outside) -> None:
        import httpx2

        # The attempt has a timeout of its own, and pauses while the agent waits for others; this one is only for a line that is dead.
        self.http = httpx2.AsyncClient(transport=transport(outside.egress), trust_env=False, follow_redirects=False, timeout=None)
        self.close: Callable[[], Awaitable[None]] = self.http.aclose


def _model(spec: Spec, outside: Outside, key: str) -> Model:
    """The provider's model, with a client under the egress rule. The key stands in this object only."""
    client = outside.shared.get("llm")
    if client is None:
        client = outside.shared["llm"] = _Client(outside)
    provider, _, name = spec.model.rpartition(":")
    if spec.base_url:
        from pydantic_ai.models.openai import OpenAIChatModel
        from pydantic_ai.providers.openai_compatible import OpenAICompatibleProvider

        outside.egress.allow(spec.base_url)  # the operator wrote it down
        name = spec.model.removeprefix("openai:")
        return OpenAIChatModel(
            name, provider=OpenAICompatibleProvider("openai_compatible", base_url=spec.base_url, api_key=key or "none", http_client=client.http)
        )
    if provider == "openai":
        from pydantic_ai.models.openai import OpenAIChatModel
        from pydantic_ai.providers.openai import OpenAIProvider

        return OpenAIChatModel(name, provider=OpenAIProvider(base_url=_OPENAI, api_key=key, http_client=client.http))
    return _other(spec, client.http, key)


def _other(spec: Spec, http: Any, key: str) -> Model:
    """A model of a provider whose own library speaks to it."""
    from pydantic_ai.models import infer_model
    from pydantic_ai.providers import Provider, infer_provider_class

    def made(name: str) -> Provider[Any]:
        kind: Any = infer_provider_class(name)
        provider: Provider[Any] = kind(api_key=key, http_client=http)
        return provider

    try:
        return infer_model(spec.model, made)
    except ImportError as error:
        raise AgentFailed(
            f"{spec.name}: {spec.model} needs a library that is not installed: {error.name}.", hint="Install it beside tutti.", retry=False
        ) from None
    except (TypeError, ValueError, UserError) as error:
        words = _scrubbed(str(error), key)
        raise AgentFailed(
            f"{spec.name}: {spec.model} cannot be called with a key alone: {words}", hint="Use base_url= with a compatible API.", retry=False
        ) from None


def _failure(spec: Spec, error: Exception, key: str) -> AgentFailed | TuttiError:
    """What went wrong, as the corridor takes it. A provider's words may repeat the key it was sent: it is cut out."""
    ours = of_ours(error)
    if ours is not None:
        return ours  # a cap, the egress rule
    if isinstance(error, ModelHTTPError):
        again = error.status_code in (408, 429) or error.status_code >= 500
        words = _said(_provider_words(error.body), key)
        return AgentFailed(f"{spec.model} answered {error.status_code}: {words}", hint="Its provider says more.", retry=again)
    if isinstance(error, ModelConnectionError | OSError):
        return AgentFailed(f"{spec.model} was not reached: {_said(str(error), key)}", retry=True)
    if isinstance(error, UsageLimitExceeded):
        return AgentFailed(
            f"{spec.name} came to no end within {spec.max_calls} calls of its model.", hint="Raise max_calls=, or give it less to do.", retry=False
        )
    if isinstance(error, ContentFilterError):
        return AgentFailed(f"{spec.model} declined to answer: {_said(error.message, key)}", retry=False)
    if isinstance(error, UnexpectedModelBehavior):
        complaint = error.__cause__ if isinstance(error.__cause__, ToolRetryError | ModelRetry | ValidationError) else None
        tries = "" if complaint is None else f" in {spec.retries + 1} tries"
        return AgentFailed(f"{spec.model} gave no answer of the declared form{tries}: {_said(str(complaint or error.message), key)}", retry=False)
    return AgentFailed(f"{spec.name} failed: {_said(str(error), key)}", retry=False)


def _provider_words(body: object) -> str:
    """What an error of a provider says: its message, where it has one of the usual form."""
    inner = body.get("error", body) if isinstance(body, Mapping) else body
    return str(inner.get("message") or inner) if isinstance(inner, Mapping) else str(inner or "")


def _said(words: str, key: str) -> str:
    """Words from elsewhere, in one line and not too many."""
    return _scrubbed(" ".join(words.split()), key)[:300]


def _scrubbed(words: str, key: str) -> str:
    return words.replace(key, "***") if key else words
