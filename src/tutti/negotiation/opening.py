"""What somebody opens a negotiation with, and the case it becomes: names become indices, rules become constraints."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from itertools import product
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from tutti.errors import Invalid
from tutti.model.negotiation import Case, Constraints, Issue, Level, Limit, Offer, Party
from tutti.model.party import Outcome, Value
from tutti.negotiation.space import ENUMERATED
from tutti.registry import Condition, Undecidable

if TYPE_CHECKING:
    from pydantic import TypeAdapter

PARTIES = 64  # that one case may have
ISSUES = 64
VALUES = 1000  # that one issue may have
TOGETHER = 50_000_000  # parties times the square of all values, where outcomes are too many to list: a search holds 8 bytes for each (54,000 values of two asked for 43 GiB)
COMBINATIONS = 20_000  # of values that one CEL rule is tried on
_FORMS = frozenset({"str", "int", "float", "bool", "Side"})
LIMITS = 2000  # single combinations of three and more issues that rules may rule out


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """What an outcome must not be, with the rule's name: one of `forbid`, `limit` with `cost`, and `when`.

    `forbid` holds a value (or several) for some issues: outcomes that have them all are ruled out. `cost` gives values a number, whose sum may be at most
    `limit`. `when` is CEL over the issues' names (or `outcome["a name"]`): where it is true, the outcome is ruled out.
    """

    __pydantic_config__: ClassVar[dict[str, Any]] = {"extra": "forbid"}
    rule: str
    forbid: dict[str, Value | list[Value]] | None = None
    cost: dict[str, dict[str, float]] | None = None
    limit: float | None = None
    when: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """How a party counts: its weight (None: as the goals say), and a lower level than its card declares, where wanted."""

    __pydantic_config__: ClassVar[dict[str, Any]] = {"extra": "forbid"}
    weight: float | None = None
    level: Literal["table", "function", "score", "rank", "answer"] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Opening:
    """A negotiation as it is opened. `parties` are agents with their weights (None: as the goals say).

    `policy` is never broken; what `approval` rules out needs a person. Without agreement `fallback` holds (None: nothing does). `messages` are the questions
    a party is asked at most, `turns` the proposals, `money` what the parties' answers may cost together. With `protocol` alternating nobody says what it
    wants: the parties take turns with offers, for those of different owners.
    """

    __pydantic_config__: ClassVar[dict[str, Any]] = {"extra": "forbid"}
    issues: dict[str, list[Value]]
    parties: dict[str, float | Side | None]
    policy: list[Rule] = field(default_factory=list)
    approval: list[Rule] = field(default_factory=list)
    fallback: Outcome | None = None
    deadline_ms: int = 60_000
    messages: int = 6
    turns: int = 20
    money: float | None = None
    about: Any = None
    protocol: Literal["mediated", "alternating"] = "mediated"


def read_opening(data: Any) -> Opening:
    """An opening from JSON. Raises: `Invalid`."""
    from pydantic import ValidationError

    try:
        return _reader().validate_python(data)
    except ValidationError as error:
        found = [(_place(each["loc"]), each["msg"]) for each in error.errors(include_url=False, include_input=False)]
        place = max((place for place, _ in found), key=len)  # of the forms that a value may have, the one that it comes closest to
        first, *others = dict.fromkeys(message for there, message in found if there == place)
        words = " or ".join([first, *(other.removeprefix("Input should be ") for other in others)])
        raise Invalid(
            f"That opens no negotiation: {'.'.join(place)}: {words}", hint='{"issues": {…}, "parties": {…}, "fallback": {…}}', code="invalid_input"
        ) from None


def _place(found: tuple[int | str, ...]) -> tuple[str, ...]:
    """Where in an opening, without the names of the forms that the value there may have."""
    return tuple(str(step) for number, step in enumerate(found) if number < 2 or step not in _FORMS)


@cache
def _reader() -> TypeAdapter[Opening]:
    from pydantic import TypeAdapter

    return TypeAdapter(Opening)


def side_of(said: float | Side | None) -> Side:
    """How a party counts, in its full form."""
    return said if isinstance(said, Side) else Side(weight=said)


def case_of(opening: Opening, id: str, levels: Mapping[str, Level], weights: Mapping[str, float]) -> Case:
    """The case. `levels` are what the parties' cards declare, `weights` what the goals say of them (1 where they say nothing). Raises: `Invalid`."""
    _check(opening)
    places = _Places(opening.issues)
    order = list(Level)
    parties = []
    for name, said in opening.parties.items():
        side, declared = side_of(said), levels[name]
        level = declared if side.level is None else max(declared, Level(side.level), key=order.index)
        weight = weights.get(name, 1.0) if side.weight is None else side.weight
        if not 0 < weight < 1e9:
            raise Invalid(f"{name} has weight {weight:g}.", hint="Weights are above 0.")
        parties.append(Party(name, level, float(weight)))
    fallback = None if opening.fallback is None else places.offer(opening.fallback)
    issues = tuple(Issue(name, tuple(map(_text, values))) for name, values in opening.issues.items())
    policy, approval = places.constraints(opening.policy), places.constraints(opening.approval, all_of_it=True)
    case = Case(id, issues, tuple(parties), policy, approval, fallback, opening.messages, opening.turns)
    for rule in _broken(case.policy, fallback) if fallback is not None else ():
        raise Invalid(f"The fallback breaks {rule}.", hint="What holds without agreement must be allowed.")
    return case


