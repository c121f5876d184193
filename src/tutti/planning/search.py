"""The cheapest plan: a search in the graph of skills and the values between them.

Skills are AND nodes (they need all their inputs), values are OR nodes (any skill that gives one will do). A first plan comes from Knuth's
generalization of Dijkstra's algorithm, which counts a result that two steps share twice; branch and bound over sets of skills then finds the
plan that is cheapest with shared results counted once. It branches over the skills of which a plan needs at least one (disjunctive
landmarks), and disjoint landmarks bound what is still to come.

Sources: D. Knuth, A generalization of Dijkstra's algorithm (1977); M. Helmert and C. Domshlak, Landmarks, critical paths and abstractions (2009).
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from tutti.errors import Invalid
from tutti.model.plan import Goal, Plan, Step
from tutti.planning.forms import Form, form_of, misfit
from tutti.planning.offers import Bounds, Offer, Permit, Prices
from tutti.planning.wiring import Source, Sources, given_sources, ports_of, template

WORK = 40_000  # looks at a skill by branch and bound; beyond, the best plan found is given (measured: with 200 skills within 50 ms)
_TRIED = 8  # skills of a first plan that are tried to be left out
_NEEDED = 8  # missing types that are named


@dataclass(frozen=True, slots=True)
class Planned:
    """A plan, or why there is none."""

    plan: Plan | None
    missing: tuple[str, ...] = ()  # in words: what nobody gives, and who needs it
    ruled_out: tuple[tuple[str, str], ...] = ()  # skills that might have helped, with the rule that forbids them
    instead_of: Mapping[str, tuple[tuple[str, float], ...]] = field(default_factory=dict)  # step → other skills for it, with their burden
    optimal: bool = True  # whether no cheaper plan exists


@dataclass(slots=True)
class _Graph:
    """The problem in bits: bit n stands for offer n."""

    offers: list[Offer]
    burden: list[float]
    needs: list[list[int]]  # offer → masks of the offers that supply each of its ports; none for what is there already
    goals: list[int]  # masks, one of each is needed
    chain: int
    steps: int
    money: float | None
    work: int = 0  # looks at an offer so far

    def fired(self, chosen: int, done: int = 0) -> int:
        """The chosen offers whose inputs can be had; `done` are known to be among them."""
        left = chosen & ~done
        while left:
            now, look = 0, left
            while look:
                bit = look & -look
                look ^= bit
                self.work += 1
                for mask in self.needs[bit.bit_length() - 1]:
                    if not mask & done:
                        break
                else:
                    now |= bit
            if not now:
                break
            done |= now
            left ^= now
        return done

    def depth(self, chosen: int) -> int:
        """How many of the chosen offers come one after the other at most."""
        done = depth = 0
        while now := sum(1 << number for number in _bits(chosen & ~done) if all(mask & done for mask in self.needs[number])):
            done |= now
            depth += 1
        return depth

    def landmark(self, chosen: int, fired: int, banned: int) -> int | None:
        """Offers that are not chosen, of which any plan with the chosen ones needs one. None: it needs no more; 0: nothing helps."""
        least: int | None = None
        for goal in self.goals:
            if not goal & fired:
                found = self._root(goal, chosen, fired, banned, set())
                if least is None or found.bit_count() < least.bit_count():
                    least = found
        return least

    def _root(self, demand: int, chosen: int, fired: int, banned: int, seen: set[int]) -> int:
        found = demand & ~chosen & ~banned
        left = demand & chosen
        seen.add(demand)
        while left:
            bit = left & -left
            left ^= bit
            self.work += 1
            unmet = next(mask for mask in self.needs[bit.bit_length() - 1] if not mask & fired)
            if unmet not in seen:
                found |= self._root(unmet, chosen, fired, banned, seen)
        return found

    def cost(self, chosen: int) -> float:
        """What the chosen offers weigh together."""
        return sum(self.burden[n] for n in _bits(chosen))

    def within(self, chosen: int) -> bool:
        """Whether a plan of the chosen offers stays within its bounds."""
        money = sum(self.offers[n].cost * self.offers[n].tries for n in _bits(chosen))
        return chosen.bit_count() <= self.steps and (self.money is None or money <= self.money + 1e-9) and self.depth(chosen) <= self.chain


def _bits(mask: int) -> list[int]:
    found = []
    while mask:
        bit = mask & -mask
        found.append(bit.bit_length() - 1)
        mask ^= bit
    return found


def plan(
    goal: Goal,
    offers: Sequence[Offer],
    given: Form,
    *,
    permit: Permit | None = None,
    notes: Mapping[str, Any] | None = None,
    done: Mapping[str, tuple[str, Form]] | None = None,
    taken: Sequence[str] = (),
    prices: Prices = Prices(),  # noqa: B008  a constant
    bounds: Bounds = Bounds(),  # noqa: B008
) -> Planned:
    """The cheapest plan that reaches a goal from what is given.

    `notes` are known of the subject; `done` are steps whose outputs are there (name → skill, type of its output): they cost nothing more.
    `taken` are names that new steps may not have. Each skill is done at most once.
    """
    done = dict(done or {})
    allowed, ruled_out = [], []
    finished = {skill for skill, _ in done.values()}
    for offer in offers:
        rule = permit(offer.skill) if permit is not None else None
        if rule is not None:
            ruled_out.append((offer.skill, rule))
        elif offer.skill not in finished:
            allowed.append(offer)
    sources = given_sources(given, notes or {}, ((name, form) for name, (_, form) in done.items()))
    have = {source.producer for source in sources.all}
    for offer in allowed:
        sources.add(f"skill {offer.skill}", offer.gives, offer.skill.rpartition(".")[2])
    wants = [_wanted(want, allowed, finished, sources, have) for want in goal.want]
    graph = _graph(allowed, sources, have, [mask for mask in wants if mask is not None], prices, bounds)
    everything = graph.fired((1 << len(allowed)) - 1)
    barred = Sources()
    rules = dict(ruled_out)
    for offer in offers:
        if offer.skill in rules:
            barred.add(f"skill {offer.skill}", offer.gives, offer.skill.rpartition(".")[2])
    missing = _missing(goal, wants, graph, everything, sources, have, rules, barred)
    out = tuple(ruled_out)
    if missing:
        return Planned(None, missing, out)
    chosen, optimal = _search(graph, everything)
    if chosen is None:
        return Planned(None, (_over(graph, everything, bounds),), out, optimal=optimal)
    return _laid_out(goal, graph, chosen, everything, sources, have, done, taken, out, optimal)


def given_form(goal: Goal, offers: Sequence[Offer], input: Any) -> Form:
    """The type of what a plan is given: the one that the goal names, where a skill speaks of it; else what the value shows.

    Raises: `Invalid` when no skill speaks of that type, or the value (unless it is None) is not of it.
    """
    shown = form_of(input)
    if not goal.have:
        return shown
    for offer in offers:
        for form in (offer.takes, offer.gives):
            named = _named(form, goal.have, 0)
            if named is not None:
                words = "" if input is None else misfit(shown, named, strict=False)
                if words:
                    raise Invalid(f"The input is no {goal.have}: {words}.", hint="`tutti agents show` prints the schemas of skills.")
                return named
    raise Invalid(f"No skill speaks of a type {goal.have}.", hint="Name a type by its schema's title, or leave `have` out and give the input itself.")


def _named(form: Form, title: str, depth: int) -> Form | None:
    if form.title == title:
        return form
    if depth < 2:
        for name in form.fields:
            inner = form.at(name)
            found = None if inner is None else _named(inner, title, depth + 1)
            if found is not None:
                return found
    return None


def _wanted(want: str, offers: Sequence[Offer], finished: set[str], sources: Sources, have: set[str]) -> int | None:
    """The offers of which one reaches a want; None where it is reached."""
    if want in finished:
        return None
    named = _mask(offers, {f"skill {want}"})
    if named:
        return named
    producers = {source.producer for source in sources.called(want)}
    return None if producers & have else _mask(offers, producers)


def _mask(offers: Sequence[Offer], producers: set[str]) -> int:
    return sum(1 << number for number, offer in enumerate(offers) if f"skill {offer.skill}" in producers)


def _graph(offers: list[Offer], sources: Sources, have: set[str], goals: list[int], prices: Prices, bounds: Bounds) -> _Graph:
    place = {f"skill {offer.skill}": 1 << number for number, offer in enumerate(offers)}
    needs = []
    for offer in offers:
        wholes = {source.producer for source in sources.for_whole(offer.takes)} if offer.takes.fields else set()
        masks = []
        for port in ports_of(offer.takes):
            producers = wholes | {source.producer for source in sources.for_port(port)}
            if not producers & have:
                mask = 0
                for producer in producers:
                    mask |= place[producer]
                masks.append(mask & ~place[f"skill {offer.skill}"])
        needs.append(masks)
    wanted = 0
    for mask in goals:
        wanted |= mask if mask.bit_count() == 1 else 0
    burden = [prices.burden(replace(offer, is_action=offer.is_action and not wanted >> number & 1)) for number, offer in enumerate(offers)]
    return _Graph(offers, burden, needs, goals, bounds.chain, bounds.steps, bounds.money)


# --- searching --------------------------------------------------------------------------------------------------------


def _search(graph: _Graph, everything: int) -> tuple[int | None, bool]:
    """The set of offers that reaches all goals for the least, and whether that is certain."""
    useful = _useful(graph, everything)
    answer, least = _improved(graph, useful, _first_plan(graph, useful) or 0)
    # Each entry: what is chosen, what of it can run, what is left out, and what is spent. The last one put on is looked at first.
    stack: list[tuple[int, int, int, float]] = [(0, 0, ~useful, 0.0)]
    until = graph.work + WORK
    while stack and graph.work < until:
        chosen, done, banned, spent = stack.pop()
        if spent >= least - 1e-12:
            continue
        fired = graph.fired(chosen, done)
        landmark = graph.landmark(chosen, fired, banned)
        if landmark is None:
            if fired == chosen and graph.within(chosen):
                least, answer = spent, chosen
            continue
        if not landmark or spent + _to_come(graph, chosen, fired, banned, landmark) >= least - 1e-12:
            continue
        entries = []
        for number in sorted(_bits(landmark), key=graph.burden.__getitem__):
            entries.append((chosen | 1 << number, fired, banned, spent + graph.burden[number]))
            banned |= 1 << number  # the branches after this one are the plans without it
        stack.extend(reversed(entries))
    return answer, not stack


def _improved(graph: _Graph, useful: int, first: int) -> tuple[int | None, float]:
    """A plan made better by leaving out one of its skills at a time, while the others count as paid; None where it is not within its bounds."""
    best, least = first, graph.cost(first)
    for number in sorted(_bits(first), key=graph.burden.__getitem__, reverse=True)[:_TRIED]:
        if best >> number & 1:
            other = _first_plan(graph, useful & ~(1 << number), paid=best)
            if other is not None and graph.cost(other) < least - 1e-12:
                best, least = other, graph.cost(other)
    within = graph.fired(best) == best and graph.within(best)
    return (best, least) if within else (None, float("inf"))


def _to_come(graph: _Graph, chosen: int, fired: int, banned: int, landmark: int | None) -> float:
    """A lower bound of what is still to be spent: the cheapest of each landmark, where no two landmarks share a skill."""
    bound = 0.0
    while landmark:
        bound += min(graph.burden[number] for number in _bits(landmark))
        chosen |= landmark
        fired = graph.fired(chosen, fired)
        landmark = graph.landmark(chosen, fired, banned)
    return float("inf") if landmark == 0 else bound


def _useful(graph: _Graph, everything: int) -> int:
    """The offers from which a goal can be reached by going back."""
    useful, front = 0, 0
    for mask in graph.goals:
        front |= mask & everything
    while front:
        useful |= front
        after = 0
        for number in _bits(front):
            for mask in graph.needs[number]:
                after |= mask & everything
        front = after & ~useful
    return useful


def _first_plan(graph: _Graph, useful: int, paid: int = 0) -> int | None:
    """A plan by the cheapest way to each value, shared results counted each time (Knuth). `paid` offers cost nothing; None where there is none."""
    weight = {number: 0.0 if paid >> number & 1 else graph.burden[number] for number in _bits(useful)}
    graph.work += len(weight)
    price: dict[int, float] = {}  # offer → what it costs with all before it
    met: dict[int, tuple[float, int]] = {}  # a demand → its cheapest supplier
    waiting = {number: set(graph.needs[number]) for number in weight}
    users: dict[int, list[int]] = {}
    for number, masks in waiting.items():
        for mask in masks:
            users.setdefault(mask, []).append(number)
    suppliers: dict[int, list[int]] = {}
    for mask in users:
        for number in _bits(mask & useful):
            suppliers.setdefault(number, []).append(mask)
    heap = [(cost, number) for number, cost in weight.items() if not waiting[number]]
    heapq.heapify(heap)
    while heap:
        cost, number = heapq.heappop(heap)
        if number in price:
            continue
        price[number] = cost
        for mask in suppliers.get(number, ()):
            if mask in met:
                continue
            met[mask] = (cost, number)
            for user in users[mask]:
                waiting[user].discard(mask)
                if not waiting[user]:
                    heapq.heappush(heap, (weight[user] + sum(met[need][0] for need in set(graph.needs[user])), user))
    chosen, front = 0, []
    for goal in graph.goals:
        ways = [number for number in _bits(goal & useful) if number in price]
        if not ways:
            return None
        front.append(min(ways, key=price.__getitem__))
    while front:
        number = front.pop()
        if not chosen >> number & 1:
            chosen |= 1 << number
            front += [met[mask][1] for mask in graph.needs[number]]
    return chosen


# --- saying why not ---------------------------------------------------------------------------------------------------


def _missing(
    goal: Goal, wants: list[int | None], graph: _Graph, everything: int, sources: Sources, have: set[str], rules: Mapping[str, str], barred: Sources
) -> tuple[str, ...]:
    said: list[str] = []
    seen: set[int] = set()

    def forbidden(found: Iterable[Source]) -> str:
        """What those who would give it are ruled out by."""
        skills = dict.fromkeys(source.producer.removeprefix("skill ") for source in found)
        return "".join(f"; {skill} would, and is ruled out: {rules[skill]}" for skill in skills)

    def look(number: int) -> None:
        if number in seen or len(said) >= _NEEDED:
            return
        seen.add(number)
        offer = graph.offers[number]
        for port in ports_of(offer.takes):
            producers = {source.producer for source in sources.for_port(port)} | {source.producer for source in sources.for_whole(offer.takes)}
            suppliers = _mask(graph.offers, producers)
            if producers & have or suppliers & everything:
                continue
            if not suppliers & ~(1 << number):
                out = forbidden([*barred.for_port(port), *barred.for_whole(offer.takes)])
                said.append(f"nobody gives {_called(port.field, port.form)}, which {offer.skill} needs{out}")
            for each in _bits(suppliers):
                look(each)

    for want, mask in zip(goal.want, wants, strict=True):
        if mask is None or mask & everything:
            continue
        if not mask:
            out = forbidden(barred.called(want))
            unknown = f"no skill is called {want}, and none gives a value of that type{out}"
            said.append(f"{want} is ruled out: {rules[want]}" if want in rules else unknown)
        for number in _bits(mask):
            look(number)
        if mask and not said:
            said.append(f"the skills that lead to {want} need each other's results")
    return tuple(dict.fromkeys(said))


def _called(field: str, form: Form) -> str:
    kind = form.title or str(form.schema.get("type") or "a value")
    return f"{field} ({kind})" if field else kind


def _over(graph: _Graph, everything: int, bounds: Bounds) -> str:
    best = _first_plan(graph, _useful(graph, everything)) or 0
    money = sum(graph.offers[n].cost * graph.offers[n].tries for n in _bits(best))
    steps = best.bit_count()
    allowed = "" if bounds.money is None else f"{bounds.money:g} of money, "
    return f"no plan stays within {allowed}{bounds.steps} steps and chains of {bounds.chain}: one would cost {money:g} in {steps} steps, {graph.depth(best)} after each other"


# --- laying out -------------------------------------------------------------------------------------------------------


def _laid_out(
    goal: Goal, graph: _Graph, chosen: int, everything: int, sources: Sources, have: set[str], done: Mapping[str, tuple[str, Form]], taken: Sequence[str],
    ruled_out: tuple[tuple[str, str], ...], optimal: bool,
) -> Planned:  # fmt: skip
    names = {skill: name for name, (skill, _) in done.items()}
    order = _order(graph, chosen)
    for number in order:
        names[graph.offers[number].skill] = _name(graph.offers[number].skill, {*names.values(), *taken})
    before = ["input", "notes", *(f"step {name}" for name in done)]
    steps, instead = [], {}
    for number in order:
        offer = graph.offers[number]
        wires = template(offer, sources, before, names)
        step = Step(
            names[offer.skill], offer.skill, wires, cost=offer.cost * offer.tries, latency_ms=offer.latency_ms * offer.tries, success=offer.success
        )  # fmt: skip
        steps.append(step)
        before.append(f"skill {offer.skill}")
        rivals = _rivals(graph, number, everything)
        if rivals:
            instead[step.name] = tuple((graph.offers[rival].skill, round(graph.burden[rival], 6)) for rival in rivals)
    returns: dict[str, str] = {}
    for want in goal.want:
        if want in names:
            returns[want] = f"{{steps.{names[want]}}}"
        else:
            found = [source for source in sources.called(want) if source.producer in before]
            returns[want] = str(min(found, key=lambda source: before.index(source.producer)).reference(names))
    made = Plan(tuple(steps), goal=goal, returns=next(iter(returns.values())) if len(returns) == 1 else returns)
    return Planned(made, ruled_out=ruled_out, instead_of=instead, optimal=optimal)


def _order(graph: _Graph, chosen: int) -> list[int]:
    order: list[int] = []
    done = 0
    while left := chosen & ~done:
        now = [number for number in _bits(left) if all(mask & done for mask in graph.needs[number])]
        order += now
        for number in now:
            done |= 1 << number
    return order


def _rivals(graph: _Graph, number: int, everything: int) -> list[int]:
    """Skills that could have stood in a step's place somewhere, the best first."""
    rivals = 0
    for masks in (graph.goals, *graph.needs):
        for mask in masks:
            if mask >> number & 1:
                rivals |= mask & everything
    return sorted(_bits(rivals & ~(1 << number)), key=graph.burden.__getitem__)[:4]


def _name(skill: str, taken: set[str]) -> str:
    """A step's name: the skill's last word, all of it where that is taken, then with a number."""
    long = "".join(each if each.isalnum() and each.isascii() else "_" for each in skill.lower())
    short = long[skill.rfind(".") + 1 :]
    for name in (short, long, *(f"{long}_{number}" for number in range(2, len(taken) + 3))):
        fit = name if not name[:1].isdigit() else f"s_{name}"
        if fit not in taken:
            return fit
    raise AssertionError("more names than are taken were tried")
