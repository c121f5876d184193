"""Asking: a question to a party of a negotiation is a task of the party's own. Silence, lateness and nonsense are replies."""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress
from typing import Any

from tutti import negotiation
from tutti.clock import to_text
from tutti.corridor import Corridor
from tutti.errors import AgentFailed, Conflict, Invalid, NoRoute
from tutti.house import House
from tutti.ids import derived
from tutti.model.negotiation import Case, Question, Reply
from tutti.model.party import SKILL, PartyAnswer
from tutti.negotiation import Opening
from tutti.transports import Context

log = logging.getLogger("tutti")
_GRACE_S = 0.5  # after which an answer is not waited for any more, though its task is still open


def question_id(negotiation: str, party: str, number: int, ask: str) -> str:
    """The task that puts a party's question to it."""
    return derived("t", negotiation, _child(party, number, ask), SKILL)


def _child(party: str, number: int, ask: str) -> str:
    """A question by name. What was said and what is asked for make the question, but not the number alone: with little time left a run that starts again asks for something else."""
    return f"{party}/{number}/{ask}"


async def put(corridor: Corridor, opening: Opening, case: Case, ctx: Context, question: Question, *, answer_by: int, patience: float) -> tuple[Reply, int]:
    """One question to one party: its reply, and what that cost in millionths. It may answer until `answer_by` (microseconds), and is waited for `patience` seconds."""
    name = case.parties[question.party].name
    asked = negotiation.question_of(opening, case, question, to_text(answer_by))
    child = _child(name, question.number, question.ask)
    id = question_id(ctx.task, name, question.number, question.ask)
    reply = None
    missing = "silent"
    try:
        async with asyncio.timeout(patience + _GRACE_S):
            output = await ctx.ask(SKILL, asked, to=name, name=child, deadline_at=answer_by)
        reply = negotiation.reply_of(opening, case, question, _read(output))
        missing = reply.missing
    except Invalid:
        missing = "garbled"
    except TimeoutError:
        missing = "late"
        await _dismiss(corridor, id)
    except NoRoute:
        missing = "gone"
    except AgentFailed:
        missing = await _why(corridor.house, id)
    if missing == "garbled":
        log.warning("negotiation %s: what %s answers to %s does not fit the question, so it counts as no answer", ctx.task, name, question.ask)
    row = await corridor.house.journal.row("task", (id,))
    paid = 0 if row is None else row["cost"] or 0
    return reply or Reply(question.party, question.number, None, missing), paid


async def _why(house: House, id: str) -> str:
    """Why a question came to nothing, by how its task ended."""
    row = await house.journal.row("task", (id,))
    reason = "" if row is None else row["reason"] or ""
    if reason == "deadline_passed":
        return "late"
    if reason in ("wrong_output", "invalid_input"):
        return "garbled"
    return "failed" if row is not None and row["state"] == "failed" else "silent"


async def _dismiss(corridor: Corridor, id: str) -> None:
    """Nobody waits for this answer any more."""
    while (row := corridor.house.journal.hot.table("task").get((id,))) is not None:
        with suppress(Conflict):
            await corridor.end(row, "task.canceled", {"reason": "its answer is not waited for any more"}, by="agent/mediator")
            corridor.traffic.cancel(id)
            return
        await asyncio.sleep(0)


def _read(output: Any) -> PartyAnswer:
    from pydantic import TypeAdapter, ValidationError

    try:
        return TypeAdapter(PartyAnswer).validate_python(output)
    except ValidationError as error:
        raise Invalid(f"That is no answer: {error.error_count()} problems.", code="wrong_output") from None