def outcome_of(opening: Opening, offer: Offer) -> Outcome:
    """An offer as people and agents read it."""
    return {name: values[place] for (name, values), place in zip(opening.issues.items(), offer, strict=True)}


def offer_of(opening: Opening, outcome: object) -> Offer | None:
    """An outcome as an offer; None where it is none of this negotiation."""
    try:
        return _Places(opening.issues).offer(outcome)
    except Invalid:
        return None


def _text(value: Value) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _check(opening: Opening) -> None:
    if not 1 <= len(opening.parties) <= PARTIES:
        raise Invalid(f"A negotiation has 1 to {PARTIES} parties.", hint='For example {"renewal": 2, "pricing": 1}.')
    if not 1 <= len(opening.issues) <= ISSUES:
        raise Invalid(f"A negotiation has 1 to {ISSUES} issues.", hint='For example {"price": ["-10 %", "0 %"]}.')
    for name, values in opening.issues.items():
        if not name or not 1 <= len(values) <= VALUES:
            raise Invalid(f"Issue {name!r} has {len(values)} values.", hint=f"It takes 1 to {VALUES} values, each once.")
        twice = next((text for text, count in Counter(map(_text, values)).items() if count > 1), None)
        if twice is not None:
            raise Invalid(f"Issue {name!r} has the value {twice} twice.", hint="Values are told apart by their text: name each once.")
    count = sum(map(len, opening.issues.values()))
    if math.prod(map(len, opening.issues.values())) > ENUMERATED and len(opening.parties) * count**2 > TOGETHER:
        raise Invalid(
            f"{count} values in all are too many for {len(opening.parties)} parties.", hint="Leave out values, or issues that can be settled by themselves."
        )
    if opening.deadline_ms < 1 or opening.messages < 1 or opening.turns < 0 or not 0 <= (opening.money or 0) < math.inf:
        raise Invalid("deadline_ms and messages are 1 or more, turns and money 0 or more.")


