"""The market: where more tasks wait than agents are free, a few are looked at together and assigned so that all of them are served best.

Tasks stay in the queue until they have an agent: priorities, departments' shares and deadlines are the queue's. Who is passed over for the sake
of others is not passed over for ever. An agent may bid for a task; what its bids are worth, its finished work has shown.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from tutti import routing
from tutti.errors import NotFound, TuttiError
from tutti.house import House
from tutti.model.agent import AgentCard
from tutti.model.route import Bid, Joint, Route, Used
from tutti.model.task import Stage

if TYPE_CHECKING:
    from tutti.traffic import Traffic

log = logging.getLogger("tutti")
Row = Mapping[str, Any]
Permit = Callable[[Row, AgentCard, Any], str | None]  # task, who would do it, its input → the rule that forbids it

WINDOW_S = 0.05  # how long tasks are gathered at most
_OF_A_RUN = 0.1  # share of a run's usual time that gathering may take: a free place earns nothing meanwhile
_REACH = 8  # tasks that are looked at for each free place; one, where nothing makes tasks of this skill suit one agent more than another
_MOST = 64  # tasks that are looked at at a time: 64 by 20 take 2 ms
PATIENCE = 4  # times that a task lets others go first; after that it is before them
_ROUNDS = 8  # assignments that are made anew because policy forbids a pair
_STUCK = 1_000_000  # microseconds until a task is looked at again whose agents were all at work, though none of them is free
_PAUSE_S = 1.0  # until the market opens again after the database refused
_SERVED = 10.0  # times the largest score: that a task is served counts more than by whom
_TURN = 0.1  # share of the largest score that being first in the queue is worth against being last of those looked at: no task overtakes for nothing
_DUE = 100.0  # that a task has waited long enough counts more than how many are served
_CLASS = 10_000.0  # a higher priority counts more than all of this


class _Candidate(NamedTuple):
    """A task as the market sees it."""

    row: Row
    input: Any
    case: routing.Case
    task_class: str


class Award(NamedTuple):
    """The agent that a task was assigned, whose place is held for it, and the record of that."""

    card: AgentCard
    joint: Joint

    def applied(self, route: Route) -> Route:
        """A task's route with what was assigned as the choice; the route as it is where that agent cannot take it any more."""
        for candidate in route.candidates:
            if (candidate.agent, candidate.version) == (self.card.name, self.card.version):
                chosen = candidate._replace(propensity=1.0)
                candidates = tuple(chosen if other is candidate else other._replace(propensity=0.0) for other in route.candidates)
                return Route(
                    route.skill, route.task_class, chosen, candidates, route.ruled_out, route.offered, route.ruled_out_count, False, route.busy, route.weights,
                    route.bids, self.joint,
                )  # fmt: skip
        return route


