"""The wire's details: cards, versions, media types, both addresses, the older dialect, and the SDK's client on both bindings."""

from __future__ import annotations

import asyncio
import base64
import os
import re
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest
from server_site import Gate, Site, make_fleet, message, site, states

os.environ.setdefault("OTEL_INSTRUMENTATION_A2A_SDK_ENABLED", "false")

from a2a.client import ClientConfig, create_client
from a2a.client.card_resolver import parse_agent_card
from a2a.types import a2a_pb2 as pb
from a2a.utils.errors import A2AError, TaskNotFoundError
from a2a.utils.signing import InvalidSignaturesError, create_signature_verifier
from google.protobuf.json_format import MessageToDict, ParseDict
from jwt import PyJWK

from tutti.api.a2a import service
from tutti.api.a2a.usual import usual, usual_rest

V1 = {"a2a-version": "1.0", "x-caller": "crm"}


async def fetch(served: Site, path: str, **headers: str) -> tuple[int, Any, Any]:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    async with served.http.get(served.url + path, headers=named) as answer:
        body = await answer.read()
        return answer.status, answer.headers, orjson.loads(body) if body else None


# --- cards ----------------------------------------------------------------------------------------------------------


async def test_the_fleets_card_and_each_agents(served: Site):
    status, headers, card = await fetch(served, "/.well-known/agent-card.json")
    assert status == 200
    assert card["supportedInterfaces"] == [
        {"url": f"{served.url}/", "protocolBinding": "JSONRPC", "protocolVersion": "1.0"},
        {"url": f"{served.url}/a2a", "protocolBinding": "HTTP+JSON", "protocolVersion": "1.0"},
    ]
    assert {"text.echo", "ticket.triage", "refund.pay"} <= {skill["id"] for skill in card["skills"]}
    assert {name: card["capabilities"][name] for name in ("streaming", "pushNotifications", "extendedAgentCard")} == dict.fromkeys(
        ("streaming", "pushNotifications", "extendedAgentCard"), True
    )
    assert "url" not in card
    assert headers["cache-control"]
    for name, value in (("if_none_match", headers["etag"]), ("if_modified_since", headers["last-modified"])):
        assert (await fetch(served, "/.well-known/agent-card.json", **{name: value}))[0] == 304
    assert (await fetch(served, "/.well-known/agent-card.json", if_none_match='"other"'))[0] == 200
    _, _, own = await fetch(served, "/agents/parrot/.well-known/agent-card.json")
    assert [skill["id"] for skill in own["skills"]] == ["text.echo"]
    assert own["supportedInterfaces"][0]["url"] == f"{served.url}/agents/parrot"
    assert (await fetch(served, "/agents/nobody/.well-known/agent-card.json"))[0] == 404


async def test_a_card_changes_with_the_fleet(served: Site):
    _, before, _ = await fetch(served, "/.well-known/agent-card.json")
    await served.workspace.retire("parrot")
    _, after, card = await fetch(served, "/.well-known/agent-card.json")
    assert after["etag"] != before["etag"]
    assert "text.echo" not in {skill["id"] for skill in card["skills"]}
    assert (await fetch(served, "/agents/parrot/.well-known/agent-card.json"))[0] == 404


async def test_cards_are_signed_with_a_published_key(served: Site):
    _, _, card = await fetch(served, "/.well-known/agent-card.json")
    _, _, keys = await fetch(served, "/.well-known/jwks.json")
    by_id = {key["kid"]: PyJWK.from_dict(key, "EdDSA") for key in keys["keys"]}
    verify = create_signature_verifier(lambda kid, jku: by_id[kid or ""], ["EdDSA"])
    verify(parse_agent_card(card))
    for name in ("name", "version", "description"):
        with pytest.raises(InvalidSignaturesError):
            verify(parse_agent_card({**card, name: "else"}))
    first = orjson.loads(base64.urlsafe_b64decode(card["signatures"][0]["protected"] + "=="))
    assert first["alg"] == "EdDSA"
    assert "jku" not in first


async def test_an_address_that_the_caller_names_is_not_signed(tmp_path: Path):
    async with site(make_fleet(), tmp_path, signed=False) as served:
        _, _, card = await fetch(served, "/.well-known/agent-card.json", host="evil.example")
        assert card["supportedInterfaces"][0]["url"] == "http://evil.example/"
        assert "signatures" not in card


