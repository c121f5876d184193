"""Who may do what through MCP: roles, departments, own tasks; what a caller may not see looks like what is not there."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from mcp.shared.exceptions import MCPError
from mcp_site import client, served, words

from tutti import Workspace
from tutti.model.caller import OWNER, Caller

CALLERS = {
    "owner": OWNER,
    "ana": Caller("person/ana", ("sender",), ("support",)),
    "ida": Caller("person/ida", ("sender",), ("support",)),
    "vera": Caller("person/vera", ("viewer",), ("support",)),
    "fin": Caller("person/fin", ("viewer", "approver", "sender"), ("finance",)),
    "ben": Caller("person/ben", ("approver",), ("finance",)),
    "bot": Caller("service/bot", ("approver",), ("finance",)),
    "proxy": Caller("person/ben", ("approver",), ("finance",), chain=(Caller("agent/proxy", ("owner",)),)),
    "narrow": Caller("person/ben", ("approver",), ("finance",), scopes=("approvals:*:read",)),
}


@pytest.fixture
async def door(workspace: Workspace) -> AsyncIterator[str]:
    async with served(workspace, CALLERS) as address:
        yield address


async def submitted(door: str, token: str, skill: str, input: dict[str, object]) -> str:
    async with client(door, token) as mcp:
        id: str = (await mcp.call_tool("submit_task", {"skill": skill, "input": input})).structured_content["task"]
        await mcp.call_tool("watch_task", {"task": id})
        return id


async def test_a_sender_sees_what_is_theirs_and_others_tasks_look_absent(door):
    hers = await submitted(door, "ana", "ticket.triage", {"text": "mine"})
    async with client(door, "ida") as other:
        for tool in ("get_task", "watch_task", "cancel_task"):
            theirs = words(await other.call_tool(tool, {"task": hers}))
            assert theirs.replace(hers, "ID") == words(await other.call_tool(tool, {"task": "t-nothing"})).replace("t-nothing", "ID")
        assert (await other.call_tool("explain_decision", {"id": hers})).is_error
        assert (await other.call_tool("lineage", {"id": hers})).is_error
        assert (await other.call_tool("list_tasks", {})).structured_content["tasks"] == []
        with pytest.raises(MCPError, match="There is no task"):
            await other.read_resource(f"tutti://tasks/{hers}")
    async with client(door, "ana") as own:
        assert (await own.call_tool("get_task", {"task": hers})).structured_content["output"] == "read mine"
        assert [task["id"] for task in (await own.call_tool("list_tasks", {})).structured_content["tasks"]] == [hers]
        assert not (await own.call_tool("explain_decision", {"id": hers})).is_error
        assert (await own.call_tool("submit_task", {"skill": "refund.pay", "input": {"amount": 1.0}})).is_error, "another department's"
        for tool in ("list_agents", "list_approvals", "read_measures"):
            refused = await own.call_tool(tool, {})
            assert refused.is_error, tool
            assert refused.meta["tutti/error"]["code"] == "refused"
        with pytest.raises(MCPError, match="may not"):
            await own.read_resource("tutti://journal/head")


async def test_a_viewer_reads_their_department_and_changes_nothing(door):
    async with client(door, "owner") as owner:
        event = {"type": "ticket.opened", "id": "1", "data": {"text": "hello", "refund": 5}}
        sent = (await owner.call_tool("send_signal", event)).structured_content
        await owner.call_tool("watch_task", {"task": sent["tasks"][0]})
    async with client(door, "vera") as viewer:
        assert [task["skill"] for task in (await viewer.call_tool("list_tasks", {})).structured_content["tasks"]] == ["ticket.triage"]
        assert {agent["department"] for agent in (await viewer.call_tool("list_agents", {})).structured_content["agents"]} == {"support"}
        tree = (await viewer.call_tool("lineage", {"id": sent["signal"]})).structured_content["tree"]
        assert (tree["led_to"][0]["led_to"], tree["led_to"][0]["hidden"]) == ([], 1)
        listed = {str(each.uri) for each in (await viewer.list_resources()).resources}
        assert "tutti://agents/triage" in listed
        assert "tutti://agents/pay" not in listed
        with pytest.raises(MCPError, match="There is no agent pay"):
            await viewer.read_resource("tutti://agents/pay")
        for tool, arguments in (("send_signal", event), ("submit_task", {"skill": "ticket.triage"}), ("cancel_task", {"task": sent["tasks"][0]})):
            assert (await viewer.call_tool(tool, arguments)).meta["tutti/error"]["code"] == "refused", tool
    async with client(door, "fin") as finance:
        tree = await finance.call_tool("lineage", {"id": sent["signal"]})
        assert tree.is_error
        assert "There is no signal" in words(tree)


async def test_lists_for_one_department_have_no_gaps(workspace, door):
    for number in range(4):
        await workspace.submit("ticket.triage", {"text": "x"})
        await workspace.submit("refund.pay", {"amount": 20.0 + number})
    await workspace.quiet()
    async with client(door, "vera") as viewer:
        first = (await viewer.call_tool("list_tasks", {"limit": 3})).structured_content
        rest = (await viewer.call_tool("list_tasks", {"limit": 3, "after": first["next"]})).structured_content
        assert [len(first["tasks"]), len(rest["tasks"]), rest["next"]] == [3, 1, None]
        assert {task["department"] for task in first["tasks"] + rest["tasks"]} == {"support"}
        assert (await viewer.call_tool("list_approvals", {})).structured_content["approvals"] == [], "they are finance's"
    async with client(door, "ben") as ben:
        assert len((await ben.call_tool("list_approvals", {"limit": 3})).structured_content["approvals"]) == 3
    async with client(door, "narrow") as narrow:
        assert (await narrow.call_tool("list_tasks", {})).meta["tutti/error"]["code"] == "refused"


async def test_mine_are_those_i_asked_for_wherever_they_are(workspace, door):
    hers = await submitted(door, "fin", "refund.pay", {"amount": 5.0})
    await workspace.submit("refund.pay", {"amount": 6.0})
    async with client(door, "fin") as fin:
        assert [task["id"] for task in (await fin.call_tool("list_tasks", {"mine": True})).structured_content["tasks"]] == [hers]
        assert len((await fin.call_tool("list_tasks", {})).structured_content["tasks"]) == 2


async def test_an_approval_is_a_persons_own_and_never_of_who_asked(door):
    id = await submitted(door, "fin", "refund.pay", {"amount": 99.0})
    async with client(door, "ben") as ben:
        (asked,) = (await ben.call_tool("list_approvals", {})).structured_content["approvals"]
    yes = {"approval": asked["id"], "answer": "approve", "digest": asked["digest"]}
    for token, said in (
        ("fin", "asked for"),
        ("bot", "no person"),
        ("proxy", "no person"),
        ("narrow", ""),
        ("vera", "There is no approval"),
        ("ana", "There is no approval"),
    ):
        async with client(door, token) as mcp:
            refused = await mcp.call_tool("answer_approval", yes)
            assert refused.is_error, token
            assert said in words(refused), token
    async with client(door, "ben") as ben:
        assert (await ben.call_tool("answer_approval", yes)).structured_content["answered_by"] == "person/ben"
    async with client(door, "fin") as fin:
        assert (await fin.call_tool("watch_task", {"task": id})).structured_content["task"]["output"] == "paid 99.0"
