"""Chaining: the cheapest plan by types, against trying all sets of skills; and what is said where there is none."""

from __future__ import annotations

import itertools
import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tutti.errors import Invalid
from tutti.planning import Bounds, Goal, Offer, Planned, Prices, check_plan, form_of, given_form, plan

NAMES = "abcdefgh"


def shape(title: str, **fields: str) -> dict[str, Any]:
    return {
        "title": title,
        "type": "object",
        "properties": {name: {"title": name.title(), "type": kind} for name, kind in fields.items()},
        "required": [*fields],
    }


TICKET, TRIAGE = shape("Ticket", account="string", text="string"), shape("Triage", urgency="number", reason="string")
DECISION, REFUND = shape("Decision", account="string", urgency="number"), shape("Refund", account="string", amount="number")
HELP_DESK = [
    Offer("ticket.triage", TICKET, TRIAGE), Offer("refund.decide", DECISION, REFUND, cost=1.0), Offer("refund.pay", REFUND, shape("Receipt", number="string"), is_action=True),
]  # fmt: skip


def made(want: str | tuple[str, ...], input: Any, offers: list[Offer] = HELP_DESK, **more: Any) -> Planned:
    goal = Goal((want,) if isinstance(want, str) else want)
    return plan(goal, offers, form_of(input), **more)


def skills(planned: Planned) -> list[str]:
    assert planned.plan is not None, planned.missing
    return [step.skill for step in planned.plan.steps]


def test_a_type_is_reached_through_other_types():
    planned = made("Receipt", {"account": "a1", "text": "it broke"})
    assert skills(planned) == ["ticket.triage", "refund.decide", "refund.pay"]
    assert planned.plan is not None
    triage, decide, pay = planned.plan.steps
    assert triage.input == "{input}"
    assert decide.input == {"account": "{input.account}", "urgency": "{steps.triage.urgency}"}
    assert pay.input == "{steps.decide}"
    assert planned.plan.returns == "{steps.pay}"
    assert planned.optimal


def test_a_skill_with_its_input_is_one_step_and_what_is_given_needs_none():
    assert skills(made("refund.pay", {"account": "a1", "amount": 3.5})) == ["refund.pay"]
    assert skills(made("account", {"account": "a1"})) == []


def test_several_wants_share_what_they_need():
    planned = made(("Refund", "reason"), {"account": "a1", "text": "x"})
    assert skills(planned) == ["ticket.triage", "refund.decide"]
    assert planned.plan is not None
    assert planned.plan.returns == {"Refund": "{steps.decide}", "reason": "{steps.triage.reason}"}


def test_the_gates_rule_skills_out_and_another_way_is_taken():
    other = Offer("refund.guess", shape("Guess", text="string"), REFUND, cost=9.0)
    input = {"account": "a1", "text": "x"}
    assert "refund.guess" not in skills(made("Refund", input, [*HELP_DESK, other]))
    planned = made("Refund", input, [*HELP_DESK, other], permit=lambda skill: "no policy permits it" if skill == "ticket.triage" else None)
    assert skills(planned) == ["refund.guess"]
    assert planned.ruled_out == (("ticket.triage", "no policy permits it"),)


@pytest.mark.parametrize(
    ("want", "input", "said"),
    [
        ("Receipt", {"account": "a1"}, "nobody gives text (string), which ticket.triage needs"),
        ("Invoice", {}, "no skill is called Invoice, and none gives a value of that type"),
        ("ticket.triage", {"account": "a1", "text": 7}, "nobody gives text (string), which ticket.triage needs"),
    ],
)
def test_no_plan_says_what_is_missing(want: str, input: Any, said: str):
    planned = made(want, input)
    assert planned.plan is None
    assert said in planned.missing


def test_no_plan_names_the_rule_that_stands_in_the_way():
    planned = made("Receipt", {"account": "a1", "text": "x"}, permit=lambda skill: "kill switch" if skill == "refund.decide" else None)
    assert planned.missing == ("nobody gives amount (number), which refund.pay needs; refund.decide would, and is ruled out: kill switch",)
    assert made("refund.pay", {}, permit=lambda skill: "kill switch").missing == ("refund.pay is ruled out: kill switch",)


def test_a_plan_stays_within_money_and_length():
    input = {"account": "a1", "text": "x"}
    assert made("Refund", input, bounds=Bounds(money=2.0)).plan is not None
    assert "no plan stays within 1 of money" in made("Refund", input, bounds=Bounds(money=1.0)).missing[0]
    assert made("Refund", input, bounds=Bounds(steps=1)).plan is None
    assert made("Receipt", input, bounds=Bounds(chain=2)).plan is None
    cheap = Offer("refund.guess", shape("Guess", text="string"), REFUND, cost=0.1, quality=0.2)
    assert skills(made("Refund", input, [*HELP_DESK, cheap], bounds=Bounds(money=1.0))) == ["refund.guess"]


