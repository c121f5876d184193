"""Lists and counts of tasks over HTTP: filters, what is told of each, and only what the caller may read."""

from __future__ import annotations

import pytest
from api_site import Call, as_caller

from tutti import Workspace
from tutti.model.caller import Caller


@pytest.fixture
async def tasks(workspace: Workspace, call: Call) -> dict[str, str]:
    asked = {
        "small": ("refund.pay", {"amount": 2}),
        "large": ("refund.pay", {"amount": 90}),
        "asks": ("ticket.ask", {"text": "?"}),
        "read": ("ticket.triage", {"text": "x"}),
    }
    found = {}
    for name, (skill, input) in asked.items():
        found[name] = await workspace.submit(skill, input, subject=f"account/{name}")
        await call("GET", f"/v1/tasks/{found[name]}/wait?timeout_ms=20000")
    return found


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("status=human", ["asks", "large"]), ("status=done", ["read", "small"]), ("status=done,human", ["read", "asks", "large", "small"]), ("status=failed", []),
        ("department=finance", ["large", "small"]), ("nature=advice", ["read", "asks"]), ("agent=pay", ["large", "small"]), ("q=account/sm", ["small"]),
        ("q=refund", ["large", "small"]), ("status=human&department=support", ["asks"]), ("retrying=true", []), ("since=2020-01-01T00:00:00Z&status=done", ["read", "small"]),
        ("until=2020-01-01T00:00:00Z", []), ("subject=account/large", ["large"]), ("state=completed&skill=refund.pay", ["small"]), ("waiting=true", ["asks", "large"]),
    ],
)  # fmt: skip
async def test_each_filter_leaves_what_it_says(call: Call, tasks: dict[str, str], query: str, names: list[str]) -> None:
    status, page = await call("GET", f"/v1/tasks?{query}")
    assert status == 200
    assert [task["id"] for task in page["tasks"]] == [tasks[name] for name in names]
    if "waiting" not in query and "state=" not in query:
        _, counts = await call("GET", f"/v1/tasks/counts?{query}")
        assert counts["all"] == len(names)


async def test_a_page_of_open_ones_goes_on_where_the_one_before_ended(call: Call, tasks: dict[str, str]) -> None:
    _, first = await call("GET", "/v1/tasks?status=human&limit=1")
    _, second = await call("GET", f"/v1/tasks?status=human&limit=1&after={first['next']}")
    assert [first["tasks"][0]["id"], second["tasks"][0]["id"]] == [tasks["asks"], tasks["large"]]
    assert second["next"] is None


async def test_a_task_says_who_has_it(call: Call, tasks: dict[str, str]) -> None:
    told = {name: (await call("GET", f"/v1/tasks/{id}"))[1] for name, id in tasks.items()}
    assert (told["large"]["status"], told["large"]["with"]) == ("human", "person")
    assert (told["small"]["status"], told["small"]["with"], told["small"]["cost"]) == ("done", "pay", 0.0)
    assert (told["read"]["plan"], told["read"]["retrying"]) == (None, False)


async def test_counts_say_which_filter_removes_everything(call: Call, tasks: dict[str, str]) -> None:
    _, counts = await call("GET", "/v1/tasks/counts?status=human&agent=pay&department=support")
    assert counts["all"] == 0
    assert counts["without"] == {"status": 0, "agent": 1, "department": 1}
    assert counts["whole"] is True


async def test_a_caller_of_one_department_counts_and_lists_its_tasks_only(workspace: Workspace, call: Call, tasks: dict[str, str]) -> None:
    async with as_caller(workspace, Caller("person/eve", roles=("viewer@finance",))) as eve:
        assert (await eve.get("/v1/tasks/counts")).json()["all"] == 2
        assert {task["department"] for task in (await eve.get("/v1/tasks?status=done,human")).json()["tasks"]} == {"finance"}


@pytest.mark.parametrize("query", ["status=bored", "since=2020-01-01T00:00:00", "nature=none", "until=yesterday"])
async def test_a_filter_that_is_none_is_refused(call: Call, query: str) -> None:
    for path in ("/v1/tasks", "/v1/tasks/counts"):
        status, problem = await call("GET", f"{path}?{query}")
        assert (status, problem["code"]) == (400, "invalid")
