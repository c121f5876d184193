"""Parties that can only put outcomes in order: what they are asked, and what is concluded."""

from dataclasses import dataclass, field

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tutti.model.negotiation import Belief, Case, Constraints, Exchange, Issue, Level, Limit, Offer, Party, Question, Reply, Utility
from tutti.negotiation import Space, settle
from tutti.negotiation.fitting import CALM
from tutti.negotiation.rankings import believe, estimate, orders, questions, valid
from tutti.negotiation.settle import ranked


@dataclass
class Bargain:
    """A case, what its parties want in truth, and how they see it."""

    case: Case
    truth: list[Utility]
    noise: float = 0.0
    seed: int = 0
    said: list[Exchange] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.space = Space(self.case.sizes, self.case.policy)
        self.weights = [party.weight for party in self.case.parties]
        self.eyes = np.random.default_rng([self.seed, 5])
        self.rng = np.random.default_rng([self.seed, 6])
        self.beliefs: list[Belief | None] = [None] * len(self.truth)

    def worth(self, party: int, offer: Offer | None) -> float:
        model = self.truth[party]
        stand = offer if offer is not None else self.case.fallback
        return model.reservation if stand is None else float(self.space.worth([model], [stand])[0, 0]) + model.reservation

    def answer(self, question: Question) -> Reply:
        seen = [[self.worth(question.party, offer) + self.eyes.normal(0, self.noise) for offer in items] for items in question.lists]
        return Reply(question.party, question.number, [sorted(range(len(row)), key=lambda at, row=row: -row[at]) for row in seen])

    def message(self) -> dict[int, tuple[tuple[Offer | None, ...], ...]]:
        everybody = range(len(self.truth))
        asked = questions(self.case, self.space, everybody, self.beliefs, self.rng)
        number = len(self.said) // len(self.truth) + 1
        for party in everybody:
            question = Question(party, number, "rank", asked[party])
            self.said.append(Exchange(question, self.answer(question)))
        self.beliefs = [believe(self.case, party, self.said, np.random.default_rng(party)) for party in everybody]
        return asked

    def product(self, offer: Offer | None) -> float:
        """The weighted mean log gain of an outcome, as a factor."""
        gains = [max(self.worth(party, offer) - self.worth(party, None), 1e-12) for party in range(len(self.truth))]
        return float(np.exp(np.dot(np.array(self.weights) / sum(self.weights), np.log(gains))))

    def quality(self, messages: int) -> float:
        """How near the outcome comes to the best one, once everybody has confirmed it: the ratio of the products of the gains."""
        for _ in range(messages):
            self.message()
        known = [belief for belief in self.beliefs if belief is not None]
        tried = [found.offer for found in ranked(self.space, known, self.weights, 60, worst=1.0)]
        fine = [offer for offer in tried if all(self.worth(party, offer) >= self.worth(party, None) - 1e-9 for party in range(len(self.truth)))]
        best = settle(self.space, [Belief((model,)) for model in self.truth], self.weights).offer
        share = self.product(fine[0]) / self.product(best) if fine else 0.0
        return share ** len(self.truth)


