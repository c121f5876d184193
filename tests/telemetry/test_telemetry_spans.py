"""Spans of tasks, agents and tools: one trace from the door to the agent, also over a restart; nothing of a customer in it; nothing at all when it is off."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from tutti import Context, Fleet, Settings, Workspace, telemetry
from tutti.errors import Invalid, Refused
from tutti.model.task import Stage

CALLER = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
TRACE = 0x0AF7651916CD43DD8448EB211C80319C


def fleet() -> Fleet:
    made = Fleet("traced")
    seen: list[dict[str, str]] = []
    made.seen = seen  # type: ignore[attr-defined]

    @made.agent(skill="ticket.triage", department="support")
    async def triage(ticket: dict[str, Any], ctx: Context) -> str:
        seen.append(telemetry.headers())
        if ticket.get("fail"):
            raise RuntimeError(f"CANARY in an error: {ticket['text']}")
        if ticket.get("ask"):
            return str(await ctx.ask("ticket.read", ticket))
        if ticket.get("person"):
            return str(await ctx.input("CANARY question?"))
        ctx.propose("refund.pay", {"amount": 5, "iban": ticket["text"]})
        return f"read {ticket['text']}"

    @made.agent(skill="ticket.read", department="support")
    async def read(ticket: dict[str, Any]) -> str:
        return "CANARY output"

    @made.action("refund.pay", department="finance", amount="amount", idempotent=True)
    async def pay(refund: dict[str, Any]) -> str:
        return "paid"

    made.autonomy("refund.pay", level="act")
    made.on("ticket.opened", do="ticket.triage")
    return made


@asynccontextmanager
async def opened(made: Fleet, folder: Path) -> AsyncIterator[Workspace]:
    async with Workspace(made, Settings("traced", folder / "tutti", grace=timedelta(0))) as workspace:
        yield workspace


def named(spans: InMemorySpanExporter) -> dict[str, Any]:
    return {span.name: span for span in spans.get_finished_spans()}


async def test_one_trace_from_the_caller_to_what_followed(spans, tmp_path):
    made = fleet()
    async with opened(made, tmp_path) as workspace:
        with telemetry.within({"traceparent": CALLER}):
            id = await workspace.submit("ticket.triage", {"text": "x"}, subject="account/7")
        await workspace.result(id)
        await workspace.quiet()
    found = named(spans)
    assert set(found) == {"invoke_workflow ticket.triage", "invoke_agent triage", "invoke_agent pay", "execute_tool refund.pay"}
    assert {span.context.trace_id for span in found.values()} == {TRACE}
    workflow, agent = found["invoke_workflow ticket.triage"], found["invoke_agent triage"]
    assert f"{workflow.parent.span_id:016x}" == "b7ad6b7169203331"
    assert agent.parent.span_id == workflow.context.span_id
    assert found["execute_tool refund.pay"].parent.span_id == found["invoke_agent pay"].context.span_id
    assert made.seen == [{"traceparent": f"00-{TRACE:032x}-{agent.context.span_id:016x}-01"}]
    assert dict(agent.attributes) | {"tutti.task": id} == {
        "gen_ai.operation.name": "invoke_agent", "gen_ai.agent.name": "triage", "gen_ai.agent.version": "1", "tutti.task": id, "tutti.skill": "ticket.triage",
        "tutti.department": "support", "tutti.nature": "advice", "tutti.attempt": 1, "tutti.ending": "done",
    }  # fmt: skip


async def test_who_is_asked_by_an_agent_hangs_below_it(spans, tmp_path):
    async with opened(fleet(), tmp_path) as workspace:
        assert await workspace.result(await workspace.submit("ticket.triage", {"text": "x", "ask": True})) == "CANARY output"
    found = named(spans)
    assert found["invoke_agent read"].parent.span_id == found["invoke_agent triage"].context.span_id


async def test_the_trace_lasts_over_a_restart(spans, tmp_path):
    async with opened(fleet(), tmp_path) as workspace:
        with telemetry.within({"traceparent": CALLER}):
            id = await workspace.submit("ticket.triage", {"text": "x", "person": True})
        while (await workspace.task(id))["stage"] != Stage.ASKING:
            await asyncio.sleep(0.005)
    spans.clear()
    async with opened(fleet(), tmp_path) as workspace:
        await workspace.quiet()  # it has begun anew, and asks again
        await workspace.answer(id, "CANARY answer")
        await workspace.result(id)
    again = named(spans)["invoke_agent triage"]
    assert again.context.trace_id == TRACE
    assert again.attributes["tutti.ending"] == "done"


async def test_a_task_without_a_trace_is_in_nobody_elses(spans, tmp_path):
    telemetry.use(None)
    async with opened(fleet(), tmp_path) as workspace:
        id = await workspace.submit("ticket.triage", {"text": "x", "person": True})
        while (await workspace.task(id))["stage"] != Stage.ASKING:
            await asyncio.sleep(0.005)
    telemetry.use(provider_of(spans))
    with telemetry.within({"traceparent": CALLER}):  # what walks tasks begins in the context of whoever came first
        async with opened(fleet(), tmp_path) as workspace:
            await workspace.quiet()
            await workspace.answer(id, "yes")
            await workspace.result(id)
    again = named(spans)["invoke_agent triage"]
    assert again.parent is None
    assert again.context.trace_id != TRACE


def provider_of(spans: InMemorySpanExporter) -> TracerProvider:
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(spans))
    return provider


async def test_nothing_of_a_customer_is_in_a_span(spans, tmp_path):
    async with opened(fleet(), tmp_path) as workspace:
        data = {"text": "CANARY data"}
        await workspace.send({"specversion": "1.0", "id": "CANARY-id", "source": "/CANARY", "type": "ticket.opened", "subject": "account/CANARY", "data": data})
        id = await workspace.submit("ticket.triage", {"text": "CANARY text", "fail": True}, subject="account/CANARY")
        with pytest.raises(Refused):
            await workspace.result(id)
        await workspace.quiet()
    told = json.dumps([json.loads(span.to_json()) for span in spans.get_finished_spans()])
    assert "CANARY" not in told
    failed = next(span for span in spans.get_finished_spans() if span.attributes.get("error.type"))
    assert failed.attributes["error.type"] == "agent_raised"


def test_only_listed_attributes_get_through(spans):
    with telemetry.span("chat small", "chat", {"gen_ai.request.model": "m" * 500, "gen_ai.prompt": "CANARY", "tutti.input": "CANARY"}) as span:
        span.set("gen_ai.usage.input_tokens", 12)
        span.set("secret", "CANARY")
    (made,) = spans.get_finished_spans()
    assert set(made.attributes) == {"gen_ai.operation.name", "gen_ai.request.model", "gen_ai.usage.input_tokens"}
    assert len(made.attributes["gen_ai.request.model"]) == 200


def test_an_error_leaves_its_kind_and_none_of_its_words(spans):
    with pytest.raises(RuntimeError), telemetry.span("execute_tool pay", "execute_tool"):
        raise RuntimeError("CANARY")
    (made,) = spans.get_finished_spans()
    assert "CANARY" not in made.to_json()
    assert made.attributes["error.type"] == "RuntimeError"


@pytest.mark.parametrize("sent", ["", "00-0-0-0", CALLER.replace("00-", "ff-", 1), f"00-{'0' * 32}-b7ad6b7169203331-01", CALLER + "\r\nx: y", "CANARY"])
def test_a_trace_that_is_none_is_passed_over(spans, sent):
    with telemetry.within({"traceparent": sent}):
        assert telemetry.current() is None


async def test_off_it_keeps_nothing(tmp_path):
    assert not telemetry.on()
    async with opened(fleet(), tmp_path) as workspace:
        with telemetry.within({"traceparent": CALLER}):
            id = await workspace.submit("ticket.read", {"text": "x"})
        await workspace.result(id)
        facts = await workspace.facts(about=id, kind="task.submitted")
        assert "trace" not in facts[0]["data"]
    with telemetry.span("chat small", "chat", {"tutti.skill": "x"}) as span:
        span.set("tutti.ending", "done")
    assert (telemetry.current(), telemetry.headers()) == (None, {})


def test_nothing_is_loaded_or_sent_unless_it_is_configured():
    script = (
        "import os, sys, tutti.app, tutti.telemetry as t; t.start('', 'w');"
        "print(t.on(), [name for name in ('opentelemetry.sdk', 'opentelemetry.exporter') if name in sys.modules])"
    )
    environment = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9", "OTEL_TRACES_EXPORTER": "otlp", "PATH": ""}
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, env=environment)
    assert done.stdout.strip() == "False []"
    with pytest.raises(Invalid, match="TUTTI_TELEMETRY"):
        telemetry.start("localhost:4318", "w")
    assert not telemetry.on()
