"""Parties outside: an agent that says in its card that it negotiates takes part with nothing but A2A."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

from client_site import Scripted, card_of, task

from tutti import Fleet, Settings, Workspace
from tutti.service import Place, Service, offers_of
from tutti.transports.a2a import wire

ISSUES = {"price": [0, 5, 10], "term": [12, 24]}
FALLBACK = {"price": 0, "term": 12}


def buyer(outcome: dict[str, Any] | None) -> float:
    outcome = outcome or FALLBACK
    return float({0: 9, 5: 6, 10: 0}[outcome["price"]] + {12: 0, 24: 8}[outcome["term"]])


def seller(outcome: dict[str, Any] | None) -> float:
    outcome = outcome or FALLBACK
    return float({0: 0, 5: 6, 10: 9}[outcome["price"]] - {12: 0, 24: 2}[outcome["term"]])


class Buying:
    def score(self, outcomes: list[dict[str, Any] | None]) -> list[float]:
        return [buyer(each) for each in outcomes]


@asynccontextmanager
async def negotiating(url: str, folder: Path, **remote: Any) -> AsyncIterator[Workspace]:
    """A workspace with the buyer in its process and the agent at this address."""
    fleet = Fleet("outer")
    fleet.party(Buying(), name="buyer", department="purchase")
    fleet.remote(url, department="sales", owner="ana@example.com", name="seller", **remote)
    async with Workspace(fleet, Settings("outer", folder / "outer")) as workspace:
        yield workspace


async def settled(workspace: Workspace, **more: Any) -> tuple[str, Any]:
    id = await workspace.negotiate(issues=ISSUES, parties=["buyer", "seller"], fallback=FALLBACK, deadline=timedelta(seconds=20), **more)
    return id, await workspace.result(id)


@asynccontextmanager
async def served(agent: Any, folder: Path) -> AsyncIterator[str]:
    stop: asyncio.Event = asyncio.Event()
    url: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    service = Service(offers_of(agent), Place(), folder / "agent.key")
    running = asyncio.create_task(service.run(ready=lambda where, key: url.set_result(where), stop=stop))
    try:
        yield await url
    finally:
        stop.set()
        await running


async def test_a_party_that_is_served_elsewhere_takes_part(tmp_path: Path) -> None:
    class Selling:
        def rank(self, outcomes: list[dict[str, Any] | None]) -> list[int]:
            return sorted(range(len(outcomes)), key=lambda place: -seller(outcomes[place]))

    fleet = Fleet("shop")
    fleet.party(Selling(), name="seller", department="sales")
    async with served(fleet, tmp_path) as url, negotiating(url, tmp_path) as workspace:
        id, found = await settled(workspace)
        assert (found["how"], found["outcome"]) == ("settled", {"price": 5, "term": 24})
        told = await workspace.negotiation(id)
        assert {said["ask"] for each in told["rounds_told"] for said in each["said"] if said["party"] == "seller"} >= {"rank"}
        assert told["missing"] == 0


def extended(level: str, **params: Any) -> dict[str, Any]:
    return {"uri": wire.NEGOTIATION, "params": {"level": level, "schema": "tutti.negotiation/1", **params}}


def answered(params: Any, request: Any) -> Any:
    """What an agent answers that knows nothing of Tutti but the schema."""
    question = params["message"]["parts"][0]["data"]
    if question["ask"] == "score":
        said: dict[str, Any] = {"scores": [seller(each) for each in question["outcomes"]]}
    else:
        said = {"accept": seller(question["outcome"]) >= seller(question["fallback"])}
    return {"message": {"messageId": f"a-{question['number']}", "role": "ROLE_AGENT", "parts": [{"data": said}]}}


async def test_a_plain_a2a_agent_takes_part_by_the_extension_alone(tmp_path: Path) -> None:
    agent = Scripted(SendMessage=answered)
    async with agent.up() as url:
        agent.card = card_of(url)
        agent.card["capabilities"]["extensions"] = [extended("score")]
        async with negotiating(url, tmp_path) as workspace:
            _, found = await settled(workspace, about={"order": 7})
            assert (found["how"], found["outcome"]) == ("settled", {"price": 5, "term": 24})
            [card] = workspace.house.registry.versions("seller")
            assert (card.skills["negotiation.answer"].level, set(card.skills)) == ("score", {"negotiation.answer", "thing.do"})
    _, params, headers = agent.calls[0]
    message = params["message"]
    assert (message["extensions"], headers["A2A-Extensions"], message["metadata"]["skill"]) == ([wire.NEGOTIATION], wire.NEGOTIATION, "negotiation.answer")
    question = message["parts"][0]["data"]
    assert (question["schema"], question["about"], question["fallback"], question["issues"]) == ("tutti.negotiation/1", {"order": 7}, FALLBACK, ISSUES)
    assert all(each is None or set(each) == set(ISSUES) for each in question["outcomes"])


async def test_it_may_call_its_skill_as_it_likes_and_an_unknown_level_is_the_least(tmp_path: Path) -> None:
    agent = Scripted(SendMessage=answered)
    async with agent.up() as url:
        agent.card = card_of(url)
        agent.card["capabilities"]["extensions"] = [extended("telepathy", skill="thing.do")]
        async with negotiating(url, tmp_path) as workspace:
            [card] = workspace.house.registry.versions("seller")
            assert {name: skill.level for name, skill in card.skills.items()} == {"negotiation.answer": "answer"}
            await settled(workspace)
    assert {call[1]["message"]["metadata"]["skill"] for call in agent.calls} == {"thing.do"}
    assert {call[1]["message"]["parts"][0]["data"]["ask"] for call in agent.calls} <= {"respond", "confirm"}


async def test_another_schema_is_not_understood_and_the_agent_no_party(tmp_path: Path) -> None:
    agent = Scripted(SendMessage={"task": task("COMPLETED", output="done")})
    async with agent.up() as url:
        agent.card = card_of(url)
        agent.card["capabilities"]["extensions"] = [extended("score") | {"params": {"level": "score", "schema": "tutti.negotiation/9"}}]
        async with negotiating(url, tmp_path) as workspace:
            assert set(workspace.house.registry.versions("seller")[0].skills) == {"thing.do"}


async def test_an_agent_that_is_away_or_talks_is_a_party_that_says_nothing(tmp_path: Path) -> None:
    agent = Scripted(SendMessage={"message": {"messageId": "a", "role": "ROLE_AGENT", "parts": [{"text": "I would rather talk about it."}]}})
    async with agent.up() as url:
        agent.card = card_of(url)
        agent.card["capabilities"]["extensions"] = [extended("score")]
        async with negotiating(url, tmp_path) as workspace:
            id, found = await settled(workspace)
            assert found["how"] in ("settled", "fallback", "person")
            told = await workspace.negotiation(id)
            assert {said["missing"] for each in told["rounds_told"] for said in each["said"] if said["party"] == "seller"} <= {"garbled", "gone"}
