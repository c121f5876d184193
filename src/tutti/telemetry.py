"""Telemetry: OpenTelemetry spans of tasks, agents, tools and models, with the GenAI conventions' names; W3C trace context in and out.

Off unless `start` finds somewhere to send them; then every function here costs next to nothing. Attributes are a closed list of names and
numbers: no payload, subject, question or error text can become one. Source: OpenTelemetry semantic conventions for generative AI systems.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import TYPE_CHECKING, Any, Protocol

from tutti.errors import Invalid

if TYPE_CHECKING:
    from tutti.model.agent import AgentCard, Skill

ATTRIBUTES = frozenset({
    "gen_ai.operation.name", "gen_ai.agent.name", "gen_ai.agent.version", "gen_ai.tool.name", "gen_ai.provider.name", "gen_ai.request.model", "gen_ai.response.model",
    "gen_ai.usage.input_tokens", "gen_ai.usage.output_tokens", "error.type", "tutti.task", "tutti.skill", "tutti.agent", "tutti.department", "tutti.nature", "tutti.attempt",
    "tutti.ending",
})  # fmt: skip
_LONGEST = 200  # characters of a value
_TRACEPARENT = re.compile(r"^00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}$")
_KINDS = {"execute_tool": "INTERNAL", "invoke_agent": "CLIENT", "chat": "CLIENT"}


class _Now:
    """What spans are made with in this process: tracers are of the process, like the context that they hang in."""

    tracer: Any = None
    provider: Any = None  # ours to shut down


_now = _Now()


class Span(Protocol):
    """What a span may be told while it runs."""

    def set(self, name: str, value: str | int | float | bool | None) -> None:
        """Note a figure or a name; what is not in `ATTRIBUTES` is left out."""

    def failed(self, code: str) -> None:
        """Say that it ended badly, with a stable code."""


class _Nothing:
    def set(self, name: str, value: str | int | float | bool | None) -> None:
        """Telemetry is off."""

    def failed(self, code: str) -> None:
        """Telemetry is off."""


class _Real:
    def __init__(self, span: Any) -> None:
        self._span = span
        self._failed = False

    def set(self, name: str, value: str | int | float | bool | None) -> None:
        if name in ATTRIBUTES and value is not None:
            self._span.set_attribute(name, value[:_LONGEST] if isinstance(value, str) else value)

    def failed(self, code: str) -> None:
        from opentelemetry.trace import StatusCode

        if self._failed:
            return  # what was said first is nearer to the cause
        self._failed = True
        self.set("error.type", code)
        self._span.set_status(StatusCode.ERROR)


_NOTHING: AbstractContextManager[Span] = nullcontext(_Nothing())
_NO_CONTEXT: AbstractContextManager[None] = nullcontext()


def on() -> bool:
    """Whether spans are made."""
    return _now.tracer is not None


def start(endpoint: str, workspace: str) -> None:
    """Make spans from now on: for the tracer provider that this process has set, or to `endpoint` (an OTLP/HTTP address, or "otlp" for what OTEL_* variables say).

    Without either it does nothing, and no variable is read. Raises: `Invalid` when the libraries for it are not installed.
    """
    if _now.tracer is not None:
        return
    if endpoint:
        _now.provider = _exporting(endpoint, workspace)
        _now.tracer = _now.provider.get_tracer("tutti")
    elif (found := _set_by_the_process()) is not None:
        _now.tracer = found.get_tracer("tutti")


def use(provider: Any) -> None:
    """Make spans for this provider; None stops making any. For processes that hold more than one."""
    _now.tracer = None if provider is None else provider.get_tracer("tutti")


def stop() -> None:
    """Send what is left, and make no more spans."""
    _now.tracer = None
    provider, _now.provider = _now.provider, None
    if provider is not None:
        provider.shutdown()


def _set_by_the_process() -> Any:
    if "opentelemetry.trace" not in sys.modules:
        return None  # nobody can have set one
    from opentelemetry import trace

    provider = trace.get_tracer_provider()
    return None if isinstance(provider, trace.ProxyTracerProvider | trace.NoOpTracerProvider) else provider


def _exporting(endpoint: str, workspace: str) -> Any:
    """A provider of our own, not the process's: what libraries make spans of by themselves does not get there."""
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
    except ImportError as error:
        raise Invalid("Telemetry is configured, and its libraries are not installed.", hint="pip install 'tutti[telemetry]'") from error
    if endpoint != "otlp" and not endpoint.startswith(("http://", "https://")):
        raise Invalid(f"TUTTI_TELEMETRY is {endpoint!r}.", hint='Give an address such as http://localhost:4318/v1/traces, or "otlp".')
    exporter = OTLPSpanExporter() if endpoint == "otlp" else OTLPSpanExporter(endpoint=endpoint)
    provider = TracerProvider(resource=Resource.create({"service.name": "tutti", "tutti.workspace": workspace}))
    provider.add_span_processor(BatchSpanProcessor(exporter))
    return provider


