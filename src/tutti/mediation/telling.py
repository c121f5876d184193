"""How a negotiation went, told from its record: in short, with its whole transcript, and in sentences."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson

from tutti import negotiation
from tutti.clock import MICROS, to_text
from tutti.house import House
from tutti.mediation.asking import question_id
from tutti.mediation.mediate import opened
from tutti.model.negotiation import Belief, Case, Offer, Utility

Row = Mapping[str, Any]


def brief(row: Row, state: str) -> dict[str, Any]:
    """A negotiation in short. `row` is its own, `state` its task's."""
    told: dict[str, Any] = {"schema": "tutti.negotiation/1", "id": row["id"], "state": state, "how": row["how"], "parties": orjson.loads(row["parties"])}
    told |= {name: row[name] for name in ("department", "issues", "rounds", "messages", "missing")}
    told |= {"cost": row["cost"] / MICROS, "better": bool(row["better"]), "adopted": row["adopted"]}
    return told | {name: None if row[name] is None else to_text(row[name]) for name in ("opened_at", "ends_at", "settled_at", "adopted_at")}


async def told(house: House, row: Row, state: str) -> dict[str, Any]:
    """A negotiation with what it is about, all that was said, and what each proposal would have given each party."""
    opening, settled, record = await _contents(house, row)
    view = brief(row, state) | {
        "opening": opening,
        "settled": settled,
        "rounds_told": [],
        "decided_by": await _decided_by(house, row),
        "explained": [*_sentences(record), *await _unanswered(house, row["id"])],
    }
    kept = await house.memo(row["id"], "opened")
    if opening is None or kept is None:
        return view
    case = _case(opening, row["id"], kept)
    gains = _Gains(case, record)
    facts = await house.journal.facts(about=row["id"], kind="negotiation.answered", limit=1000)
    exchanges = await house.journal.payloads([fact.data["exchanges"] for fact in facts])
    for fact in facts:
        kept_round = exchanges.get(fact.data["exchanges"])
        said = [_said(opening, case, each, gains) for each in kept_round["exchanges"]] if kept_round else []
        view["rounds_told"].append({"round": fact.data["round"], "at": to_text(fact.at), "cost": fact.data["cost"] / MICROS, "said": said})
    return view


async def _decided_by(house: House, row: Row) -> str | None:
    """The person who decided it: by taking it over, or by answering what the mediator asked; None where nobody did."""
    if row["how"] != "person":
        return None
    facts = await house.journal.facts(about=row["id"], kind=["negotiation.settled", "task.answered"])
    return next((fact.by for fact in reversed(facts) if not fact.by.startswith("agent/")), None)


async def explained(house: House, row: Row) -> list[str]:
    """What was settled and why, in sentences."""
    _, settled, record = await _contents(house, row)
    if settled is None:
        return ["What was said was erased."] if row["record"] else []
    parties = f"{len(orjson.loads(row['parties']))} parties were asked {row['messages']} questions in {row['rounds']} rounds"
    silent = f", {row['missing']} of them without an answer" if row["missing"] else ""
    sentences = [f"{parties}{silent}.", f"It ended: {settled['why']}."]
    sentences += [*_sentences(record), *await _unanswered(house, row["id"])]
    if settled["better"]:
        became = f"adopted by {row['adopted']}" if row["adopted_at"] else "proposed to a person"
        outcome = ", ".join(f"{name} {value}" for name, value in settled["better"]["outcome"].items())
        sentences.append(f"Better, and only with a person's word ({', '.join(settled['better']['needs'])}): {outcome}; {became}.")
    return sentences


async def _unanswered(house: House, id: str) -> list[str]:
    """Who was late or failed, how often, the longest time that it had, and the task of its last such answer, which says more."""
    found: dict[tuple[str, str], list[str]] = {}
    for fact in await house.journal.facts(about=id, kind="negotiation.answered", limit=1000):
        for party, number, ask, missing in fact.data["answers"]:
            if missing in ("late", "failed"):
                found.setdefault((party, missing), []).append(question_id(id, party, number, ask))
    return [await _without_answer(house, party, missing, tasks) for (party, missing), tasks in found.items()]


