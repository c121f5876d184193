"""Mediation: a negotiation on the road. It is a task of the house's own agent; each question to a party is a child task of its own.

    open ── [ask all parties at once ── wait, but not for ever ── keep the round] … ── settle ── the better outcome that needs a person is proposed

The room decides what to ask and what is settled; this asks, waits and records. What a round brought is kept in one append, so a run that starts again
decides the same. Every case is decided by its deadline: when time or money is up, the room settles on what has been said.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from datetime import timedelta
from functools import partial
from typing import Any, TypeVar

from tutti import negotiation
from tutti.clock import MICROS
from tutti.corridor import Corridor
from tutti.errors import Invalid
from tutti.house import House, Own, Scorer, own
from tutti.mediation.asking import put
from tutti.mediation.settling import Adoption, Better, Settled, adopt, proposal, recorded, sealed, settlement, transcript
from tutti.model.fact import Draft
from tutti.model.negotiation import Case, Exchange, Level, Offer, Question, Reply
from tutti.model.party import SKILL, Outcome
from tutti.negotiation import Ask, End, Opening, Propose
from tutti.reception import Bundle
from tutti.transports import Context

log = logging.getLogger("tutti")
Row = Mapping[str, Any]
T = TypeVar("T")
MEDIATE = "negotiation.mediate"
ADOPT = "negotiation.adopt"
_TIMEOUT = timedelta(minutes=5)  # of the mediator's own thinking; waiting for parties does not count
_MARGIN = 0.05  # share of the time that is left for recording what was decided, where the task that asks has a deadline
_RESERVE = 3  # rounds that the time must last for besides those planned: confirmations
_SHORTEST_S = 0.05  # that a party has to answer
_LONGER = 4  # times what it is expected to take that a party has to answer, where the time allows it: most answers of a language model come by then
_GONE = 2  # messages in a row without an answer after which a party is not asked any more
_THINK_S = 30.0  # that the room may take for one decision
_LAST_S = 10.0  # that it may take at least for the last one, also where the time is up: the process may have been away at the deadline
_KEPT_BACK = 0.25  # of the time that a case has: more is not kept back for thinking, since the first thought may have loaded libraries


def mediator(corridor: Corridor) -> Own:
    """The house's agent that mediates."""

    async def mediate(opening: Opening, ctx: Context) -> Settled:
        """Find the outcome that serves all parties best, among what policy allows."""
        return await _Mediation(corridor, opening, ctx).hold()

    async def let_hold(adoption: Adoption, ctx: Context) -> Outcome:
        """Let an outcome hold that needed a person's word."""
        return await adopt(corridor, adoption, ctx)

    return own("mediator", {MEDIATE: mediate, ADOPT: let_hold}, timeout=_TIMEOUT, actions={ADOPT: "{words}"})


def prepare(house: House, said: Any, id: str) -> Case:
    """The case of an opening (or of one as JSON), with what cards and goals say of its parties now. Raises: `Invalid`."""
    opening = said if isinstance(said, Opening) else negotiation.read_opening(said)
    levels: dict[str, Level] = {}
    weights: dict[str, float] = {}
    offers = {card.name: card for card in house.registry.offers(SKILL)}
    for name in opening.parties:
        card = offers.get(name)
        if card is None:
            known = ", ".join(sorted(offers)) or "none yet"
            raise Invalid(f"{name} takes part in no negotiation.", hint=f"Declare it with fleet.party(…). Parties are: {known}.", code="invalid_input")
        level = Level(card.skills[SKILL].level or Level.ANSWER)
        levels[name] = Level.SCORE if level is Level.FUNCTION and name not in house.scorers else level
        weights[name] = house.counts(name, card.department)
    try:
        return negotiation.case_of(opening, id, levels, weights)
    except Invalid as error:
        raise Invalid(error.message, hint=error.hint, code="invalid_input") from error


def opened(opening: Opening, id: str, kept: Mapping[str, Any]) -> Case:
    """The case as it was opened: with the levels and weights that held then."""
    levels = {name: Level(level) for name, (level, _) in kept["parties"].items()}
    case = negotiation.case_of(opening, id, levels, {})
    return replace(case, parties=tuple(replace(party, level=levels[party.name], weight=kept["parties"][party.name][1]) for party in case.parties))


