"""Admission: tokens and sessions say who calls; what does not hold is refused, and nothing about it is told."""

from __future__ import annotations

import stat
from datetime import timedelta

import orjson
import pytest
from access_site import Door, token_of

from tutti import Workspace
from tutti.api.admission import ensure_owner_token
from tutti.testing import ManualClock


async def test_nobody_gets_in_without_a_token(door: Door) -> None:
    for path in ("/v1/tasks", "/v1/agents", "/v1/journal/facts", "/v1/approvals"):
        reply = await door("GET", path)
        assert (reply.status, reply.headers["www-authenticate"]) == (401, "Bearer"), path


async def test_the_owners_token_opens_everything_and_is_made_once(door: Door, workspace: Workspace) -> None:
    place = await ensure_owner_token(workspace)
    token = place.read_text().strip()
    assert stat.S_IMODE(place.stat().st_mode) == 0o600
    assert (await door("GET", "/v1/tasks", token=token)).status == 200
    place.chmod(0o644)
    assert (await ensure_owner_token(workspace)).read_text().strip() == token
    assert stat.S_IMODE(place.stat().st_mode) == 0o600
    await workspace.accounts.revoke(token[6:14])
    assert (await door("GET", "/v1/tasks", token=token)).status == 401
    assert (await ensure_owner_token(workspace)).read_text().strip() != token


@pytest.mark.parametrize(
    "header",
    [
        "",
        "Bearer",
        "Bearer ",
        "Basic b3duZXI6eA==",
        "Bearer x",
        "Bearer tutti_00000000_" + "A" * 43,
        "Bearer tutti_ffffffff_" + "\xe9" * 43,
        "Bearer \x00",
        "bearer a.b.c",
    ],
)
async def test_what_is_no_token_is_refused_even_where_none_is_needed(header: str, door: Door) -> None:
    for path in ("/v1/tasks", "/v1/openapi.json"):
        reply = await door("GET", path, headers={"authorization": header})
        assert reply.status == 401
        assert header.partition(" ")[2].strip() in ("", "x") or header.partition(" ")[2] not in str(reply.body), "what was sent is not sent back"


async def test_a_token_of_another_secret_expired_or_revoked_is_refused(door: Door, workspace: Workspace, clock: ManualClock) -> None:
    token = await token_of(workspace, "service/crm", "viewer", life=timedelta(days=1))
    assert (await door("GET", "/v1/tasks", token=token)).status == 200
    assert (await door("GET", "/v1/tasks", token=token[:-1] + ("A" if token[-1] != "A" else "B"))).status == 401
    clock.advance(timedelta(days=1))
    assert (await door("GET", "/v1/tasks", token=token)).status == 401
    second = (await workspace.accounts.issue_token("service/crm"))["token"]
    third = (await workspace.accounts.issue_token("service/crm"))["token"]
    await workspace.accounts.revoke(second[6:14])
    assert ((await door("GET", "/v1/tasks", token=second)).status, (await door("GET", "/v1/tasks", token=third)).status) == (401, 200)
    await workspace.accounts.remove("service/crm")
    assert (await door("GET", "/v1/tasks", token=third)).status == 401


async def test_no_fact_holds_a_token(workspace: Workspace) -> None:
    token = await token_of(workspace, "service/crm", "viewer")
    said = orjson.dumps(await workspace.facts(limit=1000)).decode()
    assert "token.issued" in said
    assert token[15:] not in said