def test_quality_latency_and_cost_decide_between_skills_and_an_effect_is_a_last_resort():
    def offer(name: str, **more: Any) -> Offer:
        return Offer(name, shape("Question", text="string"), shape("Answer", answer="string"), **more)

    def best(*offers: Offer, **more: Any) -> str:
        return skills(made("Answer", {"text": "x"}, list(offers), **more))[0]

    assert best(offer("a.dear", cost=0.5), offer("a.cheap", cost=0.1)) == "a.cheap"
    assert best(offer("a.poor", quality=0.3), offer("a.good", quality=0.9, cost=0.01)) == "a.good"
    assert best(offer("a.slow", latency_ms=90_000), offer("a.quick", cost=0.01)) == "a.quick"
    assert best(offer("a.act", is_action=True), offer("a.tell", cost=0.3)) == "a.tell"


def test_what_is_done_is_not_done_again():
    planned = made("Refund", {"account": "a1", "text": "x"}, done={"triage": ("ticket.triage", HELP_DESK[0].gives)})
    assert skills(planned) == ["refund.decide"]
    assert planned.plan is not None
    assert planned.plan.steps[0].input == {"account": "{input.account}", "urgency": "{steps.triage.urgency}"}


def test_notes_of_the_subject_are_known():
    planned = made("refund.decide", {"account": "a1"}, notes={"urgency": 0.4})
    assert planned.plan is not None
    assert planned.plan.steps[0].input == {"account": "{input.account}", "urgency": "{notes.urgency}"}


def test_shapes_that_do_not_fit_are_not_taken_by_their_name():
    other = Offer("ticket.label", TICKET, shape("Label", urgency="string"))
    assert made("refund.decide", {"account": "a1", "text": "x"}, [other, HELP_DESK[1]]).plan is None
    maybe = shape("Maybe", urgency="number") | {"required": []}
    assert made("refund.decide", {"account": "a1", "text": "x"}, [Offer("ticket.guess", TICKET, maybe), HELP_DESK[1]]).plan is None
    maybe = DECISION | {"required": ["account"]}
    assert made("refund.decide", {"account": "a1", "text": "x"}, [Offer("ticket.guess", TICKET, maybe), HELP_DESK[1]]).plan is None, "the same title"


def test_a_type_may_be_named_for_what_is_given():
    goal = Goal(("Refund",), have="Ticket")
    assert plan(goal, HELP_DESK, given_form(goal, HELP_DESK, None)).plan is not None
    with pytest.raises(Invalid, match="text is integer"):
        given_form(goal, HELP_DESK, {"account": "a1", "text": 1})
    with pytest.raises(Invalid, match="No skill speaks of a type Tickets"):
        given_form(Goal(("Refund",), have="Tickets"), HELP_DESK, None)


# --- against all sets of skills ---------------------------------------------------------------------------------------


def random_offers(rng: random.Random, number: int, names: str = NAMES) -> list[Offer]:
    offers = []
    for n in range(number):
        needs, gives = rng.sample(names, rng.randint(1, 3)), rng.sample(names, rng.randint(1, 2))
        takes, makes = shape(f"In{n}", **dict.fromkeys(needs, "string")), shape(f"Out{n}", **dict.fromkeys(gives, "string"))
        offers.append(Offer(f"s.n{n}", takes, makes, cost=round(rng.random(), 3), quality=rng.choice([0.5, 0.9, 1.0])))
    return offers


def reaches(chosen: tuple[Offer, ...], given: set[str], wanted: set[str]) -> bool:
    have, left = set(given), list(chosen)
    while ready := [offer for offer in left if set(offer.takes.fields) <= have]:
        for offer in ready:
            have |= set(offer.gives.fields)
            left.remove(offer)
    return wanted <= have and not left


def check_least(seed: int, number: int, names: str, given: int) -> None:
    """Hold the plan against the cheapest set of skills that there is."""
    rng = random.Random(seed)
    offers = random_offers(rng, number, names)
    have, wanted = set(rng.sample(names, given)), set(rng.sample(names, given))
    input, burden = dict.fromkeys(sorted(have), "x"), {offer.skill: Prices().burden(offer) for offer in offers}
    least = None
    for size in range(len(offers) + 1):
        for chosen in itertools.combinations(offers, size):
            weight = sum(burden[offer.skill] for offer in chosen)
            if (least is None or weight < least) and reaches(chosen, have, wanted):
                least = weight
    planned = made(tuple(sorted(wanted)), input, offers)
    assert (planned.plan is None) == (least is None)
    if planned.plan is not None:
        assert planned.optimal
        assert sum(burden[step.skill] for step in planned.plan.steps) == pytest.approx(least)
        assert check_plan(planned.plan, offers, given=form_of(input)) == []
    else:
        assert planned.missing


@settings(max_examples=120, deadline=None)
@given(seed=st.integers(0, 10**9))
def test_no_set_of_skills_is_cheaper(seed: int):
    check_least(seed, 9, NAMES, 2)


@pytest.mark.parametrize("seed", [123, 519])
def test_branch_and_bound_finds_what_the_first_plan_missed(seed: int):
    check_least(seed, 14, NAMES + "ijklmn", 3)
