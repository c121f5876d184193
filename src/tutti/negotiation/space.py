"""The outcomes that policy leaves: enumerated while they are few, else described so that a search can walk among them."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Sequence
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from tutti.errors import Invalid
from tutti.model.negotiation import Constraints, Limit, Offer, Utility
from tutti.negotiation.wants import FEW, Wants, wants

Numbers = npt.NDArray[np.float64]
Indices = npt.NDArray[np.intp]
Mask = npt.NDArray[np.bool_]

ENUMERATED = 500_000  # outcomes; 20 parties' gains over as many take 80 MB and half a second
SCARCE = 12  # values that an outcome is summed over, times the share of outcomes that is left, below which to sum over what is left costs less than to build up all (measured: 14 to 20)
SLACK = 1e-9  # a sum of floats this far over its limit is at its limit


class Space:
    """The outcomes that `policy` allows; those that break `approval` are among them and need a person.

    `sizes` counts the values of each issue; `without` are offers that are out for another reason (somebody rejected them).
    Up to `ENUMERATED` outcomes are listed (`enumerable`): row k of `offers`, of `free` and of what `gains` returns is the same outcome.

    Raises: Invalid where a constraint names an issue or a value that there is not.
    """

    def __init__(self, sizes: Sequence[int], policy: Constraints | None = None, approval: Constraints | None = None, without: Collection[Offer] = ()) -> None:
        self.sizes = tuple(int(size) for size in sizes)
        self.policy = policy or Constraints()
        self.approval = approval or Constraints()
        self.without = frozenset(tuple(int(value) for value in offer) for offer in without)
        if not self.sizes or min(self.sizes) < 1:
            raise Invalid("there is nothing to negotiate: an issue has no value", hint="give every issue at least one value")
        for constraints in (self.policy, self.approval):
            _check(self.sizes, constraints)
        self.total = math.prod(self.sizes)
        self.enumerable = self.total <= ENUMERATED
        self.views: list[Any] = []  # what the last beliefs make of it, see `settle`

    def less(self, without: Collection[Offer]) -> Space:
        """The same space without these offers too."""
        return type(self)(self.sizes, self.policy, self.approval, self.without | frozenset(without))

    @cached_property
    def unattended(self) -> Space:
        """The outcomes that need no person: what approval asks for counts as policy."""
        if not any(_parts(self.approval)):
            return self
        both = Constraints(*(tuple(ours) + tuple(theirs) for ours, theirs in zip(_parts(self.policy), _parts(self.approval), strict=True)))
        return type(self)(self.sizes, both, None, self.without)

    # one offer

    def fits(self, offer: object) -> bool:
        """Whether this is an offer at all: a value's index for every issue."""
        return (
            isinstance(offer, Sequence)
            and len(offer) == len(self.sizes)
            and all(
                isinstance(value, int | np.integer) and not isinstance(value, bool) and 0 <= value < size for value, size in zip(offer, self.sizes, strict=True)
            )
        )

    def allows(self, offer: Offer) -> bool:
        """Whether policy allows it (a person may have to agree); what is no offer is not allowed."""
        return self.fits(offer) and tuple(offer) not in self.without and not self.broken(offer)

    def allowed(self, offers: Indices) -> Mask:
        """The same for offers, one a row, each of which is one at all."""
        if self.enumerable:
            if not len(self.codes):
                return np.zeros(len(offers), dtype=bool)
            codes = np.ravel_multi_index(tuple(offers.T), self.sizes)
            return np.asarray(self.codes[np.searchsorted(self.codes, codes).clip(0, len(self.codes) - 1)] == codes)
        fine = np.ones(len(offers), dtype=bool)
        for _, issue, value in self.policy.values:
            fine &= offers[:, issue] != value
        for _, i, a, j, b in self.policy.pairs:
            fine &= (offers[:, i] != a) | (offers[:, j] != b)
        for limit in self.policy.limits:
            fine &= sum(np.asarray(costs, dtype=float)[column] for costs, column in zip(limit.cost, offers.T, strict=True)) <= limit.limit + SLACK
        if self.without:
            fine &= np.array([tuple(offer) not in self.without for offer in offers.tolist()], dtype=bool)
        return fine

    def broken(self, offer: Offer) -> tuple[str, ...]:
        """The rules of policy that it breaks, each once."""
        return _broken(self.policy, offer)

    def pending(self, offer: Offer) -> tuple[str, ...]:
        """The rules for which a person must approve it, each once."""
        return _broken(self.approval, offer)

    def needs_person(self, offer: Offer) -> bool:
        """Whether a person must approve it."""
        return bool(self.pending(offer))

    # all of them

    @cached_property
    def codes(self) -> Indices:
        """The allowed outcomes' places in the enumeration of all (row-major over the issues), ascending."""
        if not self.enumerable:
            raise Invalid(f"{self.total} outcomes are too many to enumerate", hint="search among them instead: `candidates`")
        keep = ~self._mask(self.policy)
        for offer in self.without:
            if self.fits(offer):
                keep[offer] = False
        return np.flatnonzero(keep)

    @cached_property
    def offers(self) -> Indices:
        """The allowed outcomes, one a row."""
        return np.stack(np.unravel_index(self.codes, self.sizes), axis=1)

    @cached_property
    def free(self) -> Mask:
        """For each allowed outcome, whether it needs no person."""
        return ~self._mask(self.approval).ravel()[self.codes]

    def offer(self, row: int) -> Offer:
        """The allowed outcome of this row."""
        return tuple(int(value) for value in np.unravel_index(int(self.codes[row]), self.sizes))

    def row(self, offer: Offer) -> int | None:
        """The row of this outcome; None where it is not allowed."""
        if not self.fits(offer):
            return None
        code = int(np.ravel_multi_index(offer, self.sizes))
        at = int(np.searchsorted(self.codes, code))
        return at if at < len(self.codes) and self.codes[at] == code else None

    def gains(self, *models: Utility) -> Numbers:
        """What each allowed outcome is worth above the fallback: one row a model, one column an outcome."""
        return self.everywhere(wants(list(models)))

    def everywhere(self, known: Wants) -> Numbers:
        """The same for models that are arrays already."""
        if len(known.linear) >= FEW and len(self.codes) * sum(self.sizes) < SCARCE * self.total:  # policy leaves few: only these are worked out
            return known.gains(self.offers)
        whole = -known.homes[:, None]
        for table in known.tables():
            whole = (whole[:, :, None] + table[:, None, :]).reshape(len(whole), -1)
        shaped = whole.reshape((len(whole), *self.sizes))
        offset = np.cumsum(self.sizes) - self.sizes
        for (f, g), extras in zip(known.cells.tolist(), known.extras.T, strict=True):
            i, j = (int(np.searchsorted(offset, at, side="right")) - 1 for at in (f, g))
            place = _where(len(self.sizes), {i: f - int(offset[i]), j: g - int(offset[j])})
            rows = np.flatnonzero(extras)
            if len(rows) == len(whole):
                shaped[(slice(None), *place)] += extras.reshape((-1,) + (1,) * (len(self.sizes) - 2))
            else:
                for row in rows:
                    shaped[(row, *place)] += extras[row]
        return whole if len(self.codes) == self.total else whole[:, self.codes]

    def worth(self, models: Sequence[Utility], offers: Indices | Sequence[Offer]) -> Numbers:
        """The same for these offers (in a space of any size): one row a model, one column an offer."""
        return wants(models).gains(np.asarray(offers, dtype=np.intp).reshape(-1, len(self.sizes)))

    def understands(self, model: Utility) -> bool:
        """Whether a model speaks of these issues: a finite number for every value, pairs of values that there are."""
        numbers = [number for column in model.contrib for number in column] + [extra for *_, extra in model.pairs] + [model.reservation]
        return (
            tuple(len(column) for column in model.contrib) == self.sizes
            and all(isinstance(number, int | float | np.number) and math.isfinite(number) for number in numbers)
            and all(
                0 <= i < len(self.sizes) and 0 <= j < len(self.sizes) and i != j and 0 <= a < self.sizes[i] and 0 <= b < self.sizes[j]
                for i, a, j, b, _ in model.pairs
            )
        )

    def removed(self, *, approval: bool = False) -> dict[str, int | None]:
        """How many outcomes each rule rules out by itself; None where they are too many to count."""
        constraints = self.approval if approval else self.policy
        return {rule: int(self._mask(part).sum()) if self.enumerable else None for rule, part in by_rule(constraints)}

    def masks(self) -> Iterator[tuple[str, Mask]]:
        """For each rule of policy the outcomes that it leaves, over the enumeration of all."""
        for rule, part in by_rule(self.policy):
            yield rule, ~self._mask(part).ravel()

    def _mask(self, constraints: Constraints) -> Mask:
        broken = np.zeros(self.sizes, dtype=bool)
        for _, issue, value in constraints.values:
            broken[_where(len(self.sizes), {issue: value})] = True
        for _, i, a, j, b in constraints.pairs:
            broken[_where(len(self.sizes), {i: a, j: b})] = True
        for limit in constraints.limits:
            spent = np.zeros(1)
            for costs in limit.cost:
                spent = np.add.outer(spent, np.asarray(costs, dtype=float)).ravel()
            broken |= (spent > limit.limit + SLACK).reshape(self.sizes)
        return broken