def bargain(seed: int, *, noise: float = 0.0, pairs: bool = False, large: bool = False) -> Bargain:
    """Parties with weighted sums of evaluations; "no deal" is an outcome like others to them, or (with `pairs`) the fallback is an offer."""
    rng = np.random.default_rng([seed, 4])
    count = int(rng.integers(2, 4)) if not pairs else int(rng.integers(3, 6))
    sizes = (4,) * 11 if large else tuple(int(size) for size in rng.integers(3, 6, int(rng.integers(4, 6))))
    truth = []
    for _ in range(count):
        parts = rng.dirichlet(np.full(len(sizes), 2.0))
        contrib = tuple(tuple((part * (row - row.min()) / np.ptp(row)).tolist()) for part, size in zip(parts, sizes, strict=True) for row in [rng.random(size)])
        mixed = tuple(
            (int(i), int(rng.integers(sizes[i])), int(j), int(rng.integers(sizes[j])), float(rng.uniform(-0.1, 0.1)))
            for i, j in (sorted(rng.choice(len(sizes), 2, replace=False)) for _ in range(3 if pairs else 0))
        )
        truth.append(Utility(contrib, mixed, 0.35))
    policy, fallback = Constraints(), None
    if pairs:
        cost = tuple(tuple(float(value) for value in rng.integers(0, 20, size)) for size in sizes)
        policy = Constraints((("never", 0, 1),), (("not both", 0, 2, 1, 2),), (Limit("budget", cost, 12.0 * len(sizes)),))
        space = Space(sizes, policy)
        draws = [tuple(int(rng.integers(size)) for size in sizes) for _ in range(300)]
        allowed = [offer for offer in draws if space.allows(offer)]
        worths = space.worth([Utility(model.contrib, model.pairs) for model in truth], allowed)
        fallback = allowed[int(worths.max(axis=0).argmin())]  # poor for all: somebody could always gain
        truth = [Utility(model.contrib, model.pairs, float(space.worth([Utility(model.contrib, model.pairs)], [fallback])[0, 0])) for model in truth]
    issues = tuple(Issue(f"issue {at}", tuple(map(str, range(size)))) for at, size in enumerate(sizes))
    parties = tuple(Party(f"party {at}", Level.RANK, float(rng.uniform(0.5, 2)) if pairs else 1.0) for at in range(count))
    return Bargain(Case(f"case {seed}", issues, parties, policy, fallback=fallback), truth, noise, seed)


def test_four_messages_of_exact_orders_find_the_best_outcome_or_nearly() -> None:
    found = [bargain(seed).quality(4) for seed in range(12)]
    assert np.mean(found) > 0.985
    assert min(found) > 0.93


def test_noise_costs_little_in_six_messages() -> None:
    found = [bargain(seed, noise=0.03).quality(6) for seed in range(8)]
    assert np.mean(found) > 0.95


def test_interactions_and_constraints_cost_next_to_nothing() -> None:
    found = [bargain(seed, pairs=True).quality(4) for seed in range(8)]
    assert np.mean(found) > 0.99
    assert min(found) > 0.97


def test_a_space_too_large_to_enumerate() -> None:
    assert not bargain(1, large=True).space.enumerable
    assert bargain(1, large=True).quality(3) > 0.95


def test_a_message_asks_about_allowed_outcomes_each_once_and_the_fallback() -> None:
    for seed in range(4):
        open_case = bargain(seed, pairs=True)
        for _ in range(3):
            for lists in open_case.message().values():
                assert sum(map(len, lists)) <= 64
                for items in lists:
                    assert len(set(items)) == len(items)
                    assert None in items
                    assert open_case.case.fallback not in items
                    assert all(open_case.space.allows(offer) for offer in items if offer is not None)


def test_the_same_seed_asks_the_same_and_believes_the_same() -> None:
    one, other = bargain(3), bargain(3)
    for _ in range(2):
        assert one.message() == other.message()
        assert one.beliefs == other.beliefs


def test_what_is_believed_agrees_with_every_order_of_a_party_without_noise() -> None:
    for seed in range(4):
        open_case = bargain(seed)
        open_case.message()
        open_case.message()
        for party in range(len(open_case.truth)):
            lists = orders(party, open_case.said)
            found = estimate(open_case.case, lists)
            assert found.noise == 0.0
            steps = np.concatenate([(rows := found.shape.rows(items))[:-1] - rows[1:] for items in lists])
            assert np.mean(steps @ found.mean > -CALM[-1]) == 1.0  # outcomes so close in worth may come in either order
            tried = open_case.space.offers
            true = open_case.space.worth([open_case.truth[party]], tried)[0]
            believed = found.shape.rows(tried) @ found.mean
            assert np.corrcoef(true, believed)[0, 1] > 0.999


@pytest.mark.parametrize("noise", [0.02, 0.05])
def test_noise_is_found_out_from_contradictions(noise: float) -> None:
    found = []
    for seed in range(6):
        open_case = bargain(seed, noise=noise)
        open_case.message()
        open_case.message()
        found.append(estimate(open_case.case, orders(0, open_case.said)).noise)
    assert 0.5 * noise < np.median(found) < 2 * noise


def test_doubt_shrinks_with_every_message() -> None:
    doubts = np.zeros(3)
    for seed in range(8):  # a single party's may grow, where its orders turn out to contradict what they were taken for
        open_case = bargain(seed)
        for message in range(3):
            open_case.message()
            belief = open_case.beliefs[0]
            assert belief is not None
            doubts[message] += open_case.space.worth(belief.models, open_case.space.offers[:50]).std(axis=0).mean()
    assert doubts[2] < 0.9 * doubts[1] < 0.81 * doubts[0]


