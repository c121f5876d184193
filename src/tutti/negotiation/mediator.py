"""The mediator: from a case and everything said so far to what happens next."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache

import numpy as np

from tutti.model.negotiation import Belief, Case, Exchange, Level, Offer, Question, Utility
from tutti.negotiation import answers, rankings, scores
from tutti.negotiation.search import SECONDS
from tutti.negotiation.settle import Settlement, candidates, objective, ranked, settle
from tutti.negotiation.space import Numbers, Space
from tutti.negotiation.terrain import span
from tutti.negotiation.wants import wants

Function = Callable[[Sequence[Offer | None]], Sequence[float]]  # a party's own numbers for offers, in this process; None is the fallback

SCORED = 2  # messages after which scores are precise enough, unless the noise is large
LEADING = 24  # outcomes that a later question is about
PATIENT = 3  # turns kept for confirmations
PROPOSALS = 12  # of the best offers that are looked through for one to propose
AGREED = 0.02  # mean log gain by which an offer must be better than what all have agreed to already, to be proposed: less may be chance
DOUBTFUL = 0.01  # mean log gain that the remaining doubt must be expected to cost for more to be asked than usual
PROPOSED = ("respond", "confirm")  # how a party is asked for its word on one offer
WORDS = (*PROPOSED, "screen")  # and on many
SCREENS = 2  # messages in which a party is asked which outcomes it would accept, at most
BEHIND = 2048  # offers that may be ahead of one that all have agreed to, which is then still found
MISSED = 2  # messages in a row without an answer, after which a party is not waited for again while it is asked what it wants
REGRET = 0.0001  # share of the Nash product that the remaining doubt may cost
JOINT = 512  # draws of what all want at once, from which this is reckoned
FLOOR = 1e-3  # a gain below this share of what a party can gain counts as this much
SAMPLE = 400  # outcomes that a function is asked about beside those that its features need
WORTH_ASKING = 0.005  # mean log gain by which an outcome must be better for a person to be asked about it: less is noise
WILD = 0.9  # a party's chance of ending under the fallback above which an offer is not proposed: a no costs a turn, no offer costs the agreement


@dataclass(frozen=True, slots=True)
class Ask:
    """The next round: each of these questions goes out at once; call `step` again when each has a reply (or is missing one)."""

    questions: tuple[Question, ...]


@dataclass(frozen=True, slots=True)
class Propose:
    """This offer is to be confirmed: the questions (all `confirm`) go to the parties whose word is needed."""

    offer: Offer
    questions: tuple[Question, ...]


@dataclass(frozen=True, slots=True)
class End:
    """The case is over: `offer` is what holds (None: no agreement, the fallback where the case has one).

    `how` is settled, fallback (nothing better could be agreed) or person (somebody must decide: `why` says what).
    `better` is the best offer that a person would have to decide on, where there is one and it is better than `offer`. `settlement` is
    how the offer was chosen from the `beliefs`, without the `rejected` offers and, with `worst`, as the first that `ranked` gives; `doubts` are the
    parties (by index) whose word contradicted what they had said before.
    """

    offer: Offer | None
    how: str  # settled | fallback | person
    why: str
    better: Offer | None = None
    beliefs: tuple[Belief, ...] = ()
    settlement: Settlement | None = None
    doubts: tuple[int, ...] = ()
    rejected: tuple[Offer, ...] = ()
    worst: float | None = None


def step(
    case: Case, said: Sequence[Exchange], functions: Mapping[int, Function] | None = None, *, brief: bool = False, last: bool = False
) -> Ask | Propose | End:
    """What happens next in this case, from all that was said: the same exchanges give the same step, so a replay decides the same.

    `functions` holds the function of each party at level `function`, by the party's index. A question whose reply never
    came is an exchange with `Reply.missing`. With `brief` nobody is asked any more what it wants: what is known is proposed. With `last` (time or money is up) the answer is an `End`, at once.

    Who never says anything counts as indifferent and holds nobody up. Who has spoken is asked for its word on what is settled; where it
    gives none (twice), or has no turn left, its numbers or orders stand for it if they leave no doubt that the offer is at or above its fallback;
    one that only says yes or no is bound by its yes alone.
    """
    talk = _Talk(case, said, functions or {})
    if not (brief or last):
        questions = talk.next_round() or talk.screening()
        if questions:
            return Ask(tuple(questions))
    return talk.close(last)


class _Talk:
    """One case with everything said in it, put in order by party."""

    def __init__(self, case: Case, said: Sequence[Exchange], functions: Mapping[int, Function]) -> None:
        self.case, self.functions = case, functions
        self.space = _space(case)
        self.said = tuple(_checked(case, self.space, each) for each in sorted(said, key=lambda each: (each.question.party, each.question.number)))
        self.by_party = [[each for each in self.said if each.question.party == party] for party in range(len(case.parties))]
        self.seed = [int.from_bytes(case.id.encode()[-24:], "big"), len(said)]
        self.weights = [party.weight for party in case.parties]
        self.known = [self._belief(party) for party in range(len(case.parties))]
        flat = rankings.nothing(case.sizes)
        self.beliefs = [flat if belief is None else belief for belief in self.known]

    @cached_property
    def leading(self) -> list[Offer]:
        """The outcomes that may be settled on by what is believed so far; of whom nothing is known does not count."""
        known = [(belief, weight) for belief, weight in zip(self.known, self.weights, strict=True) if belief is not None]
        if not known:
            return []
        asked = any(party.level in (Level.SCORE, Level.ANSWER) for party in self.case.parties)  # of others they only tell how much is in doubt
        rng = np.random.default_rng([*self.seed, 5])
        return candidates(self.space, [belief for belief, _ in known], [weight for _, weight in known], LEADING, rng, thorough=asked)

    # asking what they want

    def next_round(self) -> list[Question]:
        """The questions of the next round; none when enough is known, or all that may be asked was."""
        if any(each.question.ask == "confirm" for each in self.said) or (self.space.enumerable and not len(self.space.codes)):
            return []
        open_to = [party for party in range(len(self.case.parties)) if self._may_ask(party)]
        if not open_to or (all(belief is not None for belief in self.known) and self._regret() < REGRET):
            return []
        slow = [party for party in open_to if self._level(party) is Level.ANSWER]
        early = any(2 * len(self.by_party[party]) < self._turns() for party in slow)
        rng = np.random.default_rng([*self.seed, 1])
        found: dict[int, tuple[str, tuple[tuple[Offer | None, ...], ...]]] = {}
        for level, ask, room in ((Level.SCORE, "score", scores), (Level.RANK, "rank", rankings)):
            # who has spoken waits for those that need many turns: its next message is then about offers that all may want
            due = [party for party in open_to if self._level(party) is level and not (early and self.known[party] is not None)]
            if not due:
                continue
            if room is scores:
                lists = scores.questions(self.case, self.space, due, self.leading, self.said, rng)
            else:
                lists = rankings.questions(self.case, self.space, due, self.known, rng)
            found.update({party: (ask, lists[party]) for party in due if lists.get(party)})
        if slow:
            for party, offer in answers.questions(self.case, self.space, slow, self.known, self.leading, self.said, rng).items():
                found[party] = ("respond", ((offer,),))
        found.update({party: ("table", ()) for party in open_to if self._level(party) is Level.TABLE})
        return [Question(party, len(self.by_party[party]) + 1, *found[party]) for party in sorted(found)]

    def screening(self) -> list[Question]:
        """Which outcomes parties would accept, asked where the doubt that their scores leave may cost much: gains may be smaller than the noise of the scores."""
        words = {party: self._word(party) for party in range(len(self.by_party)) if self._may_screen(party)}
        if not words or not self.leading or not self._doubtful:
            return []
        found = scores.screens(self.case, self.space.unattended, self.beliefs, words, self.leading, self.said, np.random.default_rng([*self.seed, 6]))
        return [Question(party, len(self.by_party[party]) + 1, "screen", (offers,)) for party, offers in sorted(found.items())]

    def _may_screen(self, party: int) -> bool:
        before = [each for each in self.by_party[party] if each.question.ask == "screen"]
        if self._level(party) is not Level.SCORE or self._gone(party) or any(each.reply.missing for each in before):
            return False
        return len(before) < SCREENS and self._words(party) < self._turns()

    def _words(self, party: int) -> int:
        """How often the party was asked for its word."""
        return sum(each.question.ask in WORDS for each in self.by_party[party])

    def _level(self, party: int) -> Level:
        return self.case.parties[party].level

    def _turns(self) -> int:
        return max(self.case.turns - PATIENT, self.case.turns // 2, 1)

    def _may_ask(self, party: int) -> bool:
        mine = self.by_party[party]
        if self._gone(party):
            return False
        match self._level(party):
            case Level.TABLE:
                return all(each.reply.missing for each in mine) and len(mine) < min(2, self.case.messages)
            case Level.FUNCTION:
                return False
            case Level.SCORE:
                asked = [each for each in mine if each.question.ask == "score"]
                told = sum(not each.reply.missing for each in asked)
                return len(asked) < self.case.messages and (told < SCORED or self._noise(party) >= 0.08 or self._doubtful)
            case Level.RANK:
                return len(mine) < self.case.messages
            case Level.ANSWER:
                return len(mine) < self._turns()

    def _noise(self, party: int) -> float:
        """How far a score is from what was meant, as a share of what the party's outcomes differ by."""
        offers, numbers = scores.scored(self.case, party, self.said)
        if len(offers) < 2:
            return 1.0
        found = scores.estimate(self.case, offers, numbers)
        return found.noise / max(float(found.shape.ranges(found.mean).sum()), 1e-9)

    def _gone(self, party: int) -> bool:
        mine = self.by_party[party]
        return any(each.reply.missing == "gone" for each in mine) or (len(mine) >= MISSED and all(each.reply.missing for each in mine[-MISSED:]))

    @cached_property
    def _doubtful(self) -> bool:
        return all(belief is not None for belief in self.known) and self._regret() >= DOUBTFUL

    def _regret(self) -> float:
        """What the doubt in the beliefs is expected to cost: the mean log of the Nash product that a better knowledge would gain."""
        if all(len(belief.models) == 1 for belief in self.beliefs):
            return 0.0
        offers = self.leading
        if not offers:
            return 1.0
        rng = np.random.default_rng([*self.seed, 2])
        share = np.array(self.weights) / sum(self.weights)
        total = np.zeros((JOINT, len(offers)))
        for belief, weight in zip(self.beliefs, share, strict=True):
            total += weight * _logs(belief, offers)[rng.integers(len(belief.models), size=JOINT)]
        return float((total.max(axis=1) - total[:, int(total.mean(axis=0).argmax())]).mean())

    # what is believed

    def _belief(self, party: int) -> Belief | None:
        rng = np.random.default_rng([self.seed[0], 3, party])
        match self._level(party):
            case Level.TABLE:
                tables = [each.reply.value for each in self.by_party[party] if each.question.ask == "table" and not each.reply.missing]
                return Belief((self._at_home(tables[-1]),)) if tables else None
            case Level.FUNCTION:
                return self._functional(party)
            case Level.SCORE:
                found = scores.believe(self.case, party, self.said, rng, *self._word(party))
                return None if found is None else self._held_to_its_word(party, found)
            case Level.RANK:
                return rankings.believe(self.case, party, self.said, rng)
            case Level.ANSWER:
                return answers.believe(self.case, party, self.said, rng)

    def _at_home(self, model: Utility) -> Utility:
        """A table with what the fallback is worth by itself, where that is an outcome: this is not for the party to claim."""
        if self.case.fallback is None:
            return model
        worth = float(self.space.worth([Utility(model.contrib, model.pairs)], [self.case.fallback])[0, 0])
        return Utility(model.contrib, model.pairs, worth)

    def _functional(self, party: int) -> Belief | None:
        """What a function is as sums over issues, with the interactions that show; it is asked as often as that takes."""
        function = self.functions.get(party)
        if function is None:
            return None
        rng = np.random.default_rng([self.seed[0], 4, party])
        rows = scores.some(self.space, SAMPLE + 4 * sum(self.case.sizes), rng)
        offers: list[Offer | None] = [None, *(tuple(int(value) for value in row) for row in rows)]
        found = scores.estimate(self.case, offers, [float(number) for number in function(offers)])
        return Belief(found.shape.utilities(found.mean[None]))

    def _held_to_its_word(self, party: int, belief: Belief) -> Belief:
        """What its yes and no say of where its fallback lies: below all that it accepted, above all that it rejected (a no counts more)."""
        yes, no = self._word(party, PROPOSED)
        if not yes and not no:
            return belief
        out = []
        for model in belief.models:
            step = 1e-6 * span(model)
            low = -float("inf") if not no else float(self.space.worth([model], sorted(no)).max()) + model.reservation + step
            high = float("inf") if not yes else float(self.space.worth([model], sorted(yes)).min()) + model.reservation
            out.append(Utility(model.contrib, model.pairs, max(min(model.reservation, high), low)))
        return Belief(tuple(out))

    def _word(self, party: int, asks: Collection[str] = WORDS) -> tuple[set[Offer], set[Offer]]:
        """The offers that it accepted and those that it did not when it was asked for its word."""
        yes, no = set(), set()
        for question, reply in self.by_party[party]:
            if question.ask not in asks or reply.missing:
                continue
            answered = reply.value if question.ask == "screen" else [answers.answered(reply)[0]]
            for offer, fine in zip(question.lists[0], answered, strict=True):
                assert offer is not None
                if fine:
                    yes.add(offer)
                elif fine is False or question.ask == "confirm":
                    no.add(offer)
        return yes - no, no

    # settling

    def close(self, last: bool) -> Propose | End:
        """A proposal to confirm, or the end."""
        words = [self._word(party) for party in range(len(self.case.parties))]
        out = {offer for _, no in words for offer in no}
        out |= {offer for offer in self._proposed() if any(self._consents(party, offer, words[party][0]) is False for party in range(len(words)))}
        space = self.space.less(out) if out else self.space
        if not space.enumerable:
            self._settle(space)  # what it finds is remembered and ranked first
        passed = set(out)  # also what would be better but cannot be had, or not in time, or hardly
        agreed = sorted(
            offer
            for offer in {offer for yes, _ in words for offer in yes} - out
            if all(self._consents(party, offer, yes) for party, (yes, _) in enumerate(words))
        )
        held = float(objective(space, self.beliefs, self.weights, np.array(agreed, dtype=np.intp)).max()) if agreed else -np.inf
        for found in ranked(space, self.beliefs, self.weights, BEHIND if agreed else PROPOSALS, worst=WILD, more=agreed):
            offer = found.offer
            assert offer is not None
            consents = [self._consents(party, offer, words[party][0]) for party in range(len(words))]
            if all(consents):
                left = self.space.less(passed) if passed != out else space
                return self._end(offer, "settled", "everybody whose word is needed has agreed", left, found=found, rejected=passed)
            if not last and False not in consents and (held == -np.inf or found.value > held + AGREED):
                waiting = [party for party, consent in enumerate(consents) if consent is None]
                return Propose(offer, tuple(Question(party, len(self.by_party[party]) + 1, "confirm", ((offer,),)) for party in waiting))
            passed.add(offer)
        if last:
            now = self._settle(space)
            if now.offer is not None:
                return self._end(None, "person", "time or money was up before everybody had confirmed it", space, now.offer, rejected=out)
            return self._end(None, "fallback", "time or money was up and nothing is known that all would gain from", space, rejected=out)
        why = "no offer that is left is confirmed by all" if passed else "nothing is known that all would gain from"
        return self._end(None, "fallback", why, self.space.less(passed) if passed != out else space, rejected=passed)

    def _proposed(self) -> set[Offer]:
        return {offer for each in self.said if each.question.ask == "confirm" and (offer := each.question.lists[0][0]) is not None}

    def _consents(self, party: int, offer: Offer, yes: set[Offer]) -> bool | None:
        """Whether this party has agreed to this offer, or need not be asked; None: it is to be asked."""
        belief = self.known[party]
        if self._level(party) in (Level.TABLE, Level.FUNCTION) and belief is not None:
            return self._gains(party, belief, offer)
        if offer in yes:
            return True
        mine = self.by_party[party]
        if belief is None and self._gone(party):
            return True
        unheard = sum(each.question.ask == "confirm" and bool(each.reply.missing) and each.question.lists[0][0] == offer for each in mine)
        spent = self._words(party) >= self.case.turns
        if unheard > 1 or spent or any(each.reply.missing == "gone" for each in mine):
            if belief is None:
                return True
            return self._level(party) is not Level.ANSWER and self._gains(party, belief, offer)  # one that gives no numbers is bound by its yes alone
        return None

    def _gains(self, party: int, belief: Belief, offer: Offer) -> bool:
        """Whether by all that it said it is at or above its fallback with this offer."""
        function = self.functions.get(party) if self._level(party) is Level.FUNCTION else None
        if function is not None:
            here, home = function([offer, None])
            return here >= home - 1e-9
        return bool(self.space.worth(belief.models, [offer]).min() >= -1e-9)

    def _end(
        self,
        offer: Offer | None,
        how: str,
        why: str,
        space: Space,
        better: Offer | None = None,
        *,
        found: Settlement | None = None,
        rejected: Collection[Offer],
    ) -> End:
        settlement = self._settle(space)
        worst = None
        if found is not None and found.offer != settlement.offer:
            settlement, worst = replace(found, better=settlement.better), WILD
        if better is None and settlement.better is not None and not settlement.better.value - settlement.value < WORTH_ASKING:  # both may be minus infinity
            better = settlement.better.offer
        return End(offer, how, why, better, tuple(self.beliefs), settlement, self._doubts(), tuple(sorted(rejected)), worst)

    def _settle(self, space: Space) -> Settlement:
        """A large space is given to the solver only where all is known: to bound an estimate would say nothing of what the parties want."""
        known = all(len(belief.models) == 1 for belief in self.beliefs)
        return settle(space, self.beliefs, self.weights, seconds=SECONDS if known else 0.0)

    def _doubts(self) -> tuple[int, ...]:
        """The parties that rejected what their numbers put clearly above the fallback, or accepted what these put clearly below."""
        out = []
        for party, level in enumerate(each.level for each in self.case.parties):
            found = scores.believe(self.case, party, self.said, np.random.default_rng([self.seed[0], 3, party])) if level is Level.SCORE else None
            if found is None:
                continue
            yes, no = self._word(party)
            above = [float(self.space.worth(found.models, [offer]).min()) > 0 for offer in sorted(no)]
            below = [float(self.space.worth(found.models, [offer]).max()) < 0 for offer in sorted(yes)]
            if any(above) or any(below):
                out.append(party)
        return tuple(out)


@lru_cache(maxsize=4)  # a case is stepped through many times, and its outcomes are enumerated once
def _space(case: Case) -> Space:
    return Space(case.sizes, case.policy, case.approval)


def _checked(case: Case, space: Space, each: Exchange) -> Exchange:
    """The same exchange, its reply marked garbled where it does not answer the question."""
    question, reply = each
    match question.ask:
        case "score":
            return Exchange(question, scores.valid(question.lists, reply))
        case "rank":
            return Exchange(question, rankings.valid(question.lists, reply))
        case "screen":
            return Exchange(question, scores.decided(question.lists, reply))
        case "table":
            fine = reply.missing or (isinstance(reply.value, Utility) and space.understands(reply.value))
            return each if fine else Exchange(question, reply._replace(value=None, missing="garbled"))
    return Exchange(question, answers.valid(space, reply))


def _logs(belief: Belief, offers: Sequence[Offer]) -> Numbers:
    """The log gain of each offer (a column) under each model (a row), floored."""
    known = wants(belief.models)
    found: Numbers = np.log(np.maximum(known.gains(np.array(offers, dtype=np.intp)) / known.spans[:, None], FLOOR))
    return found
