"""What telemetry costs a task, off and on: the calls that a task's road makes of it, without the road."""

from __future__ import annotations

import time
from typing import Any

from bench.harness import Bench, answer, asked, run_round
from tutti import telemetry as tutti_telemetry
from tutti.model.agent import AgentCard, Nature, Skill

SKILL = Skill("ticket.triage", Nature.ADVICE, {}, {})
CARD = AgentCard("triage", "1", "support", "ana@example.com", {SKILL.name: SKILL})


def telemetry(bench: Bench) -> None:
    """Off it must cost next to nothing; on it is told beside that. `on` makes spans and drops them: what an exporter takes is its own."""
    tasks = 5_000 if bench.quick else 50_000
    for way in ("off", "on"):
        results = [run_round("bench.telemetry", {"way": way, "tasks": tasks}) for _ in range(bench.rounds)]
        middle = sorted(float(result["cpu_us"]) for result in results)[len(results) // 2]
        more: dict[str, Any] = {"target": "< 5 us", "holds": middle < 5.0} if way == "off" else {}
        bench.median(f"telemetry.{way}.cpu", results, "cpu_us", "us/task", **more)


def measure(request: dict[str, Any]) -> dict[str, Any]:
    if request["way"] == "on":
        from opentelemetry.sdk.trace import TracerProvider

        tutti_telemetry.use(TracerProvider())
    _tasks(request["tasks"] // 10)
    cpu = time.process_time()
    _tasks(request["tasks"])
    return {"n": request["tasks"], "cpu_us": (time.process_time() - cpu) / request["tasks"] * 1e6}


def _tasks(number: int) -> None:
    task = {"id": "t-01J8Z3", "trace": None}
    for _ in range(number):
        with tutti_telemetry.within({}), tutti_telemetry.span("invoke_workflow ticket.triage", "invoke_workflow", {"tutti.skill": "ticket.triage"}):
            tutti_telemetry.on()
        with tutti_telemetry.attempt(task, CARD, SKILL, 1) as span:
            tutti_telemetry.headers()
            span.set("tutti.ending", "done")


if __name__ == "__main__":
    answer(measure(asked()))
