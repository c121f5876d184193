"""The service's wire: one effect for a key, who is let in, what is refused, streams, lists, cancels, and a gentle stop."""

from __future__ import annotations

import asyncio
import io
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import aiohttp
import orjson
import pytest
from service_site import Shop, serving

HEADERS = {"A2A-Version": "1.0", "Content-Type": "application/json"}


class Client:
    """Raw requests to one service."""

    def __init__(self, session: aiohttp.ClientSession, url: str) -> None:
        self.session = session
        self.url = url

    async def raw(self, method: str, path: str, body: bytes | None = None, **headers: str) -> tuple[int, Any]:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        async with self.session.request(method, self.url + path, data=None if body is None else io.BytesIO(body), headers=HEADERS | named) as response:
            text = await response.read()
            return response.status, orjson.loads(text) if text else None

    async def rpc(self, method: str, params: Any, **headers: str) -> Any:
        _, told = await self.raw("POST", "/", orjson.dumps({"jsonrpc": "2.0", "id": 7, "method": method, "params": params}), **headers)
        assert told["id"] == 7
        return told.get("result", told.get("error"))

    async def send(self, skill: str, value: Any, *, id: str = "m", now: bool = False, **headers: str) -> Any:
        message = {"messageId": id, "role": "ROLE_USER", "parts": [{"data": value}], "metadata": {"skill": skill}}
        return await self.rpc("SendMessage", {"message": message, "configuration": {"returnImmediately": now}}, **headers)


@asynccontextmanager
async def client_of(shop: Shop, folder: Any, **place: Any) -> AsyncIterator[Client]:
    async with serving(shop.fleet(idempotent=place.pop("idempotent", True)), folder, **place) as url, aiohttp.ClientSession() as session:
        yield Client(session, url)


async def test_one_key_has_one_effect_however_often_and_how_at_once(tmp_path):
    shop = Shop()
    async with client_of(shop, tmp_path) as client:
        answers = await asyncio.gather(*(client.send("price.change", {"product": "x"}, id=f"m{n}", idempotency_key="k1") for n in range(20)))
        assert len({answer["task"]["id"] for answer in answers}) == 1
        assert shop.effects == ["k1"]
        assert (await client.send("price.change", {"product": "y"}, idempotency_key="k1"))["code"] == -32602, "another message under the same key"
        await client.send("price.change", {"product": "x"}, idempotency_key="k2")
        assert shop.effects == ["k1", "k2"]
        await client.send("price.change", {"product": "x"}, id="same")
        await client.send("price.change", {"product": "x"}, id="same")
        assert len(shop.effects) == 4, "the id of a message is no key"


async def test_what_failed_without_an_effect_may_be_done_again_under_its_key_and_what_may_have_happened_is_not(tmp_path):
    shop = Shop()
    async with client_of(shop, tmp_path, idempotent=False) as client:
        for _ in range(2):
            told = await client.send("price.change", {"product": "broken"}, idempotency_key="k")
            assert told["task"]["status"]["state"] == "TASK_STATE_FAILED"
            assert told["task"]["metadata"]["urn:tutti:outcome"]["nothing"] is False
        assert shop.effects == ["k"]
        first = await client.send("case.fail", {"product": "sure"}, idempotency_key="k")
        again = await client.send("case.fail", {"product": "sure"}, idempotency_key="k")
        assert first["task"]["id"] != again["task"]["id"]
        assert first["task"]["metadata"]["urn:tutti:outcome"]["nothing"] is True


