"""Support: triage by three agents, routing by two, answers by two, and a watch over promised times."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any, TypeVar

from tutti import Context, Fleet, Intent
from tutti.fleets.lifecycle import texts
from tutti.fleets.lifecycle.company import Ticket
from tutti.fleets.lifecycle.models import Models
from tutti.fleets.lifecycle.shapes import Answer, AnswerRequest, Case, Promise, Queue, Triage, Urgency, UrgentTicket

OWNER = "ana@example.com"
FAST = timedelta(milliseconds=5)
F = TypeVar("F", bound=Callable[..., Any])
PROMISED_HOURS: dict[Urgency, float] = {"high": 8.0, "normal": 48.0, "low": 120.0}
CASE = timedelta(hours=72)  # for which a case is taken to be open
AT_RISK = "has(case.churn) && case.churn.risk > 0.5"


def declare(fleet: Fleet, models: Models) -> None:
    """Declare the department's agents. Rivals claim the same; judgements tell them apart."""
    _triage(fleet, models)
    _route(fleet, models)
    _answer(fleet)
    _watch(fleet, models)


def _triage(fleet: Fleet, models: Models) -> None:
    def offer(name: str) -> Callable[[F], F]:
        return fleet.agent(skill="ticket.triage", department="support", owner=OWNER, name=name, latency=FAST)

    @offer("triage-words")
    async def by_words(ticket: Ticket, ctx: Context) -> Triage:
        """Urgency and mood from two short lists of words."""
        return _told(ctx, ticket, texts.urgency_by_words(ticket.words), texts.mood_by_words(ticket.words))

    @offer("triage-vader")
    async def by_vader(ticket: Ticket, ctx: Context) -> Triage:
        """Mood from VADER with cuts fitted on past texts; urgency from how angry the text is."""
        score = texts.compound(ticket.words)
        return _told(ctx, ticket, models.urgency_by_vader(ticket.channel, score), models.mood_cuts.part(score))

    @offer("triage-text")
    async def by_text(ticket: Ticket, ctx: Context) -> Triage:
        """Urgency and mood from TF-IDF models trained on past tickets."""
        words = ticket.words
        return _told(ctx, ticket, models.urgency_by_text(ticket.channel, words), models.mood_by_text(words))


def _told(ctx: Context, ticket: Ticket, urgency: str, mood: str) -> Triage:
    found = Triage.model_validate({"urgency": urgency, "mood": mood})
    if found.urgency == "high":
        urgent = UrgentTicket(ticket=ticket.id, account=ticket.account, channel=ticket.channel, urgency="high")
        ctx.signal("ticket.urgent", data=urgent)
    return found


def _route(fleet: Fleet, models: Models) -> None:
    @fleet.agent(skill="ticket.route", department="support", owner=OWNER, name="route-majority", latency=FAST)
    async def by_majority(ticket: Ticket) -> Queue:
        """Every ticket goes where most tickets of its channel go."""
        return Queue(queue=models.queue_by_majority(ticket.channel), sure=0.5)

    @fleet.agent(skill="ticket.route", department="support", owner=OWNER, name="route-text", latency=FAST)
    async def by_text(ticket: Ticket) -> Queue:
        """The queue from a TF-IDF model trained on past tickets."""
        queue, sure = models.queue_by_text(ticket.channel, ticket.words)
        return Queue(queue=queue, sure=round(sure, 4))


def _answer(fleet: Fleet) -> None:
    @fleet.agent(skill="ticket.answer", department="support", owner=OWNER, name="answer-general", latency=FAST)
    async def general(request: AnswerRequest) -> Answer:
        """A plain answer with the time promised."""
        return Answer(tone="standard", text=f"{_opening(request)} {_promise(request)}")

    @fleet.agent(skill="ticket.answer", department="support", owner=OWNER, name="answer-retention", latency=FAST, when=AT_RISK)
    async def retention(request: AnswerRequest) -> Answer:
        """For accounts that may leave: a person to talk to, and no standard phrases."""
        offer = "I am the person for your account from now on and will call you today, also about how we go on."
        return Answer(tone="retention", text=f"{_opening(request)} {offer} {_promise(request)}")


def _opening(request: AnswerRequest) -> str:
    sorry = "I am sorry for the trouble." if request.triage.mood == "negative" else "Thank you for writing."
    return f"{sorry} Your ticket {request.id} is with the team for {request.queue.queue}."


def _promise(request: AnswerRequest) -> str:
    return f"You hear from us within {PROMISED_HOURS[request.triage.urgency]:.0f} hours."


def _watch(fleet: Fleet, models: Models) -> None:
    @fleet.agent(skill="sla.watch", department="support", owner=OWNER, name="sla-watch", latency=FAST)
    async def watch(urgent: UrgentTicket, ctx: Context) -> Promise:
        """Compare the promised time with what closing tickets of that channel and urgency took so far (the median), and have the case opened."""
        ctx.propose("case.open", Case(account=urgent.account, ticket=urgent.ticket))
        due, expected = PROMISED_HOURS[urgent.urgency], models.hours.get((urgent.channel, urgent.urgency))
        return Promise(due_hours=due, expected_hours=expected, in_danger=expected is not None and expected > due)

    @fleet.action(
        "case.open",
        department="support",
        owner=OWNER,
        name="case-desk",
        idempotent=True,
        reversible=True,
        says="Open a case for ticket {ticket} of account {account}.",
        intends=[Intent("inbox/{account}", effect="case", lasts=CASE)],
    )
    async def open_case(case: Case, ctx: Context) -> str:
        """Open a case in the ticket system, which takes `ctx.key` as its own idempotency key. Meanwhile only support writes to the account."""
        return f"account {case.account}: case for ticket {case.ticket} opened under {ctx.key}"
