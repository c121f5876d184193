"""Plans as data: written and read back, and what the checks say of plans that cannot work."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tutti.errors import Invalid
from tutti.model.plan import filled, ordered, plan_from_json, plan_to_json, references
from tutti.planning import Bounds, Offer, Plan, Step, check_plan, form, form_of

TICKET = {"title": "Ticket", "type": "object", "properties": {"text": {"type": "string"}}, "required": ["text"]}
TRIAGE = {
    "title": "Triage",
    "type": "object",
    "properties": {"urgency": {"type": "number"}, "ticket": {"$ref": "#/$defs/Ticket"}},
    "required": ["urgency"],
    "$defs": {"Ticket": TICKET},
}
CASE = {"title": "Case", "type": "object", "properties": {"urgency": {"type": "number"}, "text": {"type": "string"}}, "required": ["urgency", "text"]}
LEVEL = {"title": "Level", "type": "object", "properties": {"level": {"enum": ["low", "high"]}}, "required": ["level"], "additionalProperties": False}
OFFERS = [
    Offer("ticket.triage", TICKET, TRIAGE, cost=1.0, quality=1.0), Offer("case.decide", CASE, {"type": "string"}), Offer("level.set", LEVEL, {}),
    Offer("any.thing", {}, {}),
]  # fmt: skip
TRIAGED = Step("triage", "ticket.triage", "{input}")


def said(*steps: Step, **more: Any) -> list[str]:
    return check_plan(Plan(steps), OFFERS, given=form_of({"text": "it broke"}), **more)


def test_a_plan_that_works_has_no_problem():
    assert said(TRIAGED, Step("decide", "case.decide", {"urgency": "{steps.triage.urgency}", "text": "{steps.triage.ticket.text}"})) == []
    assert said(Step("set", "level.set", {"level": "low"}), Step("thing", "any.thing", {"x": "{steps.set.whatever}"})) == []


@pytest.mark.parametrize(
    ("step", "problem"),
    [
        (Step("a", "no.such"), "no agent offers no.such"),
        (Step("a", "case.decide", {"urgency": "high", "text": "x"}), "urgency is string, wanted is number"),
        (Step("a", "case.decide", {"urgency": "{input.text}", "text": "x"}), "urgency is string, wanted is number"),
        (Step("a", "case.decide", {"urgency": 1}), "text is missing"),
        (Step("a", "case.decide", "{input}"), "urgency is missing"),
        (Step("a", "level.set", {"level": "middle"}), "level may be 'middle', wanted is one of low, high"),
        (Step("a", "level.set", {"level": "low", "more": 1}), "more is not wanted"),
        (Step("a", "any.thing", "{input.nothing}"), "takes {input.nothing}, which is not there"),
        (Step("a", "any.thing", "{steps.triage.nothing}"), "takes {steps.triage.nothing}, which is not there"),
        (Step("a", "any.thing", {"x": ["{steps.later.x}"]}), "step a comes after later, which is no step"),
        (Step("a", "any.thing", "{steps}"), "takes all steps at once"),
        (Step("a", "any.thing", {"x": ["{imput.x}"]}), "step a takes {imput.x}, and what is taken begins with input, steps or notes"),
        (Step("a", "any.thing", after=("a",)), "wait for each other"),
        (Step("a", "any.thing", join="some"), "join is all or any"),
        (Step("a", "any.thing", join="any"), "joins any of nothing"),
        (Step("a", "any.thing", when="1 +"), "is not CEL"),
        (Step("a", "any.thing", question="?"), "must have one of"),
        (Step("a"), "must have one of"),
        (Step("a", wait_ms=0), "wait_ms is from 1"),
        (Step("A", "any.thing"), "a name is of small letters"),
    ],
)
def test_what_cannot_work_is_said(step: Step, problem: str):
    assert any(problem in each for each in said(TRIAGED, step)), said(TRIAGED, step)


def test_bounds_and_gates():
    both = (TRIAGED, Step("again", "ticket.triage", "{input}", after=("triage",)))
    assert said(*both, bounds=Bounds(money=1.5)) == ["it is expected to cost 2, and may cost 1.5"]
    assert said(*both, bounds=Bounds(steps=1)) == ["it has 2 steps, and may have 1"]
    assert said(*both, bounds=Bounds(chain=1)) == ["2 steps come one after the other, and 1 may"]
    assert said(TRIAGED, permit=lambda skill: "kill switch")[0] == "step triage: ticket.triage is ruled out: kill switch"
    assert check_plan(Plan((TRIAGED,), returns="{steps.none.x}"), OFFERS) == ["it returns the output of none, which is no step"]
    assert check_plan(Plan((TRIAGED,), returns={"all": "{step.triage}"}), OFFERS) == [
        "it returns {step.triage}, and what is taken begins with input, steps or notes"
    ]
    assert check_plan(Plan((TRIAGED,), returns="{steps.triage.x}"), OFFERS) == ["what it returns takes {steps.triage.x}, which is not there"]


def test_definitions_of_the_same_name_do_not_meet():
    other = {"title": "Other", "type": "object", "properties": {"ticket": {"$ref": "#/$defs/Ticket"}}, "$defs": {"Ticket": {"type": "integer"}}}
    wants = {"type": "object", "properties": {"a": {"$ref": "#/$defs/Ticket"}, "b": {"type": "integer"}}, "required": ["a", "b"], "$defs": {"Ticket": TICKET}}
    offers = [*OFFERS, Offer("other.get", {}, other), Offer("both.take", wants, {})]
    steps = (TRIAGED, Step("other", "other.get", {}), Step("both", "both.take", {"a": "{steps.triage.ticket}", "b": "{steps.other.ticket}"}))
    assert check_plan(Plan(steps), offers, given=form_of({"text": "x"})) == []
    swapped = (*steps[:2], Step("both", "both.take", {"a": "{steps.other.ticket}", "b": "{steps.triage.ticket}"}))
    assert "a is integer, wanted is object" in check_plan(Plan(swapped), offers, given=form_of({"text": "x"}))[0]


def test_a_form_that_contains_itself_ends():
    tree = {
        "$ref": "#/$defs/Node",
        "$defs": {"Node": {"title": "Node", "type": "object", "properties": {"next": {"$ref": "#/$defs/Node"}}, "required": ["next"]}},
    }
    assert (
        check_plan(Plan((Step("a", "tree.make", {}), Step("b", "tree.take", "{steps.a}"))), [Offer("tree.make", {}, tree), Offer("tree.take", tree, {})]) == []
    )
    assert form({"$ref": "#/$defs/Loop", "$defs": {"Loop": {"$ref": "#/$defs/Loop"}}}).known is False


# --- as data ----------------------------------------------------------------------------------------------------------

_VALUES = st.recursive(st.none() | st.booleans() | st.integers(-5, 5) | st.text(max_size=5), lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("ab", min_size=1), inner, max_size=3))  # fmt: skip
_STEPS = st.builds(
    Step, st.sampled_from(["a", "b", "c"]), st.just("some.skill"), _VALUES, st.lists(st.sampled_from(["a", "b"]), max_size=2).map(tuple), st.none() | st.just("true"),
    st.sampled_from(["all", "any"]), st.none(), st.none(), st.sampled_from(["", "x"]), st.booleans(), cost=st.floats(0, 9).map(lambda x: round(x, 6)),
)  # fmt: skip


@settings(max_examples=20, deadline=None)
@given(steps=st.lists(_STEPS, max_size=4), returns=_VALUES, watch=st.lists(st.text(max_size=3), max_size=2))
def test_a_plan_is_the_same_after_it_was_written_and_read(steps: list[Step], returns: Any, watch: list[str]):
    plan = Plan(tuple(steps), "p", returns=returns, watch=tuple(watch))
    assert plan_from_json(plan_to_json(plan)) == plan


@settings(max_examples=30, deadline=None)
@given(value=_VALUES)
def test_a_template_without_references_is_itself_and_one_alone_is_its_value(value: Any):
    if not list(references(value)):
        assert filled(value, {}) == value
    assert filled({"x": "{input.a}"}, {"input": {"a": value}}) == {"x": value}


def test_references_inside_of_a_text_and_into_lists():
    values = {"input": {"name": "Ada", "orders": [{"id": 7}]}, "steps": {"a": None}}
    assert filled("Dear {input.name}: {input.orders.0.id} {input.none}{steps.a.b?} {other}", values) == "Dear Ada: 7  {other}"


@pytest.mark.parametrize(
    "data",
    [[], {}, {"steps": {}}, {"steps": [1]}, {"steps": [{"skill": "a"}]}, {"steps": [{"name": "a", "skil": "b"}]}, {"steps": [{"name": "a", "wait_ms": True}]}, {"steps": [], "more": 1}, {"steps": [{"name": "a", "after": "b"}]}, {"steps": [], "watch": "x"}, {"steps": [], "goal": {"want": 3}}],
)  # fmt: skip
def test_what_is_no_plan_is_refused_with_words(data: Any):
    with pytest.raises(Invalid):
        plan_from_json(data)


def test_a_circle_is_named():
    with pytest.raises(Invalid, match="Steps a, b wait for each other"):
        ordered(Plan((Step("a", "x", "{steps.b}"), Step("b", "x", after=("a",)))))
