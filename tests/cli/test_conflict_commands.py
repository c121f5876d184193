"""`tutti conflicts` and `tutti undo`, in a workspace that no process serves."""

from __future__ import annotations

import json
from pathlib import Path

from cli_site import Person

from tutti.cli import exits

FLEET = """
from datetime import timedelta
from typing import Any

from tutti import Fleet, Intent

fleet = Fleet("prices")
for skill, effect, undo in (("price.discount", "discount", "price.raise"), ("price.raise", "raise", None)):
    async def act(price: dict[str, Any]) -> str:
        return "done"

    intends = [Intent("price/{account}", effect=effect, lasts=timedelta(days=1))]
    fleet.action(skill, department="d", owner="a@example.com", name=effect, intends=intends, undo=undo)(act)
    fleet.autonomy(skill, level="act")
fleet.resource("price", incompatible=[("discount", "raise")], order=["discount"])
"""


def test_what_collided_is_listed_shown_told_and_undone(tmp_path: Path) -> None:
    person = Person(tmp_path)
    person.file.write_text(FLEET)
    done = person.run("price.discount", {"account": "17"}, "--json")
    assert done.code == 0, done.err
    lost = person.run("price.raise", {"account": "17"})
    assert lost.code != 0
    assert "raise must not meet discount" in lost.err
    workspace = ("--workspace", "prices")
    assert "Nothing collides." in person("conflicts", *workspace).err + person("conflicts", *workspace).out
    (conflict,) = json.loads(person("conflicts", "list", "--state", "resolved", "--json", *workspace).out)
    listed = person("conflicts", "list", "--state", "all", *workspace)
    assert "price.raise (raise) against price.discount (discount)" in listed.out
    shown = person("conflicts", "show", conflict["id"], *workspace)
    assert "holds it until" in shown.out
    assert "goes first" in shown.out
    assert person("why", conflict["id"], *workspace).out == shown.out
    assert json.loads(person("why", conflict["id"], "--json", *workspace).out) == json.loads(
        person("conflicts", "show", conflict["id"], "--json", *workspace).out
    )
    assert "one of its tasks" in person("why", "--replay", conflict["id"], *workspace).err
    winner = conflict["winner"]
    again = person("conflicts", "settle", conflict["id"], winner, *workspace)
    assert "resolved already" in again.err
    assert "raise must not meet" in person("why", conflict["sides"][0]["task"], *workspace).out
    undone = person("undo", winner, *workspace)
    assert (undone.code, "proposed: t-" in undone.err + undone.out) == (0, True)


def test_why_of_a_conflict_is_told_from_elsewhere_too(tmp_path: Path) -> None:
    person = Person(tmp_path)
    person.file.write_text(FLEET)
    process = person.start("up", "fleet.py", "-o", "ndjson", "-q")
    assert process.stdout is not None
    try:
        ready = json.loads(process.stdout.readline())
        (tmp_path / "away").mkdir()
        call, there = Person(tmp_path / "away"), ("--server", ready["url"], "--token-file", ready["token_file"])
        for skill in ("price.discount", "price.raise"):
            call("run", skill, '{"account": "17"}', *there)
        (conflict,) = call("conflicts", "--state", "all", "--json", *there).data
        told = call("why", conflict["id"], *there)
        assert (told.code, "goes first" in told.out) == (0, True), told.err
        assert call("why", conflict["id"], "--json", *there).data == conflict
        missing = call("why", "c-nothing", *there)
        assert (missing.code, "There is no conflict c-nothing." in missing.err) == (exits.NOT_FOUND, True)
    finally:
        process.terminate()
        process.communicate(timeout=60)


def test_what_a_person_is_told_to_do_about_a_collision_is_to_decide_who_goes_first(tmp_path: Path) -> None:
    person, workspace = Person(tmp_path), ("--workspace", "prices")
    person.file = tmp_path / "contested.py"
    person.file.write_text(FLEET.replace(', order=["discount"]', "") + 'fleet.autonomy("price.discount", level="approve")\n')
    asked = person.run("price.discount", {"account": "17"}, "--json").data["id"]
    early = person("tasks", "settle", asked, "again", *workspace)
    assert (early.code, f"tutti approve {asked}" in early.err) == (6, True)
    stopped = person.run("price.raise", {"account": "17"})
    (conflict,) = json.loads(person("conflicts", "--json", *workspace).out)
    assert f"next: tutti conflicts show {conflict['id']}" in stopped.err
    assert f"next: tutti conflicts show {conflict['id']}" in person("tasks", "--waiting", *workspace).err
