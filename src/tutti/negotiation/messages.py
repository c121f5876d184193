"""Questions and answers on the wire: indices become readable outcomes and back, and what an answer must be is held against it."""

from __future__ import annotations

import math
from typing import Any

from tutti.model.negotiation import Case, Exchange, Offer, Question, Reply, Utility
from tutti.model.party import PartyAnswer, PartyQuestion
from tutti.negotiation.opening import Opening, offer_of, outcome_of

_LARGEST = 1e12  # what a party may say something is worth

_WORDS = {
    "table": "Say how much each value of each issue is worth to you, as numbers that add up to what an outcome is worth.",
    "score": "Give each of these outcomes a number, in their order: the better for you, the higher. null is no agreement.",
    "rank": "Put each of these lists into your order: the places of its outcomes, counted from 0, the best for you first. null is no agreement.",
    "respond": "Accept this outcome if it is at least as good for you as the fallback, else reject it. Either way name as counter the outcome with one issue "
    "changed that you would like most; this same outcome if you would change nothing.",
    "offer": "It is your turn. Accept the outcome that is on the table (where there is one), or offer another as counter. Neither is a pass, and so is an offer "
    "that may not be: those that you made already are in refused.",
    "screen": "Say of each of these outcomes, in their order, whether you would accept it: true where it is at least as good for you as the fallback. "
    "A true is your word: it may be settled without another question.",
    "confirm": "This is what would be settled. Accept it, or it will not be.",
}


def question_of(opening: Opening, case: Case, question: Question, answer_by: str) -> PartyQuestion:
    """A question as a party reads it."""

    def readable(offer: Offer | None) -> Any:
        offer = case.fallback if offer is None else offer
        return None if offer is None else outcome_of(opening, offer)

    lists = [[readable(offer) for offer in offers] for offers in question.lists]
    return PartyQuestion(
        case.id, question.number, question.ask, dict(opening.issues), opening.fallback,  # type: ignore[arg-type]
        outcomes=lists[0] if question.ask in ("score", "screen") else [], lists=lists if question.ask == "rank" else [],
        outcome=None if not lists or question.lists[0][0] is None else lists[0][0] if question.ask in ("respond", "confirm", "offer") else None,
        turns=case.turns if question.ask == "offer" else 0, refused=lists[1] if question.ask == "offer" and len(lists) > 1 else [], about=opening.about, answer_by=answer_by, words=_WORDS[question.ask],
    )  # fmt: skip


def reply_of(opening: Opening, case: Case, question: Question, answer: PartyAnswer) -> Reply:
    """What a party said, in the case's terms; `missing` is garbled where it does not answer the question."""
    value: Any
    match question.ask:
        case "table":
            value = _utility(opening, case, answer)
        case "score":
            value = _numbers(answer.scores, len(question.lists[0]))
        case "screen":
            value = tuple(answer.accepts) if answer.accepts is not None and len(answer.accepts) == len(question.lists[0]) else None
        case "rank":
            value = _orders(answer.orders, [len(offers) for offers in question.lists])
        case _:
            value = _word(opening, question, answer)
    return Reply(question.party, question.number, value, "garbled" if value is None else "")


def _number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value) and abs(value) <= _LARGEST


def _numbers(scores: list[float] | None, wanted: int) -> tuple[float, ...] | None:
    if scores is None or len(scores) != wanted or not all(map(_number, scores)):
        return None
    return tuple(map(float, scores))


def _orders(orders: list[list[int]] | None, lengths: list[int]) -> tuple[tuple[int, ...], ...] | None:
    if orders is None or len(orders) != len(lengths):
        return None
    if any(sorted(order) != list(range(length)) for order, length in zip(orders, lengths, strict=True)):
        return None
    return tuple(map(tuple, orders))


def _word(opening: Opening, question: Question, answer: PartyAnswer) -> bool | Offer | tuple[bool, Offer] | None:
    """Yes, no, and what it would rather have: nothing else (its counter is the same outcome), one change, or it does not say (empty)."""
    counter = offer_of(opening, answer.counter) if answer.counter is not None else None
    if question.ask == "confirm":
        return answer.accept
    if question.ask == "offer":
        return True if answer.accept and question.lists[0][0] is not None else counter if counter is not None else False if answer.accept is False else None
    if counter is None:
        return None if answer.accept is None else (answer.accept, ())
    if counter == question.lists[0][0]:
        return True if answer.accept is None else answer.accept
    return counter if answer.accept is None else (answer.accept, counter)


def _utility(opening: Opening, case: Case, answer: PartyAnswer) -> Utility | None:
    """A table as far as this case goes: a party's own may speak of more issues and values than are negotiated this time."""
    if answer.table is None or not set(answer.table) >= set(opening.issues):
        return None
    contrib = []
    for issue in case.issues:
        said = answer.table[issue.name]
        if not all(_number(said.get(value)) for value in issue.values):
            return None
        contrib.append(tuple(float(said[value]) for value in issue.values))
    pairs = []
    for pair in answer.pairs or ():
        if len(pair.outcome) != 2 or not _number(pair.extra):
            return None
        places = _two(opening, case, pair.outcome)
        if places is not None:
            pairs.append((*places, float(pair.extra)))
    reservation = answer.reservation if answer.reservation is not None else 0.0
    if case.fallback is not None:
        reservation = sum(row[value] for row, value in zip(contrib, case.fallback, strict=True))
        reservation += sum(extra for one, value, other, its, extra in pairs if case.fallback[one] == value and case.fallback[other] == its)
    return Utility(tuple(contrib), tuple(pairs), float(reservation)) if _number(reservation) else None


def _two(opening: Opening, case: Case, outcome: dict[str, Any]) -> tuple[int, int, int, int] | None:
    """Two values that are worth more or less together; None where they are none of this case."""
    if not set(outcome) <= set(opening.issues):
        return None
    whole = offer_of(opening, {name: values[0] for name, values in opening.issues.items()} | outcome)
    if whole is None:
        return None
    one, other = (place for place, issue in enumerate(case.issues) if issue.name in outcome)
    return one, whole[one], other, whole[other]


# --- what is kept of a round ----------------------------------------------------------------------------------------


def exchange_to_json(exchange: Exchange) -> list[Any]:
    """A message and its reply as JSON."""
    question, reply = exchange
    value = reply.value
    if isinstance(value, Utility):
        value = {"contrib": value.contrib, "pairs": value.pairs, "reservation": value.reservation}
    return [question.party, question.number, question.ask, question.lists, value, reply.missing]


def exchange_from_json(data: list[Any]) -> Exchange:
    """The inverse of `exchange_to_json`."""
    party, number, ask, lists, value, missing = data
    if isinstance(value, dict):
        value = Utility(_tuples(value["contrib"]), _tuples(value["pairs"]), value["reservation"])
    return Exchange(Question(party, number, ask, _tuples(lists)), Reply(party, number, _tuples(value), missing))


def _tuples(value: Any) -> Any:
    return tuple(map(_tuples, value)) if isinstance(value, list | tuple) else value
