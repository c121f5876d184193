"""Agents outside of the process: met, followed through their versions, drained, retired; what a run keeps for the next one."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest

from tutti import Context, Fleet, Settings, Workspace
from tutti import app as app_module
from tutti.errors import AgentFailed, Conflict, Invalid, NotFound
from tutti.model.agent import Endpoint, Nature, Skill
from tutti.transports import Found
from tutti.transports import outside as outside_module

URL = "http://127.0.0.1:9/pricing"


class Elsewhere:
    """A transport whose one agent lives in the test: up or down, and at some version."""

    def __init__(self) -> None:
        self.version = "1"
        self.up = True
        self.away: set[str] = set()
        self.failure: AgentFailed | None = None
        self.told = asyncio.Event()
        self.told.set()
        self.asked = 0
        self.calls: list[tuple[str, Any]] = []
        self.hold = asyncio.Event()
        self.hold.set()
        self.started = asyncio.Event()

    async def discover(self, endpoint: Endpoint, outside: Any) -> Found:
        self.asked += 1
        if not self.up or endpoint.url in self.away:
            raise AgentFailed("nobody is there", retry=True)
        await self.told.wait()
        text = {"type": "object", "required": ["product"]}
        skills = {"quote": Skill("price.quote", Nature.ADVICE, text, {}), "change": Skill("price.change", Nature.ADVICE, {}, {})}
        return Found("pricing", self.version, skills, fingerprint=self.version)

    def caller(self, card: Any, skill: Skill, outside: Any) -> Any:
        async def call(input: Any, ctx: Context) -> Any:
            self.calls.append((card.version, input))
            self.started.set()
            if self.failure is not None:
                raise self.failure
            await self.hold.wait()
            return {"from": card.version.partition("+")[0]}

        return call


@pytest.fixture
def elsewhere(monkeypatch):
    place = Elsewhere()
    monkeypatch.setitem(outside_module._MODULES, "elsewhere", "elsewhere")
    monkeypatch.setattr(outside_module, "import_module", lambda name: SimpleNamespace(discover=place.discover, caller=place.caller))
    return place


def remote_fleet(**skills: dict[str, Any]) -> Fleet:
    fleet = Fleet("outer")
    fleet._outside("elsewhere", URL, {"skills": skills}, "revenue", "ana@example.com", "", 4)
    return fleet


async def followed(workspace: Workspace, name: str, version: str) -> None:
    """Wait until an agent's new version is what routes choose among: the table of its versions may be read a moment before."""
    async with asyncio.timeout(30):
        while {each["version"].partition("+")[0] for each in await workspace.agents() if each["name"] == name} != {version}:
            await asyncio.sleep(0.005)


async def quoted(workspace: Workspace) -> Any:
    return await workspace.result(await workspace.submit("price.quote", {"product": "x"}))


async def test_a_declared_agent_is_met_called_and_judged_like_any_other(elsewhere, tmp_path):
    async with Workspace(remote_fleet(), Settings("outer", tmp_path)) as workspace:
        assert await quoted(workspace) == {"from": "1"}
        [version] = (await workspace.card("pricing"))["versions"]
        assert (version["department"], version["endpoint"]["url"], sorted(version["skills"])) == ("revenue", URL, ["price.change", "price.quote"])
        with pytest.raises(Invalid, match="product"):
            await workspace.submit("price.quote", {})


async def test_a_changed_card_is_a_new_version_and_the_old_one_finishes_what_it_began(elsewhere, tmp_path):
    async with Workspace(remote_fleet(), Settings("outer", tmp_path)) as workspace:
        elsewhere.hold.clear()
        running = await workspace.submit("price.quote", {"product": "old"})
        await elsewhere.started.wait()
        elsewhere.version = "2"
        registered = await workspace.register(Endpoint("elsewhere", URL), department="revenue")
        assert registered["new"]
        later = await workspace.submit("price.quote", {"product": "new"})
        elsewhere.hold.set()
        assert await workspace.result(running) == {"from": "1"}
        assert await workspace.result(later) == {"from": "2"}
        states = {version["version"].partition("+")[0]: version["state"] for version in (await workspace.card("pricing"))["versions"]}
        assert states == {"1": "draining", "2": "live"}
        assert not (await workspace.register(Endpoint("elsewhere", URL), department="revenue"))["new"], "the same card again is the same version"


