"""Calling agents outside by A2A: in the response, by stream, by asking again, by push; questions, crashes, cancels; SDK-built servers."""

from __future__ import annotations

import asyncio
import os
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from client_site import Scripted, calling, card_of, done, eventually, task, update

from tutti import Fleet, Settings, Workspace
from tutti.model.agent import Endpoint
from tutti.transports.a2a import client, wire

sys.path.insert(0, str(Path(__file__).parents[1] / "service"))
from service_site import Shop, serving

SLOW = {"thing.do": {"latency_ms": 5000}}


async def test_a_service_is_met_and_its_skills_are_called(tmp_path):
    shop = Shop()
    async with serving(shop.fleet(), tmp_path) as url, calling(url, tmp_path, act=("price.change",)) as workspace:
        assert (await done(workspace, "price.quote", {"product": "x"}))["output"] == {"product": "x", "price": 5, "by": "1"}
        assert (await done(workspace, "text.write", "cats"))["output"] == "about cats"
        changed = await done(workspace, "price.change", {"product": "x", "amount": 3})
        assert (changed["output"], changed["amount"], shop.effects) == ("changed by 1", 3.0, [changed["id"]])


@pytest.mark.parametrize("binding", ["JSONRPC", "HTTP+JSON"])
async def test_both_bindings_with_streams_and_questions(tmp_path, binding):
    shop = Shop()
    shop.hold.set()
    async with serving(shop.fleet(), tmp_path) as url:
        async with aiohttp.ClientSession() as session, session.get(url + wire.WELL_KNOWN) as response:
            card = await response.json()
        front = Scripted()
        front.card = card | {"supportedInterfaces": [each for each in card["supportedInterfaces"] if each["protocolBinding"] == binding]}
        async with (
            front.up() as place,
            calling(place, tmp_path, egress=("127.0.0.1",), skills={"work.slow": {"latency_ms": 5000}, "case.ask": {}}) as workspace,
        ):
            assert (await done(workspace, "work.slow", {"product": "x"}))["output"] == "slow x"
            asked = await done(workspace, "case.ask", {"product": "x"})
            assert (asked["state"], asked["question"]) == ("input-required", "Which colour?")
            await workspace.answer(asked["id"], "red")
            await workspace.quiet()
            asked = await workspace.task(asked["id"])
            assert (asked["state"], asked["question"]) == ("auth-required", "May I log in?")
            await workspace.answer(asked["id"], "yes")
            assert await workspace.result(asked["id"]) == "x: red, yes"


async def test_what_a_run_elsewhere_proposes_is_gated_here(tmp_path):
    shop = Shop()
    async with serving(shop.fleet(), tmp_path) as url, calling(url, tmp_path) as workspace:
        planned = await done(workspace, "plan.make", {"product": "p"})
        tasks = (await workspace.tasks())["tasks"]
        [change] = [each for each in tasks if each["skill"] == "price.change"]
        assert (change["parent"], change["state"], change["waiting_for"]) == (planned["id"], "input-required", "person")
        assert shop.effects == [], "a person is asked first"
        facts = {fact["kind"] for fact in await workspace.facts(limit=1000)}
        assert "signal.received" in facts


async def test_a_stranger_proposes_nothing(tmp_path):
    told = {wire.OUTCOME: {"proposals": [{"action": "price.change", "input": {}}]}}
    server = Scripted(SendMessage={"task": task("COMPLETED", output="x", metadata=told)})
    async with server.up(skills={"thing.do": {}}) as url, Workspace(Fleet("outer"), Settings("outer", tmp_path, egress=("127.0.0.1",))) as workspace:
        await workspace.register(Endpoint("a2a", url), department="revenue")
        assert (await done(workspace, "thing.do", "x"))["output"] == "x"
        assert len((await workspace.tasks())["tasks"]) == 1


async def test_what_is_sent(tmp_path, monkeypatch):
    monkeypatch.setenv("TUTTI_SECRET_PRICING", "s3cret")
    server = Scripted(SendMessage={"task": task("COMPLETED", output={"n": 1})})
    async with server.up() as url, calling(url, tmp_path, auth="Bearer secret://pricing") as workspace:
        seen = await done(workspace, "thing.do", {"a": 1})
        assert seen["output"] == {"n": 1}
        [(method, params, headers)] = server.calls
        assert (method, params["message"]["messageId"], params["message"]["contextId"]) == ("SendMessage", seen["id"], seen["id"])
        assert params["message"]["parts"] == [{"data": {"a": 1}, "mediaType": "application/json"}]
        assert (params["metadata"]["skill"], headers["Idempotency-Key"], headers["A2A-Version"]) == ("thing.do", seen["id"], "1.0")
        assert headers["Authorization"] == "Bearer s3cret"
        record = str(await workspace.facts(limit=1000)) + str(await workspace.card("scripted"))
        assert "s3cret" not in record