class _Mediation:
    """One run of one case."""

    def __init__(self, corridor: Corridor, opening: Opening, ctx: Context) -> None:
        self._corridor = corridor
        self._house = corridor.house
        self._opening = opening
        self._ctx = ctx
        self._said: list[Exchange] = []
        self._rounds = 0
        self._cost = 0
        self._dearest: dict[int, int] = {}  # what a message to a party has cost at most
        self._ends_at = 0
        self._slowest = 0  # microseconds that the longest thought has taken
        self._version = 0  # of the negotiation's row: a person who takes it over ends it for this run
        self._case: Case

    @property
    def _task(self) -> Row:
        row: Row = self._house.journal.hot.table("task")[self._ctx.task,]
        return row

    async def hold(self) -> Settled:
        """From the opening to the settlement, and to what follows from it."""
        await self._open()
        kept = await self._ctx.kept("settled")
        return await self._carry_out(kept or await self._settle(await self._talk()))

    async def _talk(self) -> End:
        """Round after round, until nothing is left to ask, or time or money is up."""
        while True:
            kept = await self._ctx.kept(f"round/{self._rounds + 1}")
            if kept is None:
                step = await self._think(last=self._over())
                if isinstance(step, Ask) and self._said and not (self._affordable(step.questions, rounds=2) and self._timely(step.questions, rounds=2)):
                    step = await self._think(brief=True)  # what is settled must be confirmed, and that costs money and time too
                if isinstance(step, End):
                    return step
                if not self._affordable(step.questions):
                    return await self._end()
                kept = await self._ask(step.questions)
            self._take([negotiation.exchange_from_json(each) for each in kept["exchanges"]], kept["paid"])

    # --- opening ------------------------------------------------------------------------------------------------

    async def _open(self) -> None:
        house, task, ctx = self._house, self._task, self._ctx
        kept = await ctx.kept("opened")
        if kept is None:
            case = prepare(house, self._opening, ctx.task)
            ends_at = task["submitted_at"] + self._opening.deadline_ms * 1000
            if task["deadline_at"] is not None:
                ends_at = min(ends_at, task["deadline_at"] - round((task["deadline_at"] - task["submitted_at"]) * _MARGIN))
            kept = {"parties": {party.name: [party.level.value, party.weight] for party in case.parties}, "ends_at": ends_at}
            bundle = await self._bundle("opened", kept)
            data = {
                "department": task["department"],
                "parties": list(kept["parties"]),
                "issues": len(case.issues),
                "opening": task["input"],
                "ends_at": ends_at,
            }
            bundle.add(Draft("negotiation.opened", ctx.task, "agent/mediator", data, -1))
            await self._corridor.record(bundle)
            self._version = 1
        else:
            row = await house.journal.row("negotiation", (ctx.task,))
            self._version = row["version"] if row is not None else 0
        self._case = opened(self._opening, ctx.task, kept)
        self._ends_at = kept["ends_at"]

    async def _bundle(self, name: str, value: Any) -> Bundle:
        """An append that keeps something for the run that takes this one's place."""
        journal, task = self._house.journal, self._task
        payload = journal.seal(value, await self._house.subject(task))
        bundle = Bundle(payloads=[payload])
        bundle.add(Draft("run.noted", self._ctx.task, "agent/mediator", {"name": name, "value": payload.id}, task["seq"]))
        return bundle

    # --- deciding -----------------------------------------------------------------------------------------------

    def _over(self) -> bool:
        """Whether the time is up, but for one more thought and the decision after it."""
        whole: int = self._ends_at - self._task["submitted_at"]
        return self._house.clock.now() + min(2 * self._slowest, whole * _KEPT_BACK) >= self._ends_at

    def _patient(self, *, last: bool) -> float:
        """Seconds that a thought may take."""
        left = (self._ends_at - self._house.clock.now()) / MICROS
        return min(max(left, _LAST_S if last else _SHORTEST_S), _THINK_S)

    async def _think(self, *, brief: bool = False, last: bool = False) -> Ask | Propose | End:
        """Ask the room what comes next. Where it fails, the fallback holds: a case ends all the same."""
        functions = {
            place: _function(self._house.scorers[party.name], self._opening, self._case)
            for place, party in enumerate(self._case.parties)
            if party.level is Level.FUNCTION and party.name in self._house.scorers
        }
        try:
            if self._opening.protocol == "alternating":
                return await self._think_about(partial(negotiation.alternate, self._case, tuple(self._said), last=last), last=last)
            return await self._think_about(partial(negotiation.step, self._case, tuple(self._said), functions, brief=brief, last=last), last=last)
        except TimeoutError:
            if not last:
                return await self._end()
            log.warning("negotiation %s: the mediator could not settle in time", self._ctx.task)
            return End(None, "fallback", "it could not be settled in time")
        except Exception:
            if not last:
                log.exception("negotiation %s: the mediator could not go on", self._ctx.task)
                return await self._end()
            log.exception("negotiation %s: the mediator could not settle", self._ctx.task)
            return End(None, "fallback", "Tutti could not settle it; its log says why")

    async def _think_about(self, work: Callable[[], T], *, last: bool) -> T:
        """Work of the room, beside the loop: others go on meanwhile. Raises: `TimeoutError`."""
        began = self._house.clock.now()
        try:
            async with asyncio.timeout(self._patient(last=last)):
                return await asyncio.get_running_loop().run_in_executor(None, work)
        finally:
            self._slowest = max(self._slowest, self._house.clock.now() - began)

    async def _end(self) -> End:
        step = await self._think(last=True)
        return step if isinstance(step, End) else End(None, "fallback", "nothing was settled in time")

    def _affordable(self, questions: Sequence[Question], *, rounds: int = 1) -> bool:
        """Whether a round (or so many like it) may go out without exceeding the case's money, by what a message has cost so far, or a card says that it costs."""
        if self._opening.money is None:
            return True
        said = {card.name: round(card.skills[SKILL].cost * MICROS) for card in self._house.registry.offers(SKILL)}
        most = sum(self._dearest.get(question.party, said.get(self._case.parties[question.party].name, 0)) for question in questions)
        return self._cost + rounds * most <= round(self._opening.money * MICROS)

    # --- asking -------------------------------------------------------------------------------------------------

    def _patience(self, questions: Sequence[Question]) -> float:
        """Seconds that this round waits for an answer: an equal share of the time for each round that may still come; longer for who is slow."""
        asked = max(question.number for question in questions)
        planned = self._case.messages if any(question.ask in ("table", "score", "rank") for question in questions) else self._case.turns
        if questions[0].ask == "offer":  # one party at a time
            planned, asked = planned * len(self._case.parties), len(self._said)
        left = (self._ends_at - self._house.clock.now()) / MICROS
        share = left / (max(planned - asked, 0) + _RESERVE)
        return max(share, min(_LONGER * self._expected_s(questions), left / (1 + _RESERVE)), _SHORTEST_S)

    def _timely(self, questions: Sequence[Question], *, rounds: int) -> bool:
        """Whether so many rounds like this one are expected to end in time."""
        return self._house.clock.now() + round(rounds * self._expected_s(questions) * MICROS) <= self._ends_at

    def _expected_s(self, questions: Sequence[Question]) -> float:
        """Seconds that the slowest of those asked is expected to take: as it has taken, else as its card says."""
        board = self._house.board(SKILL, "")
        asked = {self._case.parties[question.party].name for question in questions}
        return max((board.latency_ms[place] for place, card in enumerate(board.cards) if card.name in asked), default=0.0) / 1000

    async def _ask(self, questions: Sequence[Question]) -> Any:
        """One round: all questions at once, each as a task of its own. What came back is kept in one append."""
        patience = self._patience(questions)
        answer_by = self._house.clock.now() + round(patience * MICROS)
        found = await asyncio.gather(*(self._put(question, answer_by, patience) for question in questions))
        exchanges = [Exchange(question, reply) for question, (reply, _) in zip(questions, found, strict=True)]
        paid = [paid for _, paid in found]
        kept = {"exchanges": [negotiation.exchange_to_json(each) for each in exchanges], "paid": paid}
        bundle = await self._bundle(f"round/{self._rounds + 1}", kept)
        answers = [[self._case.parties[q.party].name, q.number, q.ask, reply.missing] for q, reply in exchanges]
        data = {"round": self._rounds + 1, "answers": answers, "exchanges": bundle.payloads[0].id, "cost": sum(paid)}
        bundle.add(Draft("negotiation.answered", self._ctx.task, "agent/mediator", data, -1))
        bundle.expect["negotiation", (self._ctx.task,)] = self._version
        await self._corridor.record(bundle)
        self._version += 1
        return kept

    async def _put(self, question: Question, answer_by: int, patience: float) -> tuple[Reply, int]:
        if self._silent(question.party) >= _GONE:
            return Reply(question.party, question.number, None, "gone"), 0
        return await put(self._corridor, self._opening, self._case, self._ctx, question, answer_by=answer_by, patience=patience)

    def _silent(self, party: int) -> int:
        """Messages in a row that this party has not answered, up to now."""
        count = 0
        for question, reply in reversed(self._said):
            if question.party == party:
                if reply.missing not in ("silent", "late", "failed", "gone"):
                    break
                count += 1
        return count

    def _take(self, exchanges: Sequence[Exchange], paid: Sequence[int]) -> None:
        """What a round brought, and what each of its messages cost in millionths."""
        for (question, _), cost in zip(exchanges, paid, strict=True):
            self._dearest[question.party] = max(self._dearest.get(question.party, 0), cost)
        self._said += exchanges
        self._cost += sum(paid)
        self._rounds += 1

    # --- settling -----------------------------------------------------------------------------------------------

    async def _settle(self, end: End) -> dict[str, Any]:
        """Record what holds. Gives it as it is kept."""
        settled = settlement(self._opening, self._case, self._said, end, rounds=self._rounds, cost=self._cost)
        kept = asdict(settled)
        try:
            record = await self._think_about(partial(recorded, self._case, self._said, end), last=True)
        except Exception:  # what was agreed holds all the same
            log.exception("negotiation %s: the record could not be made, and holds what was said only", self._ctx.task)
            record = transcript(self._said)
        bundle = await self._bundle("settled", kept)
        payload = sealed(self._house.journal, kept, record, await self._house.subject(self._task))
        bundle.payloads.append(payload)
        data = {"how": settled.how, "record": payload.id, "better": settled.better is not None, "messages": settled.messages}
        bundle.add(Draft("negotiation.settled", self._ctx.task, "agent/mediator", data, -1))
        bundle.expect["negotiation", (self._ctx.task,)] = self._version
        await self._corridor.record(bundle)
        return kept

    async def _carry_out(self, kept: dict[str, Any]) -> Settled:
        """Let what holds be known, and give a person what only a person may decide."""
        better = Better(**kept["better"]) if kept["better"] else None
        settled = Settled(**{**kept, "better": better})
        if settled.better is not None:
            self._ctx.propose(ADOPT, proposal(self._ctx.task, settled, settled.better))
        elif settled.how == "person":
            settled = await self._by_person(settled)
        data = {"negotiation": self._ctx.task, "how": settled.how, "outcome": settled.outcome, "about": self._opening.about}
        self._ctx.signal("negotiation.settled", data=data)
        return settled

    async def _by_person(self, settled: Settled) -> Settled:
        """A person names the outcome. One that policy forbids, or that is none, leaves the fallback standing."""
        said = await self._ctx.input(f"{settled.why} Which outcome shall hold? Answer with one value for each issue, or null for the fallback.")
        offer = negotiation.offer_of(self._opening, said)
        if offer is None or not negotiation.Space(self._case.sizes, self._case.policy).allows(offer):
            return settled
        return replace(settled, outcome=negotiation.outcome_of(self._opening, offer))


def _function(score: Scorer, opening: Opening, case: Case) -> negotiation.Function:
    """A party's numbers for offers, as the room asks for them."""

    def numbers(offers: Sequence[Offer | None]) -> Sequence[float]:
        held = [case.fallback if offer is None else offer for offer in offers]
        return score([None if offer is None else negotiation.outcome_of(opening, offer) for offer in held], opening.about)

    return numbers