def test_a_rejected_offer_is_believed_to_be_under_the_fallback() -> None:
    case = Case("one", (Issue("price", tuple("abcdefgh")), Issue("term", tuple("abcd"))), (Party("a", Level.RANK), Party("b", Level.RANK)))
    rows = [[(price, 1) for price in range(8)]]
    said = [Exchange(Question(0, 1, "rank", tuple(tuple(row) for row in rows)), Reply(0, 1, [list(range(8))]))]
    space = Space(case.sizes)

    def chance(exchanges: list[Exchange]) -> float:
        belief = believe(case, 0, exchanges, np.random.default_rng(1))
        assert belief is not None
        return float((space.worth(belief.models, [(3, 1)]) > 0).mean())

    word = Question(0, 2, "confirm", (((3, 1),),))
    before = chance(said)
    assert chance([*said, Exchange(word, Reply(0, 2, False))]) < 0.05 < before < 0.99 < chance([*said, Exchange(word, Reply(0, 2, True))]) + 0.02


def test_an_issue_of_a_thousand_values_is_taken_for_smooth() -> None:
    case = Case("pie", (Issue("share", tuple(map(str, range(1001)))),), (Party("a", Level.RANK), Party("b", Level.RANK)))
    truth = [Utility((tuple((at / 1000 for at in range(1001))),), (), -0.2), Utility((tuple((1 - at / 1000 for at in range(1001))),), (), -0.2)]
    pie = Bargain(case, truth)
    assert pie.quality(3) > 0.95
    found = estimate(case, orders(0, pie.said))
    shares = found.shape.rows(np.arange(0, 1001, 50)[:, None]) @ found.mean
    assert np.abs(np.diff(shares, 2)).max() < 0.02  # all orders fit any rising curve; a straight one is the plainest


def test_who_has_said_nothing_is_believed_nothing() -> None:
    case = bargain(1).case
    silent = Exchange(Question(0, 1, "rank", (((0,) * len(case.sizes), None),)), Reply(0, 1, None, "silent"))
    assert believe(case, 0, [silent], np.random.default_rng(1)) is None
    assert orders(0, [silent]) == []


def test_a_party_of_another_level_may_be_known_beside_one_that_only_orders() -> None:
    open_case = bargain(2)
    open_case.beliefs[0] = Belief((open_case.truth[0],))
    asked = questions(open_case.case, open_case.space, [1], open_case.beliefs, open_case.rng)
    assert set(asked) == {1}


LISTS = (((0, 0), (0, 1), None), ((1, 0), (1, 1)))


@pytest.mark.parametrize(
    "value",
    [
        None,
        3,
        "order",
        [],
        [[0, 1, 2]],
        [[0, 1], [0, 1]],
        [[0, 1, 1], [0, 1]],
        [[0, 1, 3], [0, 1]],
        [[0, 1, -1], [0, 1]],
        [[0, True, 2], [0, 1]],
        [[0, 1, 2], None],
        [[0, 1, 2], [0, 1], [0]],
        [["a", 1, 2], [0, 1]],
    ],
)
def test_nonsense_is_garbled(value: object) -> None:
    assert valid(LISTS, Reply(0, 1, value)).missing == "garbled"


def test_an_order_is_valid_and_silence_stays_silence() -> None:
    whole = Reply(0, 1, [[2, 0, 1], [1, 0]])
    assert valid(LISTS, whole) is whole
    silent = Reply(0, 1, None, "silent")
    assert valid(LISTS, silent) is silent


@settings(max_examples=12, deadline=None)
@given(st.integers(0, 10_000))
def test_any_orders_at_all_are_believed_somehow(seed: int) -> None:
    rng = np.random.default_rng(seed)
    open_case = bargain(seed % 7)
    for number in (1, 2):
        asked = questions(open_case.case, open_case.space, [0, 1], open_case.beliefs, rng)
        for party in (0, 1):
            reply = Reply(party, number, [rng.permutation(len(items)).tolist() for items in asked[party]])
            open_case.said.append(Exchange(Question(party, number, "rank", asked[party]), valid(asked[party], reply)))
            open_case.beliefs[party] = believe(open_case.case, party, open_case.said, rng)
    for belief in open_case.beliefs[:2]:
        assert belief is not None
        assert np.isfinite([[value for row in model.contrib for value in row] + [model.reservation] for model in belief.models]).all()