async def test_the_extended_card_has_schemas_of_what_the_caller_may_submit(served: Site):
    card = await served.result("GetExtendedAgentCard")
    described = next(each for each in card["capabilities"]["extensions"] if each["uri"] == "urn:tutti:skill")["params"]["skills"]
    assert described["ticket.triage"]["input_schema"]["required"] == ["text"]
    status, _, same = await fetch(served, "/a2a/extendedAgentCard", x_caller="crm", a2a_version="1.0")
    assert (status, same["skills"]) == (200, card["skills"])
    assert (await fetch(served, "/a2a/extendedAgentCard", a2a_version="1.0"))[0] == 401


# --- the wire -------------------------------------------------------------------------------------------------------


async def post(served: Site, path: str, body: Any, headers: dict[str, str] | None = None, raw: bytes | None = None) -> tuple[int, Any]:
    data = raw if raw is not None else orjson.dumps(body)
    named = {"content-type": "application/json", **(V1 if headers is None else headers)}
    async with served.http.post(served.url + path, data=data, headers=named, allow_redirects=False) as answer:
        return answer.status, orjson.loads(await answer.read())


def call(method: str, params: dict[str, Any], id: Any = 1) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": id, "method": method, "params": params}


@pytest.mark.parametrize("path", ["/", "/a2a", "/a2a/", "/agents/parrot", "/agents/parrot/"])
async def test_both_addresses_answer_without_a_redirect(served: Site, path: str):
    status, told = await post(served, path, call("SendMessage", {"message": message("text.echo", "x")}))
    assert (status, told["result"]["task"]["status"]["state"]) == (200, "TASK_STATE_COMPLETED")


@pytest.mark.parametrize(("version", "code"), [("1.0", None), ("1.0.1", None), ("1.7", -32009), ("2.0", -32009), ("x", -32009), ("", -32009), ("0.3", -32009)])
async def test_the_version_counts_to_its_minor_number(served: Site, version: str, code: int | None):
    headers = {"x-caller": "crm"} | ({"a2a-version": version} if version else {})
    _, told = await post(served, "/", call("ListTasks", {}), headers)
    assert told.get("error", {}).get("code") == code
    status, told = await post(served, "/a2a/message:send", {"message": message("text.echo", "x")}, headers)
    assert status == (200 if code is None else 400)


async def test_a_call_without_its_version_is_told_what_to_send(served: Site):
    for method in ("ListTasks", "SendStreamingMessage"):
        _, told = await post(served, "/", call(method, {}), {"x-caller": "crm"})
        assert told["error"]["message"].endswith("Send the header A2A-Version: 1.0.")
    _, told = await post(served, "/a2a/message:send", {"message": message("text.echo", "x")}, {"x-caller": "crm"})
    assert told["error"]["message"].endswith("Send the header A2A-Version: 1.0.")


async def test_the_version_may_stand_in_the_query(served: Site):
    _, told = await post(served, "/?A2A-Version=1.0", call("ListTasks", {}), {"x-caller": "crm"})
    assert "result" in told


async def test_malformed_calls_have_the_codes_of_json_rpc(served: Site):
    async def code(body: Any = None, raw: bytes | None = None, **headers: str) -> int:
        return int((await post(served, "/", body, V1 | headers, raw))[1]["error"]["code"])

    assert await code(raw=b"{nonsense") == -32700
    assert await code([call("ListTasks", {})]) == -32600
    assert await code({"id": 1, "method": "ListTasks"}) == -32600
    assert await code(call("Nothing", {})) == -32601
    assert await code(call("GetTask", {"id": 7})) == -32602
    assert await code(call("SendMessage", {"message": {"role": "ROLE_USER", "parts": []}})) == -32602
    assert await code(call("ListTasks", {}), **{"content-type": "text/plain"}) == -32005
    assert "result" in (await post(served, "/", call("ListTasks", {}), V1 | {"content-type": "application/a2a+json; charset=utf-8"}))[1]


