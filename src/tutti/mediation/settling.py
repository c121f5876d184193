"""Settling: what a negotiation ends with, the record that it can be recomputed from, and the better outcome that a person may let hold."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from tutti import negotiation
from tutti.clock import MICROS
from tutti.corridor import Corridor
from tutti.errors import Invalid
from tutti.journal import Journal
from tutti.model.fact import Draft
from tutti.model.negotiation import Case, Exchange, Offer
from tutti.model.party import Outcome
from tutti.negotiation import End, Opening
from tutti.reception import Bundle
from tutti.security import Payload
from tutti.transports import Context


@dataclass(frozen=True, slots=True)
class Better:
    """An outcome that is better than what holds, and needs a person."""

    outcome: Outcome
    needs: list[str]  # the rules that say so
    gains: dict[str, float | None]  # by party, above the fallback, on its own scale


@dataclass(frozen=True, slots=True)
class Settled:
    """What a negotiation ends with. `how` is settled, fallback (`outcome` is the fallback, or null where nothing holds) or person."""

    how: str
    outcome: Outcome | None
    why: str
    gains: dict[str, float | None] = field(default_factory=dict)
    better: Better | None = None
    rounds: int = 0
    messages: int = 0
    cost: float = 0.0


@dataclass(frozen=True, slots=True)
class Adoption:
    """A better outcome that a person may let hold instead: what is approved is exactly this."""

    negotiation: str
    outcome: Outcome
    instead: Outcome | None
    needs: list[str]
    words: str


def settlement(opening: Opening, case: Case, said: Sequence[Exchange], end: End, *, rounds: int, cost: int) -> Settled:
    """What a case ends with, after so many rounds that cost so many millionths."""
    holds = case.fallback if end.offer is None else end.offer
    outcome = None if holds is None else negotiation.outcome_of(opening, holds)
    better = None
    if end.better is not None:
        needs = list(negotiation.Space(case.sizes, case.policy, case.approval).pending(end.better))
        better = Better(negotiation.outcome_of(opening, end.better), needs, _gains(case, said, end, end.better))
    gains = {} if end.offer is None else _gains(case, said, end, end.offer)
    messages = sum(reply.missing != "gone" for _, reply in said)
    return Settled(end.how, outcome, end.why, gains, better, rounds, messages, cost / MICROS)


def _gains(case: Case, said: Sequence[Exchange], end: End, offer: Offer) -> dict[str, float | None]:
    """What the parties are believed to gain by an offer; empty where nothing is believed of them (in free bargaining)."""
    return negotiation.expected(case, end.beliefs, said, offer) if len(end.beliefs) == len(case.parties) else {}


def recorded(case: Case, said: Sequence[Exchange], end: End) -> dict[str, Any]:
    """What is needed to recompute and to explain the settlement; only what was said where nothing could be settled."""
    told = transcript(said)
    if not isinstance(end.settlement, negotiation.Settlement) or len(end.beliefs) != len(case.parties):
        return told
    return negotiation.recorded(case, end.beliefs, end.settlement, rejected=end.rejected, worst=end.worst, said=told["said"])


def transcript(said: Sequence[Exchange]) -> dict[str, Any]:
    """What was said, for a record."""
    return {"said": [negotiation.exchange_to_json(each) for each in said]}


def sealed(journal: Journal, kept: dict[str, Any], record: dict[str, Any], subject: str | None) -> Payload:
    """The settlement with its record, or with as much of it as one payload holds: what was agreed holds all the same."""
    held = [record, negotiation.lighter(record), {"told": negotiation.explain(record)}] if "format" in record else [record]
    for each in held:
        with suppress(Invalid):
            return journal.seal({"settled": kept, "record": each}, subject)
    return journal.seal({"settled": kept, "record": {}}, subject)


def proposal(id: str, settled: Settled, better: Better) -> Adoption:
    """What a person is asked to approve where there is a better outcome than what the negotiation `id` ended with."""
    gains = ", ".join(f"{name} {_signed(gain - (settled.gains.get(name) or 0.0))}" for name, gain in better.gains.items() if gain is not None)
    now = _words(settled.outcome) if settled.outcome is not None else "no agreement"
    because = f"because of {', '.join(better.needs)}" if better.needs else f"since {settled.why}"
    words = f"Let {_words(better.outcome)} hold instead of {now}? It needs your word {because}."
    return Adoption(id, better.outcome, settled.outcome, better.needs, f"{words} The parties' gain: {gains}." if gains else words)


async def adopt(corridor: Corridor, adoption: Adoption, ctx: Context) -> Outcome:
    """Record that the better outcome holds, once however often it is asked for."""
    journal = corridor.house.journal
    row = await journal.row("negotiation", (adoption.negotiation,))
    kept = await corridor.house.memo(adoption.negotiation, "settled")
    if row is None or kept is None or not kept["better"] or kept["better"]["outcome"] != adoption.outcome:
        raise Invalid(
            f"{adoption.negotiation} has no such outcome to adopt.", hint="`tutti negotiations show ID` shows what is proposed.", code="invalid_input"
        )
    if row["adopted_at"] is None:
        bundle = Bundle(expect={("negotiation", (adoption.negotiation,)): row["version"]})
        bundle.add(Draft("negotiation.adopted", adoption.negotiation, "agent/mediator", {"task": ctx.task}, journal.hot.table("task")[ctx.task,]["seq"]))
        await corridor.record(bundle)
    task = await journal.row("task", (adoption.negotiation,))
    about = None if task is None else (await corridor.house.input(task)).get("about")
    ctx.signal("negotiation.adopted", data={"negotiation": adoption.negotiation, "outcome": adoption.outcome, "instead": kept["outcome"], "about": about})
    return adoption.outcome


def _words(outcome: Outcome) -> str:
    return ", ".join(f"{name} {value}" for name, value in outcome.items())


def _signed(number: float) -> str:
    return f"{number:+.3g}"
