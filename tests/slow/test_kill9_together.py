"""kill -9 in the middle of negotiations, playbooks and plans for goals: each comes to the end that it would have come to, once."""

from __future__ import annotations

import asyncio
import os
from collections import defaultdict
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from kill9_site import Trial, run

from tutti import Fleet, Workspace, negotiation
from tutti.clock import micros
from tutti.model.fact import Fact

FIRST = ["deal.make", "account.save", "complaint.end"]
PAUSE = timedelta(milliseconds=400)  # of the playbook
SETTLED = {"price": 5, "term": 36}  # what the parties want together, whatever happens to the process
CAUGHT = {
    ("negotiation.mediate", "running"),
    ("negotiation.answer", "running"),
    ("account.save", "running"),
    ("account.save", "asking"),
    ("plan.run", "running"),
}


def killed(folder: Path, seed: int, kills: int) -> Trial:
    trial = run(folder, seed, kills, 4, worker="kill9_together_worker.py", first=FIRST, actions=["deal.sign", "letter.send"], longest=3.0)
    asyncio.run(look(trial))
    return trial


async def look(trial: Trial) -> None:
    """What became of each, read by a process that does not run any of it."""
    async with Workspace(Fleet("kill9"), trial.settings) as workspace:
        by_signal = {signal["signal"]: n for n, signal in trial.sent.items()}
        rows = [row for row in await workspace.journal.select("SELECT id, skill, signal, parent FROM task") if row["skill"] in FIRST and not row["parent"]]
        assert len(rows) == len(trial.sent)
        for row in rows:
            n, output = by_signal[row["signal"]], (await workspace.task(row["id"]))["output"]
            match row["skill"]:
                case "deal.make":
                    assert output == SETTLED
                case "account.save":
                    assert output == {"usage": n * 10, "pause": None, "ask": "yes", "letter": f"sent {n * 10}"}
                case "complaint.end":
                    assert output == {"how": f"replaced for the cause of {n}"}
        facts = await workspace.journal.facts(limit=1_000_000)
        await _negotiated(workspace, facts)
        _planned(facts)


async def _negotiated(workspace: Workspace, facts: list[Fact]) -> None:
    """Each negotiation has its rounds in order and one end, and its record alone leads to that end again."""
    told: defaultdict[str, list[Fact]] = defaultdict(list)
    for fact in facts:
        if fact.kind.startswith("negotiation."):
            told[fact.about].append(fact)
    for its in told.values():
        rounds = [fact.data["round"] for fact in its if fact.kind == "negotiation.answered"]
        assert [its[0].kind, its[-1].kind, len(its)] == ["negotiation.opened", "negotiation.settled", len(rounds) + 2]
        assert rounds == list(range(1, len(rounds) + 1))
        payloads: dict[str, Any] = await workspace.journal.payloads([its[-1].data["record"]])
        record = payloads[its[-1].data["record"]]["record"]
        offer = negotiation.recompute(record)
        assert offer is not None
        assert list(offer) == record["settlement"]["offer"]


def _planned(facts: list[Fact]) -> None:
    """A plan is made once, made anew once where a step failed, ends once, and its timer is not cut short."""
    made: defaultdict[str, list[Fact]] = defaultdict(list)
    ended: dict[tuple[str, str], int] = {}
    began: dict[tuple[str, str], int] = {}
    skills: dict[str, tuple[str, str]] = {}
    for fact in facts:
        if fact.kind.startswith("plan."):
            made[fact.about].append(fact)
        elif fact.kind == "task.submitted" and fact.data.get("parent"):
            skills[fact.about] = (fact.data["parent"], fact.data["skill"])
            began[skills[fact.about]] = fact.at
        elif fact.kind == "task.completed" and fact.about in skills:
            ended[skills[fact.about]] = fact.at
    for plan, its in made.items():
        kinds = [fact.kind for fact in its]
        assert kinds in (["plan.made", "plan.ended"], ["plan.made", "plan.changed", "plan.ended"])
        assert its[-1].data["state"] == "completed"
        if (plan, "letter.send") in began:
            assert began[plan, "letter.send"] - ended[plan, "usage.look"] >= micros(PAUSE)


def test_two_kills_in_the_middle(tmp_path):
    assert killed(tmp_path, seed=3, kills=2).sent


@pytest.mark.slow
def test_forty_kills_in_the_middle(tmp_path):
    trial = killed(tmp_path, seed=4, kills=int(os.environ.get("TUTTI_KILLS", "40")))
    caught = {f"{skill} {stage}": count for (skill, stage), count in trial.caught.most_common()}
    print(f"{trial.kills} kills, {len(trial.sent)} signals; open tasks when killed: {caught}")
    assert set(trial.caught) >= CAUGHT
