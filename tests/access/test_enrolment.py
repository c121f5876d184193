"""Agents come in with a one-use code and their own key; the name stays with the key, and tokens are short, revocable and for one audience."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from access_site import BASE, Door, token_of

from tutti import Workspace
from tutti.clock import MICROS
from tutti.desk import Desk
from tutti.model.agent import Endpoint
from tutti.model.caller import Caller
from tutti.security import SigningKey, make_dpop
from tutti.security.enrolment import make_assertion, make_proof
from tutti.security.tokens import unb64, verify_token
from tutti.testing import ManualClock

KEY, OTHER = SigningKey(b"a" * 32), SigningKey(b"b" * 32)
URL = "https://agents.example/pricing"


@pytest.fixture(autouse=True)
def registered(monkeypatch: pytest.MonkeyPatch) -> list[Endpoint]:
    """Agents are not asked for a card here: what is registered is kept."""
    seen: list[Endpoint] = []

    async def register(self: Desk, endpoint: Endpoint, **more: Any) -> dict[str, Any]:
        seen.append(endpoint)
        return {"schema": "tutti.registered/1", "name": more["name"], "version": "1+x", "digest": "x", "skills": [], "new": True}

    monkeypatch.setattr(Desk, "register", register)
    return seen


async def code_of(workspace: Workspace, name: str = "pricing") -> str:
    return str((await workspace.accounts.enrol(name, department="sales"))["code"])


def asking(code: str, key: SigningKey = KEY, **more: Any) -> dict[str, Any]:
    right = {"code": code, "name": "pricing", "workspace": "shop", "url": URL} | {
        name: value for name, value in more.items() if name in ("name", "workspace", "url")
    }
    proof = make_proof(key, **right)
    return {"code": code, "name": right["name"], "url": right["url"], "key": key.public.hex(), "proof": proof} | more.get("sent", {})


async def enrolled(door: Door, workspace: Workspace, name: str = "pricing", key: SigningKey = KEY) -> None:
    reply = await door("POST", "/v1/enrolments/use", asking(await code_of(workspace, name), key, name=name))
    assert reply.status == 201, reply


async def token(door: Door, workspace: Workspace, name: str = "pricing", key: SigningKey = KEY, **more: Any) -> Any:
    assertion = make_assertion(key, agent=name, workspace="shop", now=workspace.clock.now(), ids=workspace.ids)
    return await door("POST", "/v1/agent-tokens", {"agent": name, "assertion": assertion} | more)


async def test_an_agent_comes_in_and_calls_with_five_minute_tokens(door: Door, workspace: Workspace, clock: ManualClock, registered: list[Endpoint]) -> None:
    operator = await token_of(workspace, "person/op", "operator", departments=("sales",))
    assert (await door("POST", "/v1/enrolments", {"name": "pricing", "department": "finance"}, token=operator)).status == 403
    code = (await door("POST", "/v1/enrolments", {"name": "pricing", "department": "sales"}, token=operator)).body["code"]
    assert (await door("POST", "/v1/enrolments/use", asking(code))).status == 201
    assert (registered[0].url, registered[0].key, registered[0].by) == (URL, KEY.public.hex(), "person/op")
    made = await token(door, workspace)
    assert (made.status, made.body["token_type"], made.body["expires_in"]) == (201, "Bearer", 300)
    bearer = made.body["access_token"]
    who = (await door("GET", "/v1/session", token=bearer)).body
    assert (who["id"], who["roles"], who["departments"], who["scopes"], who["acts_for"]) == ("agent/pricing", ["agent"], ["sales"], None, [])
    assert (who["may"], who["expires_at"]) == ({"signals:send": ["sales"], "tasks:submit": ["sales"]}, "2026-01-05T09:05:01.000Z")
    assert (await door("POST", "/v1/tasks", {"skill": "ticket.read", "input": "x"}, token=bearer)).status == 403, "another department's"
    assert (await door("GET", "/v1/journal/facts", token=bearer)).status == 403
    clock.advance(timedelta(seconds=331))
    assert (await door("GET", "/v1/session", token=bearer)).status == 401


async def test_a_code_is_for_one_name_one_key_once_and_a_quarter_of_an_hour(door: Door, workspace: Workspace, clock: ManualClock) -> None:
    code = await code_of(workspace)
    for wrong in (
        asking("enrol_" + "A" * 43),
        asking(code, name="sales"),
        asking(code, workspace="other"),
        asking(code, sent={"url": "https://evil.example/"}),
        asking(code, sent={"key": OTHER.public.hex()}),
        asking(code, sent={"proof": "00" * 64}),
        asking(code, sent={"proof": "x"}),
        asking(code, url="http://127.0.0.1:1/"),
    ):
        assert (await door("POST", "/v1/enrolments/use", wrong)).status == 403
    assert (await door("POST", "/v1/enrolments/use", asking(code))).status == 201
    assert (await door("POST", "/v1/enrolments/use", asking(code))).status == 201, "the same agent may try again until it was reached"
    assert (await door("POST", "/v1/enrolments/use", asking(code, OTHER))).status == 409
    late = await code_of(workspace, "late")
    clock.advance(timedelta(minutes=15, seconds=1))
    assert (await door("POST", "/v1/enrolments/use", asking(late, name="late"))).status == 403


async def test_a_name_stays_with_its_key(door: Door, workspace: Workspace) -> None:
    second = await code_of(workspace)  # made while the name is free
    await enrolled(door, workspace)
    taken = await door("POST", "/v1/enrolments/use", asking(second, OTHER))
    assert (taken.status, taken.body["code"]) == (409, "conflict")
    boss = await token_of(workspace, "person/owner")
    assert (await door("POST", "/v1/enrolments", {"name": "pricing", "department": "sales"}, token=boss)).status == 409
    assert (await token(door, workspace, key=OTHER)).status == 401
    assert (await token(door, workspace)).status == 201
    assert (await door("DELETE", "/v1/accounts/agent/pricing", token=boss)).body["state"] == "removed"
    assert (await token(door, workspace)).status == 401
    await enrolled(door, workspace, key=OTHER)
    assert (await token(door, workspace, key=OTHER)).status == 201


async def test_an_assertion_gives_one_token(door: Door, workspace: Workspace, clock: ManualClock) -> None:
    await enrolled(door, workspace)
    assertion = make_assertion(KEY, agent="pricing", workspace="shop", now=clock.now(), ids=workspace.ids)
    assert (await door("POST", "/v1/agent-tokens", {"agent": "pricing", "assertion": assertion})).status == 201
    assert (await door("POST", "/v1/agent-tokens", {"agent": "pricing", "assertion": assertion})).status == 401
    early = make_assertion(KEY, agent="pricing", workspace="shop", now=clock.now() - 20 * MICROS, ids=workspace.ids)
    assert (await door("POST", "/v1/agent-tokens", {"agent": "pricing", "assertion": early})).status == 401, (
        "what was made before this process started may have been used"
    )


async def test_tokens_are_revoked_one_by_one_and_all_together(door: Door, workspace: Workspace) -> None:
    await enrolled(door, workspace)
    boss = await token_of(workspace, "person/owner")
    first, second = [(await token(door, workspace)).body for _ in range(2)]
    assert (await door("GET", "/v1/session", token=first["access_token"])).status == 200
    assert (await door("DELETE", f"/v1/tokens/{first['jti']}", token=boss)).status == 200
    assert [(await door("GET", "/v1/session", token=each["access_token"])).status for each in (first, second)] == [401, 200]
    assert (await door("DELETE", "/v1/tokens/agent/pricing", token=boss)).status == 200
    assert (await door("GET", "/v1/session", token=second["access_token"])).status == 401
    third = (await token(door, workspace)).body["access_token"]
    assert (await door("GET", "/v1/session", token=third)).status == 200, "a fresh one holds, in the same second too"


async def test_an_agent_that_acts_for_somebody_may_only_what_both_may(door: Door, workspace: Workspace) -> None:
    await enrolled(door, workspace)
    await workspace.accounts.add("person/vi", ["viewer"])
    await workspace.accounts.add("person/sam", ["sender"], departments=["sales", "support"])
    for person, sends in (("person/vi", 403), ("person/sam", 403), ("person/owner", 403)):
        given = workspace.accounts.call_token(Caller(person), "pricing", task="t-1")
        both = (await token(door, workspace, subject_token=given)).body["access_token"]
        who = (await door("GET", "/v1/session", token=both)).body
        assert (who["id"], who["acts_for"]) == ("agent/pricing", [person])
        assert (await door("POST", "/v1/tasks", {"skill": "ticket.read", "input": "x"}, token=both)).status == sends
        assert (await door("GET", "/v1/accounts", token=both)).status == 403
        assert (await door("GET", "/v1/session", token=given)).status == 401, "it is for the agent, not for this workspace"
    await workspace.accounts.remove("person/sam")
    assert (await door("GET", "/v1/session", token=both)).status == 200
    gone = workspace.accounts.call_token(Caller("person/sam"), "pricing")
    orphan = (await token(door, workspace, subject_token=gone)).body["access_token"]
    assert (await door("GET", "/v1/session", token=orphan)).status == 401


async def test_a_token_for_another_agent_is_of_no_use_here_and_not_for_a_third(door: Door, workspace: Workspace) -> None:
    await enrolled(door, workspace)
    await enrolled(door, workspace, "sales", OTHER)
    made = (await token(door, workspace, audience="agent/sales")).body["access_token"]
    assert (await door("GET", "/v1/session", token=made)).status == 401
    public = unb64((await door("GET", "/v1/keys")).body["keys"][0]["x"])
    assert verify_token(made, public, issuer="tutti/shop", audience="agent/sales", now=workspace.clock.now()).sub == "agent/pricing"
    assert (await token(door, workspace, audience="tutti/other")).status == 400
    assert (await token(door, workspace, subject_token=made)).status == 401, "made for sales, brought by pricing"
    assert (await token(door, workspace, "sales", OTHER, subject_token=made)).status == 201


async def test_a_bound_token_is_worth_nothing_without_its_key(door: Door, workspace: Workspace, clock: ManualClock) -> None:
    await enrolled(door, workspace)
    assertion = make_assertion(KEY, agent="pricing", workspace="shop", now=clock.now(), ids=workspace.ids)

    def proof(key: SigningKey, method: str, path: str, token: str = "") -> str:
        return make_dpop(key, method=method, url=BASE + path, now=clock.now(), ids=workspace.ids, token=token)

    made = await door("POST", "/v1/agent-tokens", {"agent": "pricing", "assertion": assertion}, headers={"dpop": proof(KEY, "POST", "/v1/agent-tokens")})
    assert made.body["token_type"] == "DPoP"
    bound = made.body["access_token"]
    has = {"authorization": f"DPoP {bound}"}
    good = proof(KEY, "GET", "/v1/session", bound)
    assert (await door("GET", "/v1/session", headers=has | {"dpop": good})).status == 200
    assert (await door("GET", "/v1/session", headers=has | {"dpop": good})).status == 401, "each proof once"
    assert (await door("GET", "/v1/session", headers=has)).status == 401
    assert (await door("GET", "/v1/session", token=bound)).status == 401
    for wrong in (
        proof(OTHER, "GET", "/v1/session", bound),
        proof(KEY, "POST", "/v1/session", bound),
        proof(KEY, "GET", "/v1/tasks", bound),
        proof(KEY, "GET", "/v1/session"),
    ):
        assert (await door("GET", "/v1/session", headers=has | {"dpop": wrong})).status == 401
    plain = (await token(door, workspace)).body["access_token"]
    assert (await door("GET", "/v1/session", headers={"authorization": f"DPoP {plain}", "dpop": proof(KEY, "GET", "/v1/session", plain)})).status == 401
