"""The overview over HTTP: its shape, the last hour where nothing is said, and only what the caller may see."""

from __future__ import annotations

from typing import Any

import pytest
from api_site import as_caller
from pydantic import TypeAdapter

from tutti import Workspace
from tutti.model import pages
from tutti.model.answers.governance import Thrown
from tutti.model.caller import OWNER, Caller

VIEWER = Caller("person/vera", ("viewer",), ("support",))
NOBODY = Caller("person/nobody")


@pytest.fixture
async def busy(workspace: Workspace) -> Workspace:
    await workspace.submit("ticket.triage", {"text": "hello", "refund": 5})
    await workspace.submit("ticket.triage", {"text": "hello", "refund": 50})
    await workspace.submit("ticket.ask", {"text": "hello"})
    await workspace.quiet()
    return workspace


async def read(workspace: Workspace, path: str, shape: Any, caller: Caller = OWNER) -> Any:
    answer = await as_caller(workspace, caller).get(path)
    assert answer.status_code == 200, answer.text
    return TypeAdapter(shape).validate_python(answer.json(), strict=False)


async def test_kpis_of_the_last_hour_and_of_a_department(busy: Workspace) -> None:
    told = await read(busy, "/v1/kpis", pages.Kpis)
    found = {kpi["name"]: kpi for kpi in told["kpis"]}
    assert (found["autonomy"]["n"], found["autonomy"]["of"], found["latency"]["n"]) == (1, 1, 1)
    assert len(found["quality"]["series"]) == 60
    theirs = {kpi["name"]: kpi for kpi in (await read(busy, "/v1/kpis", pages.Kpis, VIEWER))["kpis"]}
    assert (theirs["autonomy"]["of"], theirs["latency"]["n"]) == (0, 0), "paying is done in finance"
    await busy.set_goal("quick", kpi="latency", target=250)
    assert (await read(busy, "/v1/kpis?buckets=1", pages.Kpis))["kpis"][0]["target"] == 250


async def test_throughput_counts_what_came_and_ended(busy: Workspace) -> None:
    told = await read(busy, "/v1/throughput?buckets=4", pages.Throughput)
    assert [sum(part[name] for part in told["buckets"]) for name in ("submitted", "alone", "person", "failed")] == [5, 3, 0, 0]
    told = await read(busy, "/v1/throughput", pages.Throughput, VIEWER)
    assert [sum(part[name] for part in told["buckets"]) for name in ("submitted", "alone")] == [3, 2]


@pytest.mark.parametrize("path", ["kpis?from_at=2026-01-01T00:00:00", "kpis?until_at=1999-01-01T00:00:00Z&split_at=2000-01-01T00:00:00Z", "throughput?buckets=0", "kpis?from_at=x"])  # fmt: skip
async def test_times_that_are_none(workspace: Workspace, path: str) -> None:
    answer = await as_caller(workspace).get(f"/v1/{path}")
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid")


@pytest.mark.parametrize("path", ["kpis", "throughput", "attention", "traffic", "bottlenecks", "playbooks", "signals", "policies", "subscriptions"])
async def test_without_a_right_there_is_nothing(busy: Workspace, path: str) -> None:
    assert (await as_caller(busy, NOBODY).get(f"/v1/{path}")).status_code == 403


async def test_what_waits_for_a_person_is_told_the_longest_wait_first(busy: Workspace) -> None:
    await busy.kill("action", "refund.pay", reason="an audit")
    await busy.submit("refund.pay", {"amount": 1})
    await busy.quiet()
    told = await read(busy, "/v1/attention", list[pages.Waiting])
    assert [(each["kind"], each["title"]) for each in told] == [
        ("approval", "Pay 50.00 EUR."), ("question", "Which account?"), ("switch", "The kill switch of action refund.pay is on")
    ]  # fmt: skip
    assert [each["since"] for each in told] == sorted(each["since"] for each in told)
    assert (told[0]["agent"], told[0]["department"], told[0]["amount"]) == ("pay", "finance", 50.0)
    assert told[2]["why"] == "an audit; 1 task waits until a switch is lifted"
    assert [each["kind"] for each in await read(busy, "/v1/attention", list[pages.Waiting], VIEWER)] == ["question"]
    assert len(await read(busy, "/v1/attention?limit=1", list[pages.Waiting])) == 1
    await busy.lift("action", "refund.pay")
    await busy.quiet()
    approval = (await busy.approvals())[0]["id"]
    await busy.answer_as_owner(approval, "approve")
    await busy.quiet()
    assert [each["kind"] for each in await read(busy, "/v1/attention", list[pages.Waiting])] == ["question"]


