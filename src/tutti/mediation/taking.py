"""Taking over: a person ends a negotiation that goes on, with an outcome that policy allows or with the fallback. One append, after which nobody else ends it."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict
from typing import Any

from tutti import negotiation
from tutti.clock import MICROS
from tutti.corridor import Corridor
from tutti.errors import Conflict, Invalid, NotFound, Refused
from tutti.house import House
from tutti.mediation.mediate import opened
from tutti.mediation.settling import Settled
from tutti.model.fact import Draft
from tutti.model.negotiation import Case, Offer
from tutti.model.party import SKILL
from tutti.model.task import Stage
from tutti.negotiation import Opening
from tutti.reception import Bundle, Origin, emitted

Row = Mapping[str, Any]
_TRIES = 50  # times that it looks again where the negotiation moved meanwhile


async def needs(house: House, id: str, outcome: Any) -> tuple[str, ...]:
    """The rules for which a person must approve an outcome (None: the fallback, for which there are none). Raises as `take_over` does."""
    _, task = await _open(house, id)
    _, case, offer = await _read(house, task, outcome)
    return () if offer is None else negotiation.Space(case.sizes, case.policy, case.approval).pending(offer)


async def take_over(corridor: Corridor, id: str, outcome: Any, note: str, by: str) -> None:
    """End a negotiation as a person says. Durable when it returns; questions that are still open are not waited for any more.

    Raises: `Refused` for what policy rules out, with the rules; `Invalid` for what is no outcome of it; `Conflict` when it has ended.
    """
    for _ in range(_TRIES):
        row, task = await _open(corridor.house, id)
        bundle = await _ended(corridor, row, task, outcome, note, by)
        try:
            await corridor.record(bundle)
        except Conflict as conflict:
            if conflict.about.get("thing", ("",))[0] not in ("negotiation", "task"):
                raise
            continue  # a round came to its end, or somebody else was quicker: it is looked at again
        corridor.traffic.cancel(id)
        await _dismiss(corridor, id)
        return
    raise Conflict(f"{id} does not stand still.", hint="Take it over again.")


async def _open(house: House, id: str) -> tuple[Row, Row]:
    """The negotiation and its task, while it can be taken over."""
    row, task = await house.journal.row("negotiation", (id,)), await house.journal.row("task", (id,))
    if row is None or task is None:
        raise NotFound(f"There is no negotiation {id} that has begun.", hint="`tutti negotiations` lists them.")
    if not task["open"]:
        raise Conflict(f"{id} has ended: {row['how'] or task['state']}.", hint=f"`tutti negotiations show {id}` says with what.")
    if row["settled_at"] is not None and task["stage"] != Stage.ASKING:
        raise Conflict(f"{id} is ending just now: {row['how']}.", hint=f"`tutti negotiations show {id}` says with what.")
    return row, task


async def _read(house: House, task: Row, outcome: Any) -> tuple[Opening, Case, Offer | None]:
    """The case, and the outcome as an offer of it. Raises: `Invalid`, `Refused`."""
    kept = await house.memo(task["id"], "opened")
    if kept is None:
        raise Conflict(f"{task['id']} was erased.", hint="Cancel it: `tutti tasks cancel`.")
    opening = negotiation.read_opening(await house.input(task))
    case = opened(opening, task["id"], kept)
    if outcome is None:
        return opening, case, None
    offer = negotiation.offer_of(opening, outcome)
    if offer is None:
        issues = ", ".join(opening.issues)
        raise Invalid("That is no outcome of this negotiation.", hint=f"Give one of its values for each issue ({issues}), or null for the fallback.")
    space = negotiation.Space(case.sizes, case.policy, case.approval)
    if rules := space.broken(offer):
        raise Refused(
            f"Policy rules it out: {', '.join(rules)}.", hint="Choose an outcome that every rule allows, or null for the fallback.", rules=list(rules)
        )
    if not space.allows(offer):
        raise Refused("Policy rules it out.", hint="Choose an outcome that every rule allows, or null for the fallback.")
    return opening, case, offer


async def _ended(corridor: Corridor, row: Row, task: Row, outcome: Any, note: str, by: str) -> Bundle:
    house, id = corridor.house, task["id"]
    journal, subject = house.journal, await house.subject(task)
    opening, case, offer = await _read(house, task, outcome)
    holds = case.fallback if offer is None else offer
    why = f"{by.removeprefix('person/')} took it over" + (" and let the fallback stand" if offer is None else "") + (f": {note}" if note else "")
    held = None if holds is None else negotiation.outcome_of(opening, holds)
    settled = asdict(Settled("person", held, why, {}, None, row["rounds"], row["messages"], row["cost"] / MICROS))
    said: list[Any] = []
    facts = await journal.facts(about=id, kind="negotiation.answered")
    kept = await journal.payloads([fact.data["exchanges"] for fact in facts])
    for fact in facts:
        said += kept.get(fact.data["exchanges"], {}).get("exchanges", ())
    record = journal.seal({"settled": settled, "record": {"said": said, "taken_over_by": by}}, subject)
    memo, output = journal.seal(settled, subject), journal.seal(settled, subject)
    bundle = Bundle(payloads=[record, memo, output], expect={("negotiation", (id,)): row["version"], ("task", (id,)): task["version"]})
    data = {"how": "person", "record": record.id, "better": False, "messages": row["messages"]}
    bundle.add(Draft("run.noted", id, by, {"name": "settled", "value": memo.id}, task["seq"]))
    place = bundle.add(Draft("negotiation.settled", id, by, data, -1))
    told = {"negotiation": id, "how": "person", "outcome": held, "about": opening.about}
    event = emitted("negotiation.settled", subject, told, id, 0, "mediator", task["hops"] + 1, task["department"])
    bundle.add(Draft("task.completed", id, by, {"output": output.id}, -1))
    corridor.reception.signal(bundle, event, Origin(by, task["department"], bundle.since(place), task["hops"] + 1, id, None, "mediator"))
    return bundle


async def _dismiss(corridor: Corridor, id: str) -> None:
    """End the questions that nobody waits for any more. One that ends by itself meanwhile is let be."""
    for child in [row for row in corridor.house.journal.hot.table("task").values() if row["parent"] == id and row["skill"] == SKILL]:
        with suppress(Conflict):
            await corridor.end(child, "task.canceled", {"reason": "a person has taken the negotiation over"}, by="agent/mediator")
            corridor.traffic.cancel(child["id"])
