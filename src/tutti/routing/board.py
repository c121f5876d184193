"""What is known of every agent that offers a skill, in columns, kept current so that a route reads and computes little."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Mapping
from copy import copy
from typing import Any

import numpy as np

from tutti.model.agent import AgentCard
from tutti.model.route import PRIOR_WEIGHT, Used

LATENCY_WEIGHT = 5.0  # runs that a card's claimed latency is worth
_MILLION = 1_000_000


class Board:
    """Columns for one skill in one class of tasks: posterior (good, bad, mean), expected latency, cost, load (0..1) and who is at capacity.

    Built from the cards and the standings; `learn` and `occupy` keep it current, so a route reads and never rebuilds. The columns are arrays that are read
    number by number for the handful of agents that most skills have, and as a whole (`columns`) where there are many.
    """

    def __init__(
        self, skill: str, cards: list[AgentCard], standing: Callable[[str, str], Mapping[str, Any] | None], running: Mapping[tuple[str, str], int]
    ) -> None:
        self.cards = cards
        self.index = {(card.name, card.version): number for number, card in enumerate(cards)}
        offers = [card.skills[skill] for card in cards]
        self._prior_good = [max(offer.quality * PRIOR_WEIGHT, 0.01) for offer in offers]
        self._prior_bad = [max((1.0 - offer.quality) * PRIOR_WEIGHT, 0.01) for offer in offers]
        self._claimed_ms = [offer.latency.total_seconds() * 1000 for offer in offers]
        self.cost = array("d", [offer.cost for offer in offers])
        self.concurrency = [card.concurrency for card in cards]
        self.running = [running.get((card.name, card.version), 0) for card in cards]
        self.load = array("d", [_load(runs, limit) for runs, limit in zip(self.running, self.concurrency, strict=True)])
        self.full = {number for number, runs in enumerate(self.running) if runs >= self.concurrency[number]}
        self.good = list(self._prior_good)
        self.bad = list(self._prior_bad)
        self.mean = array("d", [good / (good + bad) for good, bad in zip(self.good, self.bad, strict=True)])
        self.judged = [0] * len(cards)
        self.latency_ms = array("d", self._claimed_ms)
        self.conditional = [number for number, offer in enumerate(offers) if offer.when]
        for card in cards:
            row = standing(card.name, card.version)
            if row is not None:
                self.learn(card.name, card.version, row)

    def columns(self) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """Mean quality, latency in ms, cost and load of all agents, as they are now: views, not copies."""
        return np.frombuffer(self.mean), np.frombuffer(self.latency_ms), np.frombuffer(self.cost), np.frombuffer(self.load)

    def learn(self, agent: str, version: str, standing: Mapping[str, Any]) -> None:
        """Take in a standing (millionths) that a judgement or a run has moved."""
        number = self.index.get((agent, version))
        if number is None:
            return
        self.good[number] = self._prior_good[number] + max(standing["good"], 0) / _MILLION
        self.bad[number] = self._prior_bad[number] + max(standing["bad"], 0) / _MILLION
        self.mean[number] = self.good[number] / (self.good[number] + self.bad[number])
        self.judged[number] = standing["judged"]
        runs = standing["runs"]
        self.latency_ms[number] = (self._claimed_ms[number] * LATENCY_WEIGHT + standing["ms"]) / (LATENCY_WEIGHT + runs)

    def with_bids(self, bids: Mapping[int, Used]) -> Board:
        """The board as it is for one task, for which agents (by index) have bid; what is known of their quality stays as sure as it was."""
        board = copy(self)
        board.good, board.bad, board.mean = list(self.good), list(self.bad), self.mean[:]
        board.latency_ms, board.cost = self.latency_ms[:], self.cost[:]
        for number, bid in bids.items():
            weight = self.good[number] + self.bad[number]
            board.good[number], board.bad[number] = max(bid.quality * weight, 0.01), max((1.0 - bid.quality) * weight, 0.01)
            board.mean[number], board.latency_ms[number], board.cost[number] = bid.quality, bid.latency_ms, bid.cost
        return board

    def occupy(self, agent: str, version: str, runs: int) -> None:
        """Count a run that starts (1) or ends (-1)."""
        number = self.index.get((agent, version))
        if number is not None:
            now = self.running[number] = self.running[number] + runs
            self.load[number] = _load(now, self.concurrency[number])
            (self.full.add if now >= self.concurrency[number] else self.full.discard)(number)


def _load(runs: int, limit: int) -> float:
    return min(runs / max(limit, 1), 1.0)
