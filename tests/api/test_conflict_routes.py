"""Conflicts over HTTP: both sides for who may see both, a decision by who may settle both, and undoing through the gates."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest
from api_site import as_caller
from pydantic import BaseModel

from tutti import Fleet, Intent, Settings, Workspace
from tutti.model.caller import Caller

VIEWER = Caller("person/vera", ("viewer",), ("renewal",))
APPROVER = Caller("person/paul", ("approver",), ("renewal",))
STRANGER = Caller("person/sam", ("viewer",), ("elsewhere",))


class Price(BaseModel):
    account: str


@pytest.fixture
async def opposed(tmp_path: Path) -> AsyncIterator[tuple[Workspace, str, str]]:
    """A workspace in which a person must decide between a discount and a rise."""
    fleet = Fleet("prices")
    for skill, department, effect, undo in (("renewal.discount", "renewal", "discount", "price.raise"), ("price.raise", "pricing", "raise", None)):

        async def act(price: Price) -> str:
            return "done"

        intends = [Intent("price/{account}", effect=effect, lasts=timedelta(days=1))]
        fleet.action(skill, department=department, intends=intends, undo=undo, name=department)(act)
        fleet.autonomy(skill, level="approve")
    fleet.resource("price", incompatible=[("discount", "raise")])
    async with Workspace(fleet, Settings("prices", tmp_path / "tutti", grace=timedelta(0))) as workspace:
        first = await workspace.submit("renewal.discount", {"account": "17"})
        second = await workspace.submit("price.raise", {"account": "17"})
        await workspace.quiet()
        for task in (first, second):
            await workspace.answer_as_owner(task, "approve")
        await workspace.quiet()
        yield workspace, first, second


async def test_who_reads_one_side_sees_that_it_collides_and_nothing_of_the_others_parameters(opposed: tuple[Workspace, str, str]) -> None:
    workspace, first, second = opposed
    owner, vera, sam = as_caller(workspace), as_caller(workspace, VIEWER), as_caller(workspace, STRANGER)
    (whole,) = (await owner.get("/v1/conflicts")).json()["conflicts"]
    assert [side["input"] for side in whole["sides"]] == [{"account": "17"}] * 2
    assert {side["task"] for side in whole["sides"]} == {first, second}
    (seen,) = (await vera.get("/v1/conflicts", params={"state": "asked"})).json()["conflicts"]
    assert {side["department"]: side["input"] for side in seen["sides"]} == {"renewal": {"account": "17"}, "pricing": None}
    assert (await sam.get("/v1/conflicts")).json()["conflicts"] == []
    assert (await vera.get(f"/v1/conflicts/{whole['id']}")).status_code == 200
    assert (await sam.get(f"/v1/conflicts/{whole['id']}")).status_code == 404
    assert (await owner.get("/v1/conflicts/c-nothing")).status_code == 404
    assert (await owner.get("/v1/conflicts", params={"state": "odd"})).status_code == 400
    assert (await owner.get("/v1/conflicts", params={"task": first})).json()["conflicts"][0]["id"] == whole["id"]
    told = (await owner.get(f"/v1/why/{first}")).json()
    assert "a person is asked" in told["sentence"]
    assert [side["input"] for side in told["conflicts"][0]["sides"] if side["task"] == second] == [None]


async def test_why_of_a_conflict_is_the_conflict_for_whom_it_is_there(opposed: tuple[Workspace, str, str]) -> None:
    workspace, first, second = opposed
    owner, vera, sam = as_caller(workspace), as_caller(workspace, VIEWER), as_caller(workspace, STRANGER)
    (conflict,) = (await owner.get("/v1/conflicts")).json()["conflicts"]
    for caller in (owner, vera):
        told = await caller.get(f"/v1/why/{conflict['id']}")
        assert (told.status_code, told.json()) == (200, (await caller.get(f"/v1/conflicts/{conflict['id']}")).json())
    assert {side["task"]: side["input"] for side in told.json()["sides"]} == {first: {"account": "17"}, second: None}
    hidden, none = await sam.get(f"/v1/why/{conflict['id']}"), await owner.get("/v1/why/c-nothing")
    assert (hidden.status_code, none.status_code) == (404, 404)
    assert hidden.text.replace(conflict["id"], "c-nothing") == none.text  # whether there is one is not to be learned
    seen = [await sam.get(f"/v1/conflicts/{id}") for id in (conflict["id"], "c-nothing")]
    assert seen[0].text.replace(conflict["id"], "c-nothing") == seen[1].text
    assert (await workspace.why(conflict["id"]))["id"] == conflict["id"]


async def test_a_person_decides_who_may_settle_both_sides(opposed: tuple[Workspace, str, str]) -> None:
    workspace, first, second = opposed
    owner = as_caller(workspace)
    (conflict,) = (await owner.get("/v1/conflicts")).json()["conflicts"]
    paul = as_caller(workspace, APPROVER)
    assert (await paul.post(f"/v1/conflicts/{conflict['id']}/settle", json={"winner": first})).status_code in (403, 404)
    assert (await owner.post(f"/v1/conflicts/{conflict['id']}/settle", json={"winner": "t-other"})).status_code == 400
    settled = await owner.post(f"/v1/conflicts/{conflict['id']}/settle", json={"winner": first})
    assert (settled.status_code, settled.json()["winner"]) == (200, first)
    await workspace.quiet()
    assert (await workspace.task(first))["state"] == "completed"
    assert (await workspace.task(second))["state"] == "rejected"
    assert (await owner.post(f"/v1/conflicts/{conflict['id']}/settle", json={"winner": first})).status_code == 409

    assert (await owner.get(f"/v1/tasks/{first}")).json()["undo"] == "price.raise"
    assert (await owner.get(f"/v1/tasks/{second}")).json()["undo"] is None
    undo = await owner.post(f"/v1/tasks/{first}/undo")
    assert undo.status_code == 201
    await workspace.quiet()
    assert (await workspace.task(undo.json()["task"]))["stage"] == "approval"
    assert (await owner.post(f"/v1/tasks/{second}/undo")).status_code == 409
    assert (await as_caller(workspace, VIEWER).post(f"/v1/tasks/{first}/undo")).status_code == 403
