"""Agents that lie, drip, flood, hang, wander off or change under way: contained, and what happened is never guessed."""

from __future__ import annotations

import asyncio
import base64
from typing import Any

import orjson
import pytest
from aiohttp import web
from client_site import Scripted, calling, card_of, done, eventually, task, update

from tutti import Fleet, Settings, Workspace
from tutti.errors import AgentFailed, Invalid, Refused, TuttiError
from tutti.model.agent import Endpoint
from tutti.security import SigningKey
from tutti.transports import calls
from tutti.transports.a2a import sign, wire
from tutti.transports.schemas import reader, tame

ADVICE = {"thing.do": {"timeout_ms": 1500, "attempts": 1}}
ACTION = {"thing.do": {"nature": "action", "timeout_ms": 1500, "attempts": 3}}
STREAMED = {"thing.do": {"timeout_ms": 1500, "attempts": 1, "latency_ms": 5000}}


def raw(body: bytes, **more: Any) -> Any:
    return lambda params, request: web.Response(body=body, content_type="application/json", **more)


def result(value: Any) -> Any:
    return raw(orjson.dumps({"jsonrpc": "2.0", "id": "1", "result": value}))


LIES: dict[str, Any] = {
    "no json": raw(b"<html>"),
    "a list": raw(b"[]"),
    "neither": raw(b'{"jsonrpc":"2.0","id":"1"}'),
    "another request": raw(orjson.dumps({"jsonrpc": "2.0", "id": "2", "result": {"task": task("COMPLETED", output=1)}})),
    "no state": result({"task": {"id": "r-1"}}),
    "made-up state": result({"task": task("DANCING")}),
    "two kinds": result({"other": {}}),
    "no id": result({"task": {"status": {"state": "TASK_STATE_COMPLETED"}}}),
    "parts are text": result({"task": task("COMPLETED", artifacts=[{"artifactId": "a", "parts": "x"}])}),
    "a part of nothing": result({"task": task("COMPLETED", artifacts=[{"artifactId": "a", "parts": [{}]}])}),
    "a thousand artifacts": result({"task": task("COMPLETED", artifacts=[{"artifactId": str(n), "parts": [{"text": ""}]} for n in range(1000)])}),
    "nested very deeply": raw(b'{"jsonrpc":"2.0","id":"1","result":' + b"[" * 5000 + b"]" * 5000 + b"}"),
    "coded": raw(b"x", headers={"Content-Encoding": "gzip"}),
    "200 MB by its head": raw(b"x" * (calls.ANSWER + 1)),
    "server error": lambda params, request: web.Response(status=500),
    "elsewhere": lambda params, request: web.Response(status=307, headers={"Location": "http://127.0.0.1:1/"}),
}


@pytest.mark.parametrize("lie", LIES)
async def test_an_action_whose_agent_answers_nonsense_is_parked_and_not_tried_again(tmp_path, lie):
    server = Scripted(SendMessage=LIES[lie])
    async with server.up(skills=ACTION) as url, calling(url, tmp_path, act=("thing.do",)) as workspace:
        lied = await done(workspace, "thing.do", "x")
        assert (lied["state"], lied["stage"]) == ("input-required", "parked"), lied
        assert server.methods() == ["SendMessage"]


@pytest.mark.parametrize("lie", ["no json", "made-up state", "coded", "200 MB by its head", "elsewhere"])
async def test_advice_fails_and_says_why(tmp_path, lie):
    server = Scripted(SendMessage=LIES[lie])
    async with server.up(skills=ADVICE) as url, calling(url, tmp_path) as workspace:
        failed = await done(workspace, "thing.do", "x")
        assert (failed["state"], bool(failed["detail"])) == ("failed", True)


async def test_an_answer_that_does_not_end_is_cut_off(tmp_path):
    sent = 0

    async def flood(params: Any, request: web.Request) -> web.StreamResponse:
        nonlocal sent
        response = web.StreamResponse(headers={"Content-Type": "application/json"})
        await response.prepare(request)
        while sent < 100 * 1024 * 1024:
            await response.write(b" " * 65536)
            sent += 65536
        return response

    server = Scripted(SendMessage=flood)
    async with server.up(skills=ADVICE) as url, calling(url, tmp_path) as workspace:
        failed = await done(workspace, "thing.do", "x")
        assert (failed["reason"], sent < 40 * 1024 * 1024) == ("wrong_output", True)


