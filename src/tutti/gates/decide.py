"""The verdict: kill switch, then policy, then autonomy level, then budgets."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields, replace
from datetime import UTC, datetime
from typing import Any, NamedTuple

from tutti.clock import MICROS
from tutti.gates.policy import Gatekeeper, Policies, as_decimal
from tutti.model.agent import AgentCard, Skill
from tutti.model.fact import Draft
from tutti.model.verdict import Level, Reserve, Ruling, Verdict

Row = Mapping[str, Any]
_RESERVED = tuple(field.name for field in fields(Reserve))


class Question(NamedTuple):
    """May this agent do this task now? `amount` in millionths of `currency`; `approval` is the open row of an answered approval."""

    card: AgentCard
    skill: Skill
    asker: str  # department that asked
    cause: str  # signal, task or person
    priority: int
    now: int
    amount: int | None = None
    currency: str | None = None
    approval: str | None = None


@dataclass(frozen=True, slots=True)
class Book:
    """What the gates read: policies, levels, budgets with what is spent, and kill switches. All rows of the view."""

    policies: Policies
    gatekeeper: Gatekeeper
    autonomy: Mapping[tuple[str], Row]
    budgets: Mapping[tuple[str], Row]
    spending: Mapping[tuple[str, str], Row]
    kills: Mapping[tuple[str, str], Row]


STOPPED = "kill switch on "  # how the reason of whatever a switch stops begins


def decide(question: Question, book: Book) -> Verdict:
    """Allow, ask or deny. The first gate that says no names its reason; an allowed action carries what it reserves."""
    skill = question.skill
    stopped = stopped_by(book.kills, question.card, skill)
    if stopped:
        return Verdict(Ruling.DENY, (stopped,), policy=book.policies.digest, stopped=True)
    context: dict[str, Any] = {"asker": question.asker, "cause": question.cause}
    if skill.is_action:
        context["priority"] = question.priority
        if question.amount is not None:
            amount = as_decimal(question.amount)
            if amount is None:
                return Verdict(Ruling.DENY, ("the amount is too large for a policy to judge",), policy=book.policies.digest)
            context["amount"] = amount
            context["currency"] = question.currency or ""
    access = book.gatekeeper.ask(book.policies, question.card, skill.name, "act" if skill.is_action else "advise", context)
    if not access.allowed:
        why = access.problem or (f"policy {', '.join(access.policies)} forbids it" if access.policies else "no policy permits it")
        return Verdict(Ruling.DENY, (why,), access.policies, book.policies.digest)
    if not skill.is_action:
        return Verdict(Ruling.ALLOW, (), access.policies, book.policies.digest)
    return _decide_action(question, book, access.policies)


def _decide_action(question: Question, book: Book, policies: tuple[str, ...]) -> Verdict:
    cell = book.autonomy.get((question.skill.name,))
    level, up_to = (Level.APPROVE.value, None) if cell is None else (cell["level"], cell["up_to"])
    reserves, overdrawn = _reserves(question, book)
    verdict = Verdict(Ruling.ALLOW, (), policies, book.policies.digest, level, up_to)
    if overdrawn:
        return replace(verdict, ruling=Ruling.DENY, reasons=(overdrawn,))
    why = "" if question.approval else _why_ask(question, level, up_to)
    if why:
        return replace(verdict, ruling=Ruling.ASK, reasons=(why,))
    return replace(verdict, reserves=reserves, approval=question.approval)


def _why_ask(question: Question, level: int, up_to: int | None) -> str:
    if level < Level.ACT:
        return f"at level {level} (approve) a person decides every {question.skill.name}"
    if up_to is None:
        return ""
    if question.amount is None:
        return f"the amount is not known, and level {level} (act) ends at {up_to / MICROS:.2f}"
    if abs(question.amount) > up_to:
        return f"{abs(question.amount) / MICROS:.2f} is above {up_to / MICROS:.2f}, where level {level} (act) ends"
    return ""


def _reserves(question: Question, book: Book) -> tuple[tuple[Reserve, ...], str]:
    """What the action takes from each budget that speaks of it, and the first one that cannot give it."""
    found = []
    for (name,), budget in book.budgets.items():
        if budget["action"] != question.skill.name:
            continue
        money = abs(question.amount or 0)
        reserve = Reserve(name, period_of(budget["per"], question.now), money, 1, budget["money"], budget["count"])
        if budget["money"] is not None and question.amount is None:
            return (), f"budget {name} counts money, and this action states no amount"
        if budget["money"] is not None and budget["currency"] != (question.currency or ""):
            return (), f"budget {name} is in {budget['currency']}, the action in {question.currency or 'no currency'}"
        spent = book.spending.get((name, reserve.period), {"money": 0, "count": 0})
        if budget["money"] is not None and spent["money"] + money > budget["money"]:
            return (), f"budget {name} has {(budget['money'] - spent['money']) / MICROS:.2f} of {budget['money'] / MICROS:.2f} left {_per(budget['per'])}"
        if budget["count"] is not None and spent["count"] + 1 > budget["count"]:
            return (), f"budget {name} allows {budget['count']} {_per(budget['per'])}, and they are used"
        found.append(reserve)
    return tuple(found), ""


def _per(per: str) -> str:
    return {"day": "today", "hour": "this hour", "month": "this month", "ever": "in all"}[per]


def period_of(per: str, now: int) -> str:
    """The name of the budget period an instant lies in, in UTC."""
    moment = datetime.fromtimestamp(now // MICROS, UTC)
    return {"hour": f"{moment:%Y-%m-%dT%H}", "day": f"{moment:%Y-%m-%d}", "month": f"{moment:%Y-%m}", "ever": "ever"}[per]


def stopped_by(kills: Mapping[tuple[str, str], Row], card: AgentCard, skill: Skill) -> str:
    """The kill switch that stops this agent or action, in words; empty where none does."""
    scopes: Iterable[tuple[str, str]] = (("workspace", ""), ("agent", card.name), *((("action", skill.name),) if skill.is_action else ()))
    for scope in scopes:
        row = kills.get(scope)
        if row is not None and row["on"]:
            what = "the workspace" if scope[0] == "workspace" else f"{scope[0]} {scope[1]}"
            return f"{STOPPED}{what}: {row['reason'] or 'no reason given'}"
    return ""


def as_fact(task: str, verdict: Verdict, question: Question, cause: int | None) -> Draft:
    """A verdict as the fact that keeps it."""
    data: dict[str, Any] = {"verdict": verdict.ruling.value, "policy": verdict.policy}
    if verdict.reasons:
        data["reasons"] = list(verdict.reasons)
    if verdict.policies:
        data["policies"] = list(verdict.policies)
    if question.skill.is_action:
        data |= {"level": verdict.level, "up_to": verdict.up_to, "amount": question.amount, "currency": question.currency, "approval": verdict.approval}
        data["reserve"] = [{name: getattr(reserve, name) for name in _RESERVED} for reserve in verdict.reserves]  # asdict copies deeply: 12 µs
    return Draft("task.gated", task, "tutti", data, cause)


def release(reserves: Iterable[Reserve]) -> list[list[Any]]:
    """What goes back to the budgets when nothing happened outside, as a fact's data: [budget, period, money, count]."""
    return [[reserve.budget, reserve.period, reserve.money, reserve.count] for reserve in reserves]