async def test_errors_carry_their_reason_on_both_bindings(served: Site):
    _, told = await post(served, "/", call("GetTask", {"id": "t-none"}))
    assert told["error"]["data"][0]["@type"] == "type.googleapis.com/google.rpc.ErrorInfo"
    status, _, rest = await fetch(served, "/a2a/tasks/t-none", x_caller="crm", a2a_version="1.0")
    assert (status, rest["error"]["status"], rest["error"]["details"][0]["reason"]) == (404, "NOT_FOUND", "TASK_NOT_FOUND")
    async with served.http.post(f"{served.url}/a2a/message:send", data=b"x=1", headers=V1 | {"content-type": "application/x-www-form-urlencoded"}) as answer:
        assert (await answer.json())["error"]["details"][0]["reason"] == "CONTENT_TYPE_NOT_SUPPORTED"


async def test_a_defect_is_not_told_to_strangers(served: Site, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture):
    async def broken(*_: Any, **__: Any) -> Any:
        raise RuntimeError("password=hunter2")

    monkeypatch.setattr(served.workspace, "submit", broken)
    told = await served.rpc("SendMessage", {"message": message("text.echo", "x")})
    assert told["error"]["code"] == -32603
    assert "hunter2" not in str(told)
    assert "defect" in caplog.text


# --- 0.3 ------------------------------------------------------------------------------------------------------------


def old(text: str, **more: Any) -> dict[str, Any]:
    return {"message": {"kind": "message", "messageId": "o-1", "role": "user", "parts": [{"kind": "text", "text": text}], **more}}


async def test_the_older_dialect_is_spoken_too(served: Site):
    _, _, card = await fetch(served, "/agents/parrot/.well-known/agent.json")
    assert (card["protocolVersion"], card["url"]) == ("0.3.0", f"{served.url}/agents/parrot/")
    headers = {"x-caller": "crm"}
    _, told = await post(served, "/agents/parrot/", call("message/send", old("hi")), headers)
    task = told["result"]
    assert (task["kind"], task["status"]["state"], task["artifacts"][0]["parts"][0]["text"]) == ("task", "completed", "You said: hi")
    _, got = await post(served, "/", call("tasks/get", {"id": task["id"]}, id=None), headers)  # an id of null, as old clients send it
    assert (got["id"], got["result"]["id"]) == (None, task["id"])
    _, absent = await post(served, "/", call("tasks/get", {"id": "t-none"}), headers)
    assert absent["error"]["code"] == -32001
    status, rest = await post(
        served, "/agents/parrot/v1/message:send", {"message": {"messageId": "o-2", "role": "ROLE_USER", "content": [{"text": "ho"}]}}, headers
    )
    assert (status, rest["task"]["artifacts"][0]["parts"][0]["text"]) == (200, "You said: ho")
    async with served.http.post(f"{served.url}/agents/parrot", json=call("message/stream", old("hi")), headers=headers) as answer:
        events = [orjson.loads(line[5:])["result"] async for line in answer.content if line.startswith(b"data:")]
    assert [event["kind"] for event in events] == ["task", "artifact-update", "status-update"]
    assert events[-1]["final"] is True


# --- the SDK's client, both bindings --------------------------------------------------------------------------------