@pytest.mark.parametrize("method", ["SendMessage", "SendStreamingMessage"])
async def test_an_agent_that_drips_or_hangs_has_its_time_and_no_more(tmp_path, method):
    async def drip(params: Any, request: web.Request) -> web.StreamResponse:
        kind = "application/json" if method == "SendMessage" else "text/event-stream"
        response = web.StreamResponse(headers={"Content-Type": kind})
        await response.prepare(request)
        while True:
            await response.write(b" ")
            await asyncio.sleep(0.01)

    server = Scripted(**{method: drip})
    skills = {"thing.do": {**STREAMED["thing.do"], "timeout_ms": 200, "latency_ms": 50 if method == "SendMessage" else 5000}}
    async with server.up(streaming=True, skills=skills) as url, calling(url, tmp_path) as workspace:
        assert (await done(workspace, "thing.do", "x"))["reason"] == "timed_out"


STREAMS: dict[str, list[Any]] = {
    "of another task": [{"task": task("WORKING")}, update("COMPLETED", id="r-2")],
    "of no json": [{"task": task("WORKING")}, b"data: {\n\n"],
    "that takes its end back": [{"task": task("WORKING")}, {"task": task("COMPLETED", id="other")}],
    "with an artifact of nothing": [{"task": task("WORKING")}, {"artifactUpdate": {"taskId": "r-1", "artifact": []}}],
    "without a word": [],
}


@pytest.mark.parametrize("stream", STREAMS)
async def test_streams_that_lie(tmp_path, stream):
    server = Scripted(SendStreamingMessage=STREAMS[stream])
    async with server.up(streaming=True, skills=STREAMED) as url, calling(url, tmp_path) as workspace:
        failed = await done(workspace, "thing.do", "x")
        assert (failed["state"], failed["reason"] in ("wrong_output", "outcome_unknown")) == ("failed", True)


async def test_a_stream_that_does_not_end_is_cut_off(tmp_path, monkeypatch):
    monkeypatch.setattr(calls, "EVENTS", 50)
    server = Scripted(SendStreamingMessage=[{"task": task("WORKING")}, *[update("WORKING", said=str(n)) for n in range(500)]])
    async with server.up(streaming=True, skills=STREAMED) as url, calling(url, tmp_path) as workspace:
        failed = await done(workspace, "thing.do", "x")
        assert (failed["reason"], "events" in failed["detail"]) == ("wrong_output", True)


async def test_output_that_is_not_what_the_card_declares_is_refused(tmp_path):
    skills = {"thing.do": {**ADVICE["thing.do"], "output_schema": {"type": "object", "required": ["price"]}}}
    server = Scripted(SendMessage={"task": task("COMPLETED", output={"prize": 1})})
    async with server.up(skills=skills) as url, calling(url, tmp_path) as workspace:
        failed = await done(workspace, "thing.do", "x")
        assert (failed["reason"], "price" in failed["detail"]) == ("wrong_output", True)


@pytest.mark.parametrize(
    ("answer", "attempts"),
    [
        ({"task": task("REJECTED", said="not ours")}, 1),
        (lambda params, request: web.Response(status=403), 1),
        (lambda params, request: web.json_response({"jsonrpc": "2.0", "id": "1", "error": {"code": -32602, "message": "bad"}}), 1),
        ({"task": task("FAILED", said="no", metadata={wire.OUTCOME: {"nothing": True}})}, 1),
    ],
)
async def test_where_nothing_happened_for_certain_an_action_fails_and_waits_for_nobody(tmp_path, answer, attempts):
    server = Scripted(SendMessage=answer)
    async with server.up(skills=ACTION) as url, calling(url, tmp_path, act=("thing.do",)) as workspace:
        failed = await done(workspace, "thing.do", "x")
        assert (failed["state"], failed["attempts"], failed["reason"]) == ("failed", attempts, "agent_failed")


async def test_a_failed_action_may_have_happened(tmp_path):
    server = Scripted(SendMessage={"task": task("FAILED", said="half way through")})
    async with server.up(skills=ACTION) as url, calling(url, tmp_path, act=("thing.do",)) as workspace:
        assert (await done(workspace, "thing.do", "x"))["stage"] == "parked"