class _Places:
    """Names and values of issues, found by what people write."""

    def __init__(self, issues: Mapping[str, list[Value]]) -> None:
        self.issues = {name: place for place, name in enumerate(issues)}
        self.given = list(issues.values())
        self.values = [{_text(value): place for place, value in enumerate(values)} for values in issues.values()]

    def issue(self, name: str) -> int:
        if name not in self.issues:
            raise Invalid(f"There is no issue {name!r}.", hint=f"Issues are: {', '.join(self.issues)}.")
        return self.issues[name]

    def value(self, issue: int, value: object) -> int:
        if isinstance(value, str | int | float):
            found = self.values[issue].get(_text(value))
            if found is None and not isinstance(value, bool | str):  # 10.0 comes back where 10 was sent
                found = next((place for place, known in enumerate(self.given[issue]) if not isinstance(known, bool | str) and known == value), None)
            if found is not None:
                return found
        raise Invalid(f"{value!r} is no value of {list(self.issues)[issue]}.", hint=f"It takes: {', '.join(list(self.values[issue])[:20])}.")

    def offer(self, outcome: object) -> Offer:
        if not isinstance(outcome, Mapping) or set(outcome) != set(self.issues):
            raise Invalid("An outcome has one value for each issue.", hint=f"Issues are: {', '.join(self.issues)}.")
        return tuple(self.value(place, outcome[name]) for name, place in self.issues.items())

    def constraints(self, rules: list[Rule], *, all_of_it: bool = False) -> Constraints:
        """The rules over places. `all_of_it`: one that is true of every outcome makes sense here, since a person may want to decide on everything."""
        values: list[tuple[str, int, int]] = []
        pairs: list[tuple[str, int, int, int, int]] = []
        limits: list[Limit] = []
        for rule in rules:
            if (rule.forbid is not None) + (rule.limit is not None) + bool(rule.when) != 1 or (rule.limit is None) != (rule.cost is None) or not rule.rule:
                raise Invalid(f"Rule {rule.rule!r} says not one thing.", hint="Give it a name, and forbid=, cost= with limit=, or when=.")
            if rule.limit is not None:
                limits.append(Limit(rule.rule, self._costs(rule.cost or {}), rule.limit))
                continue
            for sets in [self._sets(rule.forbid)] if rule.forbid is not None else self._where(rule):
                match sorted(sets.items()):
                    case [] if all_of_it and rule.when:
                        values += [(rule.rule, 0, value) for value in range(len(self.values[0]))]
                    case []:
                        raise Invalid(f"Rule {rule.rule!r} rules out everything.", hint="Name the issues and values it speaks of.")
                    case [(issue, found)]:
                        values += [(rule.rule, issue, value) for value in sorted(found)]
                    case [(issue, found), (other, others)]:
                        pairs += [(rule.rule, issue, value, other, its) for value in sorted(found) for its in sorted(others)]
                    case several:  # together they may not all be there: at most all but one
                        cost = tuple(tuple(float(value in sets.get(issue, ())) for value in range(len(its))) for issue, its in enumerate(self.values))
                        limits.append(Limit(rule.rule, cost, len(several) - 1.0))
        if len(limits) > LIMITS:
            raise Invalid(f"The rules rule out {len(limits)} combinations of three or more issues one by one.", hint="Write them as cost= with limit=.")
        return Constraints(tuple(values), tuple(pairs), tuple(limits))

    def _costs(self, said: Mapping[str, Mapping[str, float]]) -> tuple[tuple[float, ...], ...]:
        costs = [[0.0] * len(values) for values in self.values]
        for name, numbers in said.items():
            issue = self.issue(name)
            for value, number in numbers.items():
                costs[issue][self.value(issue, value)] = float(number)
        return tuple(map(tuple, costs))

    def _sets(self, forbid: Mapping[str, Value | list[Value]]) -> dict[int, set[int]]:
        return {
            (issue := self.issue(name)): {self.value(issue, value) for value in (found if isinstance(found, list) else [found])}
            for name, found in forbid.items()
        }

    def _where(self, rule: Rule) -> Iterator[dict[int, set[int]]]:
        """The combinations, of the issues that a CEL rule speaks of, for which it is true."""
        names = list(self.issues)
        words = set(re.findall(r"[A-Za-z_]\w*", rule.when)) | {two or one for one, two in re.findall(r"'([^']*)'|\"([^\"]*)\"", rule.when)}
        used = [issue for name, issue in self.issues.items() if name in words]
        count = 1
        for issue in used:
            count *= len(self.values[issue])
        if count > COMBINATIONS:
            raise Invalid(f"Rule {rule.rule!r} speaks of {count} combinations of values.", hint="Write it as cost= with limit=, or over fewer issues.")
        plain = tuple(name for name in names if name.isidentifier())
        condition = Condition(rule.when, (*plain, "outcome"), f"rule {rule.rule!r}", f"{(plain or ('price',))[0]} == 'a value'")
        for places in product(*(range(len(self.values[issue])) for issue in used)):
            outcome = {names[issue]: self.given[issue][place] for issue, place in zip(used, places, strict=True)}
            try:
                holds = condition.value({**{name: value for name, value in outcome.items() if name.isidentifier()}, "outcome": outcome})
            except Undecidable as error:  # a rule that cannot be decided must not let anything through unseen
                raise Invalid(f"Rule {rule.rule!r} cannot be decided for {outcome}: {error}", hint="It is CEL over the issues' values.") from None
            if holds is True:
                yield {issue: {place} for issue, place in zip(used, places, strict=True)}
            elif holds is not False:
                raise Invalid(f"Rule {rule.rule!r} is neither true nor false for {outcome}.", hint="It is a CEL condition.")


def _broken(constraints: Constraints, offer: Offer) -> Iterator[str]:
    yield from (rule for rule, issue, value in constraints.values if offer[issue] == value)
    yield from (rule for rule, issue, value, other, its in constraints.pairs if offer[issue] == value and offer[other] == its)
    yield from (limit.rule for limit in constraints.limits if sum(limit.cost[issue][value] for issue, value in enumerate(offer)) > limit.limit + 1e-9)
