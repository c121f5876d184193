"""The mediator: every case ends within its limits, whoever answers how; the same words give the same decision."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.negotiation.talking import LEVELS, Alternating, Garbling, Honest, Leaving, Lying, Silent, a_case, a_utility, broken, gain, nash, talk

from tutti.model.negotiation import Belief, Constraints, Exchange, Level, Limit, Reply, Utility
from tutti.negotiation import Ask, End, Propose, Space, ranked, step
from tutti.negotiation.mediator import WILD

MANNERS = (Honest, Silent, Leaving, Alternating, Lying, Garbling)
SIZES = (3, 2, 4)


def some_rules(rng):
    cost = tuple(tuple(rng.random(size).tolist()) for size in SIZES)
    return Constraints((("no such value", 2, int(rng.integers(4))),), (("not both", 0, 0, 1, 1),), (Limit("budget", cost, 2.0),))


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10**6), st.lists(st.tuples(st.sampled_from(LEVELS), st.sampled_from(MANNERS)), min_size=2, max_size=4), st.booleans())
def test_every_case_ends_within_its_limits_whoever_answers_how(seed, who, there_is_a_fallback):
    rng = np.random.default_rng(seed)
    models = [a_utility(rng, SIZES) for _ in who]
    policy = some_rules(rng)
    fallback = (0, 0, int(rng.integers(4))) if there_is_a_fallback else None
    if fallback is not None:
        models = [Utility(model.contrib, (), gain(Utility(model.contrib), fallback)) for model in models]
    case = a_case(f"case {seed}", SIZES, [level for level, _ in who], policy=policy, fallback=fallback, messages=2, turns=6)
    people = [manner(model, SIZES, seed + at) for at, ((_, manner), model) in enumerate(zip(who, models, strict=True))]
    said, end = talk(case, people)
    for party, level in enumerate(level for level, _ in who):
        asked = [question for question, _ in said if question.party == party]
        words = [question for question in asked if question.ask in ("respond", "confirm", "screen")]
        assert len(words) <= case.turns
        assert len(asked) - len(words) <= case.messages
        assert [question.number for question in asked] == list(range(1, len(asked) + 1))
        assert {question.ask for question in asked} <= {"confirm", {"answer": "respond"}.get(level, level.value), *(["screen"] if level is Level.SCORE else [])}
    for question, _ in said:
        if question.ask in ("respond", "confirm", "screen"):
            assert not any(broken(policy, offer) for offer in question.lists[0])
    if end.offer is not None:
        assert end.how == "settled"
        assert not broken(policy, end.offer)
        heard = {question.party for question, reply in said if not reply.missing and not isinstance(people[question.party], Leaving)}
        for party, (person, model) in enumerate(zip(people, models, strict=True)):
            if person.honest and party in heard:
                assert gain(model, end.offer) >= -1e-6


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 10**6), st.sampled_from(MANNERS), st.sampled_from(LEVELS))
def test_a_case_may_be_ended_at_any_time(seed, manner, level):
    rng = np.random.default_rng(seed)
    models = [a_utility(rng, SIZES) for _ in range(3)]
    case = a_case(f"case {seed}", SIZES, [level, Level.SCORE, Level.ANSWER], messages=2, turns=5)
    people = [manner(models[0], SIZES, seed), Honest(models[1], SIZES), Honest(models[2], SIZES)]
    said, _ = talk(case, people)
    for many in range(0, len(said) + 1, 2):
        end = step(case, said[:many], last=True)
        assert isinstance(end, End)
        assert (end.offer is not None) == (end.how == "settled")
        for person, model in zip(people, models, strict=True):
            if person.honest and end.offer is not None and not isinstance(person, Leaving):
                assert gain(model, end.offer) >= -1e-6


def test_who_does_not_answer_two_messages_in_a_row_is_not_asked_again():
    rng = np.random.default_rng(3)
    models = [a_utility(rng, SIZES, 0.2) for _ in range(2)]
    case = a_case("mute", SIZES, [Level.ANSWER, Level.SCORE], messages=6)
    said, _ = talk(case, [Honest(models[0], SIZES), Silent(models[1], SIZES)])
    assert [question.ask for question, _ in said if question.party == 1] == ["score", "score"]


def test_what_is_hoped_for_is_proposed_though_it_is_likelier_refused_than_not():
    """Two accounts of what a party wants speak against it, one for it; without a proposal there would be no agreement at all."""
    sure, space = Utility(((0.0, 1.0),), (), 0.5), Space([2])
    draws = Belief((*[Utility(((0.0, 0.9),), (), 1.0)] * 2, Utility(((0.0, 1.5),), (), 1.0)))
    assert [each.offer for each in ranked(space, [Belief((sure,)), draws], [1, 1], 3, worst=WILD)] == [(1,)]
    assert ranked(space, [Belief((sure,)), Belief((Utility(((0.0, 0.9),), (), 1.0),))], [1, 1], 3, worst=WILD) == []


def test_nobody_is_asked_whether_it_would_accept_the_fallback():
    rng = np.random.default_rng(8)
    models = [a_utility(rng, SIZES) for _ in range(2)]
    fallback = (0, 0, 0)
    models = [Utility(model.contrib, (), gain(Utility(model.contrib), fallback)) for model in models]
    for seed in range(6):
        case = a_case(f"known {seed}", SIZES, [Level.ANSWER] * 2, fallback=fallback)
        said, _ = talk(case, [Honest(model, SIZES) for model in models])
        assert fallback not in {question.lists[0][0] for question, _ in said}


def test_what_was_not_confirmed_in_time_is_for_a_person():
    rng = np.random.default_rng(5)
    models = [a_utility(rng, SIZES, 0.1) for _ in range(2)]
    case = a_case("late", SIZES, [Level.SCORE] * 2)
    people = [Honest(model, SIZES) for model in models]
    said = [Exchange(question, people[question.party].reply(question)) for question in step(case, []).questions]
    end = step(case, said, last=True)
    assert (end.how, end.offer) == ("person", None)
    assert end.better is not None
    assert min(gain(model, end.better) for model in models) > 0


def test_levels_mix_in_one_case():
    shares = []
    for seed in range(4):
        rng = np.random.default_rng([seed, 1])
        models = [a_utility(rng, SIZES, 0.2) for _ in LEVELS]
        case = a_case(f"mixed {seed}", SIZES, LEVELS, messages=4, turns=16, weights=[1.0, 2.0, 1.0, 1.5])
        said, end = talk(case, [Honest(model, SIZES) for model in models])
        assert end.how == "settled"
        assert {question.ask for question, _ in said} == {"table", "score", "rank", "respond", "confirm"}
        shares.append(nash(case, models, end.offer))
    assert np.mean(shares) > 0.97
    assert min(shares) > 0.9


def test_who_never_says_anything_holds_nobody_up():
    rng = np.random.default_rng(2)
    models = [a_utility(rng, SIZES, 0.2) for _ in range(3)]
    case = a_case("quiet", SIZES, [Level.SCORE, Level.RANK, Level.SCORE])
    people = [Honest(models[0], SIZES), Silent(models[1], SIZES), Honest(models[2], SIZES)]
    said, end = talk(case, people)
    assert end.how == "settled"
    both = a_case("quiet", SIZES, [Level.SCORE, Level.SCORE])
    assert nash(both, [models[0], models[2]], end.offer) > 0.95
    assert sum(question.party == 1 for question, _ in said) <= case.messages


def test_where_nobody_says_anything_the_fallback_holds():
    case = a_case("all quiet", SIZES, [Level.SCORE, Level.ANSWER])
    _, end = talk(case, [Silent(None, SIZES)] * 2)
    assert (end.how, end.offer, end.better) == ("fallback", None, None)


def test_without_an_outcome_that_all_gain_from_the_fallback_holds():
    ours = Utility(((0.0, 1.0),), (), 0.5)
    theirs = Utility(((1.0, 0.0),), (), 0.5)
    for level in LEVELS:
        case = a_case("opposed", (2,), [level] * 2)
        _, end = talk(case, [Honest(ours, (2,)), Honest(theirs, (2,))])
        assert (end.how, end.offer) == ("fallback", None)


def test_known_utilities_need_no_confirmation():
    rng = np.random.default_rng(3)
    models = [a_utility(rng, SIZES, 0.2, pairs=1) for _ in range(2)]
    case = a_case("known", SIZES, [Level.TABLE, Level.FUNCTION])
    functions = {1: lambda offers: [gain(models[1], offer) for offer in offers]}
    said, end = talk(case, [Honest(model, SIZES) for model in models], functions)
    assert [question.ask for question, _ in said] == ["table"]
    assert nash(case, models, end.offer) == pytest.approx(1.0, abs=1e-6)


def test_what_the_fallback_is_worth_is_not_for_a_table_to_claim():
    honest = [Utility(((0.0, 0.6, 1.0),), (), 0.0), Utility(((0.0, 0.6, 0.2),), (), 0.0)]
    claimed = [Utility(honest[0].contrib, (), 0.9), honest[1]]
    case = a_case("claims", (3,), [Level.TABLE] * 2, fallback=(0,))
    _, end = talk(case, [Honest(model, (3,)) for model in claimed])
    assert end.offer == (1,)


class Refusing(Honest):
    """Scores honestly, but takes only what gives it nearly all."""

    honest = False

    def value(self, question):
        if question.ask == "confirm":
            return gain(self.model, question.lists[0][0]) > 0.9 * sum(map(max, self.model.contrib))
        return super().value(question)


def test_a_no_brings_the_next_best_and_is_remembered_as_a_doubt():
    sizes = (6, 2)
    models = [Utility(((0.0, 0.2, 0.4, 0.6, 0.8, 1.0), (0.0, 0.1))), Utility(((1.0, 0.8, 0.6, 0.4, 0.2, 0.0), (0.1, 0.0)))]
    case = a_case("no", sizes, [Level.SCORE] * 2, turns=8)
    said, end = talk(case, [Refusing(models[0], sizes), Honest(models[1], sizes)])
    proposed = [question.lists[0][0] for question, _ in said if question.ask == "confirm" and question.party == 0]
    assert 1 < len(proposed) <= case.turns
    worth = [gain(models[0], offer) for offer in proposed]
    assert worth == sorted(set(worth))
    assert end.doubts == (0,)


def confirmations(case, people):
    said = []
    while isinstance(out := step(case, said), Ask):
        said += [Exchange(question, people[question.party].reply(question)) for question in out.questions]
    return said, out


class Scoring(Honest):
    """Gives numbers, never its word."""

    def reply(self, question):
        return super().reply(question) if question.ask == "score" else Reply(question.party, question.number, missing="gone")


@pytest.mark.parametrize(("noise", "taken"), [(0.01, True), (0.8, False)])
def test_the_words_of_who_left_stand_for_it_where_they_leave_no_doubt(noise, taken):
    sizes = (4, 4)
    models = [Utility(((0.0, 0.3, 0.4, 0.5), (0.5, 0.45, 0.4, 0.0)), (), 0.0), Utility(((0.5, 0.4, 0.3, 0.0), (0.0, 0.2, 0.4, 0.5)), (), 0.6)]
    case = a_case("left", sizes, [Level.SCORE] * 2)
    people = [Honest(models[0], sizes), Scoring(models[1], sizes, 1, noise=noise)]
    said, out = confirmations(case, people)
    while isinstance(out, Propose):
        said += [
            Exchange(question, people[0].reply(question) if question.party == 0 else Reply(question.party, question.number, missing="gone"))
            for question in out.questions
        ]
        out = step(case, said)
    assert (out.how == "settled") is taken


def test_beside_what_needs_no_person_stands_what_would_be_better_with_one():
    models = [Utility(((0.0, 0.4, 1.0),), (), 0.0), Utility(((0.0, 0.4, 0.9),), (), 0.0)]
    case = a_case("ask", (3,), [Level.SCORE] * 2, approval=Constraints(values=(("large discounts", 0, 2),)))
    said, end = talk(case, [Honest(model, (3,)) for model in models])
    assert (end.how, end.offer, end.better) == ("settled", (1,), (2,))
    assert all(question.lists[0][0] != (2,) for question, _ in said if question.ask == "confirm")


def test_a_confirmation_that_counters_is_a_no():
    case = a_case("counter", (3,), [Level.SCORE, Level.TABLE])
    models = [Utility(((0.1, 0.8, 1.0),)), Utility(((1.0, 0.9, 0.1),))]
    said, out = confirmations(case, [Honest(model, (3,)) for model in models])
    assert out.offer == (1,)
    said += [Exchange(question, Reply(question.party, question.number, (2,))) for question in out.questions]
    out = step(case, said)
    assert isinstance(out, Propose)
    assert out.offer == (2,)


def test_where_policy_leaves_nothing_nobody_is_asked():
    nothing = Constraints(values=tuple((f"rule {value}", 0, value) for value in range(3)))
    for level in LEVELS:
        out = step(a_case("nothing", (3, 2), [level] * 2, policy=nothing), [])
        assert isinstance(out, End)
        assert (out.how, out.offer) == ("fallback", None)
        assert out.settlement.reason == "nothing allowed"
