"""Language models as parties to negotiations: typed questions, typed answers, and their money counted."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
from llm_site import calls, opened, says, served

from tutti import Fleet
from tutti.errors import Invalid

ISSUES = {"price": [0, 5, 10], "term": [12, 24]}
WANTS = {"price": {0: 0, 5: 6, 10: 9}, "term": {12: 0, 24: -2}}


def worth(outcome: dict[str, Any] | None) -> float:
    return float(sum(WANTS[issue][value] for issue, value in (outcome or {"price": 0, "term": 12}).items()))


class Buying:
    def score(self, outcomes: list[dict[str, Any] | None]) -> list[float]:
        return [float({0: 9, 5: 6, 10: 0}[(each or {"price": 0})["price"]] + {12: 0, 24: 8}[(each or {"term": 12})["term"]]) for each in outcomes]


def fleet_of(url: str, level: str) -> Fleet:
    fleet = Fleet("deal")
    fleet.party(Buying(), name="buyer", department="purchase")
    fleet.llm_agent(
        "seller", instructions="You sell.", department="sales", model="scripted", base_url=url, price=(3, 15), negotiates=level,
    )  # fmt: skip
    return fleet


def answering(request: dict[str, Any]) -> Any:
    """As a model that understands what it is asked."""
    question = json.loads(request["messages"][-1]["content"])
    [tool] = [tool["function"]["name"] for tool in request["tools"]]
    match question["ask"]:
        case "score":
            said: dict[str, Any] = {"scores": [worth(each) for each in question["outcomes"]]}
        case "rank":
            said = {"orders": [sorted(range(len(each)), key=lambda place, each=each: -worth(each[place])) for each in question["lists"]]}
        case _:
            said = {"accept": worth(question["outcome"]) >= worth(question["fallback"])}
    return calls((tool, said), usage=(1000, 100, 0))


@pytest.mark.parametrize("level", ["score", "rank"])
async def test_a_model_is_asked_typed_questions_and_its_words_are_data(tmp_path, level):
    async with served(answering) as model, opened(fleet_of(model.url, level), tmp_path) as workspace:
        id = await workspace.negotiate(issues=ISSUES, parties=["buyer", "seller"], fallback={"price": 0, "term": 12}, deadline=timedelta(seconds=20))
        found = await workspace.result(id)
        assert (found["how"], found["outcome"]) == ("settled", {"price": 5, "term": 24})
        assert found["cost"] == pytest.approx(len(model.requests) * (1000 * 3 + 100 * 15) / 1_000_000)
        assert [card.skills["negotiation.answer"].level for card in workspace.house.registry.versions("seller")] == [level]
        schema = json.dumps(model.requests[0]["tools"])
        assert all(field in schema for field in ("scores", "orders", "accept", "counter"))


async def test_a_model_that_only_talks_is_a_party_without_an_answer(tmp_path):
    async with served(says("Let us talk about it.")) as model, opened(fleet_of(model.url, "score"), tmp_path) as workspace:
        id = await workspace.negotiate(issues=ISSUES, parties=["buyer", "seller"], fallback={"price": 0, "term": 12}, deadline=timedelta(seconds=20))
        await workspace.result(id)
        told = await workspace.negotiation(id)
        assert all(said["missing"] for each in told["rounds_told"] for said in each["said"] if said["party"] == "seller")


def test_a_model_has_no_table_to_hand_over():
    with pytest.raises(Invalid, match="cannot negotiate at level 'table'"):
        fleet_of("http://127.0.0.1:1/v1", "table")