async def test_an_agent_that_is_away_is_met_later_and_its_last_card_serves_meanwhile(elsewhere, tmp_path, monkeypatch):
    monkeypatch.setattr(app_module, "_RETRY_S", 0.005)
    elsewhere.up = False
    settings = Settings("outer", tmp_path)
    async with Workspace(remote_fleet(), settings) as workspace:
        assert await workspace.agents() == []
        elsewhere.up = True
        async with asyncio.timeout(30):
            while not await workspace.agents():
                await asyncio.sleep(0.005)
        assert await quoted(workspace) == {"from": "1"}
    elsewhere.up = False
    async with Workspace(remote_fleet(), settings) as workspace:
        assert await quoted(workspace) == {"from": "1"}, "the card that the journal knows"
    async with Workspace(Fleet("outer"), settings) as workspace:
        assert await workspace.agents() == [], "no longer declared"


async def test_an_approval_for_a_version_whose_place_was_taken_is_not_used(elsewhere, tmp_path):
    fleet = remote_fleet(change={"nature": "action"})
    async with Workspace(fleet, Settings("outer", tmp_path)) as workspace:
        id = await workspace.submit("price.change", {"eur": 5})
        await workspace.quiet()
        elsewhere.version = "2"
        await workspace.register(fleet.remotes[0].endpoint, department="revenue")
        await workspace.answer_as_owner(id, "approve")
        await workspace.quiet()
        assert (await workspace.task(id))["reason"].endswith("another version has taken its place")
        await workspace.settle(id, "again")
        await workspace.quiet()
        assert (await workspace.approval(id))["version"].startswith("2+"), "asked anew, for the version that would act"
        assert elsewhere.calls == []


async def test_a_drained_version_is_retired_when_it_has_finished(elsewhere, tmp_path, monkeypatch):
    monkeypatch.setattr(app_module, "_LOOK_S", 0.005)
    async with Workspace(remote_fleet(), Settings("outer", tmp_path)) as workspace:
        elsewhere.hold.clear()
        running = await workspace.submit("price.quote", {"product": "x"})
        await elsewhere.started.wait()
        elsewhere.version = "2"
        async with asyncio.timeout(30):
            await followed(workspace, "pricing", "2")
            asked = elsewhere.asked
            while elsewhere.asked < asked + 3:
                await asyncio.sleep(0.005)
            assert {v["state"] for v in (await workspace.card("pricing"))["versions"]} == {"draining", "live"}
            elsewhere.hold.set()
            assert await workspace.result(running) == {"from": "1"}
            while {v["state"] for v in (await workspace.card("pricing"))["versions"]} != {"retired", "live"}:
                await asyncio.sleep(0.005)


async def test_an_agent_that_a_person_took_in_is_looked_at_again_too(elsewhere, tmp_path, monkeypatch):
    monkeypatch.setattr(app_module, "_LOOK_S", 0.005)
    settings = Settings("outer", tmp_path)
    async with Workspace(Fleet("outer"), settings) as workspace:
        await workspace.register(Endpoint("elsewhere", URL), department="revenue", owner="ben@example.com", name="prices", by="person/ana")
        elsewhere.version = "2"
        await followed(workspace, "prices", "2")
        assert await quoted(workspace) == {"from": "2"}
        [live] = [version for version in (await workspace.card("prices"))["versions"] if version["state"] == "live"]
        assert (live["owner"], live["department"], live["endpoint"]["by"]) == ("ben@example.com", "revenue", "person/ana")
        await workspace.drain("prices", by="person/ana")
        elsewhere.version, elsewhere.asked = "3", 0
        await asyncio.sleep(0.05)
        assert elsewhere.asked == 0, "whoever was drained stays out"


