"""Accepting, rejecting and countering: what the words mean, and how near the best a case comes with nothing else."""

import numpy as np
import pytest
from tests.negotiation.talking import Honest, a_case, a_utility, broken, gain, nash, talk

from tutti.model.negotiation import Constraints, Exchange, Level, Question, Reply, Utility
from tutti.negotiation import Space
from tutti.negotiation.answers import believe, told, valid
from tutti.negotiation.minds import Heard

SIZES = (4, 3, 4)


def heard(*words, ask="respond"):
    case = a_case("words", SIZES, [Level.ANSWER])
    return told(case, 0, [Exchange(Question(0, at, ask, ((offer,),)), Reply(0, at, value)) for at, (offer, value) in enumerate(words, 1)])


def test_what_words_mean():
    assert heard(((0, 0, 0), (2, 0, 0))) == (Heard((0, 0, 0), 0, 2, 2),)
    assert heard(((0, 0, 0), (True, (0, 1, 0)))) == (Heard((0, 0, 0), 1, 1, 1),)
    assert heard(((0, 0, 0), True)) == (Heard((0, 0, 0), -1, 0, 1),)
    assert heard(((0, 0, 0), False)) == (Heard((0, 0, 0), -1, 0, 0),)
    assert heard(((0, 0, 0), True), ask="confirm") == (Heard((0, 0, 0), -2, 0, 1),)
    assert heard(((0, 0, 0), (1, 1, 1))) == (Heard((0, 0, 0), -2, 0, 2),)


def test_who_says_yes_to_more_than_one_offer_is_not_taken_to_want_nothing_else():
    assert [each.issue for each in heard(((0, 0, 0), True), ((1, 0, 0), True))] == [-2, -2]
    assert [each.issue for each in heard(((0, 0, 0), True), ((0, 1, 1), (1, 1, 1)))] == [-2, 0]
    assert [each.issue for each in heard(((0, 0, 0), True), ((1, 0, 0), (0, 0, 0)))] == [-1, 0]


@pytest.mark.parametrize("value", [None, "yes", (1, 2), (0, 0, 9), (True, (0, 0)), (0.5, 0, 0), {}, 1])
def test_what_is_no_answer_is_garbled(value):
    assert valid(Space(SIZES), Reply(0, 1, value)).missing == "garbled"
    for fine in (True, False, (0, 0, 1), (True, (0, 0, 1)), [False, [1, 0, 0]]):
        assert valid(Space(SIZES), Reply(0, 1, fine)).missing == ""


def test_a_belief_agrees_with_what_was_said():
    rng = np.random.default_rng(6)
    model = a_utility(rng, SIZES, 0.5)
    person = Honest(model, SIZES)
    case = a_case("agree", SIZES, [Level.ANSWER])
    offers = [tuple(int(rng.integers(size)) for size in SIZES) for _ in range(14)]
    said = []
    for number, offer in enumerate(offers, 1):
        question = Question(0, number, "respond", ((offer,),))
        said.append(Exchange(question, person.reply(question)))
    models = believe(case, 0, said, rng).models
    for offer in offers:
        fine = np.mean([gain(each, offer) >= 0 for each in models])
        assert (fine > 0.5) == (gain(model, offer) >= 0)
    # what it would change, it is believed to like better
    for question, reply in said:
        if isinstance(reply.value, tuple):
            assert np.mean([gain(each, reply.value[1]) > gain(each, question.lists[0][0]) for each in models]) > 0.9


def test_answers_alone_come_near_the_best_in_twenty_turns():
    shares = []
    for seed in range(4):
        rng = np.random.default_rng([seed, 2])
        models = [a_utility(rng, SIZES, 0.3) for _ in range(2)]
        case = a_case(f"answers {seed}", SIZES, [Level.ANSWER] * 2, turns=20)
        said, end = talk(case, [Honest(model, SIZES) for model in models])
        assert max(question.number for question, _ in said) <= 20
        shares.append(nash(case, models, end.offer))
    assert np.mean(shares) > 0.88
    assert min(shares) > 0.5


def test_nothing_that_policy_forbids_is_put_to_anybody():
    rng = np.random.default_rng(7)
    models = [a_utility(rng, SIZES, 0.2) for _ in range(2)]
    policy = Constraints(values=(("not the first", 0, 0),), pairs=(("not both", 1, 2, 2, 3),))
    case = a_case("policy", SIZES, [Level.ANSWER] * 2, policy=policy, fallback=(1, 0, 0), turns=12)
    said, _ = talk(case, [Honest(model, SIZES) for model in models])
    assert said
    assert not any(broken(policy, question.lists[0][0]) for question, _ in said)


def test_values_in_order_are_believed_to_be_in_order():
    """A price of which only the ends were said: what lies between is worth something between."""
    case = a_case("price", (9,), [Level.ANSWER])
    said = [Exchange(Question(0, number, "respond", (((value,),),)), Reply(0, number, (True, (8,)))) for number, value in enumerate((0, 3, 6), 1)]
    belief = believe(case, 0, said, np.random.default_rng(0))
    models = belief.models
    assert belief.vague  # three words leave most of what it would say yes to open
    worth = [np.mean([model.contrib[0][value] for model in models]) for value in range(9)]
    assert worth[1] < worth[4] < worth[7] < worth[8]


@pytest.mark.parametrize(("homes", "turns"), [((0.0, 0.4), 12), ((0.3, 0.0), 20)])
def test_what_all_have_agreed_to_is_not_lost_among_many_that_are_as_good(homes, turns):
    """A thousand ways to share: after its yes, what a party may want is seen a little differently, and another share looks best."""
    shares = np.linspace(0.0, 1.0, 1001).tolist()
    models = [Utility((tuple(mine),), (), home) for mine, home in zip((shares, shares[::-1]), homes, strict=True)]
    found = []
    for seed in range(8):
        case = a_case(f"pie {seed}", (1001,), [Level.ANSWER] * 2, turns=turns)
        _, end = talk(case, [Honest(model, (1001,)) for model in models])
        assert end.how == "settled"
        found.append(nash(case, models, end.offer))
    assert np.mean(found) > 0.85
    assert min(found) > 0.7