async def test_an_action_is_tried_again_where_nobody_listened_and_parked_where_the_line_broke(tmp_path):
    async def hang_up(params: Any, request: web.Request) -> web.Response:
        assert request.transport is not None
        request.transport.abort()
        return web.Response()

    server = Scripted(SendMessage=hang_up)
    async with server.up(skills=ACTION) as url:
        fleet_place = tmp_path / "broke"
        async with calling(url, fleet_place, act=("thing.do",)) as workspace:
            assert (await done(workspace, "thing.do", "x"))["stage"] == "parked"
            assert server.methods() == ["SendMessage"]
    async with calling(url, tmp_path / "broke", act=("thing.do",)) as workspace:
        gone = await done(workspace, "thing.do", "y")
        assert (gone["state"], gone["attempts"], "does not answer" in gone["detail"]) == ("failed", 3, True)


async def test_the_breaker_leaves_a_failing_agent_alone(tmp_path):
    server = Scripted(SendMessage=LIES["no json"])
    async with server.up(skills=ADVICE) as url, calling(url, tmp_path) as workspace:
        for _ in range(5):
            await done(workspace, "thing.do", "x")
        assert (await workspace.agents())[0]["health"] != "ok"
        waiting = await workspace.submit("thing.do", "x")
        await asyncio.sleep(0)
        assert (await workspace.task(waiting))["stage"] == "ready"
        assert len(server.calls) == 5
        await workspace.cancel(waiting)


async def test_a_busy_agent_is_asked_again_within_the_attempt(tmp_path):
    def busy(params: Any, request: Any) -> Any:
        return web.Response(status=503, headers={"Retry-After": "1"}) if len(server.calls) < 3 else {"task": task("COMPLETED", output="at last")}

    server = Scripted(SendMessage=busy)
    async with server.up(skills=ACTION) as url, calling(url, tmp_path, act=("thing.do",)) as workspace:
        served = await done(workspace, "thing.do", "x")
        assert (served["output"], served["attempts"]) == ("at last", 1)


# --- cards ----------------------------------------------------------------------------------------------------------


async def met(server: Scripted, tmp_path: Any, key: str = "", **options: Any) -> Any:
    async with server.up() as url:
        endpoint = Endpoint("a2a", url, options, key=key)
        async with Workspace(Fleet("outer"), Settings("outer", tmp_path, egress=(url.removeprefix("http://"),))) as workspace:
            return await workspace.register(endpoint, department="revenue")


HERE = "http://127.0.0.1:1"
CARDS: dict[str, tuple[dict[str, Any], type[TuttiError]]] = {
    "calls go to a private address": (card_of("http://10.0.0.1/"), Refused),
    "calls go to metadata": (card_of("http://169.254.169.254/latest"), Refused),
    "calls go to a file": (card_of("file:///etc/passwd"), Refused),
    "no interface": (card_of(HERE, supportedInterfaces=[]), Invalid),
    "only gRPC": (card_of(HERE, supportedInterfaces=[{"url": HERE, "protocolBinding": "GRPC", "protocolVersion": "1.0"}]), Invalid),
    "version 2": (card_of(HERE, supportedInterfaces=[{"url": HERE, "protocolBinding": "JSONRPC", "protocolVersion": "2.0"}]), Invalid),
    "a demand": (card_of(HERE, capabilities={"extensions": [{"uri": "urn:x", "required": True}]}), Invalid),
    "no skill": (card_of(HERE) | {"skills": []}, Invalid),
    "a nameless skill": (card_of(HERE) | {"skills": [{"name": "x"}]}, Invalid),
    "too many skills": (card_of(HERE) | {"skills": [{"id": f"s{n}"} for n in range(600)]}, Invalid),
    "no name": (card_of(HERE, name=" "), Invalid),
    "no card": ({"hello": 1}, AgentFailed),
    "a huge card": (card_of(HERE, description="x" * 2_000_000), Invalid),
    "a schema from elsewhere": (card_of(HERE, skills={"s": {"input_schema": {"$ref": "http://127.0.0.1:1/schema"}}}), Invalid),
    "a schema that is none": (card_of(HERE, skills={"s": {"input_schema": {"type": "thing"}}}), Invalid),
    "a schema that is huge": (card_of(HERE, skills={"s": {"input_schema": {"enum": ["x" * 1000] * 1000}}}), Invalid),
}


@pytest.mark.parametrize("name", CARDS)
async def test_cards_that_are_refused(tmp_path, name):
    card, error = CARDS[name]
    server = Scripted()
    async with server.up() as url:
        server.card = orjson.loads(orjson.dumps(card).replace(HERE.encode(), url.encode()))
        async with Workspace(Fleet("outer"), Settings("outer", tmp_path, egress=(url.removeprefix("http://"),))) as workspace:
            with pytest.raises(error):
                await workspace.register(Endpoint("a2a", url), department="revenue")
            assert await workspace.agents() == []