async def test_who_is_drained_while_its_card_is_looked_at_stays_out(elsewhere, tmp_path):
    async with Workspace(Fleet("outer"), Settings("outer", tmp_path)) as workspace:
        registered = await workspace.register(Endpoint("elsewhere", URL), department="revenue", by="person/ana")
        elsewhere.told.clear()
        looking = asyncio.create_task(workspace.register(Endpoint("elsewhere", URL), department="revenue", by="person/ana", after=registered["version"]))
        await asyncio.sleep(0)
        await workspace.drain("pricing", by="person/ana")
        elsewhere.told.set()
        with pytest.raises(Conflict, match="taken out"):
            await looking
        assert [version["state"] for version in (await workspace.card("pricing"))["versions"]] == ["draining"]


async def test_one_agent_that_is_away_does_not_keep_the_others_from_being_looked_at(elsewhere, tmp_path, monkeypatch):
    monkeypatch.setattr(app_module, "_LOOK_S", 0.02)
    monkeypatch.setattr(app_module, "_RETRY_S", 0.005)
    away = "http://127.0.0.1:9/away"
    fleet = remote_fleet()
    fleet._outside("elsewhere", away, {}, "revenue", "ana@example.com", "", 4)
    elsewhere.away.add(away)
    async with Workspace(fleet, Settings("outer", tmp_path)) as workspace:
        assert await quoted(workspace) == {"from": "1"}
        elsewhere.version = "2"
        await followed(workspace, "pricing", "2")
        assert await quoted(workspace) == {"from": "2"}


async def test_what_to_do_about_a_failure_stands_in_the_task(elsewhere, tmp_path):
    elsewhere.failure = AgentFailed("The agent answered 401", hint="See the agent's `auth`.", retry=False)
    async with Workspace(remote_fleet(), Settings("outer", tmp_path)) as workspace:
        id = await workspace.submit("price.quote", {"product": "x"})
        await workspace.quiet()
        assert (await workspace.task(id))["detail"] == "The agent answered 401. See the agent's `auth`."


async def test_only_named_skills_are_taken_with_their_options(elsewhere, tmp_path):
    fleet = remote_fleet(change={"as_": "tariff.change", "nature": "action", "amount": "eur", "currency": "EUR", "timeout_ms": 2000})
    async with Workspace(fleet, Settings("outer", tmp_path)) as workspace:
        [agent] = await workspace.agents()
        assert (agent["skill"], agent["nature"]) == ("tariff.change", "action")
        id = await workspace.submit("tariff.change", {"eur": 5})
        await workspace.quiet()
        task = await workspace.task(id)
        assert (task["state"], task["amount"], elsewhere.calls) == ("input-required", 5.0, []), "a person is asked first"
    for bad, complaint in (({"none": {}}, "no skill none"), ({"quote": {"colour": 1}}, "colour is no option")):
        with pytest.raises(Invalid, match=complaint):
            await Workspace_register(remote_fleet(**bad), tmp_path / complaint.replace(" ", "-"))


async def Workspace_register(fleet: Fleet, folder: Any) -> None:
    async with Workspace(Fleet("outer"), Settings("outer", folder)) as workspace:
        await workspace.register(fleet.remotes[0].endpoint, department="revenue")


