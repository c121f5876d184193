"""Verdicts as values: levels, budgets, kill switches, Cedar's answers."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tutti import gates
from tutti.clock import MICROS, from_datetime
from tutti.errors import Invalid
from tutti.gates.decide import period_of
from tutti.gates.policy import as_decimal
from tutti.model.agent import AgentCard, Nature, Skill
from tutti.model.verdict import Ruling

PAY = Skill("refund.pay", Nature.ACTION, {}, {}, amount="amount", currency="EUR")
ADVISE = Skill("ticket.read", Nature.ADVICE, {}, {})
CARD = AgentCard("pay", "1", "finance", "ben", {"refund.pay": PAY, "ticket.read": ADVISE})
NOW = from_datetime(datetime(2026, 11, 22, 23, 59, tzinfo=UTC))
KEEPER = gates.Gatekeeper()
DEFAULT = gates.parse_policies(gates.DEFAULT_POLICY)


def book(
    *,
    level: int | None = None,
    up_to: int | None = None,
    budget: dict | None = None,
    spent: int = 0,
    kills: dict | None = None,
    policies: gates.Policies = DEFAULT,
) -> gates.Book:
    autonomy = {} if level is None else {("refund.pay",): {"level": level, "up_to": up_to}}
    budgets = {} if budget is None else {("b",): {"action": "refund.pay", "per": "day", "currency": "EUR", "money": None, "count": None, **budget}}
    return gates.Book(policies, KEEPER, autonomy, budgets, {("b", "2026-11-22"): {"money": spent, "count": 0}} if spent else {}, kills or {})


def ask(amount: int | None = None, *, skill: Skill = PAY, approval: str | None = None, priority: int = 0) -> gates.Question:
    return gates.Question(CARD, skill, "support", "signal", priority, NOW, amount, "EUR" if amount is not None else None, approval)


@given(st.integers(-(10**12), 10**12), st.sampled_from([None, 2, 4]), st.none() | st.integers(0, 10**12))
def test_no_action_goes_alone_above_its_level(amount, level, up_to):
    verdict = gates.decide(ask(amount), book(level=level, up_to=up_to))
    alone = level == 4 and (up_to is None or abs(amount) <= up_to)
    assert verdict.ruling is (Ruling.ALLOW if alone else Ruling.ASK)
    assert gates.decide(ask(amount, approval="a-1"), book(level=level, up_to=up_to)).ruling is Ruling.ALLOW


@given(st.integers(0, 10**9), st.integers(0, 10**9), st.integers(0, 10**9))
def test_a_reserve_never_takes_a_budget_over_its_limit(amount, spent, limit):
    verdict = gates.decide(ask(amount), book(level=4, budget={"money": limit}, spent=spent))
    assert (verdict.ruling is Ruling.ALLOW) == (spent + amount <= limit)
    if verdict.ruling is Ruling.ALLOW:
        assert [(r.money, r.count, r.money_limit) for r in verdict.reserves] == [(amount, 1, limit)]


def test_advice_is_gated_by_access_only():
    verdict = gates.decide(ask(skill=ADVISE), book(budget={"count": 0}))
    assert (verdict.ruling, verdict.policies) == (Ruling.ALLOW, ("advice",))


@pytest.mark.parametrize("scope", [("workspace", ""), ("agent", "pay"), ("action", "refund.pay")])
def test_a_kill_switch_comes_first_even_with_an_approval(scope):
    verdict = gates.decide(ask(1, approval="a-1"), book(level=4, kills={scope: {"on": 1, "reason": "odd"}}))
    assert verdict.ruling is Ruling.DENY
    assert verdict.reasons[0].startswith("kill switch on")
    assert gates.decide(ask(1), book(level=4, kills={scope: {"on": 0, "reason": ""}})).ruling is Ruling.ALLOW


def test_an_approval_does_not_open_what_a_policy_forbids():
    policies = gates.parse_policies('@id("wall") forbid (principal, action, resource == Tutti::Skill::"refund.pay"); permit (principal, action, resource);')
    verdict = gates.decide(ask(1, approval="a-1"), book(level=4, policies=policies))
    assert (verdict.ruling, verdict.reasons) == (Ruling.DENY, ("policy wall forbids it",))


def test_amounts_reach_the_policy_rounded_away_from_zero_and_huge_ones_are_denied():
    policies = gates.parse_policies('permit (principal, action, resource) when { context has amount && context.amount.lessThanOrEqual(decimal("10.0")) };')
    assert gates.decide(ask(10 * MICROS), book(level=4, policies=policies)).ruling is Ruling.ALLOW
    assert gates.decide(ask(10 * MICROS + 1), book(level=4, policies=policies)).ruling is Ruling.DENY
    assert as_decimal(-1) == "-0.0001"
    assert gates.decide(ask(10**30), book(level=4)).reasons == ("the amount is too large for a policy to judge",)


def test_equal_questions_are_asked_once_and_different_ones_never_share_an_answer():
    policies = gates.parse_policies(
        'permit (principal, action, resource) when { context.priority > 3 };\npermit (principal, action == Tutti::Action::"advise", resource);'.replace(
            "permit (principal, action, resource) when", 'permit (principal, action == Tutti::Action::"act", resource) when'
        )
    )
    keeper = gates.Gatekeeper()
    shelf = gates.Book(policies, keeper, {("refund.pay",): {"level": 4, "up_to": None}}, {}, {}, {})
    rulings = [gates.decide(ask(5, priority=p), shelf).ruling for p in (1, 5, 1, 5)]
    assert rulings == [Ruling.DENY, Ruling.ALLOW, Ruling.DENY, Ruling.ALLOW]
    assert len(keeper._answers) == 2


def test_two_policies_of_one_name_and_templates_are_refused():
    with pytest.raises(Invalid, match="two policies"):
        gates.parse_policies('@id("a") permit (principal, action, resource); @id("a") forbid (principal, action, resource);')
    with pytest.raises(Invalid, match="template"):
        gates.parse_policies("permit (principal == ?principal, action, resource);")


def test_periods_are_utc():
    assert [period_of(per, NOW) for per in ("hour", "day", "month", "ever")] == ["2026-11-22T23", "2026-11-22", "2026-11", "ever"]


def test_an_approval_holds_for_exactly_what_was_asked():
    task = {"id": "t-1", "input": "digest"}
    row = {"state": "approved", "expires_at": 10, "task": "t-1", "input": "digest", "agent": "pay", "agent_version": "1"}
    assert gates.check_answer(row, task, "pay@1", 10) == ""
    assert gates.check_answer(row, task, "pay@1", 11) == "the approval has expired"
    assert gates.check_answer(row, task, "pay@2", 1) == "the approval is for another agent"
    assert gates.check_answer(row, {**task, "input": "other"}, "pay@1", 1) == "the approval is for other parameters"
    assert gates.check_answer(row, {**task, "id": "t-2"}, "pay@1", 1) == "the approval is for other parameters"
    assert gates.check_answer({**row, "state": "open"}, task, "pay@1", 1) == gates.check_answer(None, task, "pay@1", 1) == "there is no approval"