def by_rule(constraints: Constraints) -> list[tuple[str, Constraints]]:
    """The constraints of each rule, in the order in which the rules first appear."""
    values, pairs, limits = _parts(constraints)
    names = dict.fromkeys(part[0] for part in (*values, *pairs, *limits))
    return [
        (
            name,
            Constraints(
                tuple(part for part in constraints.values if part[0] == name),
                tuple(part for part in constraints.pairs if part[0] == name),
                tuple(part for part in constraints.limits if part.rule == name),
            ),
        )
        for name in names
    ]


def _parts(constraints: Constraints) -> tuple[tuple[Any, ...], tuple[Any, ...], tuple[Limit, ...]]:
    return constraints.values, constraints.pairs, constraints.limits


def _where(dimensions: int, fixed: dict[int, int]) -> tuple[Any, ...]:
    return tuple(fixed.get(issue, slice(None)) for issue in range(dimensions))


def _broken(constraints: Constraints, offer: Offer) -> tuple[str, ...]:
    rules = [rule for rule, issue, value in constraints.values if offer[issue] == value]
    rules += [rule for rule, i, a, j, b in constraints.pairs if offer[i] == a and offer[j] == b]
    rules += [limit.rule for limit in constraints.limits if sum(costs[value] for costs, value in zip(limit.cost, offer, strict=True)) > limit.limit + SLACK]
    return tuple(dict.fromkeys(rules))


def _check(sizes: tuple[int, ...], constraints: Constraints) -> None:
    def known(rule: str, issue: int, value: int) -> None:
        if not (0 <= issue < len(sizes) and 0 <= value < sizes[issue]):
            raise Invalid(f"the rule {rule} speaks of value {value} of issue {issue}, which there is not", hint="count issues and values from 0")

    for rule, issue, value in constraints.values:
        known(rule, issue, value)
    for rule, i, a, j, b in constraints.pairs:
        known(rule, i, a)
        known(rule, j, b)
        if i == j:
            raise Invalid(f"the rule {rule} forbids two values of one issue together, which never come together", hint="name two issues")
    for limit in constraints.limits:
        if len(limit.cost) != len(sizes) or any(len(costs) != size for costs, size in zip(limit.cost, sizes, strict=True)):
            raise Invalid(f"the rule {limit.rule} does not say what every value costs", hint="give a cost for each value of each issue")