async def test_draining_retiring_and_the_name_of_another(elsewhere, tmp_path):
    fleet = Fleet("outer")

    @fleet.agent(skill="ticket.triage", department="support")
    def triage(ticket: dict[str, Any]) -> str:
        return "seen"

    async with Workspace(fleet, Settings("outer", tmp_path)) as workspace:
        await workspace.register(Endpoint("elsewhere", URL, key="aa"), department="revenue", by="person/ana")
        elsewhere.version = "2"
        with pytest.raises(Conflict, match="another key"):
            await workspace.register(Endpoint("elsewhere", URL, key="bb"), department="revenue")
        with pytest.raises(Conflict, match="in this process"):
            await workspace.register(Endpoint("elsewhere", URL), department="revenue", name="triage")
        elsewhere.version = "1"
        await workspace.drain("pricing", by="person/ana")
        id = await workspace.submit("ticket.triage", {})
        assert await workspace.result(id) == "seen"
        assert {agent["name"] for agent in await workspace.agents()} == {"triage"}
        await workspace.retire("pricing")
        with pytest.raises(Conflict):
            await workspace.retire("pricing")
        with pytest.raises(NotFound):
            await workspace.drain("nobody")
        kinds = [(fact["kind"], fact["by"]) for fact in await workspace.facts(about="pricing")]
        assert kinds == [("agent.registered", "person/ana"), ("agent.drained", "person/ana"), ("agent.retired", "person/owner")]
    async with Workspace(fleet, Settings("outer", tmp_path)) as workspace:
        assert {agent["name"] for agent in await workspace.agents()} == {"triage"}


async def test_a_question_about_being_let_in_is_auth_required(tmp_path):
    fleet = Fleet("doors")

    @fleet.agent(skill="door.open", department="ops")
    async def open_door(_: Any, ctx: Context) -> str:
        return f"let in with {await ctx.input('Which account?', auth=True)}"

    async with Workspace(fleet, Settings("doors", tmp_path)) as workspace:
        id = await workspace.submit("door.open", {})
        await workspace.quiet()
        task = await workspace.task(id)
        assert (task["state"], task["waiting_for"], task["question"]) == ("auth-required", "person", "Which account?")
        assert [task["id"] for task in (await workspace.tasks(waiting=True))["tasks"]] == [id]
        await workspace.answer(id, "service-7")
        assert await workspace.result(id) == "let in with service-7"


async def test_what_a_run_keeps_is_there_for_the_run_after_a_crash(tmp_path):
    seen: list[Any] = []

    def keeper() -> Fleet:
        fleet = Fleet("memos")

        @fleet.agent(skill="job.do", department="ops")
        async def do(_: Any, ctx: Context) -> str:
            seen.append(await ctx.kept("remote"))
            if seen[-1] is None:
                await ctx.keep("remote", {"id": "r-1"})
                await asyncio.Event().wait()
            return (await ctx.kept("remote"))["id"]

        return fleet

    settings = Settings("memos", tmp_path)
    first = Workspace(keeper(), settings)
    await first.open()
    id = await first.submit("job.do", {}, subject="account/7")
    while (await first.journal.row("memo", (id, "remote"))) is None:
        await asyncio.sleep(0.001)
    first.corridor.traffic.open = False  # a crash: nothing more is recorded
    first.journal._pump.abandon()
    for walk in list(first.corridor.traffic._walks.values()):
        walk.cancel()
    first.journal._writer.engine.close()
    async with Workspace(keeper(), settings) as second:
        assert await second.result(id) == "r-1"
        assert seen == [None, {"id": "r-1"}]


async def test_who_asked_from_outside_is_kept_and_can_be_asked_for(tmp_path):
    fleet = Fleet("callers")

    @fleet.agent(skill="job.do", department="ops")
    async def do(_: Any, ctx: Context) -> Any:
        return await ctx.ask("job.part", {}) if ctx.skill == "job.do" else None

    fleet.agent(skill="job.part", department="ops", name="part")(lambda _: "part")
    async with Workspace(fleet, Settings("callers", tmp_path)) as workspace:
        mine = await workspace.submit("job.do", {}, by="service/crm")
        other = await workspace.submit("job.part", {}, by="service/erp")
        await workspace.quiet()
        assert [task["id"] for task in (await workspace.tasks(caller="service/crm"))["tasks"]] == [mine]
        assert [task["id"] for task in (await workspace.tasks(caller="service/erp"))["tasks"]] == [other]
        assert {task["caller"] for task in (await workspace.tasks())["tasks"]} == {"service/crm", "service/erp", None}