async def test_only_those_with_the_token_are_let_in(tmp_path):
    async with client_of(Shop(), tmp_path, token="t0ken") as client:
        for authorization in ("", "Bearer wrong", "t0ken", "Basic t0ken"):
            headers = {"authorization": authorization} if authorization else {}
            assert (await client.raw("POST", "/", b"{}", **headers))[0] == 401
            assert (await client.raw("GET", "/tasks", **headers))[0] == 401
        assert "task" in await client.send("price.quote", {"product": "x"}, authorization="Bearer t0ken")
        assert (await client.raw("GET", "/health"))[0] == 200
        card = (await client.raw("GET", "/.well-known/agent-card.json"))[1]
        assert card["securitySchemes"]["bearer"]["httpAuthSecurityScheme"]["scheme"] == "Bearer"


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"{", -32700),
        (b"[]", -32600),
        (b'{"jsonrpc":"1.0","id":7,"method":"GetTask"}', -32600),
        (b'{"jsonrpc":"2.0","id":{},"method":"GetTask"}', -32600),
        (b'{"jsonrpc":"2.0","id":7,"method":"Dance"}', -32601),
        (b'{"jsonrpc":"2.0","id":7,"method":"GetTask","params":[1]}', -32602),
        (b'{"jsonrpc":"2.0","id":7,"method":"GetTask","params":{"id":{"a":1}}}', -32001),
        (b'{"jsonrpc":"2.0","id":7,"method":"SendMessage","params":{"message":{"messageId":"m","parts":[{}]}}}', -32602),
        (b'{"jsonrpc":"2.0","id":7,"method":"SendMessage","params":{"message":{"messageId":"m","parts":[{"text":"x"}]}}}', -32602),
        (b'{"jsonrpc":"2.0","id":7,"method":"CreateTaskPushNotificationConfig","params":{}}', -32003),
        (b"[" * 5000 + b"]" * 5000, -32700),
        (b'{"a":' * 100 + b"1" + b"}" * 100, -32600),
        (b" " * 1_100_000, -32600),
    ],
)
async def test_what_is_no_request_is_said_and_does_nothing(tmp_path, body, code):
    async with client_of(Shop(), tmp_path) as client:
        status, told = await client.raw("POST", "/", body)
        assert (told["error"]["code"] if "jsonrpc" in told else status) in (code, 400), told
        assert (await client.rpc("ListTasks", {}))["totalSize"] == 0


async def test_versions_media_types_and_codings(tmp_path):
    async with client_of(Shop(), tmp_path) as client:
        assert (await client.raw("POST", "/", b"{}", A2A_Version="2.0"))[1]["error"]["code"] == -32009
        assert (await client.raw("POST", "/", b"{}", Content_Type="text/plain"))[1]["error"]["code"] == -32005
        assert (await client.raw("POST", "/message:send", b"{}", Content_Encoding="gzip"))[0] == 415
        assert (await client.raw("GET", "/nothing"))[0] == 404


async def test_streams_lists_and_cancels_on_http_json(tmp_path):
    shop = Shop()
    async with client_of(shop, tmp_path) as client:
        slow = (await client.send("work.slow", {"product": "x"}, now=True))["task"]["id"]
        await shop.started.wait()
        async with client.session.post(f"{client.url}/tasks/{slow}:subscribe", data=b"{}", headers=HEADERS) as response:
            first = await response.content.readline()
            assert orjson.loads(first.removeprefix(b"data: "))["task"]["status"]["state"] == "TASK_STATE_WORKING"
            status, canceled = await client.raw("POST", f"/tasks/{slow}:cancel", b"{}")
            assert (status, canceled["status"]["state"]) == (200, "TASK_STATE_CANCELED")
            rest = (await response.read()).decode()
            assert "TASK_STATE_CANCELED" in rest
        assert (await client.raw("POST", f"/tasks/{slow}:cancel", b"{}"))[1]["error"]["details"][0]["reason"] == "TASK_NOT_CANCELABLE"
        await client.send("price.quote", {"product": "x"})
        listed = (await client.raw("GET", "/tasks?pageSize=1"))[1]
        assert (len(listed["tasks"]), listed["nextPageToken"], listed["totalSize"], "artifacts" in listed["tasks"][0]) == (1, "1", 2, False)
        assert (await client.raw("GET", f"/tasks/{listed['tasks'][0]['id']}"))[1]["artifacts"][0]["parts"][0]["data"]["price"] == 5


async def test_when_it_is_full_or_stopping_new_work_is_turned_away_and_what_runs_is_finished(tmp_path):
    shop = Shop()
    stop = AsyncExitStack()
    url = await stop.enter_async_context(serving(shop.fleet(), tmp_path, open_tasks=1))
    async with stop, aiohttp.ClientSession() as session:
        client = Client(session, url)
        running = asyncio.create_task(client.send("work.slow", {"product": "x"}))
        await shop.started.wait()
        status, told = await client.raw("POST", "/message:send", _message("price.quote"))
        assert (status, told["error"]["details"][0]["metadata"]) == (503, {"nothing": "true", "retry": "true"})
        leaving = asyncio.create_task(stop.aclose())
        async with asyncio.timeout(30):
            while (await client.raw("GET", "/health"))[1]["status"] != "draining":
                await asyncio.sleep(0.005)
        assert (await client.raw("POST", "/message:send", _message("price.quote")))[0] == 503
        shop.hold.set()
        assert (await running)["task"]["status"]["state"] == "TASK_STATE_COMPLETED"
        await leaving


def _message(skill: str) -> bytes:
    return orjson.dumps({"message": {"messageId": "m", "role": "ROLE_USER", "parts": [{"data": {"product": "x"}}], "metadata": {"skill": skill}}})