async def test_traffic_shows_who_works_with_whom(busy: Workspace) -> None:
    await busy.send({"specversion": "1.0", "id": "1", "source": "/crm", "type": "ticket.opened", "data": {"text": "hello"}})
    await busy.quiet()
    approval = (await busy.approvals())[0]["id"]
    before = await read(busy, "/v1/traffic", pages.Traffic)
    await busy.answer_as_owner(approval, "approve")
    await busy.quiet()
    told = await read(busy, "/v1/traffic", pages.Traffic)
    edges = {(edge["from"], edge["to"]): edge["count"] for edge in told["edges"]}
    assert edges == {("person", "triage"): 2, ("person", "asks"): 1, ("signal", "triage"): 1, ("triage", "pay"): 1, ("pay", "person"): 1, ("person", "pay"): 1}
    assert sum(edges.values()) == len(told["hops"])
    assert [hop["at"] for hop in told["hops"]] == sorted(hop["at"] for hop in told["hops"])
    nodes = {node["name"]: node for node in told["nodes"]}
    assert (nodes["asks"]["open"], nodes["asks"]["needs_person"], nodes["asks"]["waiting"]) == (1, 1, 0)
    assert (nodes["triage"]["tasks"], nodes["triage"]["state"], nodes["triage"]["health"]) == (3, "live", "ok")
    assert (nodes["person"]["kind"], nodes["person"]["open"], nodes["signal"]["kind"], nodes["signal"]["open"]) == ("person", 1, "outside", None)
    assert {node["name"]: node["needs_person"] for node in before["nodes"]}["pay"] == 1
    one = await read(busy, "/v1/traffic?limit=1", pages.Traffic)
    assert (len(one["hops"]), one["truncated"], one["edges"]) == (1, True, told["edges"])


async def test_traffic_elsewhere_has_no_name(busy: Workspace) -> None:
    fin = Caller("person/fin", ("viewer",), ("finance",))
    told = await read(busy, "/v1/traffic", pages.Traffic, fin)
    assert {(edge["from"], edge["to"]) for edge in told["edges"]} == {("elsewhere", "pay")}
    assert "triage" not in str(told)
    theirs = await read(busy, "/v1/traffic", pages.Traffic, VIEWER)
    assert "pay" not in {node["name"] for node in theirs["nodes"]} | {edge["to"] for edge in theirs["edges"]}


async def test_a_subscription_by_which_nothing_has_come_is_only_declared(busy: Workspace) -> None:
    declared = (await read(busy, "/v1/traffic", pages.Traffic))["declared"]
    assert declared == [{"from": "signal", "to": "triage", "signal": "ticket.opened"}]
    await busy.send({"specversion": "1.0", "id": "1", "source": "/crm", "type": "ticket.opened", "data": {"text": "hello"}})
    await busy.quiet()
    assert (await read(busy, "/v1/traffic", pages.Traffic))["declared"] == []


async def test_bottlenecks_say_who_waits_for_whom_and_why(busy: Workspace) -> None:
    await busy.submit("refund.pay", {"amount": 1}, after={"amount": await busy.submit("ticket.ask", {"text": "hello"})})
    await busy.quiet()
    told = (await read(busy, "/v1/bottlenecks", pages.Bottlenecks))["bottlenecks"]
    found = {(one["from"], one["to"], one["cause"]): one for one in told}
    assert (found["pay", "person", "person"]["tasks"], found["pay", "person", "person"]["open"]) == (1, 1)
    assert (found["asks", "person", "question"]["tasks"], found["person", "pay", "join"]["open"]) == (2, 1)
    assert found["pay", "person", "person"]["detail"] == "1 task waits now for an answer"
    assert {one["cause"] for one in told} <= {"queue", "person", "question", "join"}
    assert [one["lost_ms"] for one in told] == sorted((one["lost_ms"] for one in told), reverse=True)
    theirs = (await read(busy, "/v1/bottlenecks", pages.Bottlenecks, VIEWER))["bottlenecks"]
    assert "pay" not in {name for one in theirs for name in (one["from"], one["to"])}


