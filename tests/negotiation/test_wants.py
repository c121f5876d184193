"""Beliefs as arrays: the same numbers as the definition gives, whatever way they are reckoned."""

import numpy as np
import pytest
from tests.negotiation.talking import a_utility, gain

from tutti.model.negotiation import Belief, Constraints, Utility
from tutti.negotiation import Space, ranked
from tutti.negotiation.algebra import ALONE, WIDE, inverse, inverse_root, product, solution
from tutti.negotiation.settle import mean_model
from tutti.negotiation.wants import wants


@pytest.mark.parametrize("count", [1, 3, 9])
def test_gains_are_the_sum_over_values_and_pairs_less_what_the_fallback_is_worth(count):
    rng = np.random.default_rng(count)
    sizes = [4, 2, 5, 3]
    models = tuple(a_utility(rng, sizes, reservation=0.1 * at, pairs=at % 4) for at in range(count))
    offers = rng.integers(0, sizes, size=(40, 4))
    expected = [[gain(model, offer) for offer in offers] for model in models]
    np.testing.assert_allclose(wants(models).gains(offers), expected, atol=1e-12)
    space = Space(sizes)
    np.testing.assert_allclose(space.gains(*models), [[gain(model, offer) for offer in space.offers] for model in models], atol=1e-12)
    few = Space(sizes, Constraints(values=tuple(("only the first", 0, value) for value in range(1, sizes[0]))))
    assert few.total > len(few.offers) > 0
    np.testing.assert_allclose(few.gains(*models), [[gain(model, offer) for offer in few.offers] for model in models], atol=1e-12)
    np.testing.assert_allclose(space.worth(models, offers), expected, atol=1e-12)


def test_the_mean_model_has_the_mean_of_the_gains_on_the_scale_of_their_spans():
    rng = np.random.default_rng(4)
    sizes = [3, 4, 2]
    belief = Belief(tuple(a_utility(rng, sizes, reservation=0.2, pairs=2) for _ in range(5)))
    spans = wants(belief.models).spans
    offers = Space(sizes).offers
    expected = np.mean([[gain(model, offer) / span for offer in offers] for model, span in zip(belief.models, spans, strict=True)], axis=0)
    np.testing.assert_allclose([gain(mean_model(belief), offer) for offer in offers], expected, atol=1e-12)


def test_models_that_do_not_fit_together_or_hold_what_is_no_number_are_not_fine():
    good = Utility(((0.0, 1.0), (0.0, 1.0)))
    assert wants((good,)).fine
    assert not wants((good, Utility(((0.0, 1.0),)))).fine
    assert not wants((good, Utility(((0.0, float("nan")), (0.0, 1.0))))).fine
    assert not wants((Utility(((0.0, 1.0), (0.0, 1.0)), ((0, 1, 1, 2, 0.5),)),)).fine
    assert not wants((Utility(((0.0, 1.0), (0.0, 1.0)), ((0, 1, 0, 0, 0.5),)),)).fine


def test_a_product_in_pieces_is_the_product():
    rng = np.random.default_rng(0)
    one, other = rng.random((37, 90)), rng.random((90, 300))
    assert one.shape[0] * one.shape[1] * other.shape[1] > ALONE
    np.testing.assert_allclose(product(one, other), one @ other)


@pytest.mark.parametrize("size", [5, WIDE, WIDE + 1, 3 * WIDE])
def test_an_inverse_by_blocks_is_the_inverse(size):
    rows = np.random.default_rng(size).random((size, size))
    matrix = rows @ rows.T + 0.1 * np.eye(size)
    np.testing.assert_allclose(inverse(matrix) @ matrix, np.eye(size), atol=1e-6)
    root = inverse_root(matrix)
    np.testing.assert_allclose(root @ root.T @ matrix, np.eye(size), atol=1e-6)
    np.testing.assert_allclose(matrix @ solution(matrix, rows[0]), rows[0], atol=1e-5)


def test_what_a_space_remembers_of_a_belief_is_not_given_for_another():
    rng = np.random.default_rng(2)
    space = Space([4, 4, 4])
    one, other = (Belief(tuple(a_utility(rng, space.sizes) for _ in range(3))) for _ in range(2))
    for beliefs, weights in (((one, other), (1.0, 1.0)), ((other, one), (1.0, 9.0)), ((one, other), (9.0, 1.0)), ((one, other), (1.0, 1.0))):
        again = ranked(Space(space.sizes), beliefs, weights, 5, worst=0.5)
        assert ranked(space, beliefs, weights, 5, worst=0.5) == again
    assert len(space.views) == 3
