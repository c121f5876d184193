"""Calling a tool: the answer is the outcome, a question goes to a person, progress is passed on; what fails says whether anything can have happened."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import httpx2
import mcp_types as types
from mcp.shared.exceptions import MCPError
from pydantic import TypeAdapter, ValidationError

from tutti import telemetry
from tutti.errors import AgentFailed, TuttiError
from tutti.model.agent import AgentCard, Endpoint, Skill
from tutti.transports.calls import OutcomeUnknown
from tutti.transports.inprocess import Context
from tutti.transports.mcp.lanes import CERTAIN, Lane, lanes_of
from tutti.transports.outside import Outside

_ROUNDS = 10  # questions of one call
_WORDS = 500  # characters of a server's words that are kept of an error
_ANSWER: TypeAdapter[types.CallToolResult | types.InputRequiredResult] = TypeAdapter(types.CallToolResult | types.InputRequiredResult)
_QUESTION: TypeAdapter[types.ElicitRequestParams] = TypeAdapter(types.ElicitRequestParams)
_NOT_BEGUN = frozenset({types.METHOD_NOT_FOUND, types.INVALID_PARAMS, types.HEADER_MISMATCH})  # the SDK makes others itself, of answers it cannot read
_NEVER_SENT = (httpx2.ConnectError, httpx2.ConnectTimeout)


def caller(card: AgentCard, skill: Skill, outside: Outside) -> Callable[[Any, Context], Awaitable[Any]]:
    """The function that calls this skill's tool. It raises `AgentFailed` where nothing happened or the tool says that it failed."""
    assert card.endpoint is not None
    endpoint = card.endpoint
    tool = _tool_of(endpoint, card, skill)

    async def call(input: Any, ctx: Context) -> Any:
        if skill.is_action and not skill.idempotent and await ctx.kept("mcp-asked"):
            raise OutcomeUnknown(f"{tool} had asked a question when the process ended; how far it was, nobody knows.", hint="See at the server.")
        arguments = dict(input) if isinstance(input, Mapping) else {} if input is None else {"input": input}
        with telemetry.span(f"execute_tool {tool}", "execute_tool", {"gen_ai.tool.name": tool, "tutti.task": ctx.task, "tutti.agent": card.name}):
            for again in (True, False):
                async with lanes_of(outside).one(endpoint) as lane:
                    try:
                        return _output(await _called(lane, tool, arguments, ctx), tool)
                    except MCPError as error:
                        if lane.status == 404 and again:
                            pass  # the server has forgotten the session and done nothing: once more on a new one
                        else:
                            raise await _meaning(lane, error, tool) from error
                    await lane.close()
        raise AgentFailed(f"The MCP server knows no session and no {tool}.", retry=True)

    return call


def _tool_of(endpoint: Endpoint, card: AgentCard, skill: Skill) -> str:
    """The server's name of a skill that the fleet may call otherwise."""
    for name, offer in (endpoint.options.get("skills") or {}).items():
        if offer.get("as_") == skill.name:
            return str(name)
    prefix = f"{endpoint.options.get('tools_of') or card.name}."
    return skill.name.removeprefix(prefix)


