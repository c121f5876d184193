"""CrewAI's own library: crews and their agents, against a scripted model in this process."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from adapter_site import shop

crewai = pytest.importorskip("crewai")

from tutti import Settings, Workspace  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


class Scripted(crewai.BaseLLM):
    """A model that says what the test wrote down, and keeps what it was told."""

    def __init__(self, *script: str) -> None:
        super().__init__(model="scripted")
        object.__setattr__(self, "script", list(script))
        object.__setattr__(self, "told", [])

    def call(self, messages: Any, *_: Any, **__: Any) -> str:
        self.told.append(messages if isinstance(messages, str) else str(messages))
        return self.script.pop(0)


def worker(llm: Scripted) -> Any:
    return crewai.Agent(role="clerk", goal="Help.", backstory="A clerk.", llm=llm, verbose=False)


SCRIPT = (
    'Thought: look\nAction: order_find\nAction Input: {"number": 7}',
    'Thought: propose\nAction: refund_pay\nAction Input: {"amount": 40}',
    "Thought: I now know the final answer\nFinal Answer: I proposed it",
)


@pytest.mark.parametrize("kind", ["crew", "agent"])
async def test_a_crew_uses_skills_of_the_fleet_through_the_gates(kind, tmp_path):
    llm, paid = Scripted(*SCRIPT), []
    agent = worker(llm)
    if kind == "crew":
        task = crewai.Task(description="Answer: {text}", expected_output="an answer", agent=agent)
        agent = crewai.Crew(agents=[agent], tasks=[task], verbose=False)
    fleet = shop(agent, paid)
    async with Workspace(fleet, Settings("shop", tmp_path)) as workspace:
        id = await workspace.submit("case.answer", {"text": "refund order 7"})
        async with asyncio.timeout(60):
            await workspace.quiet()
        done = await workspace.task(id)
        assert (done["state"], done["output"]) == ("completed", "I proposed it"), done
        by_skill = {row["skill"]: row for row in (await workspace.tasks())["tasks"]}
        assert by_skill["order.find"]["parent"] == by_skill["refund.pay"]["parent"] == id
        assert (by_skill["refund.pay"]["stage"], paid) == ("approval", [])
        assert "refund order 7" in llm.told[0]
        assert "40" in llm.told[1]
        assert "do not say that it has happened" in llm.told[2]