def span(name: str, operation: str, attributes: Mapping[str, Any] | None = None, *, trace: str | None = None) -> AbstractContextManager[Span]:
    """A span around a block, named by the conventions (`invoke_agent pricing`). `trace` is the trace context it belongs to, where the current one is not it."""
    return _NOTHING if _now.tracer is None else _span(name, operation, attributes or {}, trace)


@contextmanager
def _span(name: str, operation: str, attributes: Mapping[str, Any], trace: str | None) -> Iterator[Span]:
    from opentelemetry.trace import SpanKind

    kind = SpanKind[_KINDS.get(operation, "INTERNAL")]
    parent = _context(trace) if trace else None
    with _now.tracer.start_as_current_span(name[:_LONGEST], context=parent, kind=kind, record_exception=False, set_status_on_exception=False) as made:
        real = _Real(made)
        real.set("gen_ai.operation.name", operation)
        for key, value in attributes.items():
            real.set(key, value)
        try:
            yield real
        except BaseException as error:
            real.failed(type(error).__name__)
            raise


def attempt(task: Mapping[str, Any], card: AgentCard, skill: Skill, number: int) -> AbstractContextManager[Span]:
    """The span of one attempt, in the trace that the task came in with, however long ago that was."""
    return _NOTHING if _now.tracer is None else _attempt(task, card, skill, number)


@contextmanager
def _attempt(task: Mapping[str, Any], card: AgentCard, skill: Skill, number: int) -> Iterator[Span]:
    attributes = {
        "gen_ai.agent.name": card.name, "gen_ai.agent.version": card.version, "tutti.task": task["id"], "tutti.skill": skill.name, "tutti.department": card.department,
        "tutti.nature": skill.nature.value, "tutti.attempt": number,
    }  # fmt: skip
    with span(f"invoke_agent {card.name}", "invoke_agent", attributes, trace=task["trace"]) as made:
        if skill.is_action and card.endpoint is None:  # a tool behind an endpoint has its span where it is called
            with span(f"execute_tool {skill.name}", "execute_tool", {"gen_ai.tool.name": skill.name, "tutti.task": task["id"]}):
                yield made
        else:
            yield made


def nearer(now: str | None, kept: str | None) -> str | None:
    """Of the trace context of this moment and the one that was kept: this moment's, unless it belongs to another trace."""
    return now if kept is None or (now is not None and now.split("-")[1] == kept.split("-")[1]) else kept


def within(headers: Mapping[str, str]) -> AbstractContextManager[None]:
    """A block whose spans belong to the caller's trace, as the request's `traceparent` says."""
    if _now.tracer is None:
        return _NO_CONTEXT
    trace = headers.get("traceparent", "")
    return _within(trace) if _TRACEPARENT.match(trace) else _NO_CONTEXT


@contextmanager
def _within(trace: str) -> Iterator[None]:
    from opentelemetry import context

    token = context.attach(_context(trace))
    try:
        yield
    finally:
        context.detach(token)


def current() -> str | None:
    """The trace context to keep with what is made now, as a `traceparent`; None while telemetry is off or nothing is traced."""
    if _now.tracer is None:
        return None
    from opentelemetry.trace import get_current_span

    found = get_current_span().get_span_context()
    return f"00-{found.trace_id:032x}-{found.span_id:016x}-{int(found.trace_flags):02x}" if found.is_valid else None


def headers() -> dict[str, str]:
    """The headers that carry the trace into a call to an agent; none while telemetry is off."""
    trace = current()
    return {"traceparent": trace} if trace else {}


def _context(trace: str) -> Any:
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

    return TraceContextTextMapPropagator().extract({"traceparent": trace})
