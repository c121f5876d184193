"""The record of a settlement: what went in, what came out, what was passed over, and when it would have come out differently; enough to decide again."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np

from tutti.errors import Invalid
from tutti.model.negotiation import Belief, Case, Constraints, Exchange, Issue, Level, Limit, Offer, Party, Utility
from tutti.negotiation.mediator import End, step
from tutti.negotiation.messages import exchange_from_json
from tutti.negotiation.settle import NOTHING, RISK, Judged, Settlement, contenders, judge, ranked, settle
from tutti.negotiation.space import Indices, Numbers, Space, by_rule

FORMAT = 1
NEIGHBOURS = 3  # passed-over outcomes that a record tells of
TOLD = 6  # rules, and parties of a difference, that a sentence or a list of sentences names
COUNTED = 2**53  # outcomes up to which their number is exact in any reader of JSON
NUDGE = 1e-6  # by which a weight must go beyond the point where two outcomes are worth the same, as a share of itself


def recorded(
    case: Case,
    beliefs: Sequence[Belief],
    settlement: Settlement,
    *,
    rejected: Collection[Offer] = (),
    risk: float = RISK,
    worst: float | None = None,
    said: Sequence[Any] = (),
) -> dict[str, Any]:
    """The record as JSON. `settlement` is what `settle` (or, with `worst`, the first that `ranked`) gave for this case without the `rejected` offers;
    `said` are the messages and replies from which the beliefs came, as JSON.

    Holds, beside what went in: how many outcomes each rule ruled out; every party's gain on its own scale; up to three outcomes passed over and what each would
    change for whom; the smallest change of one party's weight with which another outcome is chosen, and which.
    """
    space = Space(case.sizes, case.policy, case.approval, rejected)
    weights = [party.weight for party in case.parties]
    offers, judged = contenders(space.unattended, beliefs, weights, () if settlement.offer is None else (settlement.offer,))
    out = {
        "format": FORMAT,
        "case": case_to_json(case),
        "outcomes": space.total if space.total < COUNTED else float(space.total),
        "removed": {"policy": space.removed(), "approval": space.removed(approval=True)},
        "rejected": [list(offer) for offer in sorted(rejected)],
        "said": list(said),
        "models": [[_utility_to_json(model) for model in belief.models] for belief in beliefs],
        "risk": risk,
        "worst": worst,
        "settlement": _settlement_to_json(case, settlement),
        "best_gains": _named(case, judged.means.max(axis=1, initial=0.0)),
        "passed_over": [],
        "flip": None,
    }
    if settlement.offer is not None:
        borne = risk if worst is None else worst
        out["passed_over"] = _passed_over(case, space, beliefs, settlement, risk, borne)
        out["flip"] = _flip(case, space, beliefs, settlement, offers, judged, borne)
    return out


def lighter(record: Mapping[str, Any]) -> dict[str, Any]:
    """The record without the draws of what is believed of parties that have not said all, where it is too large to be kept: `retrace` still decides from it."""
    return {**record, "models": [models if len(models) == 1 else [] for models in record["models"]]}


def recompute(record: Mapping[str, Any]) -> Offer | None:
    """The offer that the record's own contents lead to (None: the fallback), decided anew; it is the recorded one unless the record was altered.

    In a space too large to enumerate the recorded offer is a starting point of the search, so what a solver found once is found again; if another is better, that is returned.
    Raises: `Invalid` where this is no record of this format, or one without its draws.
    """
    if record.get("format") != FORMAT:
        raise Invalid(f"this is no record of format {FORMAT}", hint="read it with the version that wrote it")
    if not all(record["models"]):
        raise Invalid("the record was too large to hold its models", hint="retrace it from its messages")
    case = case_from_json(record["case"])
    beliefs = [
        Belief(tuple(_utility_from_json(model) for model in models), vague=party.level is Level.ANSWER)
        for party, models in zip(case.parties, record["models"], strict=True)
    ]
    return _decide(case, beliefs, [party.weight for party in case.parties], record)


def retrace(record: Mapping[str, Any]) -> Offer | None:
    """The offer that the recorded messages and replies lead to, the wishes estimated anew from them: it is the recorded one unless they were altered.

    A party at level `function` is played by the model that was made of it. Raises: `Invalid` where the record holds no messages.
    """
    if not record.get("said"):
        raise Invalid("the record holds no messages and replies", hint="recompute it from its models")
    case = case_from_json(record["case"])
    said = [exchange_from_json(each) for each in record["said"]]
    functions = {
        at: partial(_numbers, _utility_from_json(models[0]), Space(case.sizes))
        for at, (party, models) in enumerate(zip(case.parties, record["models"], strict=True))
        if party.level is Level.FUNCTION
    }
    end = step(case, said, functions)
    if not isinstance(end, End):  # it was ended before all was asked that could have been
        end = step(case, said, functions, last=True)
    return end.settlement.offer if isinstance(end, End) and end.settlement else None


def _numbers(model: Utility, space: Space, offers: Sequence[Offer | None]) -> list[float]:
    return [model.reservation + (0.0 if offer is None else float(space.worth([model], [offer])[0, 0])) for offer in offers]


def explain(record: Mapping[str, Any]) -> list[str]:
    """The record in sentences: what was settled, what each party has of it, what was passed over, and what would have changed the outcome."""
    told = record["settlement"]
    weights = {party["name"]: party["weight"] for party in record["case"]["parties"]}
    home = "the fallback" if record["case"]["fallback"] else "no agreement"
    mute = _mute([party["name"] for party in record["case"]["parties"]], [(party, ask, missing) for party, _, ask, _, _, missing in record["said"]])
    lines = [f"{_outcome(told['outcome'])} is what the parties end with." if told["outcome"] else _no_agreement(record, mute)]
    for name, gain in told["gains"].items() if told["outcome"] else ():
        if name in mute:
            lines.append(f"{name} (weight {weights[name]:g}) has not said what it wants, so it counts as indifferent.")
            continue
        best, risk = record["best_gains"][name], told["risks"][name]
        share = f", {gain / best:.0%} of the most it could have" if best > 0 else ""
        lines.append(
            f"{name} (weight {weights[name]:g}) gains {_number(gain)} over {home}{share}{f'; the chance that it loses is {risk:.0%}' if risk else ''}."
        )
    for kind, verb in (("policy", "rules out"), ("approval", "asks a person for")):
        counted = sorted(record["removed"][kind].items(), key=lambda each: -(each[1] or 0))
        lines += [f"{rule} {verb} {'some' if count is None else count} of {_many(record['outcomes'])} outcomes." for rule, count in counted[:TOLD]]
        if counted[TOLD:]:
            lines.append(f"{len(counted) - TOLD} more rules {verb.replace('rules', 'rule').replace('asks', 'ask')} fewer.")
    if told["outcome"]:
        lines += [_passed_over_told(other, home) for other in record["passed_over"]]
        flip = record["flip"]
        lines.append(
            f"With weight {flip['to']:.4g} instead of {flip['from']:.4g} for {flip['party']}, it would be {_outcome(flip['outcome'])}."
            if flip
            else "No change of one party's weight alone would change this."
        )
        if told["gap"] is None:
            why = "what the parties want is estimated" if any(len(models) != 1 for models in record["models"]) else "no bound was found in time"
            lines.append(f"The outcomes are too many to try, and {why}: there may be a better one.")
        elif told["gap"] > NOTHING:
            lines.append(f"The outcomes are too many to try: the best one's weighted mean log gain is at most {told['gap']:.2g} higher.")
    if told["better"]:
        extra = {name: gain - told["gains"][name] for name, gain in told["better"]["gains"].items()}
        lines.append(f"If a person approved ({', '.join(told['better']['needs'])}), it could be {_outcome(told['better']['outcome'])}: {_differences(extra)}.")
    return lines


def expected(case: Case, beliefs: Sequence[Belief], said: Sequence[Exchange], offer: Offer) -> dict[str, float | None]:
    """What each party is expected to gain by an offer, above the fallback and on its own scale, as the settlement counts it.

    None for a party that was asked what it wants and never said it.
    """
    models = [model for belief in beliefs for model in belief.models]
    means = judge(Space(case.sizes).worth(models, [offer]), beliefs).means[:, 0]
    names = [party.name for party in case.parties]
    mute = _mute(names, [(question.party, question.ask, reply.missing) for question, reply in said])
    return {name: None if name in mute else round(float(mean), 6) for name, mean in zip(names, means, strict=True)}


def case_to_json(case: Case) -> dict[str, Any]:
    """A case as JSON."""
    return {
        "id": case.id,
        "issues": [{"name": issue.name, "values": list(issue.values)} for issue in case.issues],
        "parties": [{"name": party.name, "level": party.level.value, "weight": party.weight} for party in case.parties],
        "policy": _constraints_to_json(case.policy),
        "approval": _constraints_to_json(case.approval),
        "fallback": None if case.fallback is None else list(case.fallback),
        "messages": case.messages,
        "turns": case.turns,
    }


def case_from_json(data: Mapping[str, Any]) -> Case:
    """The case that `case_to_json` wrote."""
    return Case(
        data["id"],
        tuple(Issue(issue["name"], tuple(issue["values"])) for issue in data["issues"]),
        tuple(Party(party["name"], Level(party["level"]), party["weight"]) for party in data["parties"]),
        _constraints_from_json(data["policy"]),
        _constraints_from_json(data["approval"]),
        None if data["fallback"] is None else tuple(data["fallback"]),
        data["messages"],
        data["turns"],
    )


def _decide(case: Case, beliefs: Sequence[Belief], weights: Sequence[float], record: Mapping[str, Any]) -> Offer | None:
    space = Space(case.sizes, case.policy, case.approval, [tuple(offer) for offer in record["rejected"]])
    known = [tuple(record["settlement"]["offer"])] if record["settlement"]["offer"] else []
    if record["worst"] is None:
        return settle(space, beliefs, weights, risk=record["risk"], more=known, seconds=0.0).offer
    best = ranked(space, beliefs, weights, 1, worst=record["worst"], more=known)
    return best[0].offer if best else None


def _passed_over(case: Case, space: Space, beliefs: Sequence[Belief], settlement: Settlement, risk: float, borne: float) -> list[dict[str, Any]]:
    """The runner-up among what could have been chosen (with chances up to `borne` of falling under the fallback), then the one-issue changes that policy allows, the least bad first: each with what it changes for whom."""
    chosen = settlement.offer
    assert chosen is not None
    weights = [party.weight for party in case.parties]
    runners = [found.offer for found in ranked(space, beliefs, weights, 2, worst=borne, more=[chosen]) if found.offer not in (None, chosen)][:1]
    steps = [(*chosen[:issue], value, *chosen[issue + 1 :]) for issue, size in enumerate(case.sizes) for value in range(size) if value != chosen[issue]]
    steps = [step for step in steps if space.unattended.allows(step)]
    if steps:
        told = judge(space.worth([model for belief in beliefs for model in belief.models], steps), beliefs)
        share = np.asarray(weights) / sum(weights)
        order = np.lexsort((-(share @ told.shares), -(share @ told.logs), -(share @ told.strict), told.risks.max(axis=0)))
        steps = [steps[at] for at in order]
    several = [offer for offer in dict.fromkeys([*runners, *steps]) if offer is not None][:NEIGHBOURS]
    if not several:
        return []
    told = judge(space.worth([model for belief in beliefs for model in belief.models], several), beliefs)
    out = []
    for at, offer in enumerate(several):
        changes = {
            issue.name: [issue.values[mine], issue.values[theirs]] for issue, mine, theirs in zip(case.issues, chosen, offer, strict=True) if mine != theirs
        }
        under = [party.name for party, chance in zip(case.parties, told.risks[:, at], strict=True) if chance > risk]
        out.append(
            {
                "offer": list(offer),
                "changes": changes,
                "differences": _named(case, told.means[:, at] - np.array(settlement.gains)),
                "under_fallback": under,
            }
        )
    return out


def _flip(case: Case, space: Space, beliefs: Sequence[Belief], settlement: Settlement, offers: Indices, judged: Judged, worst: float) -> dict[str, Any] | None:
    """The smallest change of one weight, as a share of it, with which another outcome in which the same parties gain is chosen."""
    chosen = settlement.offer
    assert chosen is not None
    mine = judge(space.worth([model for belief in beliefs for model in belief.models], [chosen]), beliefs)
    comparable = (judged.strict == mine.strict).all(axis=0) & (judged.risks <= worst).all(axis=0)
    weights = np.array([party.weight for party in case.parties])
    ahead = judged.logs[:, comparable] - mine.logs  # parties x outcomes: by how much the outcome is better for the party
    behind = -(weights @ ahead)  # what it lacks under the weights as they are
    with np.errstate(divide="ignore", invalid="ignore"):
        change = np.where(np.abs(ahead) > NOTHING, behind / ahead, np.inf)
    change = np.where((behind > NOTHING) & (weights[:, None] + change > 0), change / weights[:, None], np.inf)
    for flat in np.argsort(np.abs(change), axis=None, kind="stable")[:NEIGHBOURS]:
        party, at = np.unravel_index(flat, change.shape)
        if not np.isfinite(change[party, at]):
            return None
        to = float(weights[party] * (1 + change[party, at] + math.copysign(NUDGE, change[party, at])))
        offer = tuple(int(value) for value in offers[np.flatnonzero(comparable)[at]])
        if to > 0:
            return {"party": case.parties[party].name, "from": float(weights[party]), "to": to, "offer": list(offer), "outcome": _readable(case, offer)}
    return None


def _readable(case: Case, offer: Offer) -> dict[str, str]:
    return {issue.name: issue.values[value] for issue, value in zip(case.issues, offer, strict=True)}


def _named(case: Case, numbers: Numbers | Sequence[float]) -> dict[str, float]:
    return {party.name: float(number) for party, number in zip(case.parties, numbers, strict=True)}


def _finite(number: float) -> float | None:
    return number if math.isfinite(number) else None


def _settlement_to_json(case: Case, settlement: Settlement) -> dict[str, Any]:
    return {
        "offer": None if settlement.offer is None else list(settlement.offer),
        "outcome": None if settlement.offer is None else _readable(case, settlement.offer),
        "reason": settlement.reason,
        "gains": _named(case, settlement.gains),
        "risks": _named(case, settlement.risks),
        "value": _finite(settlement.value),
        "gap": _finite(settlement.gap),
        "needs": list(settlement.needs),
        "blocking": list(settlement.blocking),
        "better": None if settlement.better is None else _settlement_to_json(case, settlement.better),
    }


def _utility_to_json(model: Utility) -> dict[str, Any]:
    return {
        "contrib": [[float(number) for number in column] for column in model.contrib],
        "pairs": [[int(i), int(a), int(j), int(b), float(extra)] for i, a, j, b, extra in model.pairs],
        "reservation": float(model.reservation),
    }


def _utility_from_json(data: Mapping[str, Any]) -> Utility:
    return Utility(tuple(map(tuple, data["contrib"])), tuple((i, a, j, b, extra) for i, a, j, b, extra in data["pairs"]), data["reservation"])


def _constraints_to_json(constraints: Constraints) -> list[dict[str, Any]]:
    return [
        {
            "rule": rule,
            "values": [list(part[1:]) for part in parts.values],
            "pairs": [list(part[1:]) for part in parts.pairs],
            "limits": [{"cost": [list(costs) for costs in limit.cost], "limit": limit.limit} for limit in parts.limits],
        }
        for rule, parts in by_rule(constraints)
    ]


def _constraints_from_json(data: Sequence[Mapping[str, Any]]) -> Constraints:
    return Constraints(
        tuple((each["rule"], issue, value) for each in data for issue, value in each["values"]),
        tuple((each["rule"], i, a, j, b) for each in data for i, a, j, b in each["pairs"]),
        tuple(Limit(each["rule"], tuple(map(tuple, limit["cost"])), limit["limit"]) for each in data for limit in each["limits"]),
    )


def _outcome(outcome: Mapping[str, str]) -> str:
    return ", ".join(f"{name} {value}" for name, value in outcome.items())


def _many(count: float) -> str:
    return f"{count:.3g}" if isinstance(count, float) else str(count)


def _number(number: float) -> str:
    return f"{number:.3g}"


def _differences(differences: Mapping[str, float]) -> str:
    moved = sorted(((name, change) for name, change in differences.items() if abs(change) > NOTHING), key=lambda each: -abs(each[1]))
    told, rest = moved[:TOLD], moved[TOLD:]
    said = [
        f"{verb} {', '.join(each)}"
        for verb, sign in (("gain", 1), ("cost", -1))
        if (each := [f"{name} {_number(abs(change))}" for name, change in told if change * sign > 0])
    ]
    more = f" (and {len(rest)} parties less)" if rest else ""
    return " and ".join(said) + more if said else "change nothing for anybody"


def _passed_over_told(other: Mapping[str, Any], home: str) -> str:
    changes = ", ".join(f"{name} {to} instead of {was}" for name, (was, to) in other["changes"].items())
    under = f", which leaves {' and '.join(other['under_fallback'])} worse off than {home}" if other["under_fallback"] else ""
    return f"Passed over: {changes} would {_differences(other['differences'])}{under}."


def _mute(names: Sequence[str], said: Iterable[tuple[int, str, str]]) -> set[str]:
    """The parties that were asked what they want and never said it; a word on what was proposed does not say it. `said`: party, question, what is missing."""
    asked = [(names[party], missing) for party, ask, missing in said if ask not in ("confirm", "screen")]
    return {name for name, _ in asked} - {name for name, missing in asked if not missing}


def _no_agreement(record: Mapping[str, Any], mute: Collection[str]) -> str:
    told = record["settlement"]
    names = [party["name"] for party in record["case"]["parties"]]
    holds, home = ("The fallback holds", "the fallback") if record["case"]["fallback"] else ("Nothing is agreed", "no agreement")
    if told["reason"] == "nobody gains" and set(names) == mute:
        return f"{holds}: nobody has said what it wants."
    blocking = [names[int(each.removeprefix("party "))] if each.startswith("party ") else each.removeprefix("policy: ") for each in told["blocking"]]
    why = {
        "nothing allowed": "every outcome that policy allows wants a person's word" if told["better"] else "policy allows no outcome",
        "nobody gains": f"no outcome is better than {home} for anybody without being worse for somebody",
        "somebody loses": f"every outcome leaves somebody worse off than {home}",
        "uncertain": f"no outcome is surely enough as good as {home} for everybody",
    }[told["reason"]]
    alone = f" ({' and '.join(blocking)} {'are' if len(blocking) > 1 else 'is'} enough to leave no other)" if blocking else ""
    return f"{holds}: {why}{alone}."
