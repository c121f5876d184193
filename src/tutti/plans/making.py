"""Making a plan from the fleet as it is now: what it offers, what the gates may allow, and the plan for a goal in skills or in words."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import orjson

from tutti import gates, planning
from tutti.errors import Invalid
from tutti.house import House
from tutti.model.money import to_millionths
from tutti.model.plan import Goal, Plan, Step, goal_to_json, plan_from_json, plan_to_json
from tutti.model.verdict import Ruling

_PROPOSALS = 3  # answers that a planner in words may give until one can run

Ask = Callable[[dict[str, Any], str], Awaitable[Any]]  # (question, name) → what the planner in words answers


@dataclass(frozen=True, slots=True)
class SoFar:
    """Where a plan stands that is made anew; as it is, one that has not begun."""

    number: int = 0  # times it was made before
    failed: Mapping[str, str] = field(default_factory=dict)  # skill → how a step with it failed
    done: Mapping[str, tuple[str, Any]] = field(default_factory=dict)  # step → its skill and the type of its output, of those that stay
    outputs: Mapping[str, Any] = field(default_factory=dict)  # step → what it gave; None while it is under way
    taken: Sequence[str] = ()  # names that no new step may have

    def words(self) -> str:
        """What a planner in words is told of it."""
        said = ""
        if self.outputs:
            said += f"\nThese steps are done; their outputs can be taken, and they are not to be done again: {orjson.dumps(self.outputs).decode()}"
        return said + "".join(f"\nIt was tried with {skill}, which failed: {why}" for skill, why in self.failed.items())


def offers_of(house: House) -> list[planning.Offer]:
    """What the fleet offers a plan: each skill with the agent that weighs least. The house's own agents and planners are left out."""
    prices = planning.Prices()
    found = []
    for name in house.registry.skills():
        if name in house.owns or name == planning.SKILL:
            continue
        board = house.board(name, "")
        offers = []
        for number, card in enumerate(board.cards):
            skill = card.skills[name]
            offers.append(
                planning.Offer(
                    name, skill.input_schema, skill.output_schema, board.cost[number], board.latency_ms[number], board.mean[number], skill.attempts, skill.is_action,
                    skill.description, tuple(dict.fromkeys(card.name for card in board.cards)),
                )
            )  # fmt: skip
        if offers:
            found.append(min(offers, key=prices.burden))
    return found


def permit_of(house: House) -> planning.Permit:
    """Which skills the gates may allow now: those that an agent which is here, and well, may do for some amount."""
    book, now = house.book(), house.clock.now()
    shut = house.breakers.shut(now)
    said: dict[str, str | None] = {}

    def permit(skill: str) -> str | None:
        if skill not in said:
            said[skill] = _rule(skill)
        return said[skill]

    def _rule(name: str) -> str | None:
        rule = f"no agent offers {name}"
        for card in house.registry.offers(name):
            key, skill = (card.name, card.version), card.skills[name]
            gone = house.absent(name).get(key) or shut.get(key)
            if gone:
                rule = f"{card.id}: {gone}"
                continue
            nothing = None if skill.amount is None else 0  # the amount is known when the step runs; then it is asked again
            verdict = gates.decide(gates.Question(card, skill, "", "task", 0, now, nothing, skill.currency if skill.amount else None), book)
            if verdict.ruling is not Ruling.DENY:
                return None
            rule = verdict.reasons[0]
        return rule

    return permit