@pytest.mark.parametrize("binding", ["JSONRPC", "HTTP+JSON"])
async def test_the_sdks_client_can_do_all_of_it(served: Site, gate: Gate, binding: str):
    async with httpx.AsyncClient(headers={"x-caller": "crm"}) as http:
        card_of = f"{served.url}"
        config = ClientConfig(streaming=True, httpx_client=http, supported_protocol_bindings=[binding])
        client = await create_client(card_of, config)

        def request(skill: str, value: Any, task: str = "", **configuration: Any) -> pb.SendMessageRequest:
            return ParseDict({"message": message(skill, value, task=task), "configuration": configuration}, pb.SendMessageRequest())

        events = [MessageToDict(event) async for event in client.send_message(request("ticket.triage", {"text": "help!"}))]
        assert states(events) == ["task:working", "artifact", "completed"]
        id = events[0]["task"]["id"]
        got = await client.get_task(pb.GetTaskRequest(id=id))
        assert got.status.state == pb.TASK_STATE_COMPLETED
        assert [task.id for task in (await client.list_tasks(pb.ListTasksRequest())).tasks] == [id]
        asked = [MessageToDict(event) async for event in client.send_message(request("ticket.ask", "x"))]
        assert states(asked)[-1] == "input_required"
        again = [MessageToDict(event) async for event in client.send_message(request("", "42", task=asked[0]["task"]["id"]))]
        assert states(again) == ["task:working", "input_required"]
        canceled = await client.cancel_task(pb.CancelTaskRequest(id=asked[0]["task"]["id"]))
        assert canceled.status.state == pb.TASK_STATE_CANCELED
        slow = [event async for event in (await _blocking(served, http, binding)).send_message(request("slow.work", "x", returnImmediately=True))]
        slow_id = slow[0].task.id
        subscribed = client.subscribe(pb.SubscribeToTaskRequest(id=slow_id))
        assert (await anext(subscribed)).task.id == slow_id
        made = await client.create_task_push_notification_config(pb.TaskPushNotificationConfig(task_id=slow_id, id="w", url=f"{served.url}/none", token="s"))
        assert (made.id, made.token) == ("w", "s")
        fetched = await client.get_task_push_notification_config(pb.GetTaskPushNotificationConfigRequest(task_id=slow_id, id="w"))
        assert fetched == made
        listed = await client.list_task_push_notification_configs(pb.ListTaskPushNotificationConfigsRequest(task_id=slow_id))
        assert list(listed.configs) == [made]
        await client.delete_task_push_notification_config(pb.DeleteTaskPushNotificationConfigRequest(task_id=slow_id, id="w"))
        assert not (await client.list_task_push_notification_configs(pb.ListTaskPushNotificationConfigsRequest(task_id=slow_id))).configs
        gate.opened.set()
        rest = [event async for event in subscribed]
        assert rest[-1].status_update.status.state == pb.TASK_STATE_COMPLETED
        extended = await client.get_extended_agent_card(pb.GetExtendedAgentCardRequest())
        assert extended.name == "support"
        with pytest.raises(TaskNotFoundError):
            await client.get_task(pb.GetTaskRequest(id="t-none"))
        with pytest.raises(A2AError):
            [event async for event in client.subscribe(pb.SubscribeToTaskRequest(id=slow_id))]
        await asyncio.sleep(0)


async def _blocking(served: Site, http: httpx.AsyncClient, binding: str) -> Any:
    return await create_client(served.url, ClientConfig(streaming=False, httpx_client=http, supported_protocol_bindings=[binding]))


def without_ids(value: Any) -> Any:
    """What is the same in two calls that say the same."""
    if isinstance(value, dict):
        return {name: without_ids(item) for name, item in value.items() if name not in ("id", "contextId", "taskId", "messageId", "artifactId", "timestamp")}
    if isinstance(value, list | tuple):
        return [without_ids(item) for item in value]
    return re.sub(r"[tc]-[0-9A-Z]{20,}", "…", value) if isinstance(value, str) else value


USUAL = {
    "text": {"message": message("text.echo", "x")},
    "data": {"message": message("ticket.triage", {"id": "1", "text": "late!", "depth": 1.0})},
    "history": {"message": message("text.echo", "x"), "configuration": {"historyLength": 1, "returnImmediately": False}},
    "metadata": {"message": {**message("text.echo", "x"), "metadata": {}}, "metadata": {"skill": "text.echo", "subject": "account/7", "priority": 2}},
    "no such skill": {"message": message("text.none", "x")},
    "priority of no kind": {"message": message("text.echo", "x", priority=1.5)},
    "input that does not fit": {"message": message("ticket.triage", {"id": 7})},
    "input that fails": {"message": message("ticket.fail", {"id": "1", "text": "x"})},
    "no such task": {"message": message("text.echo", "x", task="t-none")},
    "long id": {"message": {**message("text.echo", "x"), "messageId": "m" * 300}},
}


@pytest.mark.parametrize("params", USUAL.values(), ids=USUAL)
async def test_a_usual_call_is_answered_as_by_way_of_protobuf(served: Site, params: dict[str, Any], monkeypatch: pytest.MonkeyPatch):
    told = await post(served, "/", call("SendMessage", params))
    calls: list[Any] = []
    monkeypatch.setattr(service, "usual", lambda *parts: calls.append(parts))
    assert without_ids(await post(served, "/", call("SendMessage", params))) == without_ids(told)
    assert len(calls) == 1