class Market:
    """Gathers waiting tasks by skill and assigns them jointly. It appends nothing: what it awards, the task's own walk routes, gates and starts."""

    def __init__(self, house: House, traffic: Traffic, permit: Permit) -> None:
        self._house = house
        self._traffic = traffic
        self._permit = permit
        self._awards: dict[str, Award] = {}
        self._passed: dict[str, dict[str, int]] = {}  # skill → task → times that others went before it
        self._complaints: set[tuple[str, str]] = set()  # what has been said of agents' bids
        self._open: set[str] = set()  # skills that are being cleared
        self._fruitless: set[str] = set()  # skills of which the last clearing sent nobody on its way
        self._stuck: dict[str, dict[str, tuple[int, list[tuple[str, str]]]]] = {}  # skill → task → since when, and the agents that may do it, all at work

    # --- when ---------------------------------------------------------------------------------------------------

    def gathers(self, skill: str, waiting: int) -> bool:
        """Whether waiting tasks of a skill are assigned jointly now: more of them than free places, and agents to choose from. Then they will be, soon."""
        if waiting < 2 or waiting <= self._house.spare(skill) - self._traffic.coming(skill):
            return False
        offers = self._house.registry.offers(skill)
        if len(offers) < 2:
            return False
        if skill not in self._open:
            usual = self._house.board(skill, "").latency_ms
            window = WINDOW_S if skill in self._fruitless else min(WINDOW_S, _OF_A_RUN * min(usual) / 1000)
            self._traffic.soon(f"market/{skill}", window, partial(self._clear, skill))
        return True

    async def _clear(self, skill: str) -> None:
        self._open.add(skill)
        try:
            await self._assign(skill)
        except Exception as error:
            log.warning("tasks of %s wait: %s", skill, error.message if isinstance(error, TuttiError) else error, exc_info=not isinstance(error, TuttiError))
            self._traffic.soon(f"market/{skill}", _PAUSE_S, partial(self._clear, skill))
            return
        finally:
            self._open.discard(skill)
        self._traffic.pump()

    # --- bids ---------------------------------------------------------------------------------------------------

    def bids(self, skill: str, board: routing.Board, input: Any) -> tuple[dict[int, Used], dict[tuple[str, str], str]]:
        """What agents bid for a task, by their index on the board, as it counts; and who declines it, with the words for that.

        An agent whose bid is none (it raises, or names no quality) is taken by its record, as one that does not bid.
        """
        found: dict[int, Used] = {}
        declined: dict[tuple[str, str], str] = {}
        bidders = self._house.bidders
        if not bidders:
            return found, declined
        records = self._house.journal.hot.table("calibration")
        for number, card in enumerate(board.cards):
            bidder = bidders.get((card.name, card.version, skill))
            if bidder is None:
                continue
            try:
                bid = bidder(input)
                if bid is None:
                    declined[card.name, card.version] = "it declines this task"
                elif isinstance(bid, Bid) and not all(map(math.isfinite, (bid.quality, bid.confidence, bid.cost or 0.0))):
                    self._complain(card.id, f"bids what is no number for {skill}")
                elif isinstance(bid, Bid):
                    known = {"mean": board.mean[number], "latency_ms": board.latency_ms[number], "cost": board.cost[number]}
                    found[number] = routing.calibrate(bid, card.name, card.version, records.get((skill, card.name, card.version)), **known)
                else:
                    self._complain(card.id, f"bids {type(bid).__name__} for {skill}, which is no tutti.Bid")
            except Exception as error:  # it is the user's code
                self._complain(card.id, f"cannot bid for {skill}: {type(error).__name__}")
        return found, declined

    def _complain(self, agent: str, words: str) -> None:
        """Say once what is wrong with an agent's bids: it is asked again at every look at every waiting task."""
        if (agent, words) not in self._complaints:
            self._complaints.add((agent, words))
            log.warning("%s %s; more of these are not logged", agent, words)

    # --- awards -------------------------------------------------------------------------------------------------

    def redeem(self, task: str) -> Award | None:
        """The award of a task, once; the place that was held for it is free for its run from now on."""
        award = self._awards.pop(task, None)
        if award is not None:
            self._house.occupy(award.card, -1)
        return award

    def hold(self, task: str, award: Award) -> None:
        """Hold a place for a task's run, until it is redeemed."""
        self._awards[task] = award
        self._house.occupy(award.card, 1)

    async def _assign(self, skill: str) -> None:
        """Look at the next tasks of a skill together, and send those on their way that get an agent."""
        traffic, house = self._traffic, self._house
        differ = skill in house.classes or bool(house.conditions(skill)) or any(key[2] == skill for key in house.bidders)
        reach = min(max(house.spare(skill), 1) * (_REACH if differ else 1), _MOST)
        candidates: list[_Candidate] = []
        sent = 0
        for row in traffic.first(skill, reach, partial(self._is_stuck, self._stuck.get(skill, {}))):
            candidate = await self._look(row) if row["stage"] == Stage.READY else None
            if candidate is None:
                sent += traffic.send(row["id"])  # it has its agent, needs none, or can have none: its own walk says which
            else:
                candidates.append(candidate)
        candidates = [candidate for candidate in candidates if traffic.waits(candidate.row["id"])]
        if candidates:  # nothing is awaited from here on: what is read now holds until the awards are made
            sent += self._award(skill, candidates)
        (self._fruitless.discard if sent else self._fruitless.add)(skill)

    def _is_stuck(self, stuck: Mapping[str, tuple[int, list[tuple[str, str]]]], task: str) -> bool:
        """Whether all agents that may do a task were at work when it was looked at lately, and still are."""
        known = stuck.get(task)
        if known is None or self._house.clock.now() - known[0] > _STUCK:
            return False
        return all(self._house.running.get(key, 0) >= card.concurrency for key in known[1] if (card := self._house.registry.card(*key)) is not None)

    async def _look(self, row: Row) -> _Candidate | None:
        try:
            input = await self._house.input(row)
        except NotFound:  # erased
            return None
        case, _, task_class = await self._house.case(row, row["skill"], input)
        return _Candidate(row, input, case, task_class)

    def _award(self, skill: str, candidates: Sequence[_Candidate]) -> int:
        """Assign tasks to free places, and send them on their way; how many."""
        house, traffic = self._house, self._traffic
        cards = house.board(skill, "").cards
        places = [max(card.concurrency - house.running.get((card.name, card.version), 0), 0) for card in cards]
        scores, able = self._scores(skill, candidates)
        passed = self._passed.get(skill, {})
        worth = scores + self._urgency(skill, candidates, passed)[:, None]
        for _ in range(_ROUNDS):
            found = routing.assign(worth, able & (np.array(places) > 0), places)
            forbidden = [(number, agents[0]) for number, agents in enumerate(found.choice) if agents and self._denied(candidates[number], cards[agents[0]])]
            for number, agent in forbidden:
                able[number, agent] = False
            if not forbidden:
                break
        choice = [agents if agents and able[number, agents[0]] else () for number, agents in enumerate(found.choice)]
        served = [number for number, agents in enumerate(choice) if agents][: traffic.spare]
        lacked = routing.shortfalls(worth, able, places, choice)
        for number in served:
            id, agent = candidates[number].row["id"], choice[number][0]
            joint = self._record(cards, scores[number], able[number], lacked[number], agent, (len(candidates), sum(places), passed.get(id, 0)))
            self.hold(id, Award(cards[agent], joint))
        left = [number for number in range(len(candidates)) if number not in served]
        self._passed[skill] = {
            candidates[number].row["id"]: passed.get(candidates[number].row["id"], 0) + (bool(served) and number < served[-1]) for number in left
        }
        sent = 0
        for number in served:
            if traffic.send(candidates[number].row["id"]):
                sent += 1
            else:
                self.redeem(candidates[number].row["id"])
        now, stuck = house.clock.now(), self._stuck.setdefault(skill, {})
        for number in left:
            id, may = candidates[number].row["id"], np.flatnonzero(able[number]).tolist()
            if may and not any(places[agent] for agent in may):
                stuck[id] = (now, [(cards[agent].name, cards[agent].version) for agent in may])  # whoever is behind it shall see what is free
            elif not may:
                sent += traffic.send(id)
        for id in [id for id in stuck if not traffic.waits(id)]:
            del stuck[id]
        return sent

    def _scores(self, skill: str, candidates: Sequence[_Candidate]) -> tuple[np.ndarray, np.ndarray]:
        """What each agent scores at each task, and which pairs may be."""
        house = self._house
        away = {**house.absent(skill), **house.breakers.shut(house.clock.now())}
        number_of = len(house.board(skill, "").cards)
        scores, able = np.zeros((len(candidates), number_of)), np.zeros((len(candidates), number_of), dtype=bool)
        for place, (row, input, case, task_class) in enumerate(candidates):
            board = house.board(skill, task_class)
            bids, declined = self.bids(skill, board, input)
            board = board.with_bids(bids) if bids else board
            excluded = row["excluded"].split(",") if row["excluded"] else ()
            shut = {**house.elsewhere(row), **away, **declined}
            found = routing.worths(skill, board, case, weights=house.weights, shut=shut, excluded=excluded, conditions=house.conditions(skill))
            in_time = [agent for agent in found if case.time_left_ms is None or board.latency_ms[agent] <= case.time_left_ms]
            for agent in in_time or found:  # where nobody is quick enough any more, late is better than not at all
                scores[place, agent], able[place, agent] = found[agent], True
        return scores, able

    def _urgency(self, skill: str, candidates: Sequence[_Candidate], passed: Mapping[str, int]) -> np.ndarray:
        """What serving each task is worth by itself: the class of its priority first, then that it is due, that it is served at all, and its turn."""
        weights = self._house.weights
        span = max(weights.quality + weights.latency + weights.cost + weights.load, 1e-6)
        classes = {priority: number for number, priority in enumerate(sorted({candidate.row["priority"] for candidate in candidates}))}
        usual = max(self._house.board(skill, "").latency_ms) + 1000 * WINDOW_S
        urgent = []
        for place, candidate in enumerate(candidates):
            left = candidate.case.time_left_ms
            pressing = left is not None and left <= 2 * usual
            due = max(passed.get(candidate.row["id"], 0) - PATIENCE + 1, 0) or int(pressing)
            turn = _TURN * (1 - place / len(candidates))
            urgent.append(span * (turn + _SERVED + _DUE * min(due, 90) + _CLASS * classes[candidate.row["priority"]]))
        return np.array(urgent)

    def _denied(self, candidate: _Candidate, card: AgentCard) -> bool:
        return self._permit(candidate.row, card, candidate.input) is not None

    @staticmethod
    def _record(cards: Sequence[AgentCard], scores: np.ndarray, able: np.ndarray, lacked: np.ndarray, agent: int, of: tuple[int, int, int]) -> Joint:
        tasks, places, waited = of
        best = int(np.where(able, scores, -np.inf).argmax())
        others = np.where(np.arange(len(cards)) == agent, np.inf, lacked)
        rival = int(others.argmin())
        short = float(others[rival])
        given_up = round(max(float(scores[best] - scores[agent]), 0.0), 6)
        return Joint(
            tasks, places, cards[best].id, given_up, cards[rival].id if np.isfinite(short) else "", round(short, 6) if np.isfinite(short) else 0.0, waited
        )
