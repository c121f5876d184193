"""A model whose every call is held against the caps before it is made, and recorded when it has returned."""

from __future__ import annotations

import asyncio
import re
from typing import Any

from pydantic_ai.exceptions import ModelConnectionError, ModelHTTPError, UnexpectedModelBehavior
from pydantic_ai.messages import ModelMessage, ModelMessagesTypeAdapter, ModelResponse, PartDeltaEvent, PartStartEvent
from pydantic_ai.models import Model, ModelRequestParameters
from pydantic_ai.models.wrapper import WrapperModel
from pydantic_ai.settings import ModelSettings
from pydantic_core import to_json

from tutti import telemetry
from tutti.errors import Refused, TuttiError
from tutti.model.usage import Held, Price, Spent
from tutti.transports.inprocess import Context

_AGAIN = frozenset({408, 429, 500, 502, 503, 504, 529})
_TRIES = 3  # of one call that is refused for now
_FIRST_PAUSE = 0.5  # seconds; doubles each time, unless the provider says how long
_LONGEST_PAUSE = 30.0
_FRAME = 256  # tokens that a chat template may put around the messages
_LETTERS = 4  # characters of a token, for showing progress only
_MODEL_NAME = re.compile(r"[\w.:/@+-]{1,100}")  # what a provider may call its model in a span: a name, no sentence


class Metered(WrapperModel):
    """Wraps a model for one run. With `durable`, answers are kept, so a run that takes this one's place pays for none of them again."""

    def __init__(self, wrapped: Model, ctx: Context, *, label: str, max_tokens: int, price: Price | None, stream: bool, durable: str) -> None:
        super().__init__(wrapped)
        self._ctx = ctx
        self._label = label
        self._max_tokens = max_tokens
        self._price = price
        self._stream = stream
        self._durable = durable  # the name answers are kept under; empty: they are not
        self._number = 0

    async def request(
        self, messages: list[ModelMessage], model_settings: ModelSettings | None, model_request_parameters: ModelRequestParameters
    ) -> ModelResponse:
        """One answer: an earlier run's where it was kept, else the model's."""
        self._number += 1
        place = f"{self._durable}/{self._number}"
        kept = await self._ctx.kept(place) if self._durable else None
        if kept is not None:
            self._ctx.cost += kept["cost"] / 1_000_000
            (known,) = ModelMessagesTypeAdapter.validate_python(kept["answer"])
            assert isinstance(known, ModelResponse)
            return known
        most = self._most(messages, model_request_parameters)
        line = self._ctx._open_line()
        for attempt in range(1, _TRIES + 1):
            held = await line.reserve(self._label, most)
            try:
                response = await self._traced(messages, model_settings, model_request_parameters)
            except (ModelHTTPError, ModelConnectionError) as error:
                if not _unpaid(error):
                    raise
                status = str(error.status_code) if isinstance(error, ModelHTTPError) else "not_reached"
                await line.settle(held, Spent(0, 0, 0, None if self._price is None else 0), error=status)
                if attempt == _TRIES or not isinstance(error, ModelHTTPError) or error.status_code not in _AGAIN:
                    raise
                await asyncio.sleep(min(error.retry_after or _FIRST_PAUSE * 2 ** (attempt - 1), _LONGEST_PAUSE))
            else:
                await self._settle(held, response, place)
                return response
        raise AssertionError("the last try returns or raises")

    async def _settle(self, held: Held, response: ModelResponse, place: str) -> None:
        usage = response.usage
        if usage.unmeasured_requests or not (usage.input_tokens or usage.output_tokens):
            spent = held.most  # the provider does not say what it took: the most that it can be
        else:
            cost = None if self._price is None else self._price.of(usage.input_tokens, usage.cache_read_tokens, usage.output_tokens)
            spent = Spent(usage.input_tokens, usage.output_tokens, usage.cache_read_tokens, cost)
        self._ctx.cost += (spent.cost or 0) / 1_000_000
        keep = None
        if self._durable:
            keep = (place, {"answer": ModelMessagesTypeAdapter.dump_python([response], mode="json"), "cost": spent.cost or 0})
        await self._ctx._open_line().settle(held, spent, keep=keep)

    async def _traced(self, messages: list[ModelMessage], settings: ModelSettings | None, parameters: ModelRequestParameters) -> ModelResponse:
        model = self.wrapped.model_name
        known = {"gen_ai.request.model": model, "gen_ai.provider.name": self.wrapped.system, "tutti.task": self._ctx.task}
        with telemetry.span(f"chat {model}", "chat", known) as span:
            try:
                response = await self._send(messages, settings, parameters)
            except ModelHTTPError as error:
                span.failed(str(error.status_code))
                raise
            if response.model_name and _MODEL_NAME.fullmatch(response.model_name):
                span.set("gen_ai.response.model", response.model_name)
            if not response.usage.unmeasured_requests:
                span.set("gen_ai.usage.input_tokens", response.usage.input_tokens)
                span.set("gen_ai.usage.output_tokens", response.usage.output_tokens)
            return response

    async def _send(self, messages: list[ModelMessage], settings: ModelSettings | None, parameters: ModelRequestParameters) -> ModelResponse:
        if not self._stream:
            try:
                return await self.wrapped.request(messages, settings, parameters)
            except (LookupError, AttributeError) as error:  # the library takes the form of what it reads for granted
                raise UnexpectedModelBehavior(f"it is no chat completion ({type(error).__name__}: {error})") from None
        letters = 0
        async with self.wrapped.request_stream(messages, settings, parameters) as stream:
            async for event in stream:
                part: Any = event.part if isinstance(event, PartStartEvent) else event.delta if isinstance(event, PartDeltaEvent) else None
                said = getattr(part, "content", None) or getattr(part, "content_delta", None) or getattr(part, "args_delta", None) or ""
                letters += len(said) if isinstance(said, str) else 0
                tokens = letters // _LETTERS
                self._ctx.progress(min(tokens / self._max_tokens, 0.99), f"call {self._number}: about {tokens} tokens so far")
            return stream.get()

    def _most(self, messages: list[ModelMessage], parameters: ModelRequestParameters) -> Spent:
        """The most this call can take. A token is at least one byte of UTF-8, so no prompt has more tokens than bytes."""
        size = len(ModelMessagesTypeAdapter.dump_json(messages)) + _FRAME
        for tool in (*parameters.function_tools, *parameters.output_tools):
            size += len(to_json({"name": tool.name, "description": tool.description, "parameters": tool.parameters_json_schema}))
        if parameters.output_object is not None:
            size += 2 * len(to_json(parameters.output_object.json_schema))  # as the API's schema, or as words in the prompt
        cost = None if self._price is None else self._price.of(size, 0, self._max_tokens)
        return Spent(size, self._max_tokens, 0, cost)


def _unpaid(error: ModelHTTPError | ModelConnectionError) -> bool:
    """Whether the model certainly did nothing: it refused, or was never reached. A line that broke later may have been paid for."""
    if isinstance(of_ours(error), Refused):
        return True
    if isinstance(error, ModelHTTPError):
        return not error.in_stream and error.status_code not in (408, 504)
    return error.phase in ("pool", "connect")


def of_ours(error: BaseException) -> TuttiError | None:
    """The error of ours that led to this one, where one did: libraries wrap what their transport raises."""
    cause: BaseException | None = error
    while cause is not None and not isinstance(cause, TuttiError):
        cause = cause.__cause__ or cause.__context__
    return cause
