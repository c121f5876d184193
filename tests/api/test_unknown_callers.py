"""Nobody who is not known gets past the door: not to a thing, and not to a complaint about what they sent."""

from __future__ import annotations

import re

import httpx

from tutti import Fleet, Settings, Workspace
from tutti.api import build
from tutti.api.admission import Admission


async def test_every_operation_that_is_not_open_asks_for_a_token_first(tmp_path):
    async with Workspace(Fleet("doors"), Settings("doors", tmp_path)) as workspace:
        app = build(workspace)
        asked = 0
        async with httpx.AsyncClient(transport=httpx.ASGITransport(Admission(app, workspace)), base_url="http://127.0.0.1:7777") as stranger:  # type: ignore[arg-type]
            for path, operations in app.openapi()["paths"].items():
                for method, operation in operations.items():
                    if operation.get("security") == []:
                        continue
                    place = re.sub(r"\{[^}]*\}", "x", path)
                    for body in (b"", b"{", b'{"unknown": 1}'):
                        answer = await stranger.request(method.upper(), place, content=body, headers={"content-type": "application/json"})
                        assert (answer.status_code, answer.json()["code"]) == (401, "unauthenticated"), f"{method} {path} with {body!r}"
                        asked += 1
            for place in ("/", "/a2a/message:send", "/agents/x/message:send", "/mcp"):
                answer = await stranger.post(place, json={"jsonrpc": "2.0", "id": 1, "method": "SendMessage", "params": {}}, headers={"a2a-version": "1.0"})
                assert answer.status_code == 401, place
        assert asked > 100
