"""Approvals over HTTP: who sees what, who may answer, change and hand over."""

from __future__ import annotations

import pytest
from api_site import Call, as_caller

from tutti import Workspace
from tutti.model.caller import Caller

BEN = Caller("person/ben", roles=("approver@finance",))
EVE = Caller("person/eve", roles=("viewer@finance",))
SAM = Caller("person/sam", roles=("approver@support",))


@pytest.fixture
async def asked(workspace: Workspace, call: Call) -> str:
    top = await workspace.submit("ticket.triage", {"text": "x", "refund": 90}, by="person/ben")
    await workspace.quiet()
    (approval,) = await workspace.approvals()
    assert approval["parent"] == top
    return str(approval["id"])


async def test_a_change_opens_a_new_question_and_closes_the_old_one(workspace: Workspace, call: Call, asked: str) -> None:
    status, new = await call("POST", f"/v1/approvals/{asked}/change", {"input": {"amount": 50}, "note": "half"})
    assert (status, new["state"], new["input"], new["may_answer"]) == (200, "open", {"amount": 50}, True)
    assert (await call("POST", f"/v1/approvals/{asked}/answer", {"answer": "approve"}))[0] == 409
    status, answered = await call("GET", "/v1/approvals?state=answered")
    assert [(each["id"], each["answer"], each["note"], each["may_answer"]) for each in answered] == [(asked, "change", "half", False)]
    assert (await call("POST", f"/v1/approvals/{new['id']}/change", {"input": {"amount": "much"}}))[0] == 400
    assert (await call("GET", f"/v1/approvals?after={new['id']}"))[1] == []
    assert (await call("GET", "/v1/approvals?after=a-none"))[0] == 404


async def test_nobody_answers_changes_or_is_told_they_may_what_they_asked_for_themselves(workspace: Workspace, asked: str) -> None:
    async with as_caller(workspace, BEN) as ben:
        (seen,) = (await ben.get("/v1/approvals")).json()
        assert seen["may_answer"] is False
        assert seen["evidence"] == []  # the ticket is support's
        for what, body in (("answer", {"answer": "approve"}), ("change", {"input": {"amount": 1}})):
            assert (await ben.post(f"/v1/approvals/{asked}/{what}", json=body)).status_code == 403
        assert (await ben.post(f"/v1/approvals/{asked}/hand-over", json={"to": "finance"})).json()["handed_to"] == "finance"


async def test_who_only_reads_changes_nothing_and_others_see_nothing(workspace: Workspace, asked: str) -> None:
    for caller, status in ((EVE, 403), (SAM, 404)):
        async with as_caller(workspace, caller) as client:
            for what, body in (("change", {"input": {"amount": 1}}), ("hand-over", {"to": "finance"})):
                assert (await client.post(f"/v1/approvals/{asked}/{what}", json=body)).status_code == status
    assert [each["id"] for each in await workspace.approvals()] == [asked]
    async with as_caller(workspace, EVE) as eve:
        assert [each["may_answer"] for each in (await eve.get("/v1/approvals?state=all")).json()] == [False]


async def test_handing_over_gives_no_right_to_answer(workspace: Workspace, asked: str) -> None:
    async with as_caller(workspace) as owner:
        assert (await owner.post(f"/v1/approvals/{asked}/hand-over", json={"to": "support"})).status_code == 200
        assert (await owner.post(f"/v1/approvals/{asked}/hand-over", json={"to": "nowhere"})).status_code == 400
    async with as_caller(workspace, SAM) as sam:
        assert (await sam.post(f"/v1/approvals/{asked}/answer", json={"answer": "approve"})).status_code == 404
