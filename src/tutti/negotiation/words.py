"""What a party's yes and no to outcomes say beside its numbers, and on which outcomes they would say most."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from tutti.negotiation.algebra import product
from tutti.negotiation.space import Numbers

SWEEPS = 8  # over all words, until the posterior stands still
STILL = 1e-3  # a step of the posterior's precision, as a share of it, that is none
LITTLE = 1e-5  # variance of a log gain that is not worth an outcome in a message
NONE = 1e-14


def heed(mean: Numbers, cov: Numbers, gains: Numbers, signs: Sequence[float], noise: float) -> tuple[Numbers, Numbers, float]:
    """A normal posterior over weights, given that `gains @ weights`, seen with this noise (a deviation), is at least 0 (sign 1) or below (sign -1).

    `mean` has one number a weight, `cov` is weights x weights, `gains` words x weights. It is again a normal one, by expectation propagation, and with it
    comes the log of how likely the words were, one after the other. Source: Minka 2001; Rasmussen and Williams 2006, section 3.6.
    """
    mean, cov = mean.copy(), cov.copy()
    faced = gains * np.asarray(signs, dtype=float)[:, None]
    sites = np.zeros((len(faced), 2))  # what each word adds along its row: precision, and precision times mean
    likely = 0.0
    for sweep in range(SWEEPS):
        moved = 0.0
        for at, row in enumerate(faced):
            along = cov @ row
            spread, middle = float(row @ along), float(row @ mean)
            without = 1 / max(spread, NONE) - sites[at, 0]
            if without * spread < 1e-9:  # nothing is left in doubt along this row but what the word itself says
                continue
            wide = 1 / without
            there = (middle / spread - sites[at, 1]) * wide
            seen = wide + noise**2
            score = there / math.sqrt(seen)
            chance = _log_chance(score)
            push = math.exp(-0.5 * score**2 - 0.5 * math.log(2 * math.pi) - chance)
            tight = wide - wide**2 / seen * min(push * (push + score), 1.0 - 1e-9)
            change = max(1 / tight - without, 0.0) - sites[at, 0]
            drift = (there + wide / math.sqrt(seen) * push) / tight - there * without - sites[at, 1]
            sites[at] += change, drift
            moved = max(moved, abs(change) * spread)
            likely += chance if sweep == 0 else 0.0
            mean = mean + along * ((drift - change * middle) / (1 + change * spread))
            cov = cov - np.outer(along, along) * (change / (1 + change * spread))
        if moved < STILL:
            break
    return mean, cov, likely


def _log_chance(score: float) -> float:
    """The log of the standard normal distribution; far out, where it would vanish, by its first two terms."""
    if score > -30:
        return math.log(0.5 * math.erfc(-score / math.sqrt(2)))
    return -0.5 * score**2 - math.log(-score) - 0.5 * math.log(2 * math.pi) + math.log1p(-1 / score**2)


def most_telling(mean: Numbers, cov: Numbers, aims: Numbers, pool: Numbers, most: int) -> tuple[list[int], float]:
    """The rows of the pool, at most so many, whose yes or no would say most about the aims, and how much they would: variance that they take away, expected.

    Rows are gains over the weights; each aim is scaled as it matters. A yes or no says most where it is open, and of a normal gain it takes
    away (on the average over both answers) the density's square over both chances. One row is chosen after the other, as if the ones before were answered.
    """
    from scipy.special import ndtr

    seen, toward = product(pool, cov), product(aims, cov)
    here = pool @ mean
    chosen: list[int] = []
    total = 0.0
    while len(chosen) < min(most, len(pool)):
        doubt = np.maximum(np.einsum("ij,ij->i", pool, seen), NONE)
        score = here / np.sqrt(doubt)
        taken = np.exp(-(score**2)) / (2 * math.pi) / np.maximum(ndtr(score) * ndtr(-score), NONE)
        worth = (product(pool, np.ascontiguousarray(toward.T)) ** 2).sum(axis=1) / doubt * taken
        worth[chosen] = 0.0
        at = int(np.argmax(worth))
        if worth[at] < LITTLE:
            break
        chosen.append(at)
        total += float(worth[at])
        along = seen[at] * math.sqrt(taken[at] / doubt[at])
        seen = seen - np.outer(pool @ along, along)
        toward = toward - np.outer(aims @ along, along)
    return chosen, total
