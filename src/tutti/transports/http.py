"""Agents that speak neither A2A nor MCP: operations of an OpenAPI document, or one webhook. Their answers come in the response, by asking
again where they say, or by a signed callback.

What is to be called stands in the endpoint's options, as `fleet.http_agent` has read it.
"""

from __future__ import annotations

import asyncio
import hmac
from collections.abc import Awaitable, Callable
from hashlib import sha256
from typing import Any
from urllib.parse import quote, urlencode, urljoin, urlsplit

import orjson

from tutti.clock import MICROS, micros
from tutti.errors import AgentFailed, Invalid, Refused, Unauthenticated
from tutti.model.agent import AgentCard, Endpoint, Nature, Skill
from tutti.transports import calls
from tutti.transports.inprocess import Context
from tutti.transports.openapi import operations
from tutti.transports.outside import Found, Outside

Json = dict[str, Any]
CALL, ANSWER = "http.call", "http.answer"  # what a run keeps: what it waits for, and the answer that a callback brought
CALLBACK_PATH = "/v1/callbacks/http/"
SKEW_S = 300  # by which a callback's time may be off
_DOCUMENT = 4 * 1024 * 1024  # bytes of an OpenAPI document
_PATIENCE_S = 10.0
_FIRST_LOOK_S, _LONGEST_LOOK_S = 0.1, 10.0
_OPEN = frozenset(("queued", "pending", "accepted", "submitted", "running", "working", "processing", "in_progress", "in-progress", "started"))
_BAD = frozenset(("failed", "error", "canceled", "cancelled", "rejected", "expired"))


async def discover(endpoint: Endpoint, outside: Outside) -> Found:
    """What an HTTP agent offers, from its declaration, or from the OpenAPI document at the address that this names."""
    options = endpoint.options
    described: dict[str, Json] = options.get("operations") or {}
    if options.get("openapi"):
        described = await _described(options, outside)
    for operation in described.values():
        outside.egress.check(operation["url"].replace("{", "").replace("}", ""))
    skills = {id: _skill(id, operation, options) for id, operation in described.items()}
    fingerprint = sha256(orjson.dumps(described, option=orjson.OPT_SORT_KEYS)).hexdigest()
    return Found(options["name"], options.get("version", "1"), skills, fingerprint, {"operations": described})


async def _described(options: Json, outside: Outside) -> dict[str, Json]:
    """The operations of the OpenAPI document at an address. A secret goes where the operator wrote down, wherever the document says that its API is."""
    place: str = options["openapi"]
    try:
        answer = await calls.ask(outside, "GET", place, headers={"Accept": "application/json"}, cap=_DOCUMENT, total=_PATIENCE_S)
    except calls.OutcomeUnknown as error:
        raise AgentFailed(error.message, hint=error.hint, retry=True) from error
    except TimeoutError:
        raise AgentFailed(f"No OpenAPI document came within {_PATIENCE_S:g} s.", hint="See whether its server runs.", retry=True) from None
    if answer.status != 200:
        raise AgentFailed(f"There is no OpenAPI document: its server answered {answer.status}.", hint="See its address.", retry=answer.status >= 500)
    base = options.get("base_url", "")
    described = operations(answer.json(), base, options.get("only") or (), at=place)
    trusted = urlsplit(base or place)[:2]
    if options.get("auth") and any(urlsplit(operation["url"])[:2] != trusted for operation in described.values()):
        raise Refused("The OpenAPI document has its calls sent to another host, and they carry a secret.", hint="Say where the API is: base_url.")
    return described


def _skill(id: str, operation: Json, options: Json) -> Skill:
    """GET is advice and everything else an action that nobody promises to do once, unless the declaration says otherwise."""
    acts = options["action"] if options.get("action") is not None else operation["method"] != "GET"
    name = operation.get("skill") or f"{options['name']}.{id}"
    return Skill(
        name, Nature.ACTION if acts else Nature.ADVICE, operation["input_schema"], operation["output_schema"],
        description=operation["description"], idempotent=not acts,
    )  # fmt: skip


def caller(card: AgentCard, skill: Skill, outside: Outside) -> Callable[[Any, Context], Awaitable[Any]]:
    """The async function of (input, context) that calls one operation."""
    assert card.endpoint is not None
    options = card.endpoint.options
    names = {offer.get("as_"): id for id, offer in (options.get("skills") or {}).items()}
    described: dict[str, Json] = options["operations"]
    own = {operation.get("skill") or f"{options['name']}.{id}": id for id, operation in described.items()}
    operation = described[names.get(skill.name) or own[skill.name]]
    agent = _Agent(card, operation, skill, outside)

    async def call(input: Any, ctx: Context) -> Any:
        if operation.get("reply") == "callback":
            return await agent.by_callback(input, ctx)
        return await agent.by_response(input, ctx)

    return call


