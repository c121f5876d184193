"""Negotiations on the road: opened, asked, settled, in process and on virtual time."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta
from itertools import product
from math import log
from random import Random
from typing import Any

import pytest

from tutti import Context, Fleet, negotiation
from tutti.errors import Invalid
from tutti.mediation.settling import sealed
from tutti.model.negotiation import Belief, Case, Question, Utility
from tutti.model.party import PairWorth, PartyAnswer
from tutti.negotiation import Ask, End

ISSUES = {"price": ["-10 %", "-5 %", "0 %", "+5 %"], "term": [12, 24, 36]}
FALLBACK = {"price": "0 %", "term": 12}
WANTS = {  # what each value is worth
    "renewal": {"price": {"-10 %": 6, "-5 %": 4, "0 %": 1, "+5 %": 0}, "term": {"12": 0, "24": 1, "36": 3}},
    "pricing": {"price": {"-10 %": 0.5, "-5 %": 2.5, "0 %": 4, "+5 %": 5}, "term": {"12": 0, "24": 2, "36": 4}},
}


def worth(name: str, outcome: dict[str, Any] | None) -> float:
    outcome = FALLBACK if outcome is None else outcome
    return float(sum(WANTS[name][issue][str(value)] for issue, value in outcome.items()))


class Scoring:
    """A party that gives numbers; `sleeps` before it does, `silent` after so many messages."""

    def __init__(self, name: str, *, sleeps: float = 0.0, says: int = 1000) -> None:
        self.name, self.sleeps, self.says = name, sleeps, says
        self.asked: list[Any] = []

    async def score(self, outcomes: list[dict[str, Any] | None]) -> list[float]:
        self.asked.append(outcomes)
        await asyncio.sleep(self.sleeps)
        if len(self.asked) > self.says:
            await asyncio.get_running_loop().create_future()
        return [worth(self.name, each) for each in outcomes]


def fleet_of(*parties: Scoring) -> Fleet:
    fleet = Fleet("deal")
    for party in parties:
        fleet.party(party, name=party.name, department="sales")
    return fleet


def all_scored(case: Case, said: Any, functions: Any = None, *, brief: bool = False, last: bool = False) -> Any:
    """The simplest mediator: everybody scores everything once; who says nothing is indifferent; the best product is settled."""
    offers = [*product(*(range(size) for size in case.sizes))]
    if not said and not last:
        return Ask(tuple(Question(party, 1, "score", ((*offers, None),)) for party in range(len(case.parties))))
    scores = {reply.party: reply.value for _, reply in said if reply.value is not None}
    if not scores:
        return End(None, "fallback", "nobody has said anything")
    gains = {party: [value - its[-1] for value in its[:-1]] for party, its in scores.items()}
    best = max(range(len(offers)), key=lambda place: sum(log(max(its[place], 1e-9)) for its in gains.values()))
    beliefs = tuple(Belief((Utility(tuple((0.0,) * size for size in case.sizes)),)) for _ in case.parties)
    return End(offers[best], "settled", "the best product", beliefs=beliefs)


@pytest.fixture
def simple(monkeypatch):
    monkeypatch.setattr(negotiation, "step", all_scored)


def opening(**more: Any) -> dict[str, Any]:
    return {"issues": ISSUES, "parties": {"renewal": 1, "pricing": 1}, "fallback": FALLBACK, **more}


async def test_parties_are_asked_and_the_best_for_all_is_settled(tutti, simple):
    parties = Scoring("renewal"), Scoring("pricing")
    run = await tutti(fleet_of(*parties)).submit("negotiation.mediate", opening(), subject="account/7")
    task = run.task("negotiation.mediate")
    assert (task.state, task.agent, task.output["how"]) == ("completed", "mediator", "settled")
    assert task.output["outcome"] == {"price": "-5 %", "term": 36}
    assert [len(party.asked) for party in parties] == [1, 1]
    assert parties[0].asked[0][0] == {"price": "-10 %", "term": 12}
    assert parties[0].asked[0][-1] == FALLBACK
    assert [child.parent for child in run.tasks("negotiation.answer")] == [task.id] * 2
    kinds = [fact["kind"] for fact in await run.facts() if fact["kind"].startswith("negotiation.")]
    assert kinds == ["negotiation.opened", "negotiation.answered", "negotiation.settled"]


# --- with the house's own mediator ----------------------------------------------------------------------------------


class Ranking(Scoring):
    """A party that only orders."""

    score = None  # type: ignore[assignment]

    async def rank(self, outcomes: list[dict[str, Any] | None]) -> list[int]:
        self.asked.append(outcomes)
        return sorted(range(len(outcomes)), key=lambda place: -worth(self.name, outcomes[place]))


class Answering(Scoring):
    """A party that only says yes or no."""

    score = None  # type: ignore[assignment]

    async def respond(self, outcome: dict[str, Any]) -> bool:
        self.asked.append(outcome)
        return worth(self.name, outcome) >= worth(self.name, None)


async def test_of_who_said_nothing_no_gain_is_claimed(tutti):
    one = await tutti(fleet_of(Scoring("renewal"), Failing("pricing"))).submit("negotiation.mediate", opening())
    told = (await one.workspace.negotiation(one.task("negotiation.mediate").id))["explained"]
    assert "pricing (weight 1) has not said what it wants, so it counts as indifferent." in told
    assert not [sentence for sentence in told if sentence.startswith("pricing (weight 1) gains")]
    none = await tutti(fleet_of(Failing("renewal"), Failing("pricing"))).submit("negotiation.mediate", opening())
    told = (await none.workspace.negotiation(none.task("negotiation.mediate").id))["explained"]
    assert told[0] == "The fallback holds: nobody has said what it wants."
    assert one.task("negotiation.mediate").output["gains"]["pricing"] is None


async def test_the_gains_of_the_answer_are_those_of_the_record_however_vaguely_a_party_speaks(tutti):
    run = await tutti(fleet_of(Answering("renewal"), Ranking("pricing"))).submit("negotiation.mediate", opening())
    task = run.task("negotiation.mediate")
    told = " ".join((await run.workspace.negotiation(task.id))["explained"])
    for name, gain in task.output["gains"].items():
        assert f"{name} (weight 1) gains {gain:.3g} over the fallback" in told


async def test_a_party_whose_code_fails_is_not_called_silent(tutti):
    run = await tutti(fleet_of(Scoring("renewal"), Failing("pricing"))).submit("negotiation.mediate", opening())
    told = (await run.workspace.negotiation(run.task("negotiation.mediate").id))["rounds_told"]
    assert [said["missing"] for each in told for said in each["said"] if said["party"] == "pricing"][:2] == ["failed", "failed"]


class Telling(Scoring):
    """A party that tells its whole table."""

    score = None  # type: ignore[assignment]

    async def utility(self) -> dict[str, dict[str, float]]:
        self.asked.append(None)
        return WANTS[self.name]


def best(rules: Any = lambda outcome: True, weights: dict[str, float] | None = None) -> dict[str, Any]:
    """By brute force: the largest weighted product of gains."""
    found = [dict(zip(ISSUES, values, strict=True)) for values in product(*ISSUES.values())]
    gains = {name: [worth(name, each) - worth(name, None) for each in found] for name in WANTS}
    able = [place for place, each in enumerate(found) if rules(each) and all(its[place] > 0 for its in gains.values())]
    return found[max(able, key=lambda place: sum((weights or {}).get(name, 1) * log(gains[name][place]) for name in WANTS))]


KINDS = {"score": Scoring, "rank": Ranking, "answer": Answering, "table": Telling}


@pytest.mark.parametrize("levels", [("score", "score"), ("table", "score"), ("rank", "table"), ("answer", "rank"), ("answer", "answer")])
async def test_every_level_and_every_mix_of_them_ends_with_an_outcome_that_policy_allows_and_nobody_loses_by(tutti, levels):
    parties = [KINDS[level](name) for level, name in zip(levels, WANTS, strict=True)]
    run = await tutti(fleet_of(*parties)).submit("negotiation.mediate", opening(policy=[{"rule": "not both", "when": "term == 36 && price == '-5 %'"}]))
    settled = run.task("negotiation.mediate").output
    assert settled["how"] == "settled"
    assert not (settled["outcome"]["term"] == 36 and settled["outcome"]["price"] == "-5 %")
    assert all(worth(name, settled["outcome"]) >= worth(name, None) for name in WANTS)
    if "answer" not in levels:
        assert settled["outcome"] == best(lambda outcome: outcome != {"price": "-5 %", "term": 36})
    assert {fact["data"]["how"] for fact in await run.facts("negotiation.settled")} == {"settled"}


async def test_a_function_in_this_process_is_asked_without_messages(tutti):
    class Computing:
        def __init__(self, name: str) -> None:
            self.name = name

        def score(self, outcomes: list[dict[str, Any] | None]) -> list[float]:
            return [worth(self.name, each) for each in outcomes]

    fleet = Fleet("deal")
    for name in WANTS:
        fleet.party(Computing(name), name=name, department="sales", level="function")
    run = await tutti(fleet).submit("negotiation.mediate", opening())
    assert run.task("negotiation.mediate").output["outcome"] == best()
    assert run.tasks("negotiation.answer") == []


@pytest.mark.parametrize("level", ["table", "function", "score", "rank", "answer"])
async def test_a_party_is_told_what_the_negotiation_is_about_at_every_level(tutti, level):
    class Informed:
        def __init__(self, name: str) -> None:
            self.name = name

        def score(self, outcomes: list[dict[str, Any] | None], about: Any) -> list[float]:
            heard.append(about)
            return [worth(self.name, each) * about["seats"] for each in outcomes]

        def utility(self, about: Any) -> dict[str, dict[str, float]]:
            heard.append(about)
            return WANTS[self.name]

    heard: list[Any] = []
    fleet = Fleet("deal")
    for name in WANTS:
        fleet.party(Informed(name), name=name, department="sales", level=level)
    run = await tutti(fleet).submit("negotiation.mediate", opening(about={"seats": 3}))
    assert run.task("negotiation.mediate").output["how"] == "settled"
    assert heard == [{"seats": 3}] * len(heard) != []


async def test_weights_come_from_the_opening_else_from_the_goals_of_a_party_or_its_department(tutti):
    heavy = best(weights={"renewal": 9})
    assert heavy != best()

    async def ends(fleet: Fleet, parties: Any) -> Any:
        return (await tutti(fleet).submit("negotiation.mediate", opening(parties=parties))).task("negotiation.mediate").output["outcome"]

    def fleet(**goal: Any) -> Fleet:
        made = Fleet("deal")
        made.party(Telling("renewal"), name="renewal", department="sales")
        made.party(Telling("pricing"), name="pricing", department="finance")
        if goal:
            made.goal("keep customers", kpi="churn", weights={"quality": 0.9}, **goal)
        return made

    assert await ends(fleet(), {"renewal": 9, "pricing": 1}) == heavy
    assert await ends(fleet(parties={"renewal": 9}), {"renewal": None, "pricing": None}) == heavy
    assert await ends(fleet(parties={"sales": 9}), {"renewal": None, "pricing": None}) == heavy
    assert await ends(fleet(parties={"sales": 9}), {"renewal": 1, "pricing": 1}) == best()


# --- what needs a person --------------------------------------------------------------------------------------------

CAPPED = [{"rule": "compliance-cap", "forbid": {"price": ["-10 %", "-5 %"]}}]


async def test_where_every_outcome_wants_a_person_the_fallback_holds_and_the_best_is_proposed(tutti):
    everything = [{"rule": "nothing alone", "when": "true"}]
    run = await tutti(fleet_of(Telling("renewal"), Telling("pricing"))).submit("negotiation.mediate", opening(approval=everything))
    settled = run.task("negotiation.mediate").output
    assert (settled["how"], settled["outcome"], settled["better"]["outcome"]) == ("fallback", FALLBACK, best())
    told = (await run.workspace.negotiation(run.task("negotiation.mediate").id))["explained"]
    assert told[0].startswith("The fallback holds: every outcome that policy allows wants a person's word")
    assert run.task("negotiation.adopt").waiting_for == "person"


async def test_the_best_without_approval_holds_and_the_better_one_waits_for_a_person(tutti):
    fleet = fleet_of(Telling("renewal"), Telling("pricing"))
    heard: list[Any] = []

    @fleet.agent(skill="news.hear", department="sales")
    async def hear(news: dict[str, Any]) -> None:
        heard.append(news)

    fleet.on("negotiation.*", do="news.hear")
    run = await tutti(fleet).submit("negotiation.mediate", opening(approval=CAPPED, parties={"renewal": 3, "pricing": 1}, about=7), subject="account/7")
    settled = run.task("negotiation.mediate").output
    assert (settled["how"], settled["outcome"]["price"], settled["better"]["needs"]) == ("settled", "0 %", ["compliance-cap"])
    assert settled["better"]["outcome"]["price"] in ("-5 %", "-10 %")
    adoption = run.task("negotiation.adopt")
    assert (adoption.waiting_for, adoption.input["outcome"], adoption.input["instead"]) == ("person", settled["better"]["outcome"], settled["outcome"])
    asked = (await run.workspace.approvals())[0]["question"]
    assert "compliance-cap" in asked
    assert "renewal +" in asked
    await run.approve("negotiation.adopt")
    seen = await run.workspace.negotiation(run.task("negotiation.mediate").id)
    assert (seen["adopted"], run.task("negotiation.adopt").output) == (adoption.id, settled["better"]["outcome"])
    assert [(news.get("how", "adopted"), news["outcome"]["price"]) for news in heard] == [
        ("settled", "0 %"),
        ("adopted", settled["better"]["outcome"]["price"]),
    ]
    assert [(news["about"], news.get("instead")) for news in heard] == [(7, None), (7, settled["outcome"])]
    assert "adopted by" in await run.why("negotiation.mediate")


async def test_what_is_adopted_again_was_adopted_the_first_time(tutti):
    run = await tutti(fleet_of(Scoring("renewal"), Scoring("pricing"))).submit(
        "negotiation.mediate", opening(approval=CAPPED, parties={"renewal": 3, "pricing": 1})
    )
    first = run.task("negotiation.adopt")
    await run.approve("negotiation.adopt")
    await run.submit("negotiation.adopt", first.input)
    await run.approve("negotiation.adopt")
    both = run.tasks("negotiation.adopt")
    assert [task.output for task in both] == [first.input["outcome"]] * 2
    assert (await run.workspace.negotiation(run.task("negotiation.mediate").id))["adopted"] == first.id


async def test_a_person_is_not_asked_about_what_is_better_by_noise_alone(tutti, monkeypatch):
    monkeypatch.setitem(WANTS, "pricing", {"price": {"-10 %": 0, "-5 %": 2.005, "0 %": 4, "+5 %": 5}, "term": {"12": 0, "24": 2, "36": 4}})  # 6 x 2.005, 3 x 4
    run = await tutti(fleet_of(Scoring("renewal"), Scoring("pricing"))).submit("negotiation.mediate", opening(approval=CAPPED))
    assert run.task("negotiation.mediate").output["outcome"] == {"price": "0 %", "term": 36}
    assert (run.task("negotiation.mediate").output["better"], run.tasks("negotiation.adopt")) == (None, [])


async def test_a_bare_yes_is_no_word_for_the_best_of_all(tutti):
    parties = Answering("renewal"), Answering("pricing")
    run = await tutti(fleet_of(*parties)).submit("negotiation.mediate", opening(approval=CAPPED))
    settled = run.task("negotiation.mediate").output
    assert (settled["how"], settled["outcome"]["price"] in ("0 %", "+5 %")) == ("settled", True)
    assert min(len(party.asked) for party in parties) > 2


async def test_nobody_adopts_what_was_not_proposed(tutti):
    fleet = fleet_of(Telling("renewal"), Telling("pricing"))
    fleet.autonomy("negotiation.adopt", level="act")
    run = await tutti(fleet).submit("negotiation.mediate", opening(approval=CAPPED))
    proposed = run.task("negotiation.adopt")
    assert (proposed.state, proposed.input["outcome"]["price"]) == ("completed", "-5 %")
    forged = {"negotiation": run.task("negotiation.mediate").id, "outcome": {"price": "-10 %", "term": 36}, "instead": None, "needs": [], "words": "?"}
    await run.submit("negotiation.adopt", forged)
    assert (run.task("negotiation.adopt").state, run.task("negotiation.adopt").reason) == ("failed", "invalid_input")


# --- parties that do not do their part ------------------------------------------------------------------------------


def at(run: Any, name: str = "negotiation.mediate") -> float:
    """Seconds that a task took."""
    task = run.task(name)
    return float(asyncio.get_running_loop().time()) if task.finished_at is None else seconds(task.finished_at) - seconds(task.submitted_at)


def seconds(text: str) -> float:
    from datetime import datetime

    return datetime.fromisoformat(text).timestamp()


@pytest.mark.parametrize("kind", [Scoring, Ranking, Answering, Telling])
async def test_a_silent_party_does_not_keep_the_case_from_its_end(tutti, kind):
    silent = Scoring("pricing", says=0)
    run = tutti(fleet_of(kind("renewal"), silent))
    await run.submit("negotiation.mediate", opening(deadline_ms=20_000))
    task = run.task("negotiation.mediate")
    assert task.state == "completed"
    assert at(run) <= 20
    row = await run.workspace.negotiation(task.id)
    assert row["missing"] >= 1
    assert {child.state for child in run.tasks("negotiation.answer")} <= {"completed", "failed", "canceled"}


async def test_a_party_that_leaves_in_the_middle_is_asked_twice_more_and_then_not_again(tutti):
    leaving = Ranking("pricing")
    leaving.rank = _leaves(leaving, after=1)  # type: ignore[method-assign]
    run = await tutti(fleet_of(Ranking("renewal"), leaving)).submit("negotiation.mediate", opening(deadline_ms=30_000))
    assert run.task("negotiation.mediate").state == "completed"
    assert at(run) <= 30
    assert len(leaving.asked) <= 3


def _leaves(party: Ranking, after: int) -> Any:
    rank = party.rank

    async def ranks(outcomes: Any) -> Any:
        if len(party.asked) >= after:
            party.asked.append(None)
            await asyncio.get_running_loop().create_future()
        return await rank(outcomes)

    return ranks


async def test_a_slow_party_is_waited_for_and_heard(tutti):
    run = await tutti(fleet_of(Scoring("renewal"), Scoring("pricing", sleeps=4))).submit("negotiation.mediate", opening(deadline_ms=60_000))
    assert run.task("negotiation.mediate").output["outcome"] == best()
    assert at(run) >= 4


@pytest.mark.parametrize(
    "says",
    [[1.0], ["good"], None, lambda asked: [1e300] * len(asked), {"accept": "perhaps"}],
    ids=["too few", "words", "nothing", "no sane numbers", "another question's"],
)
async def test_nonsense_is_no_answer(tutti, says):
    fleet = fleet_of(Scoring("renewal"))

    @fleet.agent(skill="negotiation.answer", department="sales", name="pricing")
    async def babble(question: dict[str, Any]) -> Any:
        return says if isinstance(says, dict) else {"scores": says(question["outcomes"]) if callable(says) else says}

    object.__setattr__(fleet.cards["pricing", "1"].skills["negotiation.answer"], "level", "score")
    run = await tutti(fleet).submit("negotiation.mediate", opening(deadline_ms=20_000))
    assert run.task("negotiation.mediate").state == "completed"
    told = (await run.workspace.negotiation(run.task("negotiation.mediate").id))["rounds_told"]
    assert {said["missing"] for each in told for said in each["said"] if said["party"] == "pricing"} <= {"garbled", "gone"}


async def test_a_party_that_nobody_may_ask_is_dismissed_and_its_question_does_not_stay_open(tutti):
    run = tutti(fleet_of(Scoring("renewal"), Scoring("pricing")))
    await run.kill("agent", "pricing")
    await run.submit("negotiation.mediate", opening(deadline_ms=20_000))
    await run.advance(timedelta(seconds=25))
    assert run.task("negotiation.mediate").state == "completed"
    assert at(run) <= 21
    assert not [child for child in run.tasks("negotiation.answer") if child.stage != "ended"]


class Failing(Scoring):
    """Its code has a defect."""

    async def score(self, outcomes: Any) -> Any:
        raise KeyError("price")


async def test_a_party_whose_code_fails_holds_nobody_up_and_no_person_is_asked_for_it(tutti):
    run = await tutti(fleet_of(Scoring("renewal"), Failing("pricing"))).submit("negotiation.mediate", opening(deadline_ms=20_000))
    assert run.task("negotiation.mediate").state == "completed"
    assert at(run) < 2
    assert {child.state for child in run.tasks("negotiation.answer") if child.agent == "pricing"} == {"failed"}


class Telling(Scoring):
    """A party that hands over its table, and has nothing else."""

    score = None  # type: ignore[assignment]

    def utility(self) -> Any:
        return WANTS[self.name]


class Pairing(Telling):
    """A party whose table speaks of more than one negotiation, also in pairs."""

    def utility(self) -> Any:
        pairs = [
            PairWorth({"price": "-10 %", "term": 36}, 9.0),
            PairWorth({"price": "-5 %", "care": "gold"}, 9.0),
            PairWorth({"price": "-5 %", "term": 24}, 0.5),
        ]
        return PartyAnswer(table={**WANTS[self.name], "care": {"gold": 1.0}}, pairs=pairs)


async def test_a_table_may_speak_of_more_than_is_negotiated(tutti):
    run = tutti(fleet_of(Scoring("renewal"), Pairing("pricing")))
    await run.submit("negotiation.mediate", opening(issues={"price": ["-5 %", "0 %"], "term": [12, 24]}))
    told = await run.workspace.negotiation(run.task("negotiation.mediate").id)
    assert told["missing"] == 0
    [table] = [said["answer"] for said in told["rounds_told"][0]["said"] if said["party"] == "pricing"]
    assert (table["contrib"], table["pairs"]) == ([[2.5, 4.0], [0.0, 2.0]], [[0, 0, 1, 1, 0.5]])


async def test_an_answer_that_does_not_fit_is_said_in_the_log(tutti, caplog):
    class Wrong(Telling):
        def utility(self) -> Any:
            return {"price": {"-5 %": 1}}

    run = await tutti(fleet_of(Scoring("renewal"), Wrong("pricing"))).submit("negotiation.mediate", opening())
    id = run.task("negotiation.mediate").id
    assert f"negotiation {id}: what pricing answers to table does not fit the question, so it counts as no answer" in caplog.messages


@pytest.mark.parametrize("level", ["score", "rank", "answer"])
async def test_a_party_with_a_table_answers_at_any_lower_level(tutti, level):
    run = tutti(fleet_of(Scoring("renewal"), Telling("pricing")))
    said = opening(parties={"renewal": 1, "pricing": {"level": level}}, deadline_ms=20_000)
    await run.submit("negotiation.mediate", said)
    output = run.task("negotiation.mediate").output
    assert (output["how"], worth("pricing", output["outcome"]) >= worth("pricing", None)) == ("settled", True)
    assert {child.state for child in run.tasks("negotiation.answer")} == {"completed"}
    declared = Fleet("deal")
    declared.party(Telling("pricing"), name="pricing", department="sales", level=level)
    assert [card.skills["negotiation.answer"].level for card in declared.cards.values()] == [level]


# --- what it may cost -----------------------------------------------------------------------------------------------


def dear(calls: list[str], *, said: float) -> Fleet:
    """Parties that take 0.4 for each message, of which their cards say `said`."""
    fleet = Fleet("deal")
    for name in WANTS:

        @fleet.agent(skill="negotiation.answer", department="sales", name=name, cost=said)
        async def answer(question: dict[str, Any], ctx: Context, name: str = name) -> Any:
            calls.append(name)
            ctx.cost = 0.4
            return {"accept": worth(name, question["outcome"]) >= worth(name, None)}

    return fleet


async def test_no_more_is_asked_than_the_case_has_money_for(tutti):
    calls: list[str] = []
    fleet = dear(calls, said=0.4)
    run = await tutti(fleet).submit("negotiation.mediate", opening(money=2.0))
    settled = run.task("negotiation.mediate").output
    assert 1.0 <= settled["cost"] <= 2.0
    assert len(calls) == round(settled["cost"] / 0.4)
    await run.submit("negotiation.mediate", opening(money=0.5))
    assert (run.task("negotiation.mediate").output["how"], run.task("negotiation.mediate").output["cost"]) == ("fallback", 0.0)


async def test_money_for_a_proposal_is_kept_back_from_what_else_could_be_asked(tutti):
    """A second message of scores would say more, and leave nothing to confirm what they say."""
    fleet, rng, asks = Fleet("deal"), Random(4), list[str]()
    for name in WANTS:

        @fleet.agent(skill="negotiation.answer", department="sales", name=name, cost=0.4)
        async def answer(question: dict[str, Any], ctx: Context, name: str = name) -> Any:
            asks.append(question["ask"])
            ctx.cost = 0.4
            if question["ask"] == "score":
                return {"scores": [worth(name, outcome) + rng.gauss(0, 1.0) for outcome in question["outcomes"]]}
            return {"accept": worth(name, question["outcome"]) >= worth(name, None)}

        object.__setattr__(fleet.cards[name, "1"].skills["negotiation.answer"], "level", "score")
    run = await tutti(fleet).submit("negotiation.mediate", opening(money=1.7))
    found = run.task("negotiation.mediate").output
    assert (found["how"], found["cost"], asks) == ("settled", 1.6, ["score", "score", "confirm", "confirm"])


async def test_a_party_gets_no_more_messages_than_the_case_allows(tutti):
    parties = Answering("renewal"), Answering("pricing")
    run = await tutti(fleet_of(*parties)).submit("negotiation.mediate", opening(turns=5))
    assert run.task("negotiation.mediate").state == "completed"
    assert max(len(party.asked) for party in parties) <= 5


# --- crashes --------------------------------------------------------------------------------------------------------


async def test_a_case_that_a_crash_interrupts_ends_as_one_that_was_not(tutti):
    whole = await tutti(fleet_of(Ranking("renewal"), Ranking("pricing"))).submit("negotiation.mediate", opening())
    parties = Slowly("renewal"), Slowly("pricing")
    run = await tutti(fleet_of(*parties)).advance(timedelta())
    id = await run.workspace.submit("negotiation.mediate", opening())
    for _ in range(3):
        await asyncio.sleep(1.5)
        await run._close_workspace()
        await run._open()
    await run.advance(timedelta(seconds=30))
    assert run.task(id).output["outcome"] == whole.task("negotiation.mediate").output["outcome"]
    facts = await run.facts()
    assert [fact["kind"] for fact in facts].count("negotiation.settled") == 1
    assert [fact["kind"] for fact in facts].count("negotiation.opened") == 1
    assert len([fact for fact in facts if fact["kind"] == "run.started" and fact["about"] == id]) > 1
    rounds = [fact["data"]["round"] for fact in facts if fact["kind"] == "negotiation.answered"]
    assert rounds == list(range(1, len(rounds) + 1))


async def test_after_a_crash_near_the_deadline_an_answer_is_never_taken_for_one_to_another_question(tutti):
    """With little time left it goes on with another question than was asked before the crash, and that one was answered already."""
    fleet = Fleet("deal")
    fleet.party(Ranking("renewal"), name="renewal", department="sales")
    fleet.party(Slowing("pricing"), name="pricing", department="sales", latency=timedelta(seconds=6))
    run = await tutti(fleet).advance(timedelta())
    id = await run.workspace.submit("negotiation.mediate", opening(deadline_ms=20_000))
    await asyncio.sleep(2)  # the second round is under way, and one of its answers there
    await run._close_workspace()
    await asyncio.sleep(12)
    await run._open()
    await run.advance(timedelta(seconds=20))
    told = (await run.workspace.negotiation(id))["rounds_told"]
    said = [(each["ask"], each["missing"]) for round in told for each in round["said"] if each["party"] == "renewal"]
    assert said[0] == ("rank", "")
    assert {ask for ask, _ in said[1:]} == {"confirm"}
    assert not any(missing for _, missing in said)


async def test_a_settled_case_that_starts_again_asks_nobody_and_keeps_to_its_money(tutti, monkeypatch):
    """What messages have cost is known of the rounds, also to a run that did not ask them: a card need not say it."""
    calls: list[str] = []
    fleet = dear(calls, said=0.0)
    signal, interrupted = Context.signal, []

    def interrupt(self: Context, *args: Any, **options: Any) -> Any:
        if not interrupted:
            interrupted.append(len(calls))
            raise ConnectionError("gone in the middle")
        return signal(self, *args, **options)

    monkeypatch.setattr(Context, "signal", interrupt)
    run = await tutti(fleet).submit("negotiation.mediate", opening(money=1.9))
    task = run.task("negotiation.mediate")
    kinds = [fact["kind"] for fact in await run.facts() if fact["about"] == task.id]
    assert (task.state, kinds.count("run.started"), kinds.count("negotiation.settled")) == ("completed", 2, 1)
    assert interrupted == [4]
    assert (len(calls), task.output["cost"], task.output["rounds"]) == (4, 1.6, 2)


class Slowly(Ranking):
    """Takes a second for each message."""

    async def rank(self, outcomes: Any) -> Any:
        await asyncio.sleep(1)
        return await super().rank(outcomes)


class Slowing(Ranking):
    """Takes a second for its first message, and six for each after it."""

    async def rank(self, outcomes: Any) -> Any:
        await asyncio.sleep(6 if self.asked else 1)
        return await super().rank(outcomes)


# --- opening, telling -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"parties": {"renewal": 1, "nobody": 1}}, "nobody takes part in no negotiation"),
        ({"parties": {}}, "1 to 64 parties"),
        ({"parties": {"renewal": 0, "pricing": 1}}, "has weight 0"),
        ({"fallback": {"price": "0 %"}}, "one value for each issue"),
        ({"fallback": {"price": "0 %", "term": 13}}, "13 is no value of term"),
        ({"policy": [{"rule": "r", "when": "prise == '0 %'"}]}, "prise"),
        ({"policy": [{"rule": "r", "when": "price == '0 %'"}]}, "The fallback breaks r"),
        ({"policy": [{"rule": "r", "when": "price"}]}, "neither true nor false"),
        ({"policy": [{"rule": "r"}]}, "says not one thing"),
        ({"issues": {"price": ["0 %", "0 %"]}}, "Issue 'price' has the value 0 % twice"),
        ({"issues": {f"i{number}": list(range(900)) for number in range(60)}, "fallback": None}, "54000 values in all are too many for 2 parties"),
        ({"deadlin": 1}, "deadlin"),
        ({"parties": ["renewal", "pricing", "renewal"]}, "renewal is named twice"),
        ({"parties": "renewal"}, "parties"),
        ({"parties": {"renewal": {"level": "psychic"}, "pricing": 1}}, "parties.renewal.level: .*'table'"),
        ({"parties": {"renewal": "two", "pricing": 1}}, "parties.renewal: .*number"),
        ({"issues": {"price": "cheap"}}, "Issue 'price' has a text for its values"),
        ({"issues": {"price": [1, None]}}, "issues.price.1: .*string.*number"),
        ({"deadline": timedelta(seconds=-1)}, "deadline"),
        ({"deadline": timedelta()}, "deadline"),
        ({"deadline": 5}, "deadline of a negotiation is a timedelta"),
        ({"parties": None}, "parties are None"),
        ({"issues": ["price"]}, "issues are"),
        ({"money": float("nan")}, "NaN|money"),
    ],
)
async def test_what_cannot_be_negotiated_is_refused_with_the_reason(tutti, change, words):
    run = await tutti(fleet_of(Scoring("renewal"), Scoring("pricing"))).advance(timedelta())
    said = opening(**change)
    if "deadlin" in change:
        with pytest.raises(Invalid):
            await run.workspace.submit("negotiation.mediate", said)
        return
    with pytest.raises(Invalid, match=words):
        await run.workspace.negotiate(**said)


def test_parties_and_their_weights_that_cannot_be_are_told_at_their_line():
    fleet = fleet_of(Scoring("renewal"))
    with pytest.raises(Invalid, match="Scoring is a class"):
        fleet.party(Scoring, name="pricing", department="sales")
    for weights in ({"renewal": float("nan")}, {"renewal": "2"}):
        with pytest.raises(Invalid, match="a party's weight is a number above 0"):
            fleet.goal("more", parties=weights)  # type: ignore[arg-type]
    fleet.goal("more", parties={"renewal": 1, "sales": 2, "sles": 2})
    assert fleet.problems() == ["goal more: no party is called sles, or is in a department of that name", "agent renewal 1 has no owner"]


class Wide:
    """A party with a table over many issues."""

    def __init__(self, step: int) -> None:
        self.step = step

    def utility(self) -> dict[str, dict[int, int]]:
        return {name: {value: value * self.step % 11 for value in values} for name, values in WIDE.items()}


WIDE = {f"issue {number}": list(range(20)) for number in range(20)}


async def test_time_is_kept_back_for_deciding_where_thinking_takes_long(tutti, monkeypatch):
    step = negotiation.step

    def slow(*given: Any, **how: Any) -> Any:
        asyncio.get_running_loop().now += 3.0  # type: ignore[attr-defined]
        return step(*given, **how)

    monkeypatch.setattr(negotiation, "step", slow)
    run = await tutti(fleet_of(Answering("renewal"), Answering("pricing"))).submit("negotiation.mediate", opening(deadline_ms=30_000))
    assert run.task("negotiation.mediate").state == "completed"
    assert run.task("negotiation.mediate").output["rounds"] > 3
    assert at(run) <= 30


async def test_more_outcomes_than_a_machine_counts_are_settled_and_told(tutti):
    fleet = Fleet("wide")
    for name, step in (("a", 3), ("b", 7)):
        fleet.party(Wide(step), name=name, department="sales")
    rules = [{"rule": "not all at once", "cost": {name: {"19": 1} for name in WIDE}, "limit": 3}, {"rule": "no zeros", "forbid": {"issue 3": [0]}}]
    said = {"issues": WIDE, "parties": {"a": 1, "b": 1}, "fallback": dict.fromkeys(WIDE, 1), "policy": rules}
    run = await tutti(fleet).submit("negotiation.mediate", said)
    task = run.task("negotiation.mediate")
    assert (task.state, task.output["how"]) == ("completed", "settled")
    told = (await run.workspace.negotiation(task.id))["explained"]
    assert any("of 1.05e+26 outcomes" in sentence for sentence in told)


async def test_an_agent_negotiates_and_has_the_outcome_before_its_own_deadline(tutti):
    fleet = fleet_of(Scoring("renewal"), Scoring("pricing", says=0))

    @fleet.agent(skill="account.save", department="sales")
    async def save(account: dict[str, Any], ctx: Context) -> Any:
        return await ctx.negotiate(ISSUES, ["renewal", "pricing"], fallback=FALLBACK, deadline=timedelta(hours=1))

    run = await tutti(fleet).submit("account.save", {}, deadline=timedelta(seconds=20))
    assert run.task("account.save").state == "completed"
    assert run.task("account.save").output["how"] in ("settled", "fallback", "person")
    assert at(run, "account.save") < 20


async def test_why_tells_gains_neighbours_and_the_weight_at_which_it_flips(tutti):
    run = await tutti(fleet_of(Telling("renewal"), Telling("pricing"))).submit("negotiation.mediate", opening())
    told = await run.why("negotiation.mediate")
    assert "2 parties were asked 2 questions in 1 rounds" in told
    assert "gains" in told
    assert "Passed over:" in told
    assert "With weight" in told
    seen = await run.workspace.negotiations()
    assert [(row["how"], row["parties"]) for row in seen["negotiations"]] == [("settled", ["pricing", "renewal"])]


async def test_the_record_alone_decides_the_same_again(tutti):
    run = await tutti(fleet_of(Scoring("renewal"), Answering("pricing"))).submit("negotiation.mediate", opening(approval=CAPPED))
    journal, id = run.workspace.journal, run.task("negotiation.mediate").id
    row = await journal.row("negotiation", (id,))
    record = (await journal.payloads([row["record"]]))[row["record"]]
    again = negotiation.recompute(record["record"])
    assert dict(zip(ISSUES, (values[place] for values, place in zip(ISSUES.values(), again, strict=True)), strict=True)) == record["settled"]["outcome"]


async def test_of_a_record_that_is_too_large_as_much_is_kept_as_one_payload_holds(tutti, monkeypatch):
    """The models that draws are of go first, then what was said; what was agreed is kept in any case."""
    run = await tutti(fleet_of(Answering("renewal"), Answering("pricing"))).submit("negotiation.mediate", opening())
    journal = run.workspace.journal
    row = await journal.row("negotiation", (run.task("negotiation.mediate").id,))
    whole = (await journal.payloads([row["record"]]))[row["record"]]
    settled, record = whole["settled"], whole["record"]
    several = [record, negotiation.lighter(record), {"told": negotiation.explain(record)}, {}]
    sizes = [len(journal.seal({"settled": settled, "record": each}).body) for each in several]
    assert sizes == sorted(set(sizes), reverse=True)
    for each, size in zip(several, sizes, strict=True):
        monkeypatch.setattr(journal, "_limits", replace(journal._limits, payload_bytes=size))
        assert sealed(journal, settled, record, None).body == journal.seal({"settled": settled, "record": each}).body


async def test_what_was_said_is_erased_with_its_subject(tutti):
    run = await tutti(fleet_of(Scoring("renewal"), Scoring("pricing"))).submit("negotiation.mediate", opening(about="a secret wish"), subject="account/7")
    id = run.task("negotiation.mediate").id
    await run.workspace.erase("account/7")
    seen = await run.workspace.negotiation(id)
    assert (seen["how"], seen["opening"], seen["settled"], seen["rounds_told"]) == ("settled", None, None, [])
    assert "erased" in await run.why(id)


# --- free bargaining ------------------------------------------------------------------------------------------------


class Bargaining(Scoring):
    """A party that concedes one step each turn, and tells nobody what it wants."""

    score = None  # type: ignore[assignment]

    async def respond(self, outcome: dict[str, Any] | None) -> Any:
        self.asked.append(outcome)
        found = sorted((dict(zip(ISSUES, values, strict=True)) for values in product(*ISSUES.values())), key=lambda each: -worth(self.name, each))
        demand = found[min(len(self.asked) - 1, len(found) - 1)]
        if outcome is not None and worth(self.name, outcome) >= worth(self.name, demand):
            return True
        return demand


class Pondering(Bargaining):
    """A party that takes its time for each answer, as a language model does."""

    def __init__(self, name: str, seconds: float) -> None:
        super().__init__(name)
        self.seconds = seconds

    async def respond(self, outcome: dict[str, Any] | None) -> Any:
        await asyncio.sleep(self.seconds)
        return await super().respond(outcome)


@pytest.mark.parametrize("protocol", ["mediated", "alternating"])
async def test_a_party_whose_card_says_that_it_takes_its_time_is_given_it(tutti, protocol):
    fleet = Fleet("deal")
    for name in WANTS:
        fleet.party(Pondering(name, 3.0), name=name, department="sales", latency=timedelta(seconds=3))
    run = await tutti(fleet).submit("negotiation.mediate", opening(protocol=protocol))  # by a minute, as where nothing is said
    task = run.task("negotiation.mediate")
    told = await run.workspace.negotiation(task.id)
    assert (task.output["how"], told["missing"]) == ("settled", 0)
    assert at(run) <= 60


async def test_who_was_late_or_failed_is_told_with_the_time_it_had_and_where_to_look(tutti):
    run = await tutti(fleet_of(Pondering("renewal", 30.0), Failing("pricing"))).submit("negotiation.mediate", opening(deadline_ms=20_000))
    id = run.task("negotiation.mediate").id
    told = (await run.workspace.negotiation(id))["explained"]
    (late,) = [each for each in told if each.startswith("renewal was late with 2 answers: it had ")]
    assert late.endswith(" says more.")
    assert "A later deadline gives it more." in late
    (failed,) = [each for each in told if each.startswith("pricing failed with 2 answers: `tutti why t-")]
    assert {each.split("`tutti why ")[1].split("`")[0] for each in (late, failed)} <= {child.id for child in run.tasks("negotiation.answer")}
    assert late in await run.why("negotiation.mediate")


@pytest.mark.parametrize("kinds", [(Bargaining, Bargaining), (Bargaining, Scoring), (Telling, Scoring), (Ranking, Telling)])
async def test_parties_of_different_owners_take_turns_until_all_accept_an_offer(tutti, kinds):
    parties = [kind(name) for kind, name in zip(kinds, WANTS, strict=True)]
    run = await tutti(fleet_of(*parties)).submit("negotiation.mediate", opening(protocol="alternating", policy=[{"rule": "short", "forbid": {"term": 36}}]))
    settled = run.task("negotiation.mediate").output
    assert (settled["how"], settled["why"]) == ("settled", "everybody accepted the offer")
    assert settled["outcome"]["term"] != 36
    assert all(worth(name, settled["outcome"]) >= worth(name, None) for name in WANTS)
    told = await run.workspace.negotiation(run.task("negotiation.mediate").id)
    assert [len(each["said"]) for each in told["rounds_told"]] == [1] * settled["rounds"]
    assert [each["said"][0]["party"] for each in told["rounds_told"][:4]] == ["pricing", "renewal", "pricing", "renewal"][: settled["rounds"]]


@pytest.mark.parametrize("kind", [Scoring, Telling, Ranking])
async def test_an_offer_that_may_not_be_is_told_as_a_pass_and_is_not_made_again(tutti, kind):
    rules = {"policy": [{"rule": "never cheap", "forbid": {"price": "-10 %"}}], "approval": [{"rule": "long", "forbid": {"term": 36}}]}
    run = await tutti(fleet_of(kind("renewal"), kind("pricing"))).submit("negotiation.mediate", opening(protocol="alternating", turns=8, **rules))
    told = await run.workspace.negotiation(run.task("negotiation.mediate").id)
    passes = [(said["party"], str(said["counter"]), said["refused"]) for each in told["rounds_told"] for said in each["said"] if said.get("refused")]
    assert ("renewal", str({"price": "-10 %", "term": 36}), ["never cheap", "long"]) in passes
    assert len({(party, outcome) for party, outcome, _ in passes}) == len(passes)


async def test_who_falls_silent_has_left_the_table(tutti):
    run = await tutti(fleet_of(Bargaining("renewal"), Scoring("pricing", says=0))).submit(
        "negotiation.mediate", opening(protocol="alternating", deadline_ms=30_000)
    )
    settled = run.task("negotiation.mediate").output
    assert (settled["how"], settled["outcome"], settled["why"]) == ("fallback", FALLBACK, "somebody left")
    assert at(run) <= 30


class Unsure:
    """Gives noisy numbers for gains that are smaller than their noise, and (with a `way`) its word, which has none."""

    def __init__(self, wants: list[float], home: float, seed: int) -> None:
        self.wants, self.home, self.rng = wants, home, Random(seed)

    def score(self, outcomes: list[dict[str, Any] | None]) -> list[float]:
        return [self.worth(each) + self.rng.gauss(0, 0.03) for each in outcomes]

    def worth(self, outcome: dict[str, Any] | None) -> float:
        return self.home if outcome is None else sum(want for want, value in zip(self.wants, outcome.values(), strict=True) if value)


class Deciding(Unsure):
    def __init__(self, *its: Any, way: Any) -> None:
        super().__init__(*its)
        self.way = way

    def respond(self, outcome: dict[str, Any]) -> Any:
        return self.way(self.worth(outcome) >= self.home, outcome)


async def test_where_gains_are_smaller_than_the_noise_parties_are_asked_what_they_would_accept(tutti):
    people = {  # at the best outcome for all they gain 0.05, 0.04 and 0.04
        "bare": Deciding([0.0, 0.05, 0.01, -0.02, -0.07, 0.06, 0.0, -0.01], 0.02, 1, way=lambda fine, _: fine),
        "saying": Deciding([0.04, -0.1, -0.01, -0.03, 0.03, -0.08, -0.05, -0.04], -0.09, 2, way=lambda fine, outcome: (fine, outcome)),
        "counting": Unsure([-0.05, 0.01, 0.02, 0.01, -0.1, 0.04, -0.08, 0.06], -0.03, 3),
    }
    fleet = Fleet("deal")
    for name, person in people.items():
        fleet.party(person, name=name, department="sales")
    issues = {f"clause {at}": [False, True] for at in range(8)}
    run = await tutti(fleet).submit("negotiation.mediate", {"issues": issues, "parties": dict.fromkeys(people, 1), "messages": 2}, subject="account/7")
    task = run.task("negotiation.mediate")
    assert task.output["how"] == "settled"
    view = await run.workspace.negotiation(task.id)
    said = [each for told in view["rounds_told"] for each in told["said"]]
    screened = [each for each in said if each["ask"] == "screen"]
    assert {each["party"] for each in screened} == set(people)
    for each in screened:
        assert (0 < len(each["outcomes"]) <= 64, len(each["answer"]), each["missing"]) == (True, len(each["outcomes"]), "")
        if each["party"] != "counting":  # its word is its own; that of the third comes from its numbers
            mine = people[each["party"]]
            assert each["answer"] == [mine.worth(outcome) >= mine.home for outcome in each["outcomes"]]
    assert all(people[name].worth(task.output["outcome"]) >= people[name].home for name in ("bare", "saying"))
    row = await run.workspace.journal.row("negotiation", (task.id,))
    record = (await run.workspace.journal.payloads([row["record"]]))[row["record"]]["record"]
    assert negotiation.recompute(record) == negotiation.retrace(record) == tuple(int(value) for value in task.output["outcome"].values())
