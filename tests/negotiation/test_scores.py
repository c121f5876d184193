"""Scores: what is asked covers every value, and what is believed is what was meant, through noise and interactions."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.negotiation.talking import Honest, a_case, a_utility, gain, nash, talk

from tutti.model.negotiation import Constraints, Exchange, Level, Question, Reply, Utility
from tutti.negotiation import Ask, Space, step
from tutti.negotiation.scores import ITEMS, believe, estimate, questions, valid

SIZES = (4, 3, 5, 2)


def asked(case, parties=(0,), leading=(), said=(), seed=0):
    return questions(case, Space(case.sizes, case.policy), parties, leading, said, np.random.default_rng(seed))


@settings(max_examples=25, deadline=None)
@given(st.lists(st.integers(1, 7), min_size=1, max_size=6), st.integers(0, 1000))
def test_a_first_message_holds_every_value_that_policy_leaves_and_the_fallback(sizes, seed):
    policy = Constraints(values=(("no", 0, 0),)) if sizes[0] > 1 else Constraints()
    case = a_case("first", sizes, [Level.SCORE], policy=policy)
    (offers,) = asked(case, seed=seed)[0]
    assert len(offers) <= ITEMS
    assert None in offers
    space = Space(sizes, policy)
    assert all(offer is None or space.allows(offer) for offer in offers)
    for issue, size in enumerate(sizes):
        wanted = set(range(1 if issue == 0 and size > 1 else 0, size))
        assert {offer[issue] for offer in offers if offer is not None} == wanted


def test_exact_numbers_are_believed_exactly_also_outside_of_what_was_asked():
    rng = np.random.default_rng(4)
    model = a_utility(rng, SIZES)
    case = a_case("exact", SIZES, [Level.SCORE])
    question = Question(0, 1, "score", asked(case)[0])
    said = [Exchange(question, Honest(model, SIZES).reply(question))]
    belief = believe(case, 0, said, rng)
    space = Space(SIZES)
    np.testing.assert_allclose(space.gains(*belief.models), np.repeat(space.gains(model), len(belief.models), axis=0), atol=0.01)


def test_noise_is_told_from_the_numbers_and_doubt_is_neither_too_large_nor_too_small():
    noises, off = [], []
    for seed in range(12):
        rng = np.random.default_rng([seed, 3])
        model = a_utility(rng, SIZES)
        case = a_case(f"noisy {seed}", SIZES, [Level.SCORE])
        question = Question(0, 1, "score", asked(case, seed=seed)[0])
        reply = Honest(model, SIZES, seed, noise=0.05).reply(question)
        noises.append(estimate(case, question.lists[0], reply.value).noise)
        gains = Space(SIZES).gains(*believe(case, 0, [Exchange(question, reply)], rng).models)
        off.append((gains.mean(axis=0) - Space(SIZES).gains(model)[0]) / gains.std(axis=0))
    assert np.median(noises) == pytest.approx(0.05, rel=0.25)
    assert 0.6 < np.sqrt(np.mean(np.square(off))) < 1.8


def test_interactions_are_found_and_only_where_there_are_some():
    for seed in range(6):
        rng = np.random.default_rng([seed, 9])
        model = a_utility(rng, (4, 3, 4), pairs=2)
        case = a_case(f"pairs {seed}", (4, 3, 4), [Level.SCORE])
        (offers,) = asked(case, seed=seed)[0]
        found = estimate(case, offers, [gain(model, offer) for offer in offers]).shape.pairs
        assert {pair[:4] for pair in model.pairs} <= set(found)
        plain = Utility(model.contrib, (), model.reservation)
        assert estimate(case, offers, [gain(plain, offer) for offer in offers]).shape.pairs == ()


def test_a_later_message_is_about_what_may_be_settled_on_and_asks_again():
    rng = np.random.default_rng(8)
    case = a_case("later", SIZES, [Level.SCORE])
    question = Question(0, 1, "score", asked(case)[0])
    said = [Exchange(question, Honest(a_utility(rng, SIZES), SIZES, 1, noise=0.05).reply(question))]
    leading = [(0, 0, 0, 0), (1, 0, 4, 1), (3, 2, 0, 0)]
    (offers,) = asked(case, leading=leading, said=said)[0]
    assert len(offers) == ITEMS
    assert set(leading) <= set(offers)
    assert max(offers.count(offer) for offer in leading) > 1
    assert offers.count(None) > 1


def test_noisy_scores_in_two_messages_come_near_the_best():
    shares = []
    for seed in range(8):
        rng = np.random.default_rng([seed, 5])
        models = [a_utility(rng, SIZES, 0.2, pairs=seed % 2) for _ in range(3)]
        case = a_case(f"two {seed}", SIZES, [Level.SCORE] * 3, messages=2)
        said, end = talk(case, [Honest(model, SIZES, seed, noise=0.03) for model in models])
        assert max(question.number for question, _ in said if question.ask == "score") <= 2
        shares.append(nash(case, models, end.offer))
    assert np.mean(shares) > 0.98
    assert min(shares) > 0.9


def test_spaces_too_large_to_list_are_asked_about_too():
    sizes = (5,) * 9
    rng = np.random.default_rng(1)
    models = [a_utility(rng, sizes, 0.3) for _ in range(2)]
    case = a_case("large", sizes, [Level.SCORE] * 2)
    said = []
    while isinstance(out := step(case, said), Ask):
        said += [Exchange(question, Honest(models[question.party], sizes).reply(question)) for question in out.questions]
    known = a_case("large", sizes, [Level.TABLE] * 2)
    _, best = talk(known, [Honest(model, sizes) for model in models])
    product = [gain(models[0], offer) * gain(models[1], offer) for offer in (out.offer, best.offer)]
    assert product[0] > 0.97 * product[1]


def test_where_policy_lets_one_in_thousands_pass_a_large_space_is_asked_about_as_widely():
    sizes = (4,) * 20
    policy = Constraints(pairs=tuple((f"rule {at}", i, a, j, b) for at, (i, j, a, b) in enumerate(scattered(120, sizes))))
    case = a_case("strict", sizes, [Level.SCORE], policy=policy)
    space = Space(sizes, policy)
    anywhere = np.random.default_rng(1).integers(0, 4, size=(2000, 20))
    assert space.allowed(anywhere).mean() < 0.005
    (offers,) = asked(case)[0]
    assert len(set(offers)) > 50
    assert all(offer is None or space.allows(offer) for offer in offers)


def scattered(count, sizes):
    """Pairs of issues with a value of each."""
    rng = np.random.default_rng(2)
    for _ in range(count):
        i, j = sorted(rng.choice(len(sizes), 2, replace=False).tolist())
        yield i, j, int(rng.integers(sizes[i])), int(rng.integers(sizes[j]))


@pytest.mark.parametrize("value", [None, (), (1.0,), (1.0, "a"), (1.0, float("nan")), (1.0, True), "ab", 3, (1.0, 1e300)])
def test_what_is_no_number_for_each_outcome_is_garbled(value):
    lists = (((0,), None),)
    assert valid(lists, Reply(0, 1, value)).missing == "garbled"
    assert valid(lists, Reply(0, 1, (1, 0.5))) == Reply(0, 1, (1, 0.5))
    assert valid(lists, Reply(0, 1, None, "late")).missing == "late"
