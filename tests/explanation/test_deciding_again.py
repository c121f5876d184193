"""Replay: a decision made again with what is known and in force now; nothing comes of it."""

from __future__ import annotations

from typing import Any

import pytest

from tutti import Context, Fleet
from tutti.errors import Conflict


def shop() -> Fleet:
    fleet = Fleet("shop")

    def offer(name: str, quality: float) -> None:
        @fleet.agent(skill="order.read", department="sales", name=name, quality=quality)
        async def read(order: dict[str, Any], ctx: Context) -> str:
            return name

    offer("ann", 0.9)
    offer("bob", 0.3)
    fleet.action("refund.pay", department="finance", name="pay", amount="amount", idempotent=True)(lambda _: "paid")
    fleet.autonomy("refund.pay", level="act", up_to=10)
    return fleet


async def test_nothing_has_changed_and_nothing_comes_of_asking(tutti):
    run = await tutti(shop()).submit("refund.pay", {"amount": 5})
    head = run.workspace.journal.head.seq
    told = await run.workspace.replay(run.task("refund.pay").id)
    assert told["differences"] == []
    assert (told["then"]["chosen"], told["now"]["chosen"], told["now"]["verdict"]) == ("pay 1", "pay 1", "allow")
    assert told["then"]["policy"] == told["now"]["policy"]
    await run.workspace.quiet()
    assert run.workspace.journal.head.seq == head
    assert run.workspace.journal.hot.table("task") == {}


async def test_what_is_otherwise_now_is_said(tutti):
    run = await tutti(shop()).submit("refund.pay", {"amount": 5})
    await run.workspace.set_level("refund.pay", "act", up_to=2)
    told = await run.workspace.replay(run.task("refund.pay").id)
    assert (told["then"]["verdict"], told["now"]["verdict"]) == ("allow", "ask")
    assert told["differences"] == ["Now the gates say ask, not allow: 5.00 is above 2.00, where level 4 (act) ends."]
    await run.kill("action", "refund.pay")
    told = await run.workspace.replay(run.task("refund.pay").id)
    assert (told["now"]["chosen"], told["now"]["verdict"]) == (None, "deny")
    assert "kill switch" in told["differences"][1]


async def test_agents_that_were_judged_or_went_since(tutti):
    run = await tutti(shop()).submit("order.read", {})
    task = run.task("order.read")
    await run.rate("order.read", 1.0 if task.agent == "bob" else 0.0)
    told = await run.workspace.replay(task.id)
    assert any(f"The quality of {task.agent} 1 is believed to be" in said for said in told["differences"])
    other = "ann" if task.agent == "bob" else "bob"
    await run.workspace.retire(other)
    told = await run.workspace.replay(task.id)
    assert f"{other} 1 cannot get it any more." in told["differences"]
    await run.workspace.retire(task.agent)
    assert (await run.workspace.replay(task.id))["now"]["chosen"] is None


async def test_what_was_erased_or_never_decided_is_not_decided_again(tutti):
    run = await tutti(shop()).submit("order.read", {}, subject="account/1")
    id = run.task("order.read").id
    await run.workspace.erase("account/1")
    with pytest.raises(Conflict, match="erased"):
        await run.workspace.replay(id)