async def _without_answer(house: House, party: str, missing: str, tasks: list[str]) -> str:
    answers = f"{len(tasks)} answer{'' if len(tasks) == 1 else 's'}"
    more = f"`tutti why {tasks[-1]}` says more."
    if missing == "failed":
        return f"{party} failed with {answers}: {more}"
    rows = [await house.journal.row("task", (task,)) for task in tasks]
    had = max((row["deadline_at"] - row["submitted_at"] for row in rows if row is not None and row["deadline_at"] is not None), default=0)
    return f"{party} was late with {answers}: it had {had / MICROS:.2g} s for one. A later deadline gives it more. {more}"


def _sentences(record: Mapping[str, Any]) -> list[str]:
    return negotiation.explain(record) if "format" in record else list(record.get("told", ()))


async def _contents(house: House, row: Row) -> tuple[Any, Any, dict[str, Any]]:
    """Opening, settlement and record; None or empty where they are not there (yet, or any more)."""
    payloads = await house.journal.payloads([name for name in (row["opening"].partition("#")[0], row["record"]) if name])
    record = payloads.get(row["record"]) or {}
    return payloads.get(row["opening"].partition("#")[0]), record.get("settled"), record.get("record") or {}


def _case(opening: Any, id: str, kept: Any) -> Case:
    return opened(negotiation.read_opening(opening), id, kept)


def _said(opening: Any, case: Case, data: list[Any], gains: _Gains) -> dict[str, Any]:
    """One message, readable; for proposals with the gain that each party is believed to have by it, where anything is known of its wishes."""
    read = negotiation.read_opening(opening)
    question, reply = negotiation.exchange_from_json(data)
    asked = negotiation.question_of(read, case, question, "")
    said: dict[str, Any] = {"party": case.parties[question.party].name, "number": question.number, "ask": question.ask, "missing": reply.missing}
    if question.ask in ("respond", "confirm", "offer"):
        word, counter = _word(reply.value)
        said |= {"outcome": asked.outcome, "answer": "accept" if word else "reject" if word is False else "counter" if counter else None}
        said["counter"] = None if counter is None else negotiation.outcome_of(read, counter)
        if question.ask == "offer" and counter is not None and (rules := _refused(case, counter)):
            said["refused"] = rules
        if offer := question.lists[0][0]:
            said["gains"] = gains.of(offer)
    else:
        said["answer"] = data[4]
        said |= {"outcomes": asked.outcomes} if question.ask in ("score", "screen") else {"lists": asked.lists} if question.ask == "rank" else {}
    return said


def _refused(case: Case, offer: Offer) -> list[str]:
    """The rules by which an offer counts as a pass: those that forbid it, then those that want a person's word."""
    space = negotiation.Space(case.sizes, case.policy, case.approval)
    return [*space.broken(offer), *space.pending(offer)]


class _Gains:
    """What the parties are believed to gain by offers, from the models of a record."""

    def __init__(self, case: Case, record: Mapping[str, Any]) -> None:
        self._case = case
        self._said = [negotiation.exchange_from_json(each) for each in record.get("said", ())]
        self._beliefs = [
            Belief(tuple(Utility(_tuples(each["contrib"]), _tuples(each["pairs"]), each["reservation"]) for each in models))
            for models in record.get("models", ())
        ]
        if not all(belief.models for belief in self._beliefs):  # its record was too large to hold them
            self._beliefs = []
        self._known: dict[Offer, dict[str, float]] = {}

    def of(self, offer: Offer) -> dict[str, float]:
        """By party; without those of whom nothing is known."""
        if offer not in self._known:
            found = negotiation.expected(self._case, self._beliefs, self._said, offer) if self._beliefs else {}
            self._known[offer] = {name: gain for name, gain in found.items() if gain is not None}
        return self._known[offer]


def _word(value: Any) -> tuple[bool | None, Offer | None]:
    """What a reply to a proposal says: yes or no (None: neither), and the counter-offer."""
    if value is None or isinstance(value, bool):
        return value, None
    if len(value) == 2 and isinstance(value[0], bool):
        return value[0], tuple(value[1]) or None
    return None, tuple(value)


def _tuples(value: Any) -> Any:
    return tuple(map(_tuples, value)) if isinstance(value, list) else value
