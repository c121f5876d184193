"""Agents over plain HTTP are taken in over the API: by an OpenAPI document, its address, or as a webhook. What cannot work is told at once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from aiohttp import ClientSession, web
from api_site import Served, as_caller, make_fleet, serving

from tutti import AsyncClient, Settings, Workspace
from tutti.errors import Invalid, Refused
from tutti.model.caller import Caller
from tutti.transports.http import signature

DOCUMENT = {
    "openapi": "3.1.0",
    "paths": {
        "/accounts/{id}": {
            "get": {
                "operationId": "getAccount", "summary": "One account",
                "parameters": [{"name": "id", "in": "path", "required": True, "schema": {"type": "string"}}],
                "responses": {"200": {"content": {"application/json": {"schema": {"type": "object"}}}}},
            },
            "delete": {
                "operationId": "closeAccount",
                "parameters": [{"name": "id", "in": "path", "required": True, "schema": {"type": "string"}}],
                "responses": {"204": {"description": "closed"}},
            },
        }
    },
}  # fmt: skip


class Vendor:
    """A service outside: an API that describes itself, and a webhook that answers in three ways."""

    def __init__(self) -> None:
        self.url = ""
        self.servers: list[dict[str, str]] | None = None
        self.asked: list[tuple[str, str, Any]] = []
        self.headers: dict[str, str] = {}

    async def answer(self, request: web.Request) -> web.StreamResponse:
        self.headers = dict(request.headers)
        if request.path == "/openapi.json":
            return web.json_response(DOCUMENT if self.servers is None else {**DOCUMENT, "servers": self.servers})
        said = await request.json() if request.can_read_body else None
        self.asked.append((request.method, request.path, said))
        if request.path == "/polling":
            return web.json_response({"status": "queued", "status_url": "/jobs/1"}, status=202)
        if request.path == "/callback":
            return web.Response(status=202)
        return web.json_response({"seen": request.path})


@pytest.fixture
async def vendor() -> AsyncIterator[Vendor]:
    made = Vendor()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", made.answer)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    made.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield made
    await runner.cleanup()


@pytest.fixture
async def served(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Served]:
    monkeypatch.setenv("TUTTI_SECRET_HOOK", "hook-secret")
    monkeypatch.setenv("TUTTI_SECRET_CRM", "crm-secret")
    settings = Settings("support", tmp_path / "tutti", listen="127.0.0.1:0", egress=("127.0.0.1",), grace=timedelta(0))
    async with serving(make_fleet(), settings) as found:
        yield found


@pytest.fixture
async def client(served: Served) -> AsyncIterator[AsyncClient]:
    async with AsyncClient(served.url, served.headers["authorization"].removeprefix("Bearer ")) as made:
        yield made


async def done(served: Served, client: AsyncClient, skill: str, input: Any) -> Any:
    id = (await client.submit(skill, input))["task"]
    async with asyncio.timeout(30):
        task = (await client.wait(id))["task"]
    assert task["state"] == "completed", task
    return task["output"]


@pytest.mark.parametrize("how", ["address", "document"])
async def test_an_openapi_document_or_its_address(served: Served, client: AsyncClient, vendor: Vendor, how: str) -> None:
    options: dict[str, Any] = {
        "only": ["getAccount"],
        "auth": "Bearer secret://crm",
        "skills": {"getAccount": {"as_": "account.read", "latency_ms": 20, "quality": 0.9}},
    }
    if how == "document":
        url, options = "", {**options, "document": DOCUMENT, "base_url": vendor.url}
    else:
        url = f"{vendor.url}/openapi.json"  # without `servers`, the API is where its document is
    made = await client.register("http", url, department="sales", name="crm", options=options)
    assert (made["skills"], made["new"]) == (["account.read"], True)
    assert await done(served, client, "account.read", {"id": "a/7"}) == {"seen": "/accounts/a/7"}
    assert vendor.headers["Authorization"] == "Bearer crm-secret"
    assert "crm-secret" not in str(await client.facts(limit=1000)) + str(await client.card("crm"))
    assert (await client.upgrade("crm"))["new"] is False
    again = await client.register("http", url, department="sales", name="crm", options={**options, "only": []} | {"skills": {}})
    assert (again["skills"], again["new"]) == (["crm.closeAccount", "crm.getAccount"], True)


async def test_a_webhook_answers_in_three_ways(served: Served, client: AsyncClient, vendor: Vendor) -> None:
    schema = {"type": "object", "properties": {"page": {"type": "integer"}}, "required": ["page"]}
    for reply in ("response", "polling", "callback"):
        options = {"skill": f"scan.{reply}", "reply": reply, "action": False, "input_schema": schema} | (
            {"secret": "secret://hook"} if reply == "callback" else {}
        )
        await client.register("http", f"{vendor.url}/{reply}", department="finance", name=f"scan-{reply}", options=options)
    assert await done(served, client, "scan.response", {"page": 1}) == {"seen": "/response"}
    assert await done(served, client, "scan.polling", {"page": 2}) == {"seen": "/jobs/1"}
    id = (await client.submit("scan.callback", {"page": 3}))["task"]
    async with asyncio.timeout(30):
        while ("POST", "/callback", {"page": 3}) not in vendor.asked:
            await asyncio.sleep(0.01)
    where, body = vendor.headers["Tutti-Callback"], b'{"output": "read"}'
    async with ClientSession() as session:
        for secret, status in (("wrong", 401), ("hook-secret", 204)):
            signed = signature(body, secret, served.workspace.clock.now() // 1_000_000)
            async with session.post(where, data=body, headers={"Tutti-Signature": signed}) as answer:
                assert answer.status == status
    assert (await client.wait(id))["task"]["output"] == "read"
    with pytest.raises(Invalid, match="page"):
        await client.submit("scan.response", {"page": "one"})


@pytest.mark.parametrize(
    ("form", "says"),
    [
        ({"transport": "a2a", "options": {"auth": "Bearer abc"}}, "secret into the record"),
        ({"transport": "mcp", "options": {"only": ["x"]}}, "for HTTP"),
        ({"transport": "mcp", "options": {"skill": "x"}}, "for HTTP"),
        ({"transport": "a2a", "url": ""}, "no address"),
        ({"transport": "http", "name": ""}, "needs a name"),
        ({"transport": "http", "url": "/etc/passwd"}, "no address"),
        ({"transport": "http", "url": "file:///etc/passwd"}, "no address"),
        ({"transport": "http", "options": {"document": {"openapi": "3.1.0"}}}, "has 0 operations"),
        ({"transport": "http", "url": "", "options": {"document": {"openapi": "3.1.0"}}}, "where the API is"),
        ({"transport": "http", "options": {"document": {"openapi": "3.1.0", "paths": 7}}}, "broken"),
        ({"transport": "http", "options": {"document": {"openapi": "3.1.0", "paths": {"x": {"get": {}}}}}}, "begin with a slash"),
        ({"transport": "http", "options": {"document": {"openapi": "3.1.0", "paths": {"/x": {"get": {"parameters": 3}}}}}}, "broken"),
        ({"transport": "http", "options": {"document": {"openapi": "3.1.0", "paths": {"/x": {"get": {"responses": [1]}}}}}}, "broken"),
        (
            {"transport": "http", "options": {"document": {"openapi": "3.1.0", "paths": {"/x": {"get": {"parameters": [{"$ref": "file:///etc/passwd"}]}}}}}},
            "not in it",
        ),
        ({"transport": "http", "options": {"document": {}, "skill": "a.b"}}, "not for webhooks"),
        ({"transport": "http", "options": {"reply": "callback"}}, "for webhooks"),
        ({"transport": "http", "options": {"skill": "a.b", "reply": "callback"}}, "signed with a secret"),
        ({"transport": "http", "options": {"skill": "a.b", "reply": "callback", "secret": "abc"}}, "into the record"),
        ({"transport": "http", "options": {"skill": "a.b", "reply": "mail"}}, "reply"),
        ({"transport": "http", "options": {"skill": "a b"}}, "skill"),
        ({"transport": "http", "options": {"skill": "a.b", "auth": "Basic abc"}}, "secret into the record"),
        ({"transport": "http", "options": {"skill": "a.b", "input_schema": {"type": 7}}}, "not one"),
        ({"transport": "http", "options": {"skill": "a.b", "output_schema": {"$ref": "http://x/"}}}, "outside of itself"),
        ({"transport": "http", "options": {"skill": "a.b", "skills": {"a.b": {"nature": "x"}}}}, "nature"),
        ({"transport": "http", "options": {"skill": "a.b", "skills": {"a.b": {"timeout_ms": "soon"}}}}, "timeout_ms"),
        ({"transport": "http", "options": {"skill": "a.b", "skills": {"a.b": {"when": "1 +"}}}}, "is not CEL"),
        ({"transport": "http", "options": {"skill": "a.b", "skills": {"a.b": {"input_schema": {"type": 7}}}}}, "not one"),
        ({"transport": "http", "options": {"skill": "a.b", "skills": {"other": {}}}}, "has no skill other"),
        ({"transport": "a2a", "options": {"operations": {}}}, "operations"),
    ],
)
async def test_an_agent_that_cannot_be_called_is_told(workspace: Workspace, form: dict[str, object], says: str) -> None:
    whole = {"url": "http://agents.example/x", "department": "support", "name": "crm", **form}
    answer = await as_caller(workspace).post("/v1/agents", json=whole)
    assert (answer.status_code, says in answer.json()["detail"]) == (400, True), answer.text
    assert "root:" not in answer.text


async def test_a_document_sends_no_secret_elsewhere(served: Served, client: AsyncClient, vendor: Vendor) -> None:
    vendor.servers = [{"url": "http://other.example"}]
    form: dict[str, Any] = {"department": "sales", "name": "crm", "options": {"auth": "Bearer secret://crm"}}
    with pytest.raises(Refused, match="another host"):
        await client.register("http", f"{vendor.url}/openapi.json", **form)
    form["options"]["base_url"] = vendor.url
    assert (await client.register("http", f"{vendor.url}/openapi.json", **form))["new"]
    for servers in ([{"url": "ftp://x"}], "x", [{"url": "http://169.254.169.254"}]):
        vendor.servers = servers  # type: ignore[assignment]
        with pytest.raises((Invalid, Refused)):
            await client.register("http", f"{vendor.url}/openapi.json", department="sales", name="crm2")


@pytest.mark.parametrize(
    "options",
    [{"skill": "a.b", "auth": "Bearer secret://bank"}, {"skill": "a.b", "reply": "callback", "secret": "secret://bank"}],
)
async def test_only_the_owner_names_secrets(workspace: Workspace, options: dict[str, str]) -> None:
    form = {"transport": "http", "url": "http://agents.example/x", "department": "support", "name": "crm", "options": options}
    refused: httpx.Response = await as_caller(workspace, Caller("person/otto", ("operator",))).post("/v1/agents", json=form)
    assert (refused.status_code, "secret" in refused.json()["detail"]) == (403, True)


async def test_a_question_with_words_that_cannot_be_filled_is_asked_all_the_same(workspace: Workspace) -> None:
    for number, says in enumerate(("Pay {amount.none}", "Pay {amount:>99999999999}", "Pay {amount:{amount}}", "Pay {amount[0]}")):
        skill = f"pay.{number}"
        form = {
            "transport": "http",
            "url": "http://agents.example/x",
            "department": "finance",
            "name": f"bank-{number}",
            "options": {"skill": skill, "skills": {skill: {"says": says}}},
        }
        assert (await as_caller(workspace).post("/v1/agents", json=form)).status_code == 201
        id = await workspace.submit(skill, {"amount": 5})
        await workspace.quiet()
        assert (await workspace.approval(id))["question"] == f"Do {skill}."
