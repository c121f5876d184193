"""Routes: parts add up, chances are chances, rules are named and lists are capped."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import numpy as np
from hypothesis import example, given
from hypothesis import strategies as st

from tutti import routing
from tutti.model.agent import AgentCard, Nature, Skill
from tutti.model.route import Weights
from tutti.registry import Condition

MILLION = 1_000_000


def card(number: int, *, quality: float = 0.5, cost: float = 0.0, latency_ms: int = 50, concurrency: int = 4) -> AgentCard:
    skill = Skill("job.do", Nature.ADVICE, {}, {}, quality=quality, cost=cost, latency=timedelta(milliseconds=latency_ms))
    return AgentCard(f"agent{number}", "1", "ops", "ana", {"job.do": skill}, concurrency)


def board(cards: list[AgentCard], judged: dict[str, tuple[int, int]] | None = None, running: dict[tuple[str, str], int] | None = None) -> routing.Board:
    def standing(name: str, version: str):
        good, bad = (judged or {}).get(name, (0, 0))
        return {"good": good * MILLION, "bad": bad * MILLION, "judged": good + bad, "ms": 0, "runs": 0} if good + bad else None

    return routing.Board("job.do", cards, standing, running or {})


def route(on: routing.Board, *, explore: bool = True, seed: int = 1, weights: Weights | None = None, **options):
    return routing.route(
        "job.do",
        "",
        on,
        options.pop("case", routing.Case()),
        weights=weights or Weights(),
        explore=explore,
        rng=np.random.default_rng(seed),
        shut=options.pop("shut", {}),
        **options,
    )


cards_drawn = st.lists(
    st.tuples(st.floats(0, 1), st.floats(0, 5), st.integers(1, 60_000), st.integers(1, 8), st.integers(0, 8), st.integers(0, 50), st.integers(0, 50)),
    min_size=1,
    max_size=24,
)
weights_drawn = st.builds(Weights, st.floats(0, 1), st.floats(0, 1), st.floats(0, 1), st.floats(0, 1))


@example(
    drawn=[(0.0, 0.0, 1, 1, 0, 0, 0), (0.0, 5e-324, 1, 1, 0, 0, 0)], weights=Weights(0.0, 0.0, 1.0, 0.0), explore=False, seed=0
)  # a cost of next to nothing
@given(drawn=cards_drawn, weights=weights_drawn, explore=st.booleans(), seed=st.integers(0, 1000))
def test_parts_add_up_to_the_score_and_chances_to_one(drawn, weights, explore, seed):
    cards = [card(n, quality=q, cost=c, latency_ms=ms, concurrency=k) for n, (q, c, ms, k, *_) in enumerate(drawn)]
    judged = {f"agent{n}": (good, bad) for n, (*_, good, bad) in enumerate(drawn)}
    running = {(f"agent{n}", "1"): r for n, (_, _, _, _, r, _, _) in enumerate(drawn)}
    found = route(board(cards, judged, running), weights=weights, explore=explore, seed=seed)
    full = sum(running[f"agent{n}", "1"] >= c.concurrency for n, c in enumerate(cards))
    assert found.ruled_out_count == full
    assert len(found.candidates) == min(len(cards) - full, 16)
    if full == len(cards):
        assert found.chosen is None
        assert found.busy
        return
    for candidate in found.candidates:
        assert abs(sum(candidate.parts.values()) - candidate.score) < 1e-5
        assert -1e-9 <= candidate.parts["quality"] <= weights.quality + 1e-6
        for part in ("latency", "cost", "load"):
            assert -getattr(weights, part) - 1e-6 <= candidate.parts[part] <= 1e-9
        assert 0 <= candidate.propensity <= 1
    assert abs(sum(candidate.propensity for candidate in found.candidates) - 1) < 1e-3
    assert found.chosen.propensity > 0
    assert found.chosen.score >= max(candidate.score for candidate in found.candidates) - 1e-5


def test_without_exploring_the_best_mean_is_chosen_every_time():
    on = board([card(0), card(1), card(2)], {"agent1": (9, 1), "agent2": (80, 40)})
    assert {route(on, explore=False, seed=seed).chosen.agent for seed in range(20)} == {"agent1"}
    assert {route(on, explore=True, seed=seed).chosen.agent for seed in range(40)} > {"agent1"}


def test_propensities_are_the_chances_of_the_draws():
    on = board([card(0), card(1)], {"agent0": (6, 4), "agent1": (4, 6)})
    chosen = [route(on, seed=seed).chosen for seed in range(400)]
    share = sum(choice.agent == "agent0" for choice in chosen) / len(chosen)
    stated = np.mean([next(c.propensity for c in route(on, seed=seed).candidates if c.agent == "agent0") for seed in range(50)])
    assert abs(share - stated) < 0.08


def test_the_same_seed_gives_the_same_route():
    on = board([card(n) for n in range(5)])
    assert route(on, seed=3) == route(on, seed=3)


def test_who_was_ruled_out_by_which_rule_is_named_up_to_a_cap():
    cards = [card(n) for n in range(40)]
    for number, when in ((1, "input.size > 5"), (4, "input.sise > 5")):
        cards[number] = replace(cards[number], skills={"job.do": replace(cards[number].skills["job.do"], when=when)})
    on = board(cards, running={("agent2", "1"): 4})
    conditions = {(f"agent{n}", "1"): Condition(when, routing.CONDITION_NAMES, "when", "x") for n, when in ((1, "input.size > 5"), (4, "input.sise > 5"))}
    found = route(
        on, case=routing.Case({"size": 3}), shut={("agent0", "1"): "circuit open: 5 failures in a row"}, excluded=["agent3@1"], conditions=conditions,
        permit=lambda index: "no policy permits it" if index >= 20 else None,
    )  # fmt: skip
    rules = {out.agent: out.rule for out in found.ruled_out}
    assert rules["agent0@1"].startswith("circuit open")
    assert rules["agent1@1"] == "its condition does not hold: input.size > 5"
    assert rules["agent4@1"] == "its condition could not be evaluated (no such key: sise): input.sise > 5"
    assert rules["agent2@1"] == "at capacity: 4 of 4 runs"
    assert rules["agent3@1"] == "already failed at this task"
    assert len(found.ruled_out) <= 16
    assert found.ruled_out_count >= 4
    assert all(int(c.agent.removeprefix("agent")) < 20 for c in found.candidates)


def test_a_short_deadline_and_a_high_price_cost_score():
    quick, slow, dear = card(0, latency_ms=10), card(1, latency_ms=900), card(2, latency_ms=10, cost=2.0)
    found = route(board([quick, slow, dear]), explore=False, case=routing.Case(time_left_ms=1000))
    parts = {candidate.agent: candidate.parts for candidate in found.candidates}
    assert parts["agent1"]["latency"] < parts["agent0"]["latency"] - 0.05
    assert parts["agent2"]["cost"] == -Weights().cost
    assert found.chosen.agent == "agent0"


def test_what_was_learned_moves_the_board_without_building_it_anew():
    on = board([card(0), card(1)])
    on.learn("agent1", "1", {"good": 30 * MILLION, "bad": 0, "judged": 30, "ms": 3000, "runs": 30})
    found = route(on, explore=False)
    assert (found.chosen.agent, found.chosen.judged) == ("agent1", 30)
    assert abs(found.chosen.quality - 31 / 32) < 1e-6
    on.occupy("agent1", "1", 4)
    assert route(on, explore=False).chosen.agent == "agent0"