async def test_the_key_is_the_same_for_every_attempt_and_the_answer_may_be_a_message(tmp_path):
    answers = iter([{"message": {"messageId": "1", "role": "ROLE_AGENT", "parts": [{"text": "hello"}]}}])

    def send(params: Any, request: Any) -> Any:
        if len(server.calls) == 1:
            raise aiohttp.web.HTTPBadGateway
        return next(answers)

    server = Scripted(SendMessage=send)
    async with server.up() as url, calling(url, tmp_path) as workspace:
        assert (await done(workspace, "thing.do", "x"))["output"] == "hello"
        assert len({headers["Idempotency-Key"] for _, _, headers in server.calls}) == 1
        assert len(server.calls) == 2


@pytest.mark.parametrize(
    ("artifacts", "output"),
    [
        ([{"artifactId": "a", "parts": [{"text": "one"}, {"data": {"two": 2}}]}], ["one", {"two": 2}]),
        ([{"artifactId": "a", "parts": [{"data": 1}]}, {"artifactId": "b", "parts": [{"data": None}]}], [1, None]),
        ([{"artifactId": "a", "parts": [{"url": "http://10.0.0.1/x", "mediaType": "image/png"}]}], {"url": "http://10.0.0.1/x", "mediaType": "image/png"}),
        ([], None),
    ],
)
async def test_outputs_are_what_stands_in_the_artifacts(tmp_path, artifacts, output):
    server = Scripted(SendMessage={"task": task("COMPLETED", artifacts=artifacts)})
    async with server.up() as url, calling(url, tmp_path) as workspace:
        assert (await done(workspace, "thing.do", "x"))["output"] == output


async def test_a_stream_tells_progress_and_text_in_pieces(tmp_path):
    pieces = [
        {"task": task("SUBMITTED")},
        update("WORKING", said="reading"),
        {"artifactUpdate": {"taskId": "r-1", "contextId": "c-1", "artifact": {"artifactId": "a", "parts": [{"text": "Hel"}]}}},
        {"artifactUpdate": {"taskId": "r-1", "contextId": "c-1", "append": True, "artifact": {"artifactId": "a", "parts": [{"text": "lo"}]}}},
        b": a comment\r\nevent: x\r\n\r\n",
        update("COMPLETED"),
    ]
    server = Scripted(SendStreamingMessage=pieces)
    async with server.up(streaming=True, skills=SLOW) as url, calling(url, tmp_path) as workspace:
        assert (await done(workspace, "thing.do", "x"))["output"] == "Hello"
        assert server.methods() == ["SendStreamingMessage"]


async def test_a_stream_that_breaks_is_followed_by_asking(tmp_path):
    looks = iter([task("WORKING"), task("COMPLETED", output="late")])
    server = Scripted(SendStreamingMessage=[{"task": task("WORKING")}], GetTask=lambda params, request: next(looks))
    async with server.up(streaming=True, skills=SLOW) as url, calling(url, tmp_path) as workspace:
        assert (await done(workspace, "thing.do", "x"))["output"] == "late"
        assert server.methods() == ["SendStreamingMessage", "GetTask", "GetTask"]


async def test_an_agent_that_was_slow_once_is_asked_plainly_again_when_it_is_not(tmp_path, monkeypatch):
    server = Scripted(SendMessage={"task": task("COMPLETED", output=1)}, SendStreamingMessage=[{"task": task("COMPLETED", output=2)}])
    async with server.up(streaming=True) as url, calling(url, tmp_path) as workspace:
        for longest in (0.0, 1000.0, 1000.0):
            monkeypatch.setattr(client, "_SLOW_S", longest)
            await done(workspace, "thing.do", "x")
        assert server.methods() == ["SendMessage", "SendStreamingMessage", "SendMessage"]


async def test_without_streams_a_slow_agent_is_asked_again_and_again(tmp_path):
    looks = iter([task("WORKING"), task("WORKING"), task("COMPLETED", output=3)])
    server = Scripted(SendMessage={"task": task("SUBMITTED")}, GetTask=lambda params, request: next(looks))
    async with server.up(skills=SLOW) as url, calling(url, tmp_path) as workspace:
        assert (await done(workspace, "thing.do", "x"))["output"] == 3
        assert server.calls[0][1]["configuration"] == {"returnImmediately": True}


