"""The process that is killed: negotiations, playbooks and goals.

python kill9_together_worker.py FOLDER PORT
"""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

from kill9_loop import reach, work
from pydantic import BaseModel

from tutti import Context, Fleet, step
from tutti.errors import AgentFailed

fleet = Fleet("kill9")
FALLBACK = {"price": 0, "term": 12}
SELLS = {"price": {0: 0.0, 5: 6.0, 10: 9.0}, "term": {12: 0.0, 24: -2.0, 36: -3.0}}
BUYS = {"price": {0: 9.0, 5: 6.0, 10: 0.0}, "term": {12: 0.0, 24: 8.0, 36: 9.0}}


def worth(wants: dict[str, dict[int, float]], outcome: dict[str, Any] | None) -> float:
    return sum(wants[issue][value] for issue, value in (outcome or FALLBACK).items())


class Telling:
    def utility(self) -> Any:
        return SELLS


class Ordering:
    async def rank(self, outcomes: list[Any]) -> list[int]:
        await asyncio.sleep(0.03)
        return sorted(range(len(outcomes)), key=lambda place: -worth(BUYS, outcomes[place]))


class Judging:
    async def respond(self, outcome: dict[str, Any]) -> bool:
        await asyncio.sleep(0.03)
        return worth(BUYS, outcome) >= worth(BUYS, None)


fleet.party(Telling(), name="seller", department="sales")
fleet.party(Ordering(), name="buyer", department="purchase")
fleet.party(Judging(), name="user", department="purchase")


@fleet.agent(skill="deal.make", department="sales", attempts=100)
async def make(deal: dict[str, Any], ctx: Context) -> Any:
    settled = await ctx.negotiate(
        {"price": [0, 5, 10], "term": [12, 24, 36]}, ["seller", "buyer", "user"], fallback=FALLBACK, deadline=timedelta(minutes=2), about=deal["n"]
    )
    ctx.propose("deal.sign", {"n": deal["n"], **settled["outcome"]})
    return settled["outcome"]


@fleet.action("deal.sign", department="sales", idempotent=True, attempts=50)
def sign(deal: dict[str, Any], ctx: Context) -> str:
    reach(ctx, "deal.sign", True)
    return "signed"


@fleet.agent(skill="usage.look", department="success", attempts=50)
async def look(account: dict[str, Any]) -> int:
    await asyncio.sleep(0.05)
    return int(account["n"]) * 10


@fleet.action("letter.send", department="success", idempotent=True, attempts=50)
def letter(letter: dict[str, Any], ctx: Context) -> str:
    reach(ctx, "letter.send", True)
    return f"sent {letter['usage']}"


fleet.playbook(
    "account.save",
    department="success",
    steps=[
        step("usage", "usage.look"),
        step("pause", wait=timedelta(milliseconds=400), after="usage"),
        step("ask", question="Write to {input.n}?", after="usage"),
        step("letter", "letter.send", input={"usage": "{steps.usage}"}, after=["pause", "ask"], when="steps.ask == 'yes'"),
    ],
)


class Complaint(BaseModel):
    n: int


class Found(BaseModel):
    cause: str


class Repaired(BaseModel):
    how: str


@fleet.agent(skill="cause.find", department="support", attempts=50)
async def find(complaint: Complaint) -> Found:
    await asyncio.sleep(0.05)
    return Found(cause=f"cause of {complaint.n}")


@fleet.agent(skill="cause.guess", department="support", quality=0.3, attempts=50)
async def guess(complaint: Complaint) -> Found:
    await asyncio.sleep(0.05)
    return Found(cause=f"cause of {complaint.n}")


@fleet.agent(skill="thing.mend", department="support", quality=0.9)
async def mend(found: Found) -> Repaired:
    raise AgentFailed("no spare part", retry=False)


@fleet.agent(skill="thing.replace", department="support", cost=5, attempts=50)
async def replace(found: Found) -> Repaired:
    await asyncio.sleep(0.05)
    return Repaired(how=f"replaced for the {found.cause}")


@fleet.agent(skill="complaint.end", department="support", attempts=100)
async def end(complaint: dict[str, Any], ctx: Context) -> Any:
    return await ctx.ask("plan.run", {"goal": "Repaired", "input": complaint})


fleet.on("deal.due", do="deal.make")
fleet.on("churn.flagged", do="account.save")
fleet.on("complaint.made", do="complaint.end")
for action in ("deal.sign", "letter.send"):
    fleet.autonomy(action, level="act")
work(fleet, "deal.due", "churn.flagged", "complaint.made")