@pytest.mark.parametrize("issues", [6, 11])
def test_a_policy_that_leaves_little_is_asked_about_all_the_same(issues: int) -> None:
    pairs = tuple(("apart", i, a, i + 1, b) for i in range(issues - 1) for a in range(4) for b in range(4) if abs(a - b) > 1)
    named = tuple(Issue(str(at), tuple("abcd")) for at in range(issues))
    case = Case("tight", named, (Party("a", Level.RANK), Party("b", Level.RANK)), Constraints(pairs=pairs), fallback=(0,) * issues)
    space = Space(case.sizes, case.policy)
    asked = questions(case, space, [0, 1], [None, None], np.random.default_rng(1))
    assert len(asked[0][0]) == 64
    assert all(space.allows(offer) for offer in asked[0][0] if offer is not None)


def strict(seed: int) -> Bargain:
    """Parties with interactions over 4 to the 16th outcomes of which policy allows one in some hundreds."""
    rng = np.random.default_rng([seed, 7])
    sizes = (4,) * 16
    either = [sorted(rng.choice(16, 2, replace=False).tolist()) for _ in range(80)]
    policy = Constraints((), tuple((f"rule {at}", i, int(rng.integers(4)), j, int(rng.integers(4))) for at, (i, j) in enumerate(either)))
    space, truth = Space(sizes, policy), []
    for _ in range(4):
        contrib = tuple(tuple((part * row).tolist()) for part in rng.dirichlet(np.full(16, 2.0)) for row in [rng.random(4)])
        twos = [sorted(rng.choice(16, 2, replace=False).tolist()) for _ in range(12)]
        truth.append(Utility(contrib, tuple((i, int(rng.integers(4)), j, int(rng.integers(4)), float(rng.uniform(-0.1, 0.1))) for i, j in twos), 0.35))
    assert 0.001 < space.allowed(rng.integers(4, size=(20_000, 16))).mean() < 0.02
    issues = tuple(Issue(f"issue {at}", tuple("abcd")) for at in range(16))
    return Bargain(Case(f"strict {seed}", issues, tuple(Party(f"party {at}", Level.RANK) for at in range(4)), policy), truth, 0.0, seed)


def test_where_policy_leaves_little_of_a_large_space_the_first_message_is_spread_all_the_same() -> None:
    for seed in range(4):
        case = strict(seed)
        (items,) = case.message()[0]
        offers = np.array([offer for offer in items if offer is not None])
        any_ = np.random.default_rng(seed).integers(4, size=(20_000, 16))
        any_ = any_[case.space.allowed(any_)]
        apart, usual = ((some[:, None] != some[None]).mean() for some in (offers, any_))
        assert apart > 0.97 * usual


def test_later_messages_are_full_where_policy_leaves_little() -> None:
    case = strict(5)
    case.message()
    for _ in range(2):
        assert all(len(items) == 64 and len(set(items)) == 64 for (items,) in case.message().values())


def test_where_policy_leaves_nothing_nothing_is_asked() -> None:
    case = Case("none", (Issue("a", ("x", "y")),), (Party("a", Level.RANK), Party("b", Level.RANK)), Constraints((("no", 0, 0), ("no", 0, 1))))
    assert questions(case, Space(case.sizes, case.policy), [0, 1], [None, None], np.random.default_rng(1)) == {}
    known = [Belief((Utility(((0.0, 1.0),)),)), None]
    assert questions(case, Space(case.sizes, case.policy), [0, 1], known, np.random.default_rng(1)) == {}


def test_where_no_value_of_an_issue_is_allowed_nothing_is_asked_in_a_large_space_either() -> None:
    issues = tuple(Issue(str(at), tuple("abcd")) for at in range(12))
    case = Case("none", issues, (Party("a", Level.RANK), Party("b", Level.RANK)), Constraints(tuple(("no", 3, value) for value in range(4))))
    assert questions(case, Space(case.sizes, case.policy), [0, 1], [None, None], np.random.default_rng(1)) == {}
