"""Agents over plain HTTP: OpenAPI operations and webhooks; answers in the response, by polling, by signed callback."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import orjson
import pytest
from aiohttp import web
from httpx import ASGITransport, AsyncClient

from tutti import Fleet, Settings, Workspace
from tutti.api.app import build
from tutti.errors import Invalid, NotFound, Unauthenticated
from tutti.transports import http
from tutti.transports.openapi import operations

SECRET = "hook-secret"
PUBLIC = "http://tutti.example"


def document(base: str) -> dict[str, Any]:
    order = {"type": "object", "required": ["product"], "properties": {"product": {"type": "string"}, "note": {"type": "string", "nullable": True}}}
    return {
        "openapi": "3.0.3",
        "info": {"title": "shop", "version": "1"},
        "servers": [{"url": base}],
        "components": {"schemas": {"Order": order, "Tree": {"type": "object", "properties": {"child": {"$ref": "#/components/schemas/Tree"}}}}},
        "paths": {
            "/orders/{id}": {
                "parameters": [{"name": "id", "in": "path", "required": True, "schema": {"type": "string"}}],
                "get": {
                    "operationId": "getOrder",
                    "parameters": [{"name": "part", "in": "query", "schema": {"type": "string"}}],
                    "responses": {"200": {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/Order"}}}}},
                },
                "put": {
                    "operationId": "putOrder",
                    "requestBody": {"required": True, "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Order"}}}},
                    "responses": {"200": {"description": "done"}},
                },
            },
            "/jobs": {
                "post": {
                    "operationId": "startJob",
                    "requestBody": {"content": {"application/json": {"schema": {"type": "object"}}}},
                    "responses": {"202": {"description": "later"}},
                }
            },
        },
    }


class Vendor:
    """A vendor's service: keeps what it was asked, and answers as the test says."""

    def __init__(self) -> None:
        self.requests: list[tuple[str, str, dict[str, str], bytes]] = []
        self.answers: list[Any] = []
        self.url = ""

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        self.requests.append((request.method, request.raw_path, dict(request.headers), body))
        if request.path == "/openapi.json":
            return web.json_response(document(self.url))
        answer = self.answers.pop(0) if self.answers else {"product": "x"}
        return answer if isinstance(answer, web.StreamResponse) else web.json_response(answer)

    @asynccontextmanager
    async def up(self) -> AsyncIterator[str]:
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self._handle)
        runner = web.AppRunner(app, shutdown_timeout=0.1)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        assert site._server is not None
        self.url = f"http://127.0.0.1:{site._server.sockets[0].getsockname()[1]}"  # type: ignore[attr-defined]
        try:
            yield self.url
        finally:
            await runner.cleanup()


@asynccontextmanager
async def running(fleet: Fleet, folder: Any, *acts: str) -> AsyncIterator[Workspace]:
    for act in acts:
        fleet.autonomy(act, level="act")
    async with Workspace(fleet, Settings("outer", folder, egress=("127.0.0.1",))) as workspace:
        yield workspace


async def done(workspace: Workspace, skill: str, input: Any) -> dict[str, Any]:
    id = await workspace.submit(skill, input)
    await workspace.quiet()
    return await workspace.task(id)


async def until(check: Any) -> None:
    async with asyncio.timeout(30):
        while not check():
            await asyncio.sleep(0.005)


@pytest.mark.parametrize("how", ["document", "file", "url"])
async def test_operations_become_skills_with_their_schemas(tmp_path, monkeypatch, how):
    monkeypatch.setenv("TUTTI_SECRET_CRM", "s3cret")
    vendor = Vendor()
    async with vendor.up() as url:
        (tmp_path / "crm.json").write_bytes(orjson.dumps(document(url)))
        source: Any = {"document": document(url), "file": tmp_path / "crm.json", "url": f"{url}/openapi.json"}[how]
        fleet = Fleet("outer")
        fleet.http_agent("crm", openapi=source, department="sales", operations=["getOrder", "putOrder"], auth="Bearer secret://crm")
        async with running(fleet, tmp_path / "w", "crm.putOrder") as workspace:
            assert {(agent["skill"], agent["nature"]) for agent in await workspace.agents()} == {("crm.getOrder", "advice"), ("crm.putOrder", "action")}
            read = await done(workspace, "crm.getOrder", {"id": "a/b ?", "part": "x y"})
            assert read["output"] == {"product": "x"}
            method, path, headers, body = vendor.requests[-1]
            assert (method, path, body) == ("GET", "/orders/a%2Fb%20%3F?part=x+y", b"")
            assert (headers["Idempotency-Key"], headers["Authorization"]) == (read["id"], "Bearer s3cret")
            assert headers["Accept-Encoding"] == "identity"  # packed answers are refused, so none is asked for
            vendor.answers = [web.Response(text="stored")]
            put = await done(workspace, "crm.putOrder", {"id": "7", "body": {"product": "y", "note": None}})
            assert (put["output"], orjson.loads(vendor.requests[-1][3])) == ("stored", {"product": "y", "note": None})
            with pytest.raises(Invalid, match="product"):
                await workspace.submit("crm.putOrder", {"id": "7", "body": {}})
            assert "s3cret" not in str(await workspace.facts(limit=1000))


