"""Parties in this process: an object that can say what outcomes are worth to it, read into the skill that every party offers."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from itertools import product
from math import prod
from typing import Any

from tutti.errors import Invalid
from tutti.model.negotiation import Level
from tutti.model.party import Outcome, PairWorth, PartyAnswer, PartyQuestion
from tutti.transports import Context

_METHODS = ("utility", "score", "rank", "respond")
_ABLE = {  # which methods a level can be answered by, the one that it is made for first
    Level.TABLE: ("utility",), Level.FUNCTION: ("score",), Level.SCORE: ("score", "utility"), Level.RANK: ("rank", "score", "utility"),
    Level.ANSWER: ("respond", "score", "utility", "rank"),
}  # fmt: skip
Method = Callable[..., Any]
_LISTED = 20_000  # outcomes that a party can look through in a turn
_BOULWARE = 0.2  # how early it concedes: the usual value of those that concede late


def methods_of(party: object, where: str) -> dict[str, Method]:
    """What a party can be asked: its methods (or a mapping's functions) by name. Raises: `Invalid` where there is none."""
    if isinstance(party, type):
        raise Invalid(f"{where}: {party.__name__} is a class.", hint=f"Give an object of it, for example {party.__name__}().")
    found = {name: party.get(name) if isinstance(party, Mapping) else getattr(party, name, None) for name in _METHODS}
    methods = {name: method for name, method in found.items() if callable(method)}
    if not methods:
        raise Invalid(f"{where} cannot be asked anything.", hint="Give it score(outcomes), and respond(outcome) if it can; or utility(), or rank(outcomes).")
    return methods


def level_of(methods: Mapping[str, Method], said: str, where: str) -> Level:
    """The level at which a party answers: the one it says, else the most that its methods can. Raises: `Invalid`."""
    if not said:
        return next(level for level in (Level.TABLE, Level.SCORE, Level.RANK, Level.ANSWER) if _ABLE[level][0] in methods)
    try:
        level = Level(said)
    except ValueError:
        raise Invalid(f"{said!r} is no level of {where}.", hint=f"Levels are {', '.join(Level)}.") from None
    if not any(method in methods for method in _ABLE[level]):
        raise Invalid(f"{where} has no method {_ABLE[level][0]}, which level {level} needs.", hint="Give it the method, or a lower level.")
    if level is Level.FUNCTION and inspect.iscoroutinefunction(methods["score"]):
        raise Invalid(f"{where}: at level function, score is a plain function.", hint="Make it one, or use level score.")
    return level


def scorer(methods: Mapping[str, Method]) -> Callable[[Sequence[Outcome | None], Any], Sequence[float]]:
    """The party's own numbers for outcomes of a negotiation about something, as often as wanted."""
    return lambda outcomes, about: [float(number) for number in _told(methods, about)["score"](outcomes)]


def _told(methods: Mapping[str, Method], about: Any) -> dict[str, Method]:
    """The methods; those that take `about` are given what the negotiation is about."""
    return {name: partial(method, about=about) if "about" in inspect.signature(method).parameters else method for name, method in methods.items()}


def answering(methods: Mapping[str, Method]) -> Callable[..., Any]:
    """The function of the skill. Where a method is async it is async, else a plain one that runs in a thread."""
    if any(map(inspect.iscoroutinefunction, methods.values())):

        async def answer(question: PartyQuestion, ctx: Context) -> PartyAnswer:
            """Say what outcomes of a negotiation are worth to this party."""
            asking = _answer(_told(methods, question.about), question)
            said: Any = None
            while True:
                try:
                    method, *arguments = asking.send(said)
                except StopIteration as done:
                    return PartyAnswer(**done.value)
                said = method(*arguments)
                if inspect.isawaitable(said):
                    said = await said

        return answer

    def answer_at_once(question: PartyQuestion, ctx: Context) -> PartyAnswer:
        """Say what outcomes of a negotiation are worth to this party."""
        asking = _answer(_told(methods, question.about), question)
        said: Any = None
        while True:
            try:
                method, *arguments = asking.send(said)
            except StopIteration as done:
                return PartyAnswer(**done.value)
            said = method(*arguments)

    return answer_at_once


def _answer(methods: Mapping[str, Method], question: PartyQuestion) -> Any:
    """A generator that yields which method to call with what, is sent what it said, and returns the fields of the answer."""
    match question.ask:
        case "table" if "utility" in methods:
            return _table((yield (methods["utility"],)))
        case "score" if _counts(methods):
            return {"scores": (yield from _numbers(methods, question.outcomes))}
        case "rank" if "rank" in methods or _counts(methods):
            orders = []
            for outcomes in question.lists:
                if "rank" in methods:
                    said = yield methods["rank"], outcomes
                    orders.append([outcomes.index(each) if not isinstance(each, int) else each for each in said])
                else:
                    scores: list[float] = yield from _numbers(methods, outcomes)
                    orders.append(sorted(range(len(outcomes)), key=scores.__getitem__, reverse=True))
            return {"orders": orders}
        case "screen" if "respond" in methods or _counts(methods):
            return {"accepts": (yield from _screened(methods, question))}
        case "respond" | "confirm":
            return (yield from _word(methods, question))
        case "offer":
            return (yield from _turn(methods, question))
    raise Invalid(f"This party cannot be asked to {question.ask}.", hint="Declare it at the level that it answers at.")


def _counts(methods: Mapping[str, Method]) -> bool:
    """Whether it has numbers for outcomes."""
    return "score" in methods or "utility" in methods


def _numbers(methods: Mapping[str, Method], outcomes: Sequence[Outcome | None]) -> Any:
    """A generator that returns the party's numbers for outcomes: its own, else what its table says of them."""
    if "score" in methods:
        return [float(number) for number in (yield methods["score"], outcomes)]
    told = _table((yield (methods["utility"],)))
    return [(told["reservation"] or 0.0) if each is None else _worth(told, each) for each in outcomes]


def _word(methods: Mapping[str, Method], question: PartyQuestion) -> Any:
    """Accept, reject or counter: its own word, else what its table, numbers or order say of the outcome and the fallback."""
    if "respond" in methods:
        said = yield methods["respond"], question.outcome
        if isinstance(said, Mapping):
            return {"counter": said}
        if isinstance(said, tuple):
            return {"accept": bool(said[0]), "counter": said[1]}
        return {"accept": bool(said)}
    if _counts(methods):
        offered = question.outcome or {}
        others = [offered | {issue: value} for issue, values in question.issues.items() for value in values if offered[issue] != value]
        mine, held, *its = yield from _numbers(methods, [offered, question.fallback, *(others if question.ask == "respond" else [])])
        best = max(range(len(its)), key=lambda place: its[place], default=None)
        counter = others[best] if best is not None and its[best] > mine else offered
        return {"accept": bool(mine >= held), "counter": counter if question.ask == "respond" else None}
    order = list((yield methods["rank"], [question.outcome, question.fallback]))
    return {"accept": order[0] in (0, question.outcome)}


def _screened(methods: Mapping[str, Method], question: PartyQuestion) -> Any:
    """A generator that returns for each outcome whether it would be accepted: by the party's own word, else by its numbers."""
    if "respond" not in methods:
        *theirs, held = yield from _numbers(methods, [*question.outcomes, question.fallback])
        return [bool(mine >= held) for mine in theirs]
    accepts = []
    for outcome in question.outcomes:
        said = yield methods["respond"], outcome
        accepts.append(bool(said[0]) if isinstance(said, tuple) else not isinstance(said, Mapping) and bool(said))
    return accepts


def _turn(methods: Mapping[str, Method], question: PartyQuestion) -> Any:
    """A turn in free bargaining: its own word where it has one, else a demand that goes down with its turns (Boulware), by its own numbers.

    Of what is worth its demand it offers what is most like the offer on the table. Source: Faratin et al. 1998.
    """
    if "respond" in methods:
        said = yield methods["respond"], question.outcome
        said = said[1] if isinstance(said, tuple) and not said[0] else said
        return {"counter": said} if isinstance(said, Mapping) else {"accept": said is True or (isinstance(said, tuple) and bool(said[0]))}
    if prod(map(len, question.issues.values())) > _LISTED:
        return {"accept": False}
    every = (dict(zip(question.issues, values, strict=True)) for values in product(*question.issues.values()))
    outcomes: list[Outcome | None] = [outcome for outcome in every if outcome not in question.refused]
    if not outcomes:
        return {"accept": False}
    if _counts(methods):
        *scores, held = yield from _numbers(methods, [*outcomes, question.fallback])
    else:
        order = list((yield methods["rank"], [*outcomes, question.fallback]))
        places = {place if isinstance(place, int) else outcomes.index(place): -rank for rank, place in enumerate(order)}
        *scores, held = (places[place] for place in range(len(outcomes) + 1))
    time = min((question.number - 1) / max(question.turns - 1, 1), 1.0)
    demand = held + (max(scores) - held) * (1 - time ** (1 / _BOULWARE))
    table = question.outcome
    if table is not None and scores[outcomes.index(table)] >= demand:
        return {"accept": True}
    enough = [place for place, score in enumerate(scores) if score >= demand]
    liked = table or {}
    best = max(enough, key=lambda place: (sum((outcomes[place] or {})[name] == value for name, value in liked.items()), -scores[place]), default=None)
    return {"accept": False} if best is None else {"counter": outcomes[best]}


def _worth(told: Mapping[str, Any], outcome: Outcome) -> float:
    worth: float = sum(told["table"][issue][_text(value)] for issue, value in outcome.items())
    return float(worth + sum(pair.extra for pair in told["pairs"] if all(outcome.get(issue) == value for issue, value in pair.outcome.items())))


def _table(said: Any) -> dict[str, Any]:
    """What `utility()` gave: {issue: {value: number}}, or a PartyAnswer with pairs and a reservation besides."""
    if isinstance(said, PartyAnswer):
        return {"table": said.table, "pairs": said.pairs or [], "reservation": said.reservation}
    pairs: list[PairWorth] = []
    return {
        "table": {issue: {_text(value): float(number) for value, number in row.items()} for issue, row in said.items()},
        "pairs": pairs,
        "reservation": None,
    }


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
