"""Accounts over the API: people log in, services bring tokens, rights change at once, and what is not theirs looks absent."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from access_site import Door, make_fleet, token_of

from tutti import Settings, Workspace
from tutti.api.identity import _TRIES, _TRIES_HERE
from tutti.testing import ManualClock

PASSWORD = "four words are enough"


async def owner(workspace: Workspace) -> str:
    return await token_of(workspace, "person/owner")


async def test_a_person_logs_in_works_and_logs_out(door: Door, workspace: Workspace, clock: ManualClock) -> None:
    made = await door(
        "POST", "/v1/accounts", {"id": "person/ana", "roles": ["viewer"], "departments": ["support"], "password": PASSWORD}, token=await owner(workspace)
    )
    assert (made.status, made.body["roles"], made.body["password"]) == (201, ["viewer"], True)
    opened = await door("POST", "/v1/session", {"account": "person/ana", "password": PASSWORD})
    assert (opened.status, opened.body["id"]) == (201, "person/ana")
    cookie = opened.headers["set-cookie"]
    assert cookie.startswith("tutti_session=")
    assert {"HttpOnly", "SameSite=Strict", "Path=/", "Max-Age=28800"} <= set(cookie.split("; "))
    has = {"cookie": f"theme=dark; {cookie.partition(';')[0]}"}
    assert (await door("GET", "/v1/session", headers=has)).body["departments"] == ["support"]
    assert (await door("GET", "/v1/tasks", headers=has)).status == 200
    clock.advance(timedelta(hours=8))
    assert (await door("GET", "/v1/session", headers=has)).status == 401, "eight hours, used or not"
    again = await door("POST", "/v1/session", {"account": "person/ana", "password": PASSWORD}, headers=has)
    assert again.status == 201, "an old cookie stands in nobody's way"
    fresh = {"cookie": again.headers["set-cookie"].partition(";")[0], "origin": "http://127.0.0.1:7777"}
    assert fresh["cookie"] != has["cookie"].partition("; ")[2]
    assert (await door("DELETE", "/v1/session", headers=fresh)).status == 204
    assert (await door("GET", "/v1/session", headers=fresh)).status == 401


async def test_over_tls_the_cookie_is_bound_to_the_host(door: Door, workspace: Workspace) -> None:
    opened = await door("POST", "/v1/session", {}, token=await owner(workspace), scheme="https")
    cookie = opened.headers["set-cookie"]
    assert cookie.startswith("__Host-tutti=")
    assert "Secure" in cookie.split("; ")
    value = cookie.partition("=")[2].partition(";")[0]
    assert (await door("GET", "/v1/session", headers={"cookie": f"__Host-tutti={value}"}, scheme="https")).status == 200
    assert (await door("GET", "/v1/session", headers={"cookie": f"tutti_session={value}"}, scheme="https")).status == 401


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"origin": "http://evil.example"},
        {"origin": "null"},
        {"origin": "http://127.0.0.1:7778"},
        {"origin": "https://127.0.0.1:7777"},
        {"origin": "http://127.0.0.1:7777", "sec-fetch-site": "cross-site"},
    ],
)
async def test_a_session_changes_nothing_for_other_sites(headers: dict[str, str], door: Door, workspace: Workspace) -> None:
    opened = await door("POST", "/v1/session", {}, token=await owner(workspace))
    has = {"cookie": opened.headers["set-cookie"].partition(";")[0], **headers}
    assert (await door("POST", "/v1/tasks", {"skill": "ticket.read", "input": "x"}, headers=has)).status == 403
    assert (await workspace.tasks())["tasks"] == []
    assert (
        await door(
            "POST",
            "/v1/tasks",
            {"skill": "ticket.read", "input": "x"},
            headers=has | {"origin": "http://127.0.0.1:7777", "sec-fetch-site": "same-origin"},
        )
    ).status == 201


async def test_wrong_passwords_and_unknown_people_look_alike_and_are_throttled(door: Door, workspace: Workspace, clock: ManualClock) -> None:
    await workspace.accounts.add("person/ana", ["viewer"], password=PASSWORD)
    await workspace.accounts.add("person/eve", ["viewer"])
    said = [
        await door("POST", "/v1/session", {"account": account, "password": "wrong wrong wrong"}) for account in ("person/ana", "person/nobody", "person/eve")
    ]
    assert [reply.status for reply in said] == [401, 401, 401]
    assert said[0].body == said[1].body == said[2].body
    for _ in range(_TRIES[0] - 1):
        await door("POST", "/v1/session", {"account": "person/nobody", "password": "x"})
    late = await door("POST", "/v1/session", {"account": "person/nobody", "password": "x"})
    assert (late.status, 0 < int(late.headers["retry-after"]) <= 60) == (429, True)
    assert (await door("POST", "/v1/session", {"account": "person/ana", "password": PASSWORD})).status == 201, "others are not locked out"
    clock.advance(timedelta(seconds=int(late.headers["retry-after"])))
    assert (await door("POST", "/v1/session", {"account": "person/nobody", "password": "x"})).status == 401


async def test_one_address_cannot_try_many_codes_and_accounts(door: Door) -> None:
    wrong = {"code": "enrol_" + "A" * 43, "name": "x", "url": "https://x.example/", "key": "00", "proof": "00"}
    statuses = [(await door("POST", "/v1/enrolments/use", wrong, address="203.0.113.9")).status for _ in range(_TRIES_HERE[0])]
    assert set(statuses) == {403}
    assert (await door("POST", "/v1/enrolments/use", wrong, address="203.0.113.9")).status == 429
    assert (await door("POST", "/v1/session", {"account": "person/ana", "password": "x"}, address="203.0.113.9")).status == 429
    assert (await door("POST", "/v1/enrolments/use", wrong, address="203.0.113.10")).status == 403


async def test_whom_nobody_knows_may_not_ask_without_end(door: Door) -> None:
    statuses = {(await door("GET", "/v1/tasks", address="203.0.113.8")).status for _ in range(301)}
    assert statuses == {401, 429}
    assert (await door("GET", "/v1/tasks", address="203.0.113.9")).status == 401, "another address is not concerned"
    assert (await door("GET", "/v1/keys", address="203.0.113.8")).status == 429
    assert {(await door("GET", "/v1/keys", address="203.0.113.7")).status for _ in range(310)} == {200}, "what is for everybody is not counted"


async def test_rights_change_with_the_next_request(door: Door, workspace: Workspace) -> None:
    boss = await owner(workspace)
    token = await token_of(workspace, "service/crm", "viewer")
    assert (await door("POST", "/v1/tasks", {"skill": "ticket.read", "input": "x"}, token=token)).status == 403
    assert (await door("PATCH", "/v1/accounts/service/crm", {"roles": ["sender"]}, token=boss)).body["roles"] == ["sender"]
    assert (await door("POST", "/v1/tasks", {"skill": "ticket.read", "input": "x"}, token=token)).status == 201
    assert (await door("DELETE", "/v1/accounts/service%2Fcrm", token=boss)).body["state"] == "removed"
    assert (await door("GET", "/v1/tasks", token=token)).status == 401
    assert (await door("GET", "/v1/accounts/service/crm", token=boss)).status == 404


async def test_only_the_owner_manages_accounts_and_a_narrow_token_makes_no_wide_one(door: Door, workspace: Workspace) -> None:
    operator = await token_of(workspace, "person/op", "operator")
    assert (await door("GET", "/v1/accounts", token=operator)).status == 200
    for method, path, body in (
        ("POST", "/v1/accounts", {"id": "person/eve", "roles": ["owner"]}),
        ("PATCH", "/v1/accounts/person/op", {"roles": ["owner"]}),
        ("POST", "/v1/tokens", {"holder": "person/owner"}),
        ("DELETE", "/v1/accounts/person/op", None),
    ):
        assert (await door(method, path, body, token=operator)).status == 403, (method, path)
    own = await door("POST", "/v1/tokens", {"holder": "person/op", "scopes": ["tasks:*:read"], "life_ms": 60_000}, token=operator)
    assert own.status == 201
    narrow = own.body["token"]
    assert (await door("GET", "/v1/tasks", token=narrow)).status == 200
    assert (await door("GET", "/v1/agents", token=narrow)).status == 403
    assert (await door("POST", "/v1/tokens", {"holder": "person/op"}, token=narrow)).status == 403
    assert (await door("POST", "/v1/session", {}, token=narrow)).status == 401
    assert (await door("DELETE", f"/v1/tokens/{own.body['id']}", token=operator)).status == 200
    assert (await door("GET", "/v1/tasks", token=narrow)).status == 401


async def test_a_token_with_more_than_its_holder_has_gives_no_more(door: Door, workspace: Workspace) -> None:
    await workspace.accounts.add("person/ana", ["viewer"], departments=["support"])
    token = (await workspace.accounts.issue_token("person/ana", roles=["owner"], departments=["*"], scopes=["*:*:*"]))["token"]
    assert (await door("POST", "/v1/kill-switches/throw", {"scope": "workspace"}, token=token)).status == 403
    assert (await door("GET", "/v1/session", token=token)).body["acts_for"] == []


async def test_another_departments_and_another_callers_things_look_absent(door: Door, workspace: Workspace) -> None:
    task = await workspace.submit("ledger.read", "X", by="service/books")
    absent = "t-" + "0" * 26
    sales = await token_of(workspace, "person/sal", "viewer", departments=("support",))
    sender = await token_of(workspace, "service/crm", "sender")
    books = await token_of(workspace, "service/books", "sender")
    for token in (sales, sender):
        for path in ("/v1/tasks/{}", "/v1/why/{}", "/v1/tasks/{}/wait", "/v1/lineage/{}"):
            theirs, nobodys = await door("GET", path.format(task), token=token), await door("GET", path.format(absent), token=token)
            assert (theirs.status, nobodys.status) == (404, 404), path
            assert str(theirs.body).replace(task, "ID") == str(nobodys.body).replace(absent, "ID")
        assert (await door("GET", "/v1/tasks", token=token)).body["tasks"] == []
        assert (await door("POST", f"/v1/tasks/{task}/cancel", {}, token=token)).status == 404
    assert (await door("GET", f"/v1/tasks/{task}", token=books)).status == 200


async def test_workspaces_are_apart(door: Door, workspace: Workspace, tmp_path: Path, clock: ManualClock) -> None:
    task = await workspace.submit("ticket.read", "X")
    token = await owner(workspace)
    async with Workspace(make_fleet("other"), Settings("other", tmp_path / "tutti", grace=timedelta(0)), clock=clock) as second:
        other = Door(second)
        assert (await other("GET", "/v1/tasks", token=token)).status == 401
        mine = await owner(second)
        theirs, nobodys = await other("GET", f"/v1/tasks/{task}", token=mine), await other("GET", "/v1/tasks/t-" + "0" * 26, token=mine)
        assert (theirs.status, nobodys.status) == (404, 404)
        for header in ("x-workspace", "x-tenant", "x-tenant-id", "x-forwarded-user", "x-user"):
            assert (await other("GET", f"/v1/tasks/{task}", token=mine, headers={header: "shop"})).status == 404
        assert (await other("GET", "/v1/tasks", token=mine)).body["tasks"] == []
        assert second.accounts.everybody() == []


async def test_nobody_approves_what_they_asked_for(door: Door, workspace: Workspace) -> None:
    asking = await token_of(workspace, "person/ana", "operator")
    other = await token_of(workspace, "person/bob", "approver")
    task = (await door("POST", "/v1/tasks", {"skill": "refund.pay", "input": {"amount": 20}}, token=asking)).body["task"]
    await workspace.quiet()
    approval = (await door("GET", "/v1/approvals", token=other)).body[0]["id"]
    refused = await door("POST", f"/v1/approvals/{approval}/answer", {"answer": "approve"}, token=asking)
    assert refused.status == 403
    assert (await workspace.task(task))["state"] == "input-required"
    assert (await door("POST", f"/v1/approvals/{approval}/answer", {"answer": "approve"}, token=other)).status == 200
    assert await workspace.result(task) == "paid 20"
    assert (await workspace.approval(approval))["answered_by"] == "person/bob"


async def test_a_password_stands_in_no_fact_and_is_erased_with_its_person(workspace: Workspace, tmp_path: Path) -> None:
    await workspace.accounts.add("person/ana", ["viewer"], password=PASSWORD)
    assert (await workspace.accounts.log_in("person/ana", PASSWORD))[1].id == "person/ana"
    assert "argon2" not in str(await workspace.facts(limit=1000))
    assert (await workspace.erase("person/ana"))["payloads"] == 1
    with pytest.raises(Exception, match="do not fit"):
        await workspace.accounts.log_in("person/ana", PASSWORD)
