"""Spans of calls to models: one for each call, below its agent's, with names and figures and none of the words."""

from __future__ import annotations

import json

import pytest
from llm_site import ended, fails, opened, says, served

from tutti import Fleet


def fleet_with(url: str, **options: object) -> Fleet:
    fleet = Fleet("llm")
    fleet.llm_agent("triager", department="support", skill="ticket.triage", base_url=url, model="scripted", instructions="CANARY instructions", **options)  # type: ignore[arg-type]
    return fleet


@pytest.mark.parametrize("stream", [False, True])
async def test_a_call_to_a_model_has_a_span_below_its_agents(spans, tmp_path, stream):
    async with served(says("CANARY answer", usage=(1000, 100, 0))) as model, opened(fleet_with(model.url, stream=stream), tmp_path) as workspace:
        task = await ended(workspace, "ticket.triage", {"text": "CANARY input"})
    found = {span.name: span for span in spans.get_finished_spans()}
    chat = found["chat scripted"]
    assert chat.parent.span_id == found["invoke_agent triager"].context.span_id
    assert chat.kind.name == "CLIENT"
    assert dict(chat.attributes) == {
        "gen_ai.operation.name": "chat", "gen_ai.provider.name": "openai_compatible", "gen_ai.request.model": "scripted", "gen_ai.response.model": "scripted",
        "gen_ai.usage.input_tokens": 1000, "gen_ai.usage.output_tokens": 100, "tutti.task": task["id"],
    }  # fmt: skip
    assert "CANARY" not in json.dumps([json.loads(span.to_json()) for span in spans.get_finished_spans()])


async def test_each_try_of_a_call_has_its_span_and_a_refused_one_its_status(spans, tmp_path):
    script = (fails(503, "CANARY", **{"Retry-After": "0"}), says("there", usage=None))
    async with served(*script) as model, opened(fleet_with(model.url), tmp_path) as workspace:
        assert (await ended(workspace, "ticket.triage", "x"))["output"] == "there"
    refused, answered = [span for span in spans.get_finished_spans() if span.name == "chat scripted"]
    assert (refused.attributes["error.type"], refused.status.is_ok) == ("503", False)
    assert "CANARY" not in refused.to_json()
    assert "error.type" not in answered.attributes
    assert not [name for name in answered.attributes if name.startswith("gen_ai.usage")], "what nobody told is not made up"