async def test_a_push_has_the_task_looked_at_and_is_not_believed(tmp_path):
    from httpx import ASGITransport, AsyncClient

    from tutti.api.app import build

    state = {"now": task("WORKING")}
    server = Scripted(SendMessage={"task": task("SUBMITTED")}, GetTask=lambda params, request: state["now"])
    async with server.up() as url, calling(url, tmp_path, push=True) as workspace:
        workspace.outside.base_url = "http://tutti.example"
        async with AsyncClient(transport=ASGITransport(build(workspace)), base_url="http://tutti.example") as client:
            id = await workspace.submit("thing.do", "x")
            await eventually(lambda: "GetTask" in server.methods())
            config = server.calls[0][1]["configuration"]["taskPushNotificationConfig"]
            forged = {"statusUpdate": {"taskId": "r-1", "status": {"state": "TASK_STATE_COMPLETED"}}}
            assert (await client.post(config["url"], json=forged)).status_code == 204
            await eventually(lambda: server.methods().count("GetTask") == 2)
            assert (await workspace.task(id))["state"] == "working", "the agent itself says so"
            assert (await client.post(config["url"] + "0", json={})).status_code == 404
            state["now"] = task("COMPLETED", output="pushed")
            assert (await client.post(config["url"], json={})).status_code == 204
            assert await workspace.result(id) == "pushed"
            assert (await client.post(config["url"], json={})).status_code == 404, "its task is over"


async def test_after_a_crash_the_run_goes_on_with_the_task_that_it_began(tmp_path):
    state = {"now": task("WORKING")}
    server = Scripted(SendMessage={"task": task("SUBMITTED")}, GetTask=lambda params, request: state["now"])
    async with server.up(skills=SLOW) as url:
        async with calling(url, tmp_path) as workspace:
            id = await workspace.submit("thing.do", "x")
            await eventually(lambda: "GetTask" in server.methods())
            object.__setattr__(workspace.settings, "grace", timedelta(0))  # the process goes away in the middle of the run
        state["now"] = task("COMPLETED", output="found again")
        async with calling(url, tmp_path) as workspace:
            assert await workspace.result(id) == "found again"
        assert server.methods().count("SendMessage") == 1


async def test_a_question_survives_a_crash_and_its_answer_is_sent_once(tmp_path):
    state = {"now": task("INPUT_REQUIRED", said="Which?", message="q-1")}

    def send(params: Any, request: Any) -> Any:
        if params["message"].get("taskId"):
            state["now"] = task("COMPLETED", output=params["message"]["parts"][0]["text"])
        return {"task": state["now"]}

    server = Scripted(SendMessage=send, GetTask=lambda params, request: state["now"])
    async with server.up() as url:
        async with calling(url, tmp_path) as workspace:
            asked = await done(workspace, "thing.do", "x")
            assert asked["question"] == "Which?"
        async with calling(url, tmp_path) as workspace:
            await workspace.quiet()
            await workspace.answer(asked["id"], "this")
            assert await workspace.result(asked["id"]) == "this"
        assert [params["message"].get("taskId") for method, params, _ in server.calls if method == "SendMessage"] == [None, "r-1"]


async def test_a_run_that_takes_too_long_is_canceled_there_too(tmp_path):
    server = Scripted(SendMessage={"task": task("SUBMITTED")}, GetTask=task("WORKING"), CancelTask=task("CANCELED"))
    skills = {"thing.do": {"latency_ms": 5000, "timeout_ms": 300, "attempts": 1}}
    async with server.up(skills=skills) as url, calling(url, tmp_path) as workspace:
        late = await done(workspace, "thing.do", "x")
        assert (late["state"], late["reason"]) == ("failed", "timed_out")
        await eventually(lambda: "CancelTask" in server.methods())


async def test_a_card_is_fetched_when_met_and_not_for_a_call(tmp_path):
    server = Scripted(SendMessage={"task": task("COMPLETED", output=1)})
    server.etag = '"one"'
    async with server.up() as url, calling(url, tmp_path) as workspace:
        for _ in range(3):
            await done(workspace, "thing.do", "x")
        assert server.seen == [""]
        again = await workspace.register(
            Endpoint("a2a", url, {"skills": {}, "auth": "", "push": False}), department="revenue", owner="ana@example.com", by="fleet"
        )
        assert (again["new"], server.seen) == (False, ["", '"one"'])