async def test_an_address_cannot_be_left_by_a_parameter(tmp_path):
    vendor = Vendor()
    async with vendor.up() as url:
        fleet = Fleet("outer")
        fleet.http_agent("crm", openapi=document(url), department="sales", operations=["getOrder"])
        async with running(fleet, tmp_path) as workspace:
            for id in ("..", ".", ""):
                assert (await done(workspace, "crm.getOrder", {"id": id}))["state"] == "failed"
            assert vendor.requests == []


async def test_what_an_answer_says_about_whether_it_happened(tmp_path):
    vendor = Vendor()
    async with vendor.up() as url:
        fleet = Fleet("outer")
        fleet.http_agent("crm", openapi=document(url), department="sales", operations=["putOrder"])
        async with running(fleet, tmp_path, "crm.putOrder") as workspace:
            order = {"id": "7", "body": {"product": "y"}}
            vendor.answers = [web.Response(status=422, text="no such product")]
            refused = await done(workspace, "crm.putOrder", order)
            assert (refused["state"], "no such product" in refused["detail"]) == ("failed", True)
            vendor.answers = [web.Response(status=500)]
            assert (await done(workspace, "crm.putOrder", order))["stage"] == "parked"
            assert len(vendor.requests) == 2


@pytest.mark.parametrize(
    ("first", "ways"),
    [
        (lambda: web.Response(status=202, headers={"Location": "/jobs/1"}), ["/jobs/1", "/jobs/1"]),
        (lambda: web.json_response({"status": "queued", "status_url": "/jobs/2"}, status=202), ["/jobs/2", "/jobs/2"]),
    ],
)
async def test_answers_by_polling(tmp_path, first, ways):
    vendor = Vendor()
    async with vendor.up() as url:
        fleet = Fleet("outer")
        fleet.http_agent("jobs", webhook=f"{url}/start", skill="job.run", department="sales", reply="polling", action=False)
        async with running(fleet, tmp_path) as workspace:
            vendor.answers = [first(), {"status": "running"}, {"status": "done", "result": {"n": 3}}]
            assert (await done(workspace, "job.run", {"x": 1}))["output"] == {"n": 3}
            assert [path for _, path, _, _ in vendor.requests] == ["/start", *ways]
            vendor.answers = [web.Response(status=202, headers={"Location": "http://127.0.0.1:1/elsewhere"})]
            assert "another host" in (await done(workspace, "job.run", {"x": 1}))["detail"]
            vendor.answers = [web.Response(status=202, headers={"Location": "/jobs/3"}), {"status": "failed", "why": "broken"}]
            failed = await done(workspace, "job.run", {"x": 1})
            assert (failed["state"], "broken" in failed["detail"]) == ("failed", True)


# --- callbacks ------------------------------------------------------------------------------------------------------


def hooked(url: str, **more: Any) -> Fleet:
    fleet = Fleet("outer")
    fleet.http_agent("hook", webhook=f"{url}/start", skill="job.run", department="sales", reply="callback", secret="secret://hook", **{"action": False, **more})
    return fleet


@asynccontextmanager
async def door(workspace: Workspace) -> AsyncIterator[AsyncClient]:
    workspace.outside.base_url = PUBLIC
    async with AsyncClient(transport=ASGITransport(build(workspace)), base_url=PUBLIC) as client:
        yield client


async def bring(client: AsyncClient, workspace: Workspace, url: str, answer: Any, *, secret: str = SECRET, off_s: int = 0) -> int:
    body = orjson.dumps(answer)
    at = workspace.clock.now() // 1_000_000 + off_s
    sent = await client.post(url, content=body, headers={"Tutti-Signature": http.signature(body, secret, at), "Content-Type": "application/json"})
    return sent.status_code


