"""What each caller may see and do over HTTP: departments, their own, and nothing that looks different from what is not there."""

from __future__ import annotations

import httpx
import pytest
from api_site import as_caller

from tutti import Workspace
from tutti.model.caller import OWNER, Caller

VIEWER = Caller("person/vera", ("viewer",), ("support",))
SENDER = Caller("service/crm", ("sender",))
OPERATOR = Caller("person/otto", ("operator",))
NOBODY = Caller("person/nobody")


@pytest.fixture
async def tasks(workspace: Workspace) -> dict[str, str]:
    made = {
        "support": await workspace.submit("ticket.triage", {"text": "hello"}),
        "finance": await workspace.submit("refund.pay", {"amount": 500}),
        "own": await workspace.submit("ticket.ask", {"text": "?"}, by=SENDER.id),
        "asked": await workspace.submit("refund.pay", {"amount": 700}, by=OPERATOR.id),
        "laundered": await workspace.submit("ticket.resolve", {"text": "mine", "refund": 900}, by=OPERATOR.id),
    }
    await workspace.quiet()
    return made


async def ids(client: httpx.AsyncClient, query: str = "") -> set[str]:
    answer = await client.get(f"/v1/tasks{query}")
    assert answer.status_code == 200, answer.text
    return {task["id"] for task in answer.json()["tasks"]}


async def test_a_viewer_sees_their_department(workspace: Workspace, tasks: dict[str, str]) -> None:
    vera = as_caller(workspace, VIEWER)
    assert await ids(vera) == {tasks["support"], tasks["own"], tasks["laundered"]}
    assert (await vera.get(f"/v1/tasks/{tasks['support']}")).status_code == 200
    hidden, missing = await vera.get(f"/v1/tasks/{tasks['finance']}"), await vera.get("/v1/tasks/t-" + "0" * 26)
    assert hidden.status_code == missing.status_code == 404
    assert hidden.text.replace(tasks["finance"], "X") == missing.text.replace("t-" + "0" * 26, "X")
    assert (await vera.get("/v1/approvals")).json() == []
    approval = (await workspace.task(tasks["finance"]))["approval"]
    assert (await vera.get(f"/v1/approvals/{approval}")).status_code == 404
    assert (await vera.get(f"/v1/why/{tasks['finance']}")).status_code == 404
    assert {agent["department"] for agent in (await vera.get("/v1/agents")).json()} == {"support"}
    assert (await vera.get("/v1/agents/pay")).status_code == 404
    assert (await vera.get("/v1/agents/triage")).status_code == 200


async def test_a_viewer_changes_nothing(workspace: Workspace, tasks: dict[str, str]) -> None:
    vera = as_caller(workspace, VIEWER)
    for path, body in [
        (f"/v1/tasks/{tasks['own']}/cancel", {}), (f"/v1/tasks/{tasks['own']}/answer", {"value": 1}), (f"/v1/tasks/{tasks['support']}/rating", {"quality": 1}),
        ("/v1/tasks", {"skill": "ticket.triage", "input": {"text": "x"}}), ("/v1/kill-switches/throw", {"scope": "workspace"}),
        ("/v1/agents", {"transport": "a2a", "url": "http://x", "department": "support"}), ("/v1/agents/triage/retire", {}),
        ("/v1/erasures", {"subject": "x"}), ("/v1/backups", {"path": "x"}),
    ]:  # fmt: skip
        assert (await vera.post(path, json=body)).status_code == 403, path
    assert (await vera.put("/v1/levels/refund.pay", json={"level": "act"})).status_code == 403
    assert (await vera.put("/v1/goals/g", json={})).status_code == 403
    assert (await workspace.task(tasks["own"]))["state"] == "input-required"


async def test_a_sender_sees_and_handles_their_own(workspace: Workspace, tasks: dict[str, str]) -> None:
    crm = as_caller(workspace, SENDER)
    assert await ids(crm) == {tasks["own"]} == await ids(crm, "?mine=true")
    assert (await crm.get(f"/v1/tasks/{tasks['support']}")).status_code == 404
    assert (await crm.get(f"/v1/why/{tasks['own']}")).status_code == 200
    assert (await crm.post(f"/v1/tasks/{tasks['own']}/rating", json={"quality": 1})).status_code == 403
    assert (await crm.post(f"/v1/tasks/{tasks['own']}/answer", json={"value": "account/7"})).status_code == 200
    assert (await crm.post("/v1/tasks", json={"skill": "ticket.triage", "input": {"text": "x"}, "after": {"text": tasks["support"]}})).status_code == 404
    made = await crm.post("/v1/tasks", json={"skill": "ticket.triage", "input": {"text": "x"}})
    assert (await workspace.task(made.json()["task"]))["caller"] == SENDER.id


async def test_a_viewer_sees_what_stops_their_department(workspace: Workspace) -> None:
    theirs, other = (workspace.house.registry.offer(skill) for skill in ("ticket.triage", "refund.pay"))
    assert theirs is not None
    assert other is not None
    assert (theirs.department, other.department) == ("support", "finance")
    await workspace.kill("agent", theirs.name)
    await workspace.kill("action", "refund.pay")
    vera = as_caller(workspace, VIEWER)
    assert [each["name"] for each in (await vera.get("/v1/kill-switches")).json()] == [theirs.name]
    await workspace.kill("workspace")
    assert {each["scope"] for each in (await vera.get("/v1/kill-switches")).json()} == {"agent", "workspace"}


