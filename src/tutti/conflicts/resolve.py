"""The ladder: what becomes of an action that collides with others. Policy order, then a packing of alternatives, then the line, then authority."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from tutti.conflicts.detect import collide, overfull
from tutti.conflicts.pack import Option, pack
from tutti.model.conflict import Need, Rules

PREFERENCE = 0.1  # what an option without a value is worth less than the one before it
_TIE = 1e-9


class Fate(StrEnum):
    """What becomes of the action."""

    GOES = "goes"
    TAKES = "takes"  # an alternative, which goes through the gates anew
    WAITS = "waits"
    ASKS = "asks"  # a person


@dataclass(frozen=True, slots=True)
class Claim:
    """An action that means to act: what it wants first, then its alternatives in order of preference.

    `rank` orders those that only stand in line, smaller first. `moves` is false while it waits for something else than a resource (an approval).
    `value` of the options counts where `valued`; else only their order does.
    """

    task: str
    skill: str
    options: tuple[Option, ...]
    rank: tuple[int, str]
    moves: bool = True
    valued: bool = False


@dataclass(frozen=True, slots=True)
class Held:
    """A lease: what an action that runs or has acted holds."""

    task: str
    skill: str
    need: Need


@dataclass(frozen=True, slots=True)
class Met:
    """Another action that was met: the rule that both would break, on which resource, and the other's effect."""

    task: str
    skill: str
    rule: str
    resource: str
    effect: str
    mine: str
    ahead: bool = True  # it goes before this one


@dataclass(frozen=True, slots=True)
class Resolution:
    """What becomes of an action, and why. `behind` are the actions it must let go first; `option` is what it takes (0: what it wanted)."""

    fate: Fate
    rung: str  # "" (nothing was in its way), lease, order, packing, line, authority
    option: int = 0
    met: tuple[Met, ...] = ()
    reason: str = ""

    @property
    def behind(self) -> tuple[Met, ...]:
        return tuple(met for met in self.met if met.ahead)


def resolve(
    mine: Claim,
    rivals: Sequence[Claim],
    held: Sequence[Held],
    rules: Rules,
    *,
    ruled: Mapping[str, bool] | None = None,
    yielding: Collection[str] = (),
    within: float = 0.5,
) -> Resolution:
    """Decide what becomes of `mine` beside leases that are held and rivals that mean to act as well.

    `ruled` says of rivals about which a person has decided whether `mine` goes first; `yielding` are rivals that stand in line behind it: where no
    order says otherwise, it goes before them. Both sides of a conflict decide alike from the same state:
    whoever comes first to its turn, the other then meets its lease.
    """
    wants = mine.options[0].needs
    taken = [lease.need for lease in held]
    met = _met_leases(wants, held, rules)
    if met:
        first = met[0]
        return _lost(mine, "lease", met, taken, rules, f"{first.skill} ({first.task}) holds it")
    found = _met_rivals(wants, rivals, taken, rules)
    if not found:
        return Resolution(Fate.GOES, "")
    by_task = {rival.task: rival for rival in rivals}
    ahead: list[Met] = []
    behind: list[Met] = []
    open_: list[Met] = []
    for other in found:
        side = _order(mine, other, rules, ruled or {})
        (behind if side < 0 else ahead if side > 0 else open_).append(other)
    if ahead:
        person = any(other.task in (ruled or {}) for other in ahead)
        needs = [need for other in ahead for need in by_task[other.task].options[0].needs]
        reason = f"a person let {ahead[0].skill} ({ahead[0].task}) go first" if person else f"{ahead[0].effect} goes before {ahead[0].mine}"
        return _lost(mine, "authority" if person else "order", [*ahead, *_after(behind), *_after(open_)], [*taken, *needs], rules, reason)
    if not open_:
        first = behind[0]
        if any(other.task in (ruled or {}) for other in behind):
            return Resolution(Fate.GOES, "authority", met=tuple(_after(behind)), reason="a person decided so")
        return Resolution(Fate.GOES, "order", met=tuple(_after(behind)), reason=f"{first.mine} goes before {first.effect}")
    return _unordered(mine, [by_task[other.task] for other in open_], open_, behind, taken, rules, yielding, within)


