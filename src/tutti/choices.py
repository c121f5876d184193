"""Who is to do a task, and what the gates say to that, by what the house knows now: task by task, or jointly by the market. It records nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

from tutti import gates, routing
from tutti.errors import Invalid
from tutti.house import House
from tutti.market import Market
from tutti.model.agent import AgentCard, Skill
from tutti.model.route import Route, Used
from tutti.model.verdict import Ruling, Verdict
from tutti.reception import amount_of

if TYPE_CHECKING:
    from tutti.traffic import Traffic

Row = Mapping[str, Any]
_Said = dict[int, tuple[gates.Question, Verdict]]


class Choice(NamedTuple):
    """A route with what the gates say: to the one that is chosen, or to all that were asked where nobody is."""

    route: Route
    known: dict[str, str]
    verdicts: list[tuple[gates.Question, Verdict]]
    card: AgentCard | None = None

    @property
    def question(self) -> gates.Question:
        """What was asked about the one that is chosen."""
        return self.verdicts[0][0]

    @property
    def verdict(self) -> Verdict:
        """What the gates say to that."""
        return self.verdicts[0][1]


class Choices:
    """Asks routing and the gates for a task, and lets the market assign what waits."""

    def __init__(self, house: House, traffic: Traffic) -> None:
        self._house = house
        self.market = Market(house, traffic, self._forbidden)

    async def make(self, task: Row, skill: Skill, input: Any) -> Choice:
        """Who is to do a task, and what the gates say to that. A place that the market holds for it is its own from then on."""
        case, known, task_class = await self._house.case(task, skill.name, input)
        award = self.market.redeem(task["id"])
        excluded = (task["excluded"] or "").split(",") if task["excluded"] else ()
        route, board, bids, verdicts = self._routed(task, skill, input, case, task_class, explore=not skill.is_action and award is None, excluded=excluded)
        if bids:
            route = replace(
                route, bids=tuple(bids[place] for candidate in route.candidates if (place := board.index[candidate.agent, candidate.version]) in bids)
            )
        if award is not None:
            route = award.applied(route)
            self.market.hold(task["id"], award)
        if route.chosen is None:
            return Choice(route, known, list(verdicts.values()))
        index = board.index[route.chosen.agent, route.chosen.version]
        return Choice(route, known, [verdicts[index]], board.cards[index])

    async def rehearse(self, task: Row, skill: Skill, input: Any, left_ms: float | None) -> tuple[Route, Verdict | None]:
        """Who would get a task now, if `left_ms` were left until its deadline, and what the gates say to that one, or else to the first that they deny.

        By what is known and in force now, without draws; nothing is held and nothing recorded.
        """
        case, _, task_class = await self._house.case(task, skill.name, input)
        route, board, _, verdicts = self._routed(task, skill, input, case._replace(time_left_ms=left_ms), task_class, explore=False)
        if route.chosen is not None:
            return route, verdicts[board.index[route.chosen.agent, route.chosen.version]][1]
        return route, next((verdict for _, verdict in verdicts.values()), None)

    def _routed(
        self, task: Row, skill: Skill, input: Any, case: routing.Case, task_class: str, *, explore: bool, excluded: Sequence[str] = ()
    ) -> tuple[Route, routing.Board, dict[int, Used], _Said]:
        """The route of a task, the board and the bids that it was found by, and what the gates said on the way, by the agents' index on the board."""
        house = self._house
        board, book = house.board(skill.name, task_class), house.book()
        bids, declined = self.market.bids(skill.name, board, input)
        board = board.with_bids(bids) if bids else board
        said: _Said = {}

        def permit(index: int) -> str | None:
            card = board.cards[index]
            question = self.question(card, card.skills[skill.name], task, input)
            verdict = gates.decide(question, book)
            said[index] = (question, verdict)
            return verdict.reasons[0] if verdict.ruling is Ruling.DENY else None

        shut = {**house.elsewhere(task), **house.absent(skill.name), **house.breakers.shut(house.clock.now()), **declined}
        route = routing.route(
            skill.name, task_class, board, case, weights=house.weights, explore=explore, rng=house.draws, shut=shut, excluded=excluded,
            conditions=house.conditions(skill.name), permit=permit,
        )  # fmt: skip
        return route, board, bids, said

    def question(self, card: AgentCard, skill: Skill, task: Row, input: Any, approval: str | None = None) -> gates.Question:
        """What the gates are asked. The amount is read from the input as it is now: a join may have put it there."""
        cause = "signal" if task["signal"] else "task" if task["parent"] else "person"
        amount = amount_of(skill, input)
        currency = skill.currency if amount is not None else None
        return gates.Question(card, skill, task["asker"] or "", cause, task["priority"], self._house.clock.now(), amount, currency, approval)

    def _forbidden(self, task: Row, card: AgentCard, input: Any) -> str | None:
        """The rule by which the gates would deny a task to an agent now."""
        verdict = gates.decide(self.question(card, card.skills[task["skill"]], task, input), self._house.book())
        return verdict.reasons[0] if verdict.ruling is Ruling.DENY else None

    def misfit(self, skill: Skill, input: Any) -> str:
        """What is wrong with an action's parameters; checked before a person is asked about them. Advice is checked when it runs."""
        if skill.is_action:
            bound = self._house.border(skill.name)
            if bound is not None:
                try:
                    bound.read(input)
                except Invalid as error:
                    return error.message
        return ""