async def preview(house: House, goal: Goal, input: Any, ask: Ask, *, subject: str | None = None, money: float | None = None) -> dict[str, Any]:
    """The plan for a goal as it would run now, or why there is none. `ask` puts a goal in words to a planner that is a language model."""
    if money is not None and to_millionths(money, "money") < 0:
        raise Invalid(f"money is {money:g}.", hint="What a plan may cost is 0 or more.")
    offers, permit = offers_of(house), permit_of(house)
    notes = {topic: value for topic, (_, value) in (await house.notes.about(house.journal.pseudonym(subject) if subject else None)).items()}
    if goal.text and not goal.want and house.registry.offer(planning.SKILL) is not None and (rule := permit(planning.SKILL)):
        planned = planning.Planned(None, (f"no planner can be asked: {rule}",), optimal=False)  # whoever looks does not wait until one can
    else:
        planned = await plan_for(house, goal, input, notes, offers, permit, planning.Bounds(money=money), ask, SoFar())
    made = planned.plan
    return {
        "schema": "tutti.planned/1",
        "goal": goal_to_json(goal),
        "plan": None if made is None else plan_to_json(made),
        "expected": None if made is None else {"cost": round(made.cost, 6), "latency_ms": round(made.latency_ms, 3), "success": round(made.success, 6)},
        "missing": list(planned.missing),
        "ruled_out": [{"skill": skill, "rule": rule} for skill, rule in planned.ruled_out],
        "instead_of": instead_of(planned),
        "optimal": planned.optimal,
    }


async def plan_for(
    house: House, goal: Goal, input: Any, notes: Mapping[str, Any], offers: Sequence[planning.Offer], permit: planning.Permit, bounds: planning.Bounds, ask: Ask,
    so_far: SoFar,
) -> planning.Planned:  # fmt: skip
    """The plan for a goal, from where a plan stands; skills that failed in it are left out. Raises: `Invalid`."""
    failed = so_far.failed

    def allowed(skill: str) -> str | None:
        return f"it failed in this plan: {failed[skill]}" if skill in failed else permit(skill)

    if goal.want:
        given = planning.given_form(goal, offers, input)
        return planning.plan(goal, offers, given, permit=allowed, notes=notes, done=so_far.done, taken=so_far.taken, bounds=bounds)
    told = replace(goal, text=goal.text + so_far.words())
    planned = await _proposed(house, ask, told, input, offers, allowed, bounds, so_far.number)
    return replace(planned, plan=None if planned.plan is None else replace(planned.plan, goal=goal))


async def _proposed(
    house: House, ask: Ask, goal: Goal, input: Any, offers: Sequence[planning.Offer], permit: planning.Permit, bounds: planning.Bounds, times: int
) -> planning.Planned:
    """A plan for a goal in words. What does not check goes back with its problems, and never runs."""
    if not goal.text:
        raise Invalid("The goal wants nothing.", hint='Name a skill or a type in `want`, for example {"want": ["Refund"]}.')
    if house.registry.offer(planning.SKILL) is None:
        raise Invalid("A goal in words needs a planner that is a language model.", hint="Declare one: fleet.planner(model=…).")
    problems: list[str] = []
    for number in range(_PROPOSALS):
        answer = await ask(planning.question(goal.text, input, offers, permit, problems), f"propose/{times}/{number}")
        try:
            made = replace(plan_from_json(answer), goal=goal)
            problems = planning.check_plan(made, offers, permit=permit, given=planning.form_of(input), bounds=bounds)
        except Invalid as error:
            problems = [error.message]
        if not problems:
            return planning.Planned(priced(made, offers), optimal=False)
    return planning.Planned(None, tuple(f"the planner's answer cannot run: {problem}" for problem in problems), optimal=False)


def instead_of(planned: planning.Planned) -> dict[str, list[dict[str, Any]]]:
    """The other skills for each step, with their burden, as data."""
    return {step: [{"skill": skill, "burden": burden} for skill, burden in rivals] for step, rivals in planned.instead_of.items()}


def priced(made: Plan, offers: Sequence[planning.Offer]) -> Plan:
    """A plan whose steps say what they are expected to cost and take, by what the fleet offers."""
    by_name = {offer.skill: offer for offer in offers}
    return replace(made, steps=tuple(_priced(step, by_name.get(step.skill)) for step in made.steps))


def _priced(step: Step, offer: planning.Offer | None) -> Step:
    return step if offer is None else replace(step, cost=offer.cost * offer.tries, latency_ms=offer.latency_ms * offer.tries, success=offer.success)
