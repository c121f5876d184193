"""Words: a yes or no says on which side of nothing a gain lies, and as much about all that goes with it; parties are asked where that is most."""

import itertools
import math

import numpy as np
import pytest
from tests.negotiation.talking import Honest, a_case, gain, nash, talk

from tutti.model.negotiation import Exchange, Level, Reply, Utility
from tutti.negotiation import Space, step
from tutti.negotiation.scores import ITEMS, decided, estimate, screens
from tutti.negotiation.words import heed, most_telling

NOISE = 0.03
SIZES = (2,) * 9


def deals(rng, parties=3):
    """Utilities with some outcomes by which everybody gains; by the best of these somebody gains less than the noise of its scores."""
    offers = np.array(list(itertools.product(*map(range, SIZES))))
    while True:
        weights = rng.normal(0, 0.06, size=(parties, len(SIZES), 2))
        worth = np.array([sum(row[value] for row, value in zip(mine, offers.T, strict=True)) for mine in weights])
        gains = worth - (worth[:, int(rng.integers(len(offers)))] - rng.uniform(0.01, 0.05, size=parties))[:, None]
        best = gains[:, int(np.maximum(gains, 0).prod(axis=0).argmax())]
        if 0 < best.min() < 0.5 * NOISE and (gains > 0).all(axis=0).sum() > 3:
            homes = (worth - gains)[:, 0]
            return [Utility(tuple(map(tuple, mine.tolist())), (), float(home)) for mine, home in zip(weights, homes, strict=True)]


def test_a_normal_that_is_cut_has_the_moments_of_its_samples():
    rng = np.random.default_rng(1)
    root = rng.normal(size=(3, 3))
    mean, cov = rng.normal(size=3), root @ root.T
    gains, signs = rng.normal(size=(3, 3)), [1, -1, 1]
    drawn = rng.multivariate_normal(mean, cov, size=400_000)
    kept = drawn[((drawn @ gains.T) * np.array(signs) >= 0).all(axis=1)]
    assert len(kept) > 1000
    told, doubt, _ = heed(mean, cov, gains, signs, 1e-6)
    np.testing.assert_allclose(told, kept.mean(axis=0), atol=0.12)
    np.testing.assert_allclose(np.sqrt(np.diag(doubt)), kept.std(axis=0), rtol=0.12)
    assert all(map(np.array_equal, heed(mean, cov, np.zeros((0, 3)), [], 0.1), (mean, cov)))


def test_one_word_moves_a_gain_as_the_half_of_a_normal():
    mean, cov, likely = heed(np.zeros(1), np.ones((1, 1)), np.ones((1, 1)), [1], 1e-6)
    assert float(mean[0]) == pytest.approx(math.sqrt(2 / math.pi), rel=1e-6)
    assert float(cov[0, 0]) == pytest.approx(1 - 2 / math.pi, rel=1e-6)
    assert likely == pytest.approx(math.log(0.5))
    mean, cov, _ = heed(np.zeros(1), np.ones((1, 1)), np.ones((1, 1)), [1], 1.0)
    assert float(mean[0]) == pytest.approx(1 / math.sqrt(math.pi), rel=1e-6)  # by Rasmussen and Williams 2006, 3.86
    mean, _, _ = heed(np.array([-40.0]), np.ones((1, 1)), np.ones((1, 1)), [1], 1e-6)
    assert 0 < float(mean[0]) < 0.1  # far out it is still a number


def test_the_words_that_say_most_are_open_and_about_the_aims():
    mean = np.array([0.0, 3.0, 0.0])
    chosen, worth = most_telling(mean, np.eye(3), np.array([[1.0, 0.5, 0.0]]), np.eye(3), 2)
    assert chosen == [0, 1]  # the first is open; the third is as open, but says nothing about the aim
    assert worth == pytest.approx(2 / math.pi + 0.25 * math.exp(-9) / (2 * math.pi) / (0.99865 * 0.00135), rel=1e-3)
    assert most_telling(mean, np.eye(3), np.array([[0.0, 0.0, 0.0]]), np.eye(3), 2) == ([], 0.0)


def test_parties_are_screened_about_allowed_outcomes_that_they_gave_no_word_on():
    rng = np.random.default_rng(5)
    models = deals(rng)
    case = a_case("screen", SIZES, [Level.SCORE] * 3, messages=2)
    said = []
    while (out := step(case, said)) and out.questions[0].ask == "score":
        said += [Exchange(question, Honest(models[question.party], SIZES, question.party, NOISE).reply(question)) for question in out.questions]
    space = Space(SIZES, without=[offer for offer in itertools.product(*map(range, SIZES)) if offer[0]])
    heard = {space.offer(3), space.offer(4)}
    words = {party: ({space.offer(3)}, {space.offer(4)}) for party in range(3)}
    leading = [space.offer(3), *((1, *space.offer(at)[1:]) for at in range(0, 240, 20))]  # what came to lead may have been rejected since
    from tutti.negotiation.mediator import _Talk

    asked = screens(case, space, _Talk(case, said, {}).beliefs, words, leading, said, rng)
    assert set(asked) == {0, 1, 2}
    for offers in asked.values():
        assert 0 < len(offers) <= ITEMS
        assert len(set(offers)) == len(offers)
        assert not heard & set(offers)
        assert all(space.allows(offer) for offer in offers)


class Mumbling(Honest):
    """Gives numbers, and no answer to what it would accept."""

    def reply(self, question):
        return Reply(question.party, question.number, missing="late") if question.ask == "screen" else super().reply(question)