@pytest.mark.parametrize("change", [
    {"jsonrpc": "2"}, {"method": "GetTask"}, {"id": None}, {"id": True}, {"id": 1.5}, {"more": 1},
    {"params": {"message": message("text.echo", "x"), "tenant": "x"}}, {"params": {"message": {**message("text.echo", "x"), "role": "ROLE_AGENT"}}},
    {"params": {"message": {**message("text.echo", "x"), "parts": [{"text": "x", "data": 1}]}}}, {"params": {"message": {**message("text.echo", "x"), "messageId": 7}}},
    {"params": {"message": {**message("text.echo", "x"), "parts": [{"raw": "eA=="}]}}}, {"params": {"message": {**message("text.echo", "x"), "message_id": "m"}}},
    {"params": {"message": message("text.echo", "x"), "configuration": {"taskPushNotificationConfig": {"url": "http://a/"}}}},
    {"params": {"message": message("text.echo", "x"), "configuration": {"historyLength": -1}}}, {"params": [1]},
])  # fmt: skip
def test_what_is_not_usual_goes_by_way_of_the_sdk(change: dict[str, Any]):
    scope = {"headers": [(b"a2a-version", b"1.0"), (b"content-type", b"application/json")]}
    plain = call("SendMessage", {"message": message("text.echo", "x")})
    assert usual(scope, orjson.dumps(plain), {}) is not None
    assert usual(scope, orjson.dumps({**plain, **change}), {}) is None
    for headers in ([(b"a2a-version", b"1.0")], [*scope["headers"], (b"a2a-version", b"1.0")], [*scope["headers"], (b"a2a-extensions", b"urn:x")]):
        assert usual({"headers": headers}, orjson.dumps(plain), {}) is None


@pytest.mark.parametrize("agent", ["", "parrot"])
@pytest.mark.parametrize("params", USUAL.values(), ids=USUAL)
async def test_a_usual_message_by_http_json_is_answered_as_by_way_of_protobuf(
    served: Site, params: dict[str, Any], agent: str, monkeypatch: pytest.MonkeyPatch
):
    async def answered() -> tuple[int, str, Any]:
        path = f"/agents/{agent}/message:send" if agent else "/a2a/message:send"
        async with served.http.post(served.url + path, data=orjson.dumps(params), headers=V1 | {"content-type": "application/a2a+json"}) as answer:
            return answer.status, answer.headers["content-type"], without_ids(orjson.loads(await answer.read()))

    told = await answered()
    calls: list[Any] = []
    monkeypatch.setattr(service, "usual_rest", lambda *parts: calls.append(parts))
    assert await answered() == told
    assert len(calls) == 1


@pytest.mark.parametrize("who", ["reader", ""])
async def test_who_may_not_send_is_told_so_by_http_json_too(served: Site, who: str, monkeypatch: pytest.MonkeyPatch):
    async def answered() -> tuple[int, Any]:
        headers = {"a2a-version": "1.0", "content-type": "application/json"} | ({"x-caller": who} if who else {})
        async with served.http.post(f"{served.url}/a2a/message:send", data=orjson.dumps(USUAL["text"]), headers=headers) as answer:
            return answer.status, orjson.loads(await answer.read())

    told = await answered()
    assert told[0] == (403 if who else 401)
    monkeypatch.setattr(service, "usual_rest", lambda *parts: None)
    assert await answered() == told


@pytest.mark.parametrize("change", [
    {"tenant": "x"}, {"message": {**message("text.echo", "x"), "role": "ROLE_AGENT"}}, {"message": {**message("text.echo", "x"), "parts": [{"raw": "eA=="}]}},
    {"configuration": {"taskPushNotificationConfig": {"url": "http://a/"}}}, {"configuration": {"historyLength": -1}},
])  # fmt: skip
def test_what_is_not_usual_by_http_json_goes_by_way_of_the_sdk(change: dict[str, Any]):
    scope = {"headers": [(b"a2a-version", b"1.0"), (b"content-type", b"application/a2a+json")], "query_string": b""}
    plain = {"message": message("text.echo", "x")}
    assert usual_rest(scope, orjson.dumps(plain), {}) is not None
    assert usual_rest(scope, orjson.dumps({**plain, **change}), {}) is None
    assert usual_rest(scope, b"[]", {}) is None
    assert usual_rest(scope, b"{", {}) is None
    assert usual_rest({**scope, "query_string": b"A2A-Version=0.3"}, orjson.dumps(plain), {}) is None
    for headers in (scope["headers"][:1], [*scope["headers"], (b"a2a-version", b"1.0")], [*scope["headers"], (b"a2a-extensions", b"urn:x")]):
        assert usual_rest({**scope, "headers": headers}, orjson.dumps(plain), {}) is None