async def test_a_secret_is_sent_to_no_host_but_the_one_that_was_declared(tmp_path, monkeypatch):
    monkeypatch.setenv("TUTTI_SECRET_PRICING", "s3cret")
    thief = Scripted(SendMessage={"task": task("COMPLETED", output=1)})
    server = Scripted()
    async with thief.up() as elsewhere:
        server.card = card_of(elsewhere)
        async with server.up() as url, Workspace(Fleet("outer"), Settings("outer", tmp_path, egress=("127.0.0.1",))) as workspace:
            with pytest.raises(Refused, match="carry a secret"):
                await workspace.register(Endpoint("a2a", url, {"auth": "Bearer secret://pricing"}), department="revenue")
        assert thief.calls == []


async def test_a_pinned_key_must_have_signed_the_card_and_no_key_is_fetched(tmp_path):
    own, other = SigningKey(b"o" * 32), SigningKey(b"x" * 32)
    canary = Scripted()
    async with canary.up() as trap:
        server = Scripted()
        async with server.up() as url:
            plain = card_of(url)
            protected = base64.urlsafe_b64encode(orjson.dumps({"alg": "EdDSA", "kid": "k", "jku": f"{trap}/jwks"})).rstrip(b"=").decode()
            forged = plain | {"signatures": [{"protected": protected, "signature": "AAAA"}]}
            none = base64.urlsafe_b64encode(orjson.dumps({"alg": "none", "kid": "k"})).rstrip(b"=").decode()
            endpoint = Endpoint("a2a", url, key=own.public.hex())
            async with Workspace(Fleet("outer"), Settings("outer", tmp_path, egress=("127.0.0.1",))) as workspace:
                for card in (
                    plain,
                    forged,
                    plain | {"signatures": [{"protected": none, "signature": ""}]},
                    sign(plain, other, "k"),
                    sign(plain, own, "k") | {"version": "9"},
                ):
                    server.card = card
                    with pytest.raises(Refused, match="not signed with this agent's key"):
                        await workspace.register(endpoint, department="revenue")
                server.card = sign(plain, own, "k")
                assert (await workspace.register(endpoint, department="revenue"))["new"]
        assert canary.seen == []


async def test_a_card_that_changes_is_a_new_version_and_what_runs_finishes_on_the_old_one(tmp_path):
    go = asyncio.Event()

    async def send(params: Any, request: Any) -> Any:
        await go.wait()
        return {"task": task("COMPLETED", output=server.card["version"])}

    server = Scripted(SendMessage=send)
    async with server.up() as url, calling(url, tmp_path) as workspace:
        first = await workspace.submit("thing.do", "x")
        await eventually(lambda: server.calls)
        server.card = {**server.card, "version": "2.0.0"}
        [remote] = workspace.fleet.remotes if workspace.fleet else []
        again = await workspace.register(remote.endpoint, department="revenue", owner="ana@example.com", by="fleet")
        assert (again["new"], again["version"].startswith("2.0.0+")) == (True, True)
        go.set()
        await workspace.result(first)
        states = {version["version"].partition("+")[0]: version["state"] for version in (await workspace.card("scripted"))["versions"]}
        assert (states["2.0.0"], states["1.0.0"] in ("draining", "retired")) == ("live", True)


# --- schemas of others ----------------------------------------------------------------------------------------------


def test_schemas_of_others_are_tamed():
    wild = {"type": "object", "properties": {"pattern": {"type": "string", "pattern": "(a+)+$"}}, "patternProperties": {"(a+)+$": {}}, "enum": [{"$ref": "x"}]}
    assert tame(wild, "x") == {"type": "object", "properties": {"pattern": {"type": "string"}}, "enum": [{"$ref": "x"}]}
    deep: dict[str, Any] = {}
    for _ in range(50):
        deep = {"items": deep}
    with pytest.raises(Invalid, match="nested"):
        tame(deep, "x")


async def test_no_schema_is_fetched_when_an_input_is_checked():
    canary = Scripted()
    async with canary.up() as url:
        with pytest.raises(Invalid, match="not in it"):
            await asyncio.to_thread(reader({"properties": {"a": {"$ref": f"{url}{wire.WELL_KNOWN}"}}}, "x"), {"a": 1})
        assert canary.seen == []