async def test_a_signed_callback_brings_the_answer_once(tmp_path, monkeypatch):
    monkeypatch.setenv("TUTTI_SECRET_HOOK", SECRET)
    vendor = Vendor()
    async with vendor.up() as url, running(hooked(url), tmp_path) as workspace, door(workspace) as client:
        vendor.answers = [web.Response(status=202)] * 2
        id = await workspace.submit("job.run", {"x": 1})
        await until(lambda: vendor.requests)
        where = vendor.requests[0][2]["Tutti-Callback"]
        assert where.startswith(f"{PUBLIC}/v1/callbacks/http/{id}/")
        assert await bring(client, workspace, where, {"output": 1}, secret="wrong") == 401
        assert await bring(client, workspace, where, {"output": 1}, off_s=-400) == 401
        assert (await client.post(where, json={"output": 1})).status_code == 401
        assert await bring(client, workspace, where[:-1] + ("0" if where[-1] != "0" else "1"), {"output": 1}) == 404
        assert await bring(client, workspace, where.replace(id, "t-0"), {"output": 1}) == 404
        assert (await workspace.task(id))["state"] == "working"
        results = await asyncio.gather(*(bring(client, workspace, where, {"output": n}) for n in range(5)))
        assert sorted(results)[0] == 204
        assert results.count(204) == 1, results
        assert await workspace.result(id) == results.index(204)
        assert await bring(client, workspace, where, {"output": 9}) == 404, "its task is over"


@pytest.mark.parametrize(
    ("answer", "action", "stage"),
    [({"error": "none left", "nothing": True}, True, "ended"), ({"error": "half way"}, True, "parked"), ({"neither": 1}, True, "parked")],
)
async def test_a_callback_may_say_that_it_failed_and_how_surely(tmp_path, monkeypatch, answer, action, stage):
    monkeypatch.setenv("TUTTI_SECRET_HOOK", SECRET)
    vendor = Vendor()
    async with vendor.up() as url, running(hooked(url, action=action), tmp_path, "job.run") as workspace, door(workspace) as client:
        id = await workspace.submit("job.run", {"x": 1})
        await until(lambda: vendor.requests)
        assert await bring(client, workspace, vendor.requests[0][2]["Tutti-Callback"], answer) == 204
        await workspace.quiet()
        assert (await workspace.task(id))["stage"] == stage


async def test_a_callback_outlives_a_restart_and_nothing_is_sent_twice(tmp_path, monkeypatch):
    monkeypatch.setenv("TUTTI_SECRET_HOOK", SECRET)
    vendor = Vendor()
    async with vendor.up() as url:
        async with running(hooked(url), tmp_path) as workspace, door(workspace):
            id = await workspace.submit("job.run", {"x": 1})
            await until(lambda: vendor.requests)
            object.__setattr__(workspace.settings, "grace", timedelta(0))
        where = vendor.requests[0][2]["Tutti-Callback"]
        fleet = hooked(url)
        async with Workspace(fleet, Settings("outer", tmp_path, egress=("127.0.0.1",)), run=False) as workspace, door(workspace) as client:
            assert await bring(client, workspace, where, {"output": "kept"}) == 204, "no agent runs here yet, and it is durable all the same"
        async with running(hooked(url), tmp_path) as workspace, door(workspace) as client:
            assert await workspace.result(id) == "kept"
        assert len(vendor.requests) == 1


# --- declarations ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("more", "complaint"),
    [
        ({}, "either openapi= or webhook="),
        ({"webhook": "http://x/y"}, "one skill"),
        ({"webhook": "http://x/y", "skill": "a.b", "reply": "callback"}, "signed with a secret"),
        ({"webhook": "http://x/y", "skill": "a.b", "auth": "Bearer abc"}, "into the record"),
        ({"webhook": "ftp://x/y", "skill": "a.b"}, "no address"),
        ({"openapi": {"swagger": "2.0"}}, "no OpenAPI 3"),
        ({"openapi": {"openapi": "3.1.0", "paths": {}}}, "where the API is"),
        ({"openapi": document("http://x"), "operations": ["none"]}, "no operation none"),
    ],
)
def test_declarations_that_cannot_work_are_refused_at_their_line(more, complaint):
    with pytest.raises(Invalid, match=complaint):
        Fleet("outer").http_agent("crm", department="sales", **more)
    with pytest.raises(NotFound):
        Fleet("outer").http_agent("crm", department="sales", openapi="no/such.json")


def test_schemas_that_speak_of_themselves_and_of_others():
    described = document("http://x")
    described["paths"] = {
        "/t": {"post": {"requestBody": {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/Tree"}}}}, "responses": {}}}
    }
    [(id, operation)] = operations(described).items()
    assert (id, operation["input_schema"]["$ref"]) == ("post-t", "#/$defs/Tree")
    described["paths"]["/t"]["post"]["requestBody"] = {"$ref": "http://elsewhere/x"}
    with pytest.raises(Invalid, match="not in it"):
        operations(described)


def test_a_signature_is_over_time_and_body():
    made = http.signature(b"{}", "s", 1000)
    http.check_signature(made, b"{}", "s", 1000_000_000)
    for header, body in ((made, b"{} "), (made.replace("t=1000", "t=1001"), b"{}"), ("", b"{}"), ("t=,v1=", b"{}"), ("t=x", b"{}")):
        with pytest.raises(Unauthenticated):
            http.check_signature(header, body, "s", 1000_000_000)
