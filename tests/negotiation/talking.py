"""Parties made from a seed, and a driver that carries a case from its first question to its end."""

import itertools
import math

import numpy as np

from tutti.model.negotiation import Case, Constraints, Exchange, Issue, Level, Offer, Party, Reply, Utility
from tutti.negotiation import End, step


def a_utility(rng, sizes, reservation=0.3, pairs=0):
    """Weights that sum to 1, the best value of each issue worth all of its weight, some issues in order."""
    weights = rng.dirichlet(np.full(len(sizes), 1.5))
    contrib = []
    for weight, size in zip(weights, sizes, strict=True):
        parts = np.sort(rng.random(size))[:: rng.choice((-1, 1))] if rng.random() < 0.5 else rng.random(size)
        contrib.append(tuple(float(weight * part) for part in parts / parts.max()))
    extra = []
    for _ in range(pairs):
        i, j = sorted(rng.choice(len(sizes), 2, replace=False).tolist())
        extra.append((i, int(rng.integers(sizes[i])), j, int(rng.integers(sizes[j])), float(rng.choice((-1, 1)) * rng.uniform(0.1, 0.2))))
    return Utility(tuple(contrib), tuple(extra), reservation)


def a_case(name, sizes, levels, *, weights=None, policy=None, approval=None, fallback=None, messages=3, turns=10):
    issues = tuple(Issue(f"issue {at}", tuple(f"value {value}" for value in range(size))) for at, size in enumerate(sizes))
    parties = tuple(Party(f"party {at}", level, 1.0 if weights is None else weights[at]) for at, level in enumerate(levels))
    return Case(name, issues, parties, policy or Constraints(), approval or Constraints(), fallback, messages, turns)


def gain(model, offer):
    """What an offer is worth above the fallback; None is the fallback."""
    if offer is None:
        return 0.0
    total = sum(column[value] for column, value in zip(model.contrib, offer, strict=True))
    return total + sum(extra for i, a, j, b, extra in model.pairs if offer[i] == a and offer[j] == b) - model.reservation


def counter_of(model, sizes, offer):
    """The change of one issue that the party likes best, where that is better than the offer and the fallback."""
    changed = [(*offer[:issue], value, *offer[issue + 1 :]) for issue, size in enumerate(sizes) for value in range(size)]
    best = max(changed, key=lambda other: gain(model, other))
    return best if gain(model, best) > max(gain(model, offer), 0.0) + 1e-9 else None


class Honest:
    """Answers what it is asked by what it wants, with a little noise where it is said."""

    honest = True

    def __init__(self, model, sizes, seed=0, noise=0.0):
        self.model, self.sizes, self.noise = model, sizes, noise
        self.rng = np.random.default_rng(seed)

    def reply(self, question):
        return Reply(question.party, question.number, self.value(question))

    def seen(self, offer):
        return gain(self.model, offer) + float(self.rng.normal(0, self.noise)) if self.noise else gain(self.model, offer)

    def value(self, question):
        match question.ask:
            case "table":
                return self.model
            case "score":
                return tuple(self.seen(offer) for offer in question.lists[0])
            case "rank":
                return tuple(tuple(sorted(range(len(offers)), key=lambda at, offers=offers: -self.seen(offers[at]))) for offers in question.lists)
            case "screen":
                return tuple(gain(self.model, offer) >= -1e-9 for offer in question.lists[0])
            case "respond":
                offer = question.lists[0][0]
                counter = counter_of(self.model, self.sizes, offer)
                fine = gain(self.model, offer) >= -1e-9
                return fine if counter is None else (fine, counter)
        return gain(self.model, question.lists[0][0]) >= -1e-9


class Silent(Honest):
    """Never says anything."""

    honest = False

    def reply(self, question):
        return Reply(question.party, question.number, missing="silent")


class Leaving(Honest):
    """Honest for its first messages, then gone. Its word is good as far as it goes."""

    def reply(self, question):
        return super().reply(question) if question.number <= 2 else Reply(question.party, question.number, missing="gone")


class Alternating(Honest):
    """Says something every second time."""

    def reply(self, question):
        return super().reply(question) if question.number % 2 else Reply(question.party, question.number, missing="late")


class Lying(Honest):
    """Says the opposite of what it thinks, and no to everything at the end."""

    honest = False

    def value(self, question):
        match question.ask:
            case "score":
                return tuple(-number for number in super().value(question))
            case "rank":
                return tuple(order[::-1] for order in super().value(question))
            case "screen":
                return (False,) * len(question.lists[0])
            case "confirm":
                return False
        return super().value(question)


class Garbling(Honest):
    """Answers something else than what was asked."""

    honest = False
    NONSENSE = (None, "yes", (1, 2), ((0, 0), (5,)), (math.nan,) * 64, (10**30,) * 64, ((0,) * 9,), (True, (99, 99)), [[]], -1, {"accept": 1})

    def value(self, question):
        return self.NONSENSE[int(self.rng.integers(len(self.NONSENSE)))]


def talk(case, people, functions=None, rounds=200):
    """Everything said until the case's end, and the end; every step is taken twice, once with what was said in another order."""
    said: list[Exchange] = []
    for _ in range(rounds):
        out = step(case, said, functions)
        assert out == step(case, said[::-1], functions)
        if isinstance(out, End):
            return said, out
        assert out.questions
        said += [Exchange(question, people[question.party].reply(question)) for question in out.questions]
    raise AssertionError(f"no end after {rounds} rounds")


def nash(case, models, offer: Offer | None):
    """The offer's weighted Nash product as a share of the best that policy allows; None where nothing is better than the fallback for all."""
    weights = np.array([party.weight for party in case.parties]) / sum(party.weight for party in case.parties)

    def product(each):
        gains = np.array([gain(model, each) for model in models])
        return float(np.exp(weights @ np.log(np.maximum(gains, 1e-300)))) if gains.min() >= 0 else 0.0

    best = max((product(each) for each in itertools.product(*map(range, case.sizes)) if not broken(case.policy, each)), default=0.0)
    return None if best < 1e-9 else product(offer) / best if offer is not None else 0.0


def broken(rules, offer):
    """Whether the offer breaks one of the constraints."""
    return (
        any(offer[issue] == value for _, issue, value in rules.values)
        or any(offer[i] == a and offer[j] == b for _, i, a, j, b in rules.pairs)
        or any(sum(costs[value] for costs, value in zip(limit.cost, offer, strict=True)) > limit.limit + 1e-9 for limit in rules.limits)
    )


LEVELS = (Level.TABLE, Level.SCORE, Level.RANK, Level.ANSWER)
