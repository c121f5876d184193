"""One-time links: a person signs in to the console with a code that is good once, for them, here, and for a quarter of an hour."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from access_site import BASE, Door, make_fleet, token_of

from tutti import Settings, Workspace
from tutti.access import ACTIONS
from tutti.api.identity import _TRIES_HERE
from tutti.security import Links, Secrets
from tutti.testing import ManualClock

OWN = {"origin": BASE, "sec-fetch-site": "same-origin"}


@pytest.fixture(autouse=True)
def _on_tcp(workspace: Workspace) -> None:
    workspace.outside.base_url = BASE


async def test_a_link_opens_one_session(door: Door, workspace: Workspace) -> None:
    token = await token_of(workspace, "person/ana", "viewer", departments=("support",))
    made = await door("POST", "/v1/session-links", token=token)
    assert (made.status, made.headers["cache-control"]) == (201, "no-store")
    assert made.body["url"] == f"{BASE}/console/enter#code={made.body['code']}"
    opened = await door("POST", "/v1/session", {"code": made.body["code"]}, headers=OWN)
    assert (opened.status, opened.body["id"], opened.body["workspace"]) == (201, "person/ana", "shop")
    cookie = opened.headers["set-cookie"]
    assert {"HttpOnly", "SameSite=Strict", "Path=/"} <= set(cookie.split("; "))
    has = {"cookie": cookie.partition(";")[0]}
    who = (await door("GET", "/v1/session", headers=has)).body
    assert who == opened.body
    assert workspace.fleet is not None
    assert who["currency"] == workspace.fleet.currency
    assert (who["may"]["tasks:read"], who["may"].get("tasks:submit")) == (["support"], None)
    twice = await door("POST", "/v1/session", {"code": made.body["code"]}, headers=OWN)
    assert (twice.status, "was used" in twice.body["detail"], "set-cookie" in twice.headers) == (401, True, False)


async def test_a_session_says_what_one_may_do_and_until_when(door: Door, workspace: Workspace, clock: ManualClock) -> None:
    boss = await token_of(workspace, "person/owner", life=timedelta(hours=1))
    first = (await door("GET", "/v1/session", token=boss)).body
    assert first["may"] == {action: ["*"] for action in ACTIONS}
    opened = await door("POST", "/v1/session", {}, token=boss)
    left = [opened.body["expires_at"] > first["expires_at"], first["expires_at"] > opened.body["expires_at"]]
    assert left == [True, False], "eight hours, and one"
    await workspace.accounts.add("person/bob", ["viewer", "approver@finance"], departments=["support", "sales"])
    bob = (await workspace.accounts.issue_token("person/bob"))["token"]
    may = (await door("GET", "/v1/session", token=bob)).body["may"]
    assert (may["tasks:read"], may["approvals:answer"], "levels:set" in may) == (["finance", "sales", "support"], ["finance"], False)
    narrow = (await workspace.accounts.issue_token("person/bob", scopes=["tasks:*:read"]))["token"]
    assert set((await door("GET", "/v1/session", token=narrow)).body["may"]) == {"tasks:read"}


async def test_a_link_is_over_after_a_quarter_of_an_hour(door: Door, workspace: Workspace, clock: ManualClock) -> None:
    token = await token_of(workspace, "person/owner")
    first, second = [(await door("POST", "/v1/session-links", token=token)).body["code"] for _ in range(2)]
    clock.advance(timedelta(minutes=14, seconds=59))
    assert (await door("POST", "/v1/session", {"code": first})).status == 201
    clock.advance(timedelta(seconds=1))
    assert (await door("POST", "/v1/session", {"code": second})).status == 401


async def test_a_link_of_another_workspace_opens_nothing(door: Door, workspace: Workspace, tmp_path: Path, clock: ManualClock) -> None:
    code = (await door("POST", "/v1/session-links", token=await token_of(workspace, "person/owner"))).body["code"]
    async with Workspace(make_fleet("other"), Settings("other", tmp_path / "tutti", grace=timedelta(0)), clock=clock) as second:
        assert (await Door(second)("POST", "/v1/session", {"code": code})).status == 401
    assert (await door("POST", "/v1/session", {"code": code})).status == 201, "and it is still good here"


async def test_who_may_make_links(door: Door, workspace: Workspace) -> None:
    await workspace.accounts.add("person/ana", ["owner"])
    for narrowing in ({"scopes": ["*:*:*"]}, {"roles": ["owner"]}, {"departments": ["*"]}):
        narrow = (await workspace.accounts.issue_token("person/ana", **narrowing))["token"]
        assert (await door("POST", "/v1/session-links", token=narrow)).status == 403, narrowing
    assert (await door("POST", "/v1/session-links", token=await token_of(workspace, "service/crm", "owner"))).status == 403
    assert (await door("POST", "/v1/session-links")).status == 401
    whole = (await workspace.accounts.issue_token("person/ana"))["token"]
    assert (await door("POST", "/v1/session-links", token=whole)).status == 201
    workspace.outside.base_url = ""
    assert (await door("POST", "/v1/session-links", token=whole)).status == 409, "there is no page to open"


async def test_other_sites_make_no_link_and_sign_nobody_in(door: Door, workspace: Workspace) -> None:
    token = await token_of(workspace, "person/owner")
    opened = await door("POST", "/v1/session", {}, token=token)
    has = {"cookie": opened.headers["set-cookie"].partition(";")[0]}
    code = (await door("POST", "/v1/session-links", token=token)).body["code"]
    for headers in ({"origin": "http://evil.example"}, {"origin": "null"}, {"origin": BASE, "sec-fetch-site": "cross-site"}):
        assert (await door("POST", "/v1/session-links", headers=has | headers)).status == 403
        assert (await door("POST", "/v1/session", {"code": code}, headers=headers)).status == 403, "nor as somebody else (log-in CSRF)"
    assert (await door("POST", "/v1/session-links", headers=has)).status == 403, "no Origin"
    assert (await door("POST", "/v1/session-links", headers=has | OWN)).status == 201
    assert (await door("POST", "/v1/session", {"code": code}, headers=OWN)).status == 201, "a refused try does not use it up"


async def test_codes_are_not_to_be_guessed(door: Door, workspace: Workspace) -> None:
    code = (await door("POST", "/v1/session-links", token=await token_of(workspace, "person/owner"))).body["code"]
    wrong = ["link_" + "A" * 43, code[:-1], code + "A", code.upper(), "link_", "enrol_" + code[5:], code[5:]]
    said = [await door("POST", "/v1/session", {"code": text}, address="203.0.113.9") for text in wrong]
    assert {reply.status for reply in said} == {401}
    assert len({str(reply.body) for reply in said}) == 1
    for _ in range(_TRIES_HERE[0] - len(wrong)):
        await door("POST", "/v1/session", {"code": wrong[0]}, address="203.0.113.9")
    late = await door("POST", "/v1/session", {"code": code}, address="203.0.113.9")
    assert (late.status, int(late.headers["retry-after"]) > 0) == (429, True), "even the right one"
    assert (await door("POST", "/v1/session", {"code": code}, address="203.0.113.10")).status == 201


async def test_a_link_ends_with_its_account_and_with_a_new_password(door: Door, workspace: Workspace) -> None:
    token = await token_of(workspace, "person/ana", "viewer")
    changed = (await door("POST", "/v1/session-links", token=token)).body["code"]
    await workspace.accounts.change("person/ana", password="four words are enough")
    removed = (await door("POST", "/v1/session-links", token=token)).body["code"]
    await workspace.accounts.remove("person/ana")
    for code in (changed, removed):
        assert (await door("POST", "/v1/session", {"code": code})).status == 401


async def test_codes_stand_in_no_fact_and_no_log(workspace: Workspace, tmp_path: Path) -> None:
    code, _ = workspace.accounts.session_link("person/owner")
    await workspace.accounts.log_in_by_link(code)
    assert code not in str(await workspace.facts(limit=1000))
    assert code not in Secrets(tmp_path, {}).redact(f"GET /console/enter#code={code}")


def test_links_take_no_more_than_their_room(clock: ManualClock, workspace: Workspace) -> None:
    links = Links(clock, workspace.house.ids)
    codes = [links.make("person/owner")[0] for _ in range(1001)]
    with pytest.raises(Exception, match="does not hold"):
        links.use(codes[0])
    assert links.use(codes[1]) == "person/owner"
