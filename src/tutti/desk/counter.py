"""What every part of the desk needs: the corridor, rows that must be there, and requests that were answered before."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from contextlib import suppress
from typing import Any

import orjson

from tutti.errors import Conflict, NotFound
from tutti.model.fact import Draft
from tutti.model.request import Once
from tutti.orchestrator import Orchestrator
from tutti.reception import Bundle

Row = Mapping[str, Any]
OWNER = "person/owner"


class Counter:
    """Looking up, and answering a request once."""

    corridor: Orchestrator

    @property
    def _journal(self) -> Any:
        return self.corridor.house.journal

    async def answered(self, once: Once) -> tuple[int, Any] | None:
        """What a request was answered before: status and body; None when it is new. Raises: `Conflict` when its key belongs to another request."""
        row = await self._journal.row("request", (once.key,))
        if row is None:
            return None
        if row["digest"] != once.digest:
            raise Conflict("This Idempotency-Key was used for another request.", hint="Use a new key for each request.", request=True)
        kept = (await self._journal.payloads([row["answer"]])).get(row["answer"])
        if kept is None:
            raise Conflict("This request was answered before, and the answer has been erased.", hint="Do not repeat it.")
        return row["status"], kept

    async def keep_answer(self, once: Once, status: int, body: Any, subject: str | None, *, by: str = OWNER) -> None:
        """Keep what a request was answered, for its repetitions. Once more is fine."""
        bundle = Bundle()
        self.keep(bundle, once, status, body, subject, by=by)
        with suppress(Conflict):  # a repetition was quicker
            await self.corridor.record(bundle)

    def keep(self, bundle: Bundle, once: Once, status: int, body: Any, subject: str | None, *, by: str = OWNER) -> None:
        """Put a request's answer into the append of its effect; it is refused (`Conflict` about a "request") when the request was answered before."""
        payload = self._journal.seal(body, subject)
        bundle.payloads.append(payload)
        bundle.expect["request", (once.key,)] = 0
        bundle.add(Draft("request.answered", once.key, by, {"digest": once.digest, "answer": payload.id, "status": status}))

    async def _row(self, table: str, id: str, what: str) -> dict[str, Any]:
        row = await self._journal.row(table, (id,))
        if row is None:
            raise NotFound(f"There is no {what} {id}.", hint="`tutti tasks` lists tasks, `tutti tasks --waiting` what waits for you.")
        return dict(row)

    async def _open_row(self, id: str) -> dict[str, Any]:
        row = await self._row("task", id, "task")
        if not row["open"]:
            raise Conflict(f"{id} has ended: {row['state']}.", hint=f"`tutti why {id}` says how.")
        return row

    def _is_of(self, skill: str, departments: Collection[str] | None) -> bool:
        card = self.corridor.house.registry.offer(skill)
        return departments is None or (card is not None and card.department in departments)

    def _undecided(self, signal: Row, departments: Collection[str] | None = None) -> list[dict[str, Any]]:
        """The subscriptions to skills of these departments whose condition could not be evaluated on a signal, with why."""
        rows = self._journal.hot.table("subscription")
        found = [(rows[id,], why) for id, why in orjson.loads(signal["undecided"] or "[]")]
        return [
            {"subscription": row["id"], **{name: row[name] for name in ("type", "condition", "skill")}, "why": why}
            for row, why in found if self._is_of(row["skill"], departments)
        ]  # fmt: skip

    async def _text(self, payload: str | None) -> str:
        return str((await self._journal.payloads([payload])).get(payload, "")) if payload else ""