# --- servers built by others ----------------------------------------------------------------------------------------


@pytest.fixture
async def sdk_server(tmp_path):
    """A server built with the A2A SDK: 1.0 on both bindings, and 0.3."""
    os.environ["OTEL_INSTRUMENTATION_A2A_SDK_ENABLED"] = "false"
    import uvicorn
    from a2a.helpers.proto_helpers import new_text_message
    from a2a.server.agent_execution import AgentExecutor
    from a2a.server.request_handlers import DefaultRequestHandler
    from a2a.server.routes import create_agent_card_routes, create_jsonrpc_routes, create_rest_routes
    from a2a.server.tasks import InMemoryTaskStore, TaskUpdater
    from a2a.types import AgentCapabilities, AgentCard, AgentInterface, AgentSkill, Part, TaskStatus
    from a2a.types import Task as Proto
    from a2a.types import TaskState as States
    from starlette.applications import Starlette

    class Executor(AgentExecutor):
        async def execute(self, context, queue):
            text = context.get_user_input()
            updater = TaskUpdater(queue, context.task_id, context.context_id)
            if context.current_task is None:
                await queue.enqueue_event(Proto(id=context.task_id, context_id=context.context_id, status=TaskStatus(state=States.TASK_STATE_SUBMITTED)))
            if text == "ask" and context.current_task is None:
                await updater.requires_input(new_text_message("Which one?"))
                return
            await updater.add_artifact([Part(text=f"echo {text}")])
            await updater.complete()

        async def cancel(self, context, queue):
            raise NotImplementedError

    import socket

    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    interfaces = {
        name: AgentInterface(url=f"{url}{path}", protocol_binding=binding, protocol_version=version)
        for name, path, binding, version in (("rpc", "/rpc", "JSONRPC", "1.0"), ("rest", "", "HTTP+JSON", "1.0"), ("legacy", "/rpc", "JSONRPC", "0.3"))
    }
    skill = AgentSkill(id="text.echo", name="echo", description="says it again", tags=["x"])
    routes: list[Any] = []
    for name, interface in interfaces.items():
        card = AgentCard(
            name=f"sdk-{name}", description="built with the SDK", version="1.0.0", supported_interfaces=[interface],
            capabilities=AgentCapabilities(streaming=True), default_input_modes=["text/plain"], default_output_modes=["text/plain"], skills=[skill],
        )  # fmt: skip
        handler = DefaultRequestHandler(agent_executor=Executor(), task_store=InMemoryTaskStore(), agent_card=card)
        routes += create_agent_card_routes(card, card_url=f"/{name}.json")
        if name != "legacy":
            routes += create_jsonrpc_routes(handler, "/rpc", enable_v0_3_compat=True) if name == "rpc" else create_rest_routes(handler)
    server = uvicorn.Server(uvicorn.Config(Starlette(routes=routes), log_level="critical", lifespan="off", ws="none"))
    server.install_signal_handlers = lambda: None
    serving_task = asyncio.create_task(server.serve([listener]))
    await eventually(lambda: server.started)
    yield url
    server.should_exit = True
    await serving_task
    listener.close()


@pytest.mark.parametrize("name", ["rpc", "rest", "legacy"])
async def test_servers_built_with_the_sdk(tmp_path, sdk_server, name):
    for latency in (50, 5000):  # in the response, and by stream
        folder = tmp_path / str(latency)
        async with calling(f"{sdk_server}/{name}.json", folder, skills={"text.echo": {"latency_ms": latency}}) as workspace:
            assert (await workspace.agents())[0]["name"] == f"sdk-{name}"
            assert (await done(workspace, "text.echo", "hello"))["output"] == "echo hello"


def test_both_dialects_of_a_message_say_the_same():
    made = wire.message([{"text": "a"}, {"data": {"b": 1}}, {"raw": "eA==", "filename": "f", "mediaType": "t/x"}], id="m", context="c", task="t")
    told = wire.to_legacy_message(made)
    assert (told["kind"], told["role"]) == ("message", "user")
    back = wire.from_legacy({**told, "role": "user"})["message"]
    assert back["parts"] == made["parts"]
    assert (back["messageId"], back["contextId"], back["taskId"]) == ("m", "c", "t")
    assert wire.value_of([]) is None
    assert card_of("u")["name"] == "scripted"
