"""The trace in calls to agents by A2A: every call of a task carries it."""

from __future__ import annotations

import pytest
from client_site import Scripted, calling, task, update

from tutti import telemetry

CALLER = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
TRACE = "0af7651916cd43dd8448eb211c80319c"


def traces(remote: Scripted) -> list[list[str]]:
    """Method, trace and span of each call."""
    told = []
    for method, _, headers in remote.calls:
        _, trace, span, _ = headers["traceparent"].split("-")
        told.append([method, trace, span])
    return told


@pytest.mark.parametrize("streaming", [False, True])
async def test_every_call_of_a_task_carries_its_trace(spans, tmp_path, streaming):
    remote = Scripted(
        SendMessage={"task": task("WORKING")}, SendStreamingMessage=[{"task": task("WORKING")}, update("WORKING")], SubscribeToTask=[{"task": task("WORKING")}],
        GetTask=task("COMPLETED", output="there"),
    )  # fmt: skip
    async with remote.up(streaming=streaming) as url, calling(url, tmp_path) as workspace:
        with telemetry.within({"traceparent": CALLER}):
            id = await workspace.submit("thing.do", "x")
        assert await workspace.result(id) == "there"
    (run,) = [span for span in spans.get_finished_spans() if span.name == "invoke_agent scripted"]
    told = traces(remote)
    assert len({method for method, _, _ in told}) >= 2
    assert {(trace, span) for _, trace, span in told} == {(TRACE, f"{run.context.span_id:016x}")}


async def test_without_telemetry_nothing_is_told(tmp_path):
    remote = Scripted(SendMessage={"task": task("COMPLETED", output="there")})
    async with remote.up() as url, calling(url, tmp_path) as workspace:
        assert await workspace.result(await workspace.submit("thing.do", "x")) == "there"
    assert "traceparent" not in {name.lower() for _, _, headers in remote.calls for name in headers}
