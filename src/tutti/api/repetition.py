"""Requests under a key (`Idempotency-Key`): the same request of the same caller is done once and answered the same, also after a restart.

A task's or signal's answer is kept in the append that takes it in, so the two cannot come apart, on any number of nodes. Other requests are kept
right after their effect; each of these is about a state (an answer, a settlement, a cancellation) that a second try would find changed.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable
from hashlib import sha256
from typing import Any

from fastapi import Request, Response

from tutti import intake
from tutti.api.describing import reply
from tutti.app import Workspace
from tutti.errors import Conflict, Invalid
from tutti.model.caller import Caller
from tutti.model.request import Once

HEADER = "idempotency-key"
_KEY = re.compile(r"[!-~]{1,200}")
Answer = tuple[int, Any]


class Repetition:
    """Finds repeated requests of one process."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self._running: dict[str, asyncio.Event] = {}

    async def answer(
        self, request: Request, caller: Caller, act: Callable[[Once | None], Awaitable[Answer]], *, subject: str | None = None, keeps: bool = False
    ) -> Response:
        """What `act` answers (status and body), or what it answered before. With `keeps` it keeps the answer itself, in the append of its effect.

        Raises: `Conflict` for a key that belongs to another request, `Invalid` for one that is none.
        """
        once = await self._once(request, caller)
        if once is None:
            status, body = await act(None)
            return reply(body, status)
        while True:
            known = await self._workspace.answered(once)
            if known is not None:
                return reply(known[1], known[0], {"idempotency-replayed": "true"})
            if once.key not in self._running:
                break
            await self._running[once.key].wait()
        done = self._running[once.key] = asyncio.Event()
        try:
            status, body = await act(once)
            if not keeps or status != 201:
                await self._workspace.keep_answer(once, status, body, subject, by=caller.id)
            return reply(body, status)
        except Conflict as conflict:
            if conflict.about.get("thing", ("",))[0] != "request":
                raise
            known = await self._workspace.answered(once)  # another node was quicker
            assert known is not None
            return reply(known[1], known[0], {"idempotency-replayed": "true"})
        finally:
            del self._running[once.key]
            done.set()

    async def _once(self, request: Request, caller: Caller) -> Once | None:
        given = request.headers.getlist(HEADER)
        if not given:
            return None
        if len(given) > 1 or not _KEY.fullmatch(given[0]):
            raise Invalid("The Idempotency-Key is no key.", hint="Send one, of 1 to 200 visible characters.")
        secret = self._workspace.journal.keys.subject
        asked = [request.method, request.url.path, request.url.query, sha256(await request.body()).hexdigest()]
        asked += [f"{name}: {value}" for name, value in request.headers.items() if name.startswith("ce-")]
        return Once(intake.work_key(secret, "request", caller.id, given[0]), intake.work_key(secret, "request", None, asked))