async def test_signals_with_what_they_called_for(busy: Workspace) -> None:
    for n, subject in enumerate(("account/1", "account/2", "account/1")):
        sent = {
            "specversion": "1.0",
            "id": str(n),
            "source": "/crm",
            "type": "ticket.opened",
            "subject": subject,
            "department": "support",
            "data": {"text": "hello"},
        }
        await busy.send(sent, by="service/crm")
    await busy.send({"specversion": "1.0", "id": "x", "source": "/crm", "type": "ticket.closed", "department": "finance", "data": {}})
    await busy.quiet()
    told = await read(busy, "/v1/signals", pages.Signals)
    assert [(one["type"], one["subject"], one["tasks"], one["sent_by"], one["department"]) for one in told["signals"]] == [
        ("ticket.closed", None, 0, "person/owner", "finance"), ("ticket.opened", "account/1", 1, "service/crm", "support"),
        ("ticket.opened", "account/2", 1, "service/crm", "support"), ("ticket.opened", "account/1", 1, "service/crm", "support"),
    ]  # fmt: skip
    first = await read(busy, "/v1/signals?limit=3", pages.Signals)
    rest = await read(busy, f"/v1/signals?limit=3&after={first['next']}", pages.Signals)
    assert (first["signals"] + rest["signals"], rest["next"]) == (told["signals"], None)
    assert len((await read(busy, "/v1/signals?type=ticket.opened&subject=account/1", pages.Signals))["signals"]) == 2
    theirs = await read(busy, "/v1/signals", pages.Signals, VIEWER)
    assert [one["type"] for one in theirs["signals"]] == ["ticket.opened"] * 3
    closed = told["signals"][0]
    assert await read(busy, f"/v1/signals/{closed['id']}", pages.Signal) == closed
    assert (await as_caller(busy, VIEWER).get(f"/v1/signals/{closed['id']}")).status_code == 404


async def test_the_policy_in_force_and_what_its_rules_decided(busy: Workspace) -> None:
    told = await read(busy, "/v1/policies", pages.InForce)
    assert [version["current"] for version in told["versions"]] == [True]
    advice, action = told["rules"]
    assert (advice["id"], advice["effect"], advice["allowed"], advice["asked"]) == ("advice", "permit", 3, 0)
    assert (action["id"], action["allowed"], action["asked"], action["denied"]) == ("action", 1, 1, 0)
    assert 'permit (principal, action == Tutti::Action::"act", resource);' in action["text"]
    assert told["decisions"] == 5
    assert (await busy.task(action["last_task"]))["skill"] == "refund.pay"
    assert [(level["skill"], level["level"], level["up_to"], level["by"]) for level in told["levels"]] == [("refund.pay", 4, 10.0, "fleet")]
    await busy.set_level("refund.pay", "approve", reason="an audit")
    assert (await read(busy, "/v1/policies", pages.InForce))["levels"][0]["reason"] == "an audit"
    theirs = await read(busy, "/v1/policies", pages.InForce, VIEWER)
    assert (theirs["levels"], theirs["decisions"], theirs["rules"][1]["last_task"]) == ([], 3, None)
    assert (await read(busy, "/v1/policies?window_ms=1000", pages.InForce))["decisions"] <= 5


async def test_subscriptions_switches_and_goals_say_who_and_when(busy: Workspace) -> None:
    [subscribed] = await read(busy, "/v1/subscriptions", list[pages.Subscribed])
    assert (subscribed["type"], subscribed["skill"], subscribed["gather"]) == ("ticket.opened", "ticket.triage", [])
    assert await read(busy, "/v1/subscriptions", list[pages.Subscribed], Caller("person/fin", ("viewer",), ("finance",))) == []
    await busy.kill("agent", "pay", reason="an audit", by="person/olga")
    [thrown] = await read(busy, "/v1/kill-switches", list[Thrown])
    assert (thrown["scope"], thrown["name"], thrown["reason"], thrown["by"]) == ("agent", "pay", "an audit", "person/olga")
    goal = (await as_caller(busy).put("/v1/goals/quick", json={"kpi": "latency", "target": 250})).json()
    assert goal["set_by"] == OWNER.id
    assert goal["set_at"] >= thrown["at"]
