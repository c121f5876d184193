"""A route weighed again: the parts add up, and what is said to flip the choice does so when the route is made again."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import numpy as np
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from tutti import routing
from tutti.explanation import weighing
from tutti.model.agent import AgentCard, Nature, Skill
from tutti.model.route import Weights

agents = st.lists(st.tuples(st.floats(0.05, 0.95), st.floats(0, 5), st.integers(1, 40_000), st.integers(1, 8), st.integers(0, 7)), min_size=2, max_size=6)
weights = st.builds(Weights, st.floats(0.1, 1), st.floats(0.01, 0.5), st.floats(0.01, 0.5), st.floats(0.01, 0.5))


def routed(said: list[list[float]], weigh: Weights, load: dict[int, float] | None = None) -> Any:
    """A route over agents as (quality, cost, latency, places, running); `load` sets how busy one counts as."""
    cards = [
        AgentCard(f"agent{n}", "1", "ops", "ana", {"x": Skill("x", Nature.ADVICE, {}, {}, quality=q, cost=c, latency=timedelta(milliseconds=ms))}, int(k))
        for n, (q, c, ms, k, _) in enumerate(said)
    ]
    board = routing.Board("x", cards, lambda *_: None, {(f"agent{n}", "1"): min(int(r), int(k) - 1) for n, (_, _, _, k, r) in enumerate(said)})
    for n, share in (load or {}).items():
        board.load[n] = share
    return routing.route("x", "", board, routing.Case(), weights=weigh, explore=False, rng=np.random.default_rng(1), shut={})


def gap(said: list[list[float]], weigh: Weights, winner: str, told: dict[str, Any], value: float) -> float:
    """By how much the winner is ahead of the best other one when one input of one agent is this; below 0 it is not chosen any more."""
    place = int(told["of"].removeprefix("agent").split()[0])
    new = [list(one) for one in said]
    load = None
    match told["input"]:
        case "quality":
            new[place][0] = value
        case "cost":
            new[place][1] = value
        case "latency":
            new[place][2] = value
        case _:
            load = {place: value}
    scores = {f"{candidate.agent} {candidate.version}": candidate.score for candidate in routed(new, weigh, load).candidates}
    return scores[winner] - max(score for name, score in scores.items() if name != winner)


KEPT = 2e-4  # a load is kept to four places


@settings(max_examples=100, deadline=None)
@given(agents, weights)
def test_what_flips_the_choice_flips_it_and_less_does_not(said: list[tuple[float, ...]], weigh: Weights) -> None:
    rows = [list(one) for one in said]
    found = routed(rows, weigh)
    scores = sorted((candidate.score for candidate in found.candidates), reverse=True)
    assume(scores[0] - scores[1] > 1e-3)
    winner = f"{found.chosen.agent} {found.chosen.version}"
    told = weighing.flips(routing.as_fact("t-1", found, None, {}).data)
    assert [each["input"] for each in told] == ["quality", "latency", "cost", "load", "quality"]
    for each in told:
        was, needed = each["was"], each["needed"]
        worst = {"quality": 0.995 if each["of"] != winner else 0.005, "cost": 1e9, "latency": 1e9, "load": 1.0}[each["input"]]
        if not each["flips"]:
            assert gap(rows, weigh, winner, each, worst) > -KEPT, each
            continue
        assert each["to"] != winner
        assert (needed - was) * (worst - was) > 0, "it is a change for the worse"
        if each["input"] == "quality" and not 0.006 < needed < 0.994:
            continue  # cards' claims end there
        assert gap(rows, weigh, winner, each, needed) < KEPT, each
        assert gap(rows, weigh, winner, each, was + (needed - was) * 0.99) > -KEPT, each
        assert gap(rows, weigh, winner, each, worst) < KEPT, each


@settings(max_examples=100, deadline=None)
@given(agents, weights)
def test_score_parts_add_up_to_the_score(said: list[tuple[float, ...]], weigh: Weights) -> None:
    data = routing.as_fact("t-1", routed([list(one) for one in said], weigh), None, {}).data
    told = weighing.parts(data)
    for column in ("winner", "runner_up", "difference"):
        assert abs(sum(row[column] for row in told["rows"]) - told["total"][column]) < 5e-6
    assert told["total"]["winner"] == data["score"]


def test_the_interval_is_of_the_posterior_that_was_known_then() -> None:
    from scipy.stats import beta

    said = [[0.6, 0.0, 50, 4, 0], [0.5, 0.0, 50, 4, 0]]
    (first, second) = weighing.as_known(routing.as_fact("t-1", routed(said, Weights()), None, {}).data, 4)
    assert (first["rank"], first["chosen"], first["level"], second["tie"]) == (1, True, 4, False)
    assert abs(first["low"] - beta.ppf(0.025, 1.2, 0.8)) < 1e-3
    assert abs(first["high"] - beta.ppf(0.975, 1.2, 0.8)) < 1e-3
