"""Why, over HTTP: no value out of a task that the caller may not read."""

from __future__ import annotations

from api_site import as_caller

from tutti import Workspace
from tutti.model.caller import Caller


async def test_what_another_department_gave_is_masked(workspace: Workspace) -> None:
    first = await workspace.submit("ticket.triage", {"text": "secret"})
    await workspace.result(first)
    paid = await workspace.submit("refund.pay", {"amount": 2}, after={"note": first})
    await workspace.quiet()
    async with as_caller(workspace) as owner, as_caller(workspace, Caller("person/eve", roles=("viewer@finance",))) as eve:
        whole = (await owner.get(f"/v1/why/{paid}")).json()
        assert [(each["kind"], each["value"], each["masked"]) for each in whole["inputs"]] == [("output", "read secret", False)]
        seen = (await eve.get(f"/v1/why/{paid}")).json()
        assert [(each["kind"], each["value"], each["masked"]) for each in seen["inputs"]] == [("output", None, True)]
        assert (await eve.get(f"/v1/why/{first}")).status_code == 404


async def test_a_replay_is_for_who_may_read_the_decision_and_changes_nothing(workspace: Workspace) -> None:
    paid = await workspace.submit("refund.pay", {"amount": 2})
    await workspace.quiet()
    head = workspace.journal.head.seq
    async with as_caller(workspace) as owner, as_caller(workspace, Caller("person/sam", roles=("viewer@support",))) as sam:
        told = (await owner.post(f"/v1/why/{paid}/replay")).json()
        assert (told["now"]["verdict"], told["differences"]) == ("allow", [])
        assert (await sam.post(f"/v1/why/{paid}/replay")).status_code == 404
    assert workspace.journal.head.seq == head