async def _called(lane: Lane, tool: str, arguments: dict[str, Any], ctx: Context) -> types.CallToolResult:
    async def progress(done: float, total: float | None, message: str | None) -> None:
        ctx.progress(done / total if total else 0.0, message or "")

    async def elicited(params: types.ElicitRequestParams) -> types.ElicitResult:
        await ctx.keep("mcp-asked", True)
        return await _ask(params, tool, ctx)

    lane.elicited = elicited
    responses: types.InputResponses | None = None
    state: str | None = None
    asked = await ctx.kept("mcp-asked-for") if lane.modern else None  # a run before this one was asked: the call goes on from there
    for _ in range(_ROUNDS):
        if asked is not None:
            ctx._questions = asked["before"]  # so that each question finds its own answer, if a run before this one was given it
            responses = {key: await _ask(_QUESTION.validate_python(question), tool, ctx) for key, question in asked["questions"].items()}
            state = asked["state"]
        meta: Any = {"tutti/key": ctx.key}  # the same for every attempt: a server that looks at it can do a thing once
        if ctx.lease is not None:
            meta["tutti/lease"] = ctx.lease.token  # and one that guards a thing can refuse a lower one than the last it saw
        params = types.CallToolRequestParams(name=tool, arguments=arguments, input_responses=responses, request_state=state, _meta=meta)
        request = types.CallToolRequest(params=params)
        try:
            answer = await lane.client.session.send_request(request, _ANSWER, progress_callback=progress)
        except MCPError as error:
            if error.code != types.HEADER_MISMATCH:
                raise
            await lane.client.session.list_tools()  # which arguments go into headers, the list says
            answer = await lane.client.session.send_request(request, _ANSWER, progress_callback=progress)
        if isinstance(answer, types.CallToolResult):
            return answer
        questions = {}
        for key, request_of in (answer.input_requests or {}).items():
            if not isinstance(request_of, types.ElicitRequest):
                raise OutcomeUnknown(f"{tool} wants {request_of.method}, which it is not given.", hint="It may only ask people.", retry=False)
            questions[key] = request_of.params.model_dump(mode="json", by_alias=True, exclude_none=True)
        asked = {"questions": questions, "state": answer.request_state, "before": ctx._questions}
        await ctx.keep("mcp-asked-for", asked)  # before anybody is asked: the process may end while they think
    raise OutcomeUnknown(f"{tool} asked {_ROUNDS} times and came to no end.", retry=False)


async def _ask(params: types.ElicitRequestParams, tool: str, ctx: Context) -> types.ElicitResult:
    """Put a server's question to a person. An answer of null declines; one field may be answered by its bare value."""
    if isinstance(params, types.ElicitRequestURLParams):
        answer = await ctx.input(
            f"{tool} asks you to open {params.url[:_WORDS]} ({params.message[:_WORDS]}). Answer true when it is done, null to decline.", auth=True
        )
        return types.ElicitResult(action="accept" if answer else "decline")
    fields = list(params.requested_schema.get("properties", {}))
    answer = await ctx.input(f"{tool} asks: {params.message[:_WORDS]} Fields: {', '.join(map(str, fields))[:_WORDS]}. Answer null to decline.")
    if answer is None:
        return types.ElicitResult(action="decline")
    if not isinstance(answer, Mapping) and len(fields) == 1:
        answer = {fields[0]: answer}
    try:
        return types.ElicitResult(action="accept", content=dict(answer))
    except (ValidationError, TypeError, ValueError):
        return types.ElicitResult(action="decline")


def _output(result: types.CallToolResult, tool: str) -> Any:
    """The structured answer; without one the text, or the blocks where there is more than text. Raises `AgentFailed` for what the tool calls an error."""
    texts = [block.text for block in result.content if isinstance(block, types.TextContent)]
    if result.is_error:
        raise AgentFailed(f"{tool} says that it failed: {' '.join(texts)[:_WORDS]}", retry=False)
    if result.structured_content is not None:
        return result.structured_content
    if len(texts) == len(result.content):
        return "\n".join(texts)
    return {"content": [block.model_dump(mode="json", by_alias=True, exclude_none=True) for block in result.content]}


async def _meaning(lane: Lane, error: MCPError, tool: str) -> TuttiError:
    """What an error of the protocol means: `AgentFailed` where the call was turned away or never sent, else nobody knows."""
    if error.code == types.CONNECTION_CLOSED:
        broke = await lane.why_broken()
        if isinstance(broke, _NEVER_SENT):
            return AgentFailed("The MCP server does not answer.", hint="See whether it runs.", retry=True)
        return OutcomeUnknown(f"The connection broke while {tool} was called{f' ({type(broke).__name__})' if broke else ''}.")
    if lane.status in CERTAIN or error.code in _NOT_BEGUN:
        busy = lane.status == 429
        hint = "See the agent's `auth`, and the secret that it names." if lane.status in (401, 403) else ""
        return AgentFailed(f"The MCP server turned the call of {tool} away: {error.message[:_WORDS]}", hint=hint, retry=busy)
    return OutcomeUnknown(f"{tool} ended with an error of its server: {error.message[:_WORDS]}", retry=False)