def test_gains_smaller_than_the_noise_are_told_apart_by_words():
    """The best outcome's Nash product is reached by more with words than by scores alone, in the same cases."""
    shares: dict[type, list[float]] = {Honest: [], Mumbling: []}
    for seed in range(10):
        models = deals(np.random.default_rng([seed, 7]))
        case = a_case(f"small gains {seed}", SIZES, [Level.SCORE] * 3, messages=2, turns=12)
        for kind, reached in shares.items():
            said, end = talk(case, [kind(model, SIZES, seed, NOISE) for model in models])
            reached.append(nash(case, models, end.offer))
            for party in range(3):
                asks = [question.ask for question, _ in said if question.party == party]
                assert asks.count("score") <= 2
                assert asks.count("screen") <= (2 if kind is Honest else 1)  # who does not answer is not asked so again
            if end.offer is not None:
                assert min(gain(model, end.offer) for model in models) >= 0
    assert np.mean(shares[Honest]) > 0.95
    assert np.mean(shares[Honest]) > np.mean(shares[Mumbling]) + 0.02


def test_a_party_is_not_screened_where_its_numbers_leave_no_doubt_and_is_asked_for_more_numbers_first():
    rng = np.random.default_rng(11)
    models = deals(rng)
    case = a_case("clear", SIZES, [Level.SCORE] * 3, messages=6)
    said, _ = talk(case, [Honest(model, SIZES) for model in models])
    assert "screen" not in {question.ask for question, _ in said}
    said, _ = talk(case, [Honest(model, SIZES, at, NOISE) for at, model in enumerate(models)])
    asks = [question.ask for question, _ in said if question.party == 0]
    assert asks.count("score") > 2
    assert "screen" not in asks[: asks.count("score")]


@pytest.mark.parametrize("value", [(True,), None, "no", (1, 0), (True, None), True])
def test_a_word_for_each_outcome_or_it_is_garbled(value):
    lists = (((1,), (2,)),)
    assert decided(lists, Reply(0, 2, value)) == Reply(0, 2, None, "garbled")
    assert decided(lists, Reply(0, 2, (True, False))) == Reply(0, 2, (True, False))
    assert decided(lists, Reply(0, 2, missing="late")) == Reply(0, 2, missing="late")


def test_a_word_that_contradicts_the_numbers_says_nothing_about_them():
    rng = np.random.default_rng(2)
    offers = [None, *(tuple(int(at) for at in rng.integers(2, size=3)) for _ in range(40))]
    model = Utility(((0.0, 0.5), (0.0, 0.3), (0.0, 0.2)), (), 0.4)
    numbers = [0.4 if offer is None else gain(model, offer) + 0.4 + float(rng.normal(0, 0.02)) for offer in offers]
    case = a_case("contradicts", (2, 2, 2), [Level.SCORE])
    alone, against = estimate(case, offers, numbers), estimate(case, offers, numbers, rejected=[(1, 1, 1)])
    assert np.array_equal(alone.mean, against.mean)
    close = estimate(case, offers, numbers, accepted=[(0, 0, 1)])  # clearly under its fallback: a contradiction as well
    assert np.array_equal(alone.mean, close.mean)


def test_words_that_come_from_noisy_numbers_are_taken_for_no_more_than_these():
    """Yes and no at random beside what is right break nothing, and move little."""
    off: dict[str, list[float]] = {"exact": [], "rough": [], "none": []}
    space, case = Space(SIZES), a_case("rough", SIZES, [Level.SCORE])
    for seed in range(8):
        rng = np.random.default_rng([seed, 9])
        [model] = deals(rng, 1)
        offers = [None, *(space.offer(int(at)) for at in rng.integers(512, size=63))]
        person = Honest(model, SIZES, seed, NOISE)
        numbers = [person.seen(offer) for offer in offers]
        close = sorted((space.offer(at) for at in range(512)), key=lambda offer, model=model: abs(gain(model, offer)))[:120]
        for kind, each in off.items():
            fine = {"exact": [gain(model, offer) >= 0 for offer in close], "rough": [person.seen(offer) >= person.seen(None) for offer in close], "none": []}[
                kind
            ]
            yes, no = ([offer for offer, said in zip(close, fine, strict=False) if said is word] for word in (True, False))
            found = estimate(case, offers, numbers, yes, no)
            told = (found.shape.rows(close) - found.shape.rows([None])) @ found.mean
            each.append(float(np.mean([(mine - gain(model, offer)) ** 2 for mine, offer in zip(told, close, strict=True)])))
            np.linalg.cholesky(found.cov + 1e-12 * np.eye(len(found.cov)))
    exact, rough, none = (float(np.sqrt(np.mean(each))) for each in off.values())
    assert exact < 0.6 * none
    assert exact < rough < 1.1 * none


def test_many_values_and_few_numbers_are_weighed_as_an_exact_inverse_would():
    """Thirty issues of a hundred values: more weights than numbers."""
    rng = np.random.default_rng(0)
    sizes = (100,) * 30
    offers = [*(tuple(rng.integers(100, size=30).tolist()) for _ in range(60)), *[None] * 4]
    slopes = rng.normal(size=30)
    numbers = [0.0 if offer is None else float(np.dot(slopes, offer)) / 100 for offer in offers]
    case = a_case("wide", sizes, [Level.SCORE])
    found = estimate(case, offers, numbers)
    rows = found.shape.rows(offers)
    assert np.abs(np.diff(rows @ found.mean) - np.diff(numbers)).max() < 0.2 * np.std(numbers)  # it was taken for noise altogether
    assert float(np.linalg.eigvalsh(found.cov)[0]) > -1e-9