def _unordered(
    mine: Claim,
    rivals: Sequence[Claim],
    open_: Sequence[Met],
    behind: Sequence[Met],
    taken: Sequence[Need],
    rules: Rules,
    yielding: Collection[str],
    within: float,
) -> Resolution:
    """No order says who goes first: the more valuable packing does, then the line, then a person."""
    valued = mine.valued and all(rival.valued for rival in rivals)
    others = {rival.task: _priced(rival, valued) for rival in rivals}
    own = _priced(mine, valued)
    with_mine = own[0].value + pack(others, rules, taken=[*taken, *own[0].needs], within=within).value
    rest = pack({**others, mine.task: own[1:]}, rules, taken=taken, within=within)
    met = [*open_, *_after(behind)]
    if with_mine > rest.value + _TIE:
        return Resolution(Fate.GOES, "packing", met=tuple(_after(met)), reason=_worth(with_mine, rest.value, valued))
    if with_mine < rest.value - _TIE:
        reason = _worth(rest.value, with_mine, valued)
        option = rest.chosen.get(mine.task)
        if option is not None:
            return Resolution(Fate.TAKES, "packing", option + 1, tuple(met), reason)
        return Resolution(Fate.WAITS, "packing", 0, tuple(met), reason)
    if all(other.task in yielding for other in open_):
        return Resolution(Fate.GOES, "line", met=tuple(_after(met)), reason=f"{open_[0].skill} ({open_[0].task}) stands in line behind it")
    if all(other.rule == "capacity" for other in open_):
        earlier = [other for other, rival in zip(open_, rivals, strict=True) if rival.rank < mine.rank]
        if not earlier:
            return Resolution(Fate.GOES, "line", met=tuple(_after(met)), reason="it stands first in line")
        later = [other for other in open_ if other not in earlier]
        return Resolution(
            Fate.WAITS, "line", 0, (*earlier, *_after(later), *_after(behind)), f"{earlier[0].skill} ({earlier[0].task}) stands before it in line"
        )
    return Resolution(Fate.ASKS, "authority", 0, tuple(met), "no order, no value and no alternative decides between them")


def _worth(more: float, less: float, valued: bool) -> str:
    return f"together that is worth {more:g} against {less:g}" if valued else "so more of what is wanted can be done"


def _priced(claim: Claim, valued: bool) -> list[Option]:
    if valued:
        return list(claim.options)
    return [Option(option.needs, max(1.0 - PREFERENCE * place, PREFERENCE) if option.needs else 0.0) for place, option in enumerate(claim.options)]


def _lost(mine: Claim, rung: str, met: Sequence[Met], taken: Sequence[Need], rules: Rules, reason: str) -> Resolution:
    """It takes the best of its alternatives that fits beside what is taken, or waits."""
    fits = pack({mine.task: _priced(mine, mine.valued)[1:]}, rules, taken=taken) if len(mine.options) > 1 else None
    if fits is not None and fits.chosen:
        return Resolution(Fate.TAKES, rung, fits.chosen[mine.task] + 1, tuple(met), reason)
    return Resolution(Fate.WAITS, rung, 0, tuple(met), reason)


def _after(found: Sequence[Met]) -> list[Met]:
    return [Met(met.task, met.skill, met.rule, met.resource, met.effect, met.mine, ahead=False) for met in found]


def _met_leases(wants: Sequence[Need], held: Sequence[Held], rules: Rules) -> list[Met]:
    found: dict[str, Met] = {}
    taken = [lease.need for lease in held]
    for place, need in enumerate(wants):
        for lease in held:
            rule = collide(need, lease.need, rules)
            if rule:
                found.setdefault(lease.task, Met(lease.task, lease.skill, rule, lease.need.resource, lease.need.effect, need.effect))
        for at in overfull(need, [*taken, *wants[:place]], rules):
            if at < len(held):
                lease = held[at]
                found.setdefault(lease.task, Met(lease.task, lease.skill, "capacity", lease.need.resource, lease.need.effect, need.effect))
    return list(found.values())


def _met_rivals(wants: Sequence[Need], rivals: Sequence[Claim], taken: Sequence[Need], rules: Rules) -> list[Met]:
    """Rivals that collide with what is wanted. One that waits for something else takes no place in a line, so only effects that must not meet count."""
    found: dict[str, Met] = {}
    for rival in rivals:
        for need in wants:
            for there in rival.options[0].needs:
                rule = collide(need, there, rules)
                if rule and (rival.moves or rule != "capacity"):
                    found.setdefault(rival.task, Met(rival.task, rival.skill, rule, there.resource, there.effect, need.effect))
    moving = [(rival, there) for rival in rivals if rival.moves for there in rival.options[0].needs]
    for place, need in enumerate(wants):
        crowd = [*taken, *wants[:place], *(there for _, there in moving)]
        for at in overfull(need, crowd, rules):
            if at >= len(taken) + place:
                rival, there = moving[at - len(taken) - place]
                found.setdefault(rival.task, Met(rival.task, rival.skill, "capacity", there.resource, there.effect, need.effect))
    return list(found.values())


def _order(mine: Claim, other: Met, rules: Rules, ruled: Mapping[str, bool]) -> int:
    """Whether the rival goes first (1), this one does (-1), or no order says so (0)."""
    if other.task in ruled:
        return -1 if ruled[other.task] else 1
    rule = rules.of(other.resource)
    here, there = rule.place(other.mine, mine.skill), rule.place(other.effect, other.skill)
    return (here > there) - (here < there)