async def test_without_a_role_there_is_nothing(workspace: Workspace, tasks: dict[str, str]) -> None:
    nobody = as_caller(workspace, NOBODY)
    for path in ("tasks", "approvals", "agents", "measures", "journal/head", "journal/facts", "goals", "kill-switches", "events"):
        assert (await nobody.get(f"/v1/{path}")).status_code == 403, path
    assert (await nobody.get("/metrics")).status_code == 403
    assert (await nobody.get("/health")).status_code == 200


async def test_nobody_approves_what_they_asked_for(workspace: Workspace, tasks: dict[str, str]) -> None:
    otto, olga = as_caller(workspace, OPERATOR), as_caller(workspace, Caller("person/olga", ("approver",)))
    child = next(task["id"] for task in (await workspace.tasks(waiting=True))["tasks"] if task["parent"] == tasks["laundered"])
    for id in (tasks["asked"], child):
        refused = await otto.post(f"/v1/approvals/{id}/answer", json={"answer": "approve"})
        assert (refused.status_code, "themselves" in refused.json()["detail"]) == (403, True)
        answered = await olga.post(f"/v1/approvals/{id}/answer", json={"answer": "approve"})
        assert (answered.status_code, answered.json()["answered_by"]) == (200, "person/olga")
    assert (await otto.post(f"/v1/approvals/{tasks['finance']}/answer", json={"answer": "reject"})).status_code == 200


async def test_what_a_task_led_to_elsewhere_is_counted_and_not_named(workspace: Workspace) -> None:
    sent = await workspace.send({"specversion": "1.0", "id": "1", "source": "/crm", "type": "ticket.opened", "data": {"text": "hello", "refund": 900}})
    asked = await workspace.submit("ticket.resolve", {"text": "hello", "refund": 900}, by=SENDER.id)
    await workspace.quiet()
    (triage,), children = sent["tasks"], [task["id"] for task in (await workspace.tasks(waiting=True))["tasks"]]
    assert len(children) == 2
    owner, vera, crm, fin = (as_caller(workspace, who) for who in (OWNER, VIEWER, SENDER, Caller("person/fin", ("viewer",), ("finance",))))

    async def read(client: httpx.AsyncClient, path: str) -> tuple[str, list[dict[str, object]], int]:
        answer = await client.get(path)
        assert answer.status_code == 200, answer.text
        node = answer.json()["tree"]
        node = node["led_to"][0] if "signal" in node else node
        return answer.text, node["led_to"], node.get("hidden", 0)

    for path in (f"/v1/lineage/{sent['signal']}", f"/v1/why/{sent['signal']}", f"/v1/lineage/{triage}", f"/v1/lineage/{asked}"):
        text, below, hidden = await read(owner, path)
        assert (len(below), hidden, any(child in text for child in children)) == (1, 0, True)
        text, below, hidden = await read(vera, path)
        assert (below, hidden) == ([], 1)
        assert not any(word in text for word in (*children, "input-required", "refund.pay"))
    assert (await read(crm, f"/v1/lineage/{asked}"))[1:] == ([], 1)
    for client in (crm, fin):  # neither sees anything that the signal led to at first
        hidden_, missing = await client.get(f"/v1/lineage/{sent['signal']}"), await client.get("/v1/lineage/s-" + "0" * 26)
        assert hidden_.status_code == missing.status_code == 404
        assert hidden_.text.replace(sent["signal"], "X") == missing.text.replace("s-" + "0" * 26, "X")
    assert (await fin.get(f"/v1/why/{triage}")).status_code == 404

    waited = await vera.get(f"/v1/tasks/{asked}/wait?timeout_ms=700")
    assert (waited.json()["done"], waited.json()["waits"]) == (False, [])
    assert not any(child in waited.text for child in children)
    (waits,) = (await owner.get(f"/v1/tasks/{asked}/wait?timeout_ms=60000")).json()["waits"]
    assert waits in children


async def test_only_the_owner_sends_secrets_to_an_agent(workspace: Workspace) -> None:
    form = {"transport": "a2a", "url": "http://127.0.0.1:1/card", "department": "support", "options": {"auth": "Bearer secret://bank"}}
    refused = await as_caller(workspace, OPERATOR).post("/v1/agents", json=form)
    assert (refused.status_code, "secret" in refused.json()["detail"]) == (403, True)


@pytest.mark.parametrize("transport", ["a2a", "mcp", "http"])
@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:1/card", "http://169.254.169.254/latest", "http://localhost:1", "http://inner.example/x", "http://user@agents.example/x"]
)
async def test_an_address_that_is_not_called_is_refused_with_the_rule(workspace: Workspace, transport: str, url: str) -> None:
    async def inner(host: str, port: int) -> list[str]:
        return ["10.1.2.3"]  # what the name says is only known when it is asked for

    workspace.outside.egress._resolver = inner
    form = {"transport": transport, "url": url, "name": "inner", "department": "support"}
    answer = await as_caller(workspace).post("/v1/agents", json=form)
    said = answer.json()
    assert (answer.status_code, said["code"]) == (403, "refused"), answer.text
    assert "is not called" in said["detail"]
    assert said["hint"]
