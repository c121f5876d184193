"""Every route calls the desk, and what the desk refuses comes back as problem+json."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from api_site import Call, as_caller

from tutti import Workspace, errors, gates
from tutti.api import build, request
from tutti.api.limits import BODY_BYTES, DEPTH, depth
from tutti.api.problems import STATUS
from tutti.model.caller import OWNER
from tutti.security import sign_approval

EVENT = {"specversion": "1.0", "id": "1", "source": "/helpdesk", "type": "ticket.opened", "subject": "account/7", "data": {"text": "hello"}}


async def submitted(call: Call, skill: str, input: Any, **more: Any) -> str:
    status, body = await call("POST", "/v1/tasks", {"skill": skill, "input": input, **more})
    assert status == 201, body
    return str(body["task"])


async def test_a_signal_is_taken_in_once(call: Call) -> None:
    status, first = await call("POST", "/v1/signals", EVENT)
    assert (status, first["duplicate"], len(first["tasks"])) == (201, False, 1)
    status, second = await call("POST", "/v1/signals", EVENT)
    assert (status, second) == (200, {"signal": first["signal"], "tasks": [], "duplicate": True})
    _, waited = await call("GET", f"/v1/tasks/{first['tasks'][0]}/wait?timeout_ms=20000")
    assert (waited["done"], waited["task"]["output"], waited["task"]["signal"]) == (True, "read hello", first["signal"])
    assert (await call("GET", "/v1/tasks?subject=account/7"))[1]["tasks"][0]["id"] == first["tasks"][0]
    assert (await call("GET", "/v1/tasks?subject=account/8"))[1]["tasks"] == []
    lineage = (await call("GET", f"/v1/lineage/{first['signal']}"))[1]
    assert [node["task"] for node in lineage["tree"]["led_to"]] == first["tasks"]


async def test_an_approval_needs_the_owners_signature_and_is_answered_once(call: Call, workspace: Workspace) -> None:
    id = await submitted(call, "refund.pay", {"amount": 20})
    _, waited = await call("GET", f"/v1/tasks/{id}/wait?timeout_ms=20000")
    assert (waited["done"], waited["waits"]) == (False, [id])
    status, view = await call("GET", f"/v1/approvals/{id}")
    assert (status, view["question"], view["input"], view["reversible"]) == (200, "Pay 20.00 EUR.", {"amount": 20}, False)
    assert [open["id"] for open in (await call("GET", "/v1/approvals"))[1]] == [view["id"]]

    place = f"/v1/approvals/{view['id']}/answer"
    status, body = await call("POST", place, {"answer": "approve", "signature": "00" * 64})
    assert (status, body["code"]) == (403, "refused")
    row = {**view, "input": view["digest"], "agent_version": view["version"], "expires_at": view["expires_at_us"]}
    signature = sign_approval(workspace.journal.keys.owner, gates.signed(view["workspace"], row, "approve"))
    assert (await call("POST", place, {"answer": "reject", "signature": signature}))[0] == 403  # a yes is no signature for a no
    status, body = await call("POST", place, {"answer": "approve", "signature": signature, "note": "fine"})
    assert (status, body["answered_by"]) == (200, "person/owner")
    status, body = await call("POST", place, {"answer": "approve", "signature": signature})
    assert (status, body["code"]) == (409, "conflict")
    assert "person/owner" in body["detail"]
    _, waited = await call("GET", f"/v1/tasks/{id}/wait?timeout_ms=20000")
    assert (waited["done"], waited["task"]["output"]) == (True, "paid 20.0")
    status, why = await call("GET", f"/v1/why/{id}")
    assert (status, why["gate"]["answer"]["by"]) == (200, "person/owner")


async def test_waiting_sees_the_person_that_a_task_waits_for_through_another(call: Call) -> None:
    id = await submitted(call, "ticket.resolve", {"text": "money back", "refund": 99})
    _, waited = await call("GET", f"/v1/tasks/{id}/wait?timeout_ms=20000")
    (child,) = waited["waits"]
    assert (waited["done"], waited["task"]["state"]) == (False, "working")
    assert (await call("GET", f"/v1/tasks/{child}"))[1]["skill"] == "refund.pay"


async def test_an_agent_asks_and_is_answered(call: Call) -> None:
    id = await submitted(call, "ticket.ask", {"text": "?"})
    assert (await call("GET", f"/v1/tasks/{id}/wait?timeout_ms=20000"))[1]["task"]["question"] == "Which account?"
    assert (await call("GET", "/v1/tasks?waiting=true"))[1]["tasks"][0]["id"] == id
    assert (await call("POST", f"/v1/tasks/{id}/answer", {"value": "account/7"}))[0] == 200
    assert (await call("GET", f"/v1/tasks/{id}/wait?timeout_ms=20000"))[1]["task"]["output"] == "told account/7"
    status, body = await call("POST", f"/v1/tasks/{id}/rating", {"quality": 0.2, "note": "too short"})
    assert (status, body["quality"], body["quality_source"]) == (200, 0.2, "person")
    assert (await call("POST", f"/v1/tasks/{id}/cancel"))[0] == 409


async def test_kill_park_lift_settle(call: Call) -> None:
    assert (await call("POST", "/v1/kill-switches/throw", {"scope": "action", "name": "refund.pay", "reason": "odd"}))[1]["on"] is True
    id = await submitted(call, "refund.pay", {"amount": 5})
    waited = (await call("GET", f"/v1/tasks/{id}/wait?timeout_ms=20000"))[1]
    assert (waited["waits"], waited["task"]["stage"]) == ([id], "parked")
    status, body = await call("POST", f"/v1/tasks/{id}/settle", {"how": "maybe"})
    assert (status, body["hint"]) == (400, "Say again, happened or drop.")
    assert (await call("POST", f"/v1/tasks/{id}/settle", {"how": "drop"}))[1]["state"] == "canceled"
    assert (await call("POST", "/v1/kill-switches/lift", {"scope": "action", "name": "refund.pay"}))[1]["resumed"] == 0
    assert (await call("POST", "/v1/kill-switches/lift", {"scope": "action", "name": "refund.pay"}))[0] == 404


async def test_the_fleet_and_its_levels(call: Call) -> None:
    agents = (await call("GET", "/v1/agents"))[1]
    assert {row["skill"] for row in agents} == {"ticket.triage", "ticket.ask", "ticket.hold", "ticket.resolve", "refund.pay"}
    assert (await call("GET", "/v1/agents/pay"))[1]["versions"][0]["state"] == "live"
    assert (await call("GET", "/v1/agents/nobody"))[0] == 404
    assert (await call("PUT", "/v1/levels/refund.pay", {"level": "act", "up_to": 50, "reason": "went well"}))[0] == 200
    id = await submitted(call, "refund.pay", {"amount": 40})
    assert (await call("GET", f"/v1/tasks/{id}/wait?timeout_ms=20000"))[1]["done"] is True
    assert (await call("PUT", "/v1/levels/ticket.triage", {"level": "act"}))[0] == 400
    assert (await call("PUT", "/v1/levels/refund.pay", {"level": "act", "up_to": -1}))[0] == 400


async def test_the_record(call: Call, tmp_path: Path) -> None:
    await call("POST", "/v1/signals", EVENT)
    head = (await call("GET", "/v1/journal/head"))[1]
    facts = (await call("GET", "/v1/journal/facts?limit=2"))[1]
    assert [fact["seq"] for fact in facts] == [1, 2]
    assert head["seq"] >= 2
    kept = (await call("GET", "/v1/journal/facts?kind=signal.received"))[1]
    assert [fact["kind"] for fact in kept] == ["signal.received"]
    assert (await call("GET", "/v1/measures"))[1]["schema"] == "tutti.measures/1"
    health = (await call("GET", "/v1/health"))[1]
    assert (health["workspace"], health["running"], health["fleet"]) == ("support", True, "support")
    copy = tmp_path / "copy.db"
    assert (await call("POST", "/v1/backups", {"path": str(copy)}))[0] == 201
    assert copy.stat().st_size > 0
    assert (await call("POST", "/v1/backups", {"path": str(copy)}))[0] == 409  # never over something else
    assert (await call("POST", "/v1/erasures", {"subject": "account/7"}))[1]["payloads"] > 0


@pytest.mark.parametrize(
    ("path", "body", "status", "says"),
    [
        ("/v1/signals", {"type": "x"}, 400, "specversion"),
        ("/v1/signals", [1], 400, "JSON object"),
        ("/v1/tasks", {"skill": "nobody.does", "input": {}}, 422, "nobody.does"),
        ("/v1/tasks", {"skill": "ticket.triage", "input": {"txt": "?"}}, 400, "text"),
        ("/v1/tasks", {"skill": "ticket.triage", "input": {}, "urgent": True}, 400, "urgent"),
        ("/v1/tasks", {"skill": 7}, 400, "skill"),
        ("/v1/tasks", [], 400, "should be an object"),
        ("/v1/plans", {"goal": {"want": ["Refund"], "hve": "Ticket"}}, 400, "goal.hve: Extra inputs are not permitted"),
        ("/v1/plans", {"goal": 5}, 400, "goal: Input should be a valid string or a valid list or an object"),
        ("/v1/negotiations", {"issues": {"price": [1]}, "parties": "renewal"}, 400, "parties: Input should be an object or a valid list"),
        ("/v1/priorities", {"ballots": {"Sales": "t-1"}}, 400, "ballots.Sales: Input should be a valid list"),
        ("/v1/tasks", {"skill": "ticket.triage", "input": {"text": ""}, "after": {"text": "t-no"}}, 404, "t-no"),
        ("/v1/tasks/t-no/rating", {"quality": 0.5}, 404, "t-no"),
        ("/v1/tasks/t-no/rating", {"quality": "good"}, 400, "quality"),
        ("/v1/approvals/a-no/answer", {"answer": "approve", "signature": ""}, 404, "a-no"),
        ("/v1/kill-switches/throw", {"scope": "planet"}, 400, "planet"),
        ("/v1/nothing", {}, 404, "/v1/nothing"),
    ],
)
async def test_what_is_wrong_is_told(call: Call, path: str, body: Any, status: int, says: str) -> None:
    got, problem = await call("POST", path, body)
    assert got == status, problem
    assert set(problem) == {"type", "title", "status", "code", "detail", "hint"}
    assert problem["status"] == status
    assert problem["type"] == f"urn:tutti:problem:{problem['code']}"
    assert says in problem["detail"]
    assert (await call("GET", "/v1/tasks"))[1]["tasks"] == []


@pytest.mark.parametrize("raw", [b"{", b'{"a": NaN}', b'"\\ud800"', b'{"a": 1} x', b""])
async def test_what_is_no_json_is_refused(call: Call, raw: bytes) -> None:
    status, problem = await call("POST", "/v1/signals", raw=raw)
    assert (status, problem["code"]) == (400, "invalid")


@pytest.mark.parametrize("named", ["application/x-www-form-urlencoded", "text/plain", None])
async def test_a_body_that_is_not_called_json_is_refused_for_that(workspace: Workspace, named: str | None) -> None:
    async with as_caller(workspace, OWNER) as owner:
        answer = await owner.post("/v1/tasks", content=b'{"skill": "ticket.triage"}', headers={"content-type": named} if named else {})
    assert (answer.status_code, answer.json()["hint"]) == (415, "Set content-type: application/json.")
    assert (named or "none") in answer.json()["detail"]


async def test_an_agent_goes_without_a_word_about_why(workspace: Workspace) -> None:
    async with as_caller(workspace, OWNER) as owner:
        assert [version["state"] for version in (await owner.post("/v1/agents/pay/drain")).json()["versions"]] == ["draining"]
        assert [version["state"] for version in (await owner.post("/v1/agents/pay/retire")).json()["versions"]] == ["retired"]
        assert (await owner.get("/v1/agents/nobody")).json()["hint"] == "`tutti agents` lists them."


async def test_a_wrong_query_or_method_is_refused(call: Call) -> None:
    assert (await call("GET", "/v1/tasks?state=asleep"))[0] == 400
    assert (await call("GET", "/v1/tasks?limit=0"))[0] == 400
    assert (await call("PUT", "/v1/signals"))[0] == 405
    assert (await call("GET", "/redoc"))[0] == 404


async def test_large_and_deep_bodies_are_refused_before_they_are_parsed(call: Call) -> None:
    large = b'{"a": "' + b"x" * BODY_BYTES + b'"}'
    assert (await call("POST", "/v1/signals", raw=large))[0] == 413
    deep = b'{"specversion": "1.0", "id": "1", "source": "/s", "type": "x", "data": ' + b"[" * DEPTH + b"]" * DEPTH + b"}"
    status, problem = await call("POST", "/v1/signals", raw=deep)
    assert (status, "nested" in problem["detail"]) == (400, True)
    assert (await call("POST", "/v1/signals", raw=deep.replace(b"[[", b"[").replace(b"]]", b"]")))[0] == 201


def test_depth_counts_brackets_outside_of_texts() -> None:
    assert depth(b"[" * 40 + b"]" * 40) == 40
    assert depth(b"[]" * 40) == 1
    assert depth(b'["' + b"[" * 100 + b'"]') == 1
    assert depth(b'["\\"' + b"[" * 100 + b'", {}]') == 2
    assert depth(b'["\\\\", ' + b"[" * 50) == 51
    assert depth(b'{"a":' * 2000 + b"1" + b"}" * 2000) == 2000


async def test_a_defect_is_answered_without_its_details(call: Call, workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    async def broken() -> Any:
        raise RuntimeError("secret detail")

    monkeypatch.setattr(workspace, "measures", broken)
    status, problem = await call("GET", "/v1/measures")
    assert (status, problem["code"]) == (500, "failed")
    assert "secret" not in str(problem)


def test_every_family_of_errors_has_a_status() -> None:
    families = {cls for cls in vars(errors).values() if isinstance(cls, type) and issubclass(cls, errors.TuttiError)}
    assert families == set(STATUS)
    assert all(cls.code for cls in STATUS)
    assert len({cls.code for cls in STATUS}) == len(STATUS)


async def test_the_framework_exports_nothing(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    """What customers send must not leave by way of the web framework's own telemetry, even where the process has a provider for it."""
    trace = pytest.importorskip("opentelemetry.trace")
    asked: list[str] = []

    class Provider(trace.TracerProvider):  # type: ignore[misc, name-defined]
        def get_tracer(self, name: str, *args: Any, **more: Any) -> Any:
            asked.append(name)
            return trace.NoOpTracer()

    monkeypatch.setattr(trace, "get_tracer_provider", Provider)
    assert (await request(build(workspace), "GET", "/v1/health")).status == 200
    assert asked == []