class _Agent:
    """One operation of one agent."""

    def __init__(self, card: AgentCard, operation: Json, skill: Skill, outside: Outside) -> None:
        assert card.endpoint is not None
        self._id = card.id
        self._auth = card.endpoint.options.get("auth", "")
        self._operation = operation
        self._link = calls.Link(keep=calls.SURE_S) if skill.is_action and not skill.idempotent else calls.PLAIN
        self._timeout = skill.timeout
        self._outside = outside

    async def by_response(self, input: Any, ctx: Context) -> Any:
        """The answer is in the response, or where the response says that it will be."""
        begun = await ctx.kept(CALL)
        if isinstance(begun, dict) and begun.get("agent") == self._id and "url" in begun:
            return await self._look(begun["url"], ctx)
        answer = await self._send(input, ctx, {})
        url = self._later(answer)
        if url is None:
            return _value(answer)
        await ctx.keep(CALL, {"agent": self._id, "url": url})
        return await self._look(url, ctx)

    async def by_callback(self, input: Any, ctx: Context) -> Any:
        """The answer is brought by the agent; it is kept when it comes, and found here then, or by the run that takes over."""
        outside = self._outside
        if not outside.base_url:
            raise AgentFailed("Nobody can call back: this process is not served over HTTP.", hint="Run it with `tutti up`.", retry=False)
        call = await ctx.kept(CALL)
        if not isinstance(call, dict) or call.get("agent") != self._id:
            call = {"agent": self._id, "token": outside.ids.bytes(24).hex(), "until": 0}
        waiting: dict[str, asyncio.Event] = outside.shared.setdefault("http.waiting", {})
        came = waiting[ctx.task] = asyncio.Event()
        try:
            name = f"{ANSWER}/{call['token'][:16]}"
            if await ctx.kept(name) is None and outside.clock.now() >= call["until"]:
                call = {**call, "until": outside.clock.now() + micros(self._timeout)}
                await ctx.keep(CALL, call)
                await self._send(input, ctx, {"Tutti-Callback": f"{outside.base_url}{CALLBACK_PATH}{ctx.task}/{call['token']}"})
            while (brought := await ctx.kept(name)) is None:
                await came.wait()
                came.clear()
        finally:
            waiting.pop(ctx.task, None)
        return _brought(brought)

    # --- one request --------------------------------------------------------------------------------------------

    async def _send(self, input: Any, ctx: Context, more: dict[str, str]) -> calls.Answer:
        url, headers, body = self._request(input)
        headers |= {"Idempotency-Key": ctx.key, "Tutti-Task": ctx.task, **calls.lease_of(ctx), **more}
        method = self._operation["method"]

        async def send() -> calls.Answer:
            answer = await calls.ask(self._outside, method, url, headers=headers, body=body, link=self._link)
            if not 200 <= answer.status < 300:
                raise calls.turned_away(answer, _words(answer))
            return answer

        return await calls.patiently(self._outside, self._timeout, send)

    def _request(self, input: Any) -> tuple[str, dict[str, str], bytes | None]:
        operation = self._operation
        url: str = operation["url"]
        headers = {"Accept": "application/json", **self._authorized()}
        query: list[tuple[str, str]] = []
        given = input if isinstance(input, dict) else {}
        for name, place in operation["where"].items():
            value = given.get(name)
            if place == "path":
                if value in (None, "", ".", ".."):
                    raise AgentFailed(f"{name} is part of the address and cannot be {value!r}.", retry=False)
                url = url.replace(f"{{{name}}}", quote(_text(value), safe=""))
            elif value is not None and place == "query":
                query += [(name, _text(each)) for each in (value if isinstance(value, list) else [value])]
            elif value is not None:
                text = _text(value)
                if not text.isprintable() or name.lower() in ("host", "authorization", "content-length", "transfer-encoding", "connection"):
                    raise AgentFailed(f"{name} cannot be sent in a header.", retry=False)
                headers[name] = text
        if query:
            url += ("&" if "?" in url else "?") + urlencode(query)
        if not operation["body"]:
            return url, headers, None
        headers["Content-Type"] = "application/json"
        return url, headers, orjson.dumps(input if operation["body"] == "whole" else given.get("body"))

    def _authorized(self) -> dict[str, str]:
        return {"Authorization": self._outside.secrets.resolve(self._auth)} if self._auth else {}

    def _later(self, answer: calls.Answer) -> str | None:
        """Where the answer will be, when it is not here yet."""
        reply = self._operation.get("reply")
        place = answer.headers.get("Location") if answer.status == 202 else None
        if place is None and reply == "polling":
            said = _value(answer)
            if isinstance(said, dict) and str(said.get("status", "")).lower() in _OPEN:
                place = said.get("status_url") or said.get("url")
            elif answer.status == 202:
                raise calls.OutcomeUnknown("The agent accepted it and does not say where its answer will be.", retry=False)
        if not isinstance(place, str):
            return None
        url: str = urljoin(self._operation["url"], place)
        if urlsplit(url)[:2] != urlsplit(self._operation["url"])[:2]:
            raise calls.OutcomeUnknown("The agent sends its caller to another host for the answer.", retry=False)
        return url

    async def _look(self, url: str, ctx: Context) -> Any:
        """Ask for the answer, seldomer each time, until it is there."""
        pause, failures = _FIRST_LOOK_S, 0
        while True:
            try:
                answer = await calls.ask(self._outside, "GET", url, headers={"Accept": "application/json", **self._authorized()})
                if answer.status in (404, 410):
                    raise calls.OutcomeUnknown("The agent does not know its job any more.", retry=False)
                if answer.status >= 400:
                    raise calls.turned_away(answer)
                failures = 0
                value = None if answer.status == 202 else _value(answer)
                said = str(value.get("status", "")).lower() if isinstance(value, dict) else ""
                if answer.status != 202 and said in _BAD:
                    raise calls.OutcomeUnknown(f"The agent's job {said}: {str(value)[:300]}", retry=False)
                if answer.status != 202 and said not in _OPEN:
                    for name in ("output", "result"):
                        if said and isinstance(value, dict) and name in value:
                            return value[name]
                    return value
            except (calls.OutcomeUnknown, AgentFailed) as error:
                failures += 1
                if failures > 5 or not error.about.get("retry", error.retry):
                    raise calls.OutcomeUnknown(f"The agent cannot be asked for its answer: {error.message}", retry=False) from error
            await asyncio.sleep(pause * (0.75 + self._outside.ids.rng.random() / 2))
            pause = min(pause * 1.6, _LONGEST_LOOK_S)


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value) if isinstance(value, str | int | float) else orjson.dumps(value).decode()


def _value(answer: calls.Answer) -> Any:
    if not answer.body:
        return None
    if "json" in answer.headers.get("Content-Type", ""):
        return answer.json()
    try:
        return answer.body.decode()
    except UnicodeDecodeError:
        raise Invalid("The agent's answer is neither JSON nor text.", code="wrong_output") from None


def _words(answer: calls.Answer) -> str:
    """What an agent says of its refusal, where it is short and text."""
    return answer.body[:300].decode(errors="replace").strip()


def _brought(answer: Any) -> Any:
    """What a callback says: {"output": …}, or {"error": words} with `nothing` (certainly nothing happened) and `retry`."""
    if not isinstance(answer, dict) or ("output" in answer) == ("error" in answer):
        raise Invalid("The callback has neither output nor error.", code="wrong_output")
    if "output" in answer:
        return answer["output"]
    if answer.get("nothing") is True:
        raise AgentFailed(str(answer["error"])[:1000], retry=answer.get("retry") is True)
    raise calls.OutcomeUnknown(str(answer["error"])[:1000], retry=answer.get("retry") is True)


# --- callbacks ------------------------------------------------------------------------------------------------------


def signature(body: bytes, secret: str, at: int) -> str:
    """The `Tutti-Signature` of a callback: its time (seconds since 1970) and the HMAC-SHA256 over `time.body`."""
    return f"t={at},v1={hmac.digest(secret.encode(), f'{at}.'.encode() + body, 'sha256').hex()}"


def check_signature(header: str, body: bytes, secret: str, now: int) -> None:
    """Hold a callback's signature against its body; `now` in microseconds. Raises: `Unauthenticated`."""
    parts = dict(part.partition("=")[::2] for part in header.split(","))
    at = parts.get("t", "")
    if not (at.isascii() and at.isdigit() and len(at) < 16) or not hmac.compare_digest(signature(body, secret, int(at)).encode(), header.encode()):
        raise Unauthenticated("The callback's signature does not hold.", hint="Sign `time.body` with the agent's secret: Tutti-Signature: t=…,v1=….")
    if abs(now // MICROS - int(at)) > SKEW_S:
        raise Unauthenticated("The callback is too old.", hint=f"Sign it anew; clocks may differ by {SKEW_S} s.")
