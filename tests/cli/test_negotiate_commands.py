"""`tutti negotiate` and `tutti negotiations`: opened from a file, waited for, listed and shown."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from cli_site import Person

from tutti.cli import exits

FLEET = """
from tutti import Fleet

fleet = Fleet("market")


class Party:
    def __init__(self, table):
        self.table = table

    def utility(self):
        return {"price": self.table}


@fleet.agent(skill="negotiation.answer", name="never", department="sales", owner="a@example.com", when="priority > 9")
def never(question: dict) -> dict:
    return {"accept": True}


fleet.party(Party({"0": 1, "5": 4, "10": 2}), name="buyer", department="sales", owner="a@example.com")
fleet.party(Party({"0": 0, "5": 2, "10": 3}), name="seller", department="sales", owner="a@example.com")
"""
CASE = {"issues": {"price": [0, 5, 10]}, "parties": {"buyer": 1, "seller": 1}, "fallback": {"price": 0}}


@pytest.fixture
def person(tmp_path: Path) -> Person:
    found = Person(tmp_path)
    found.file = tmp_path / "shop_market.py"
    found.file.write_text(FLEET)
    (tmp_path / "case.json").write_text(json.dumps(CASE))
    return found


def test_a_case_that_nobody_mediates_now_is_kept_and_says_how_to_go_on(person: Person, tmp_path: Path) -> None:
    person("negotiate", f"@{tmp_path}/case.json", "--fleet", str(person.file))  # makes the workspace
    left = person("negotiate", f"@{tmp_path}/case.json")
    assert left.code == exits.UNREACHABLE
    assert "is kept, and nobody does it now" in left.err
    assert "next: tutti up fleet.py" in left.err
    assert "submitted" not in left.out
    assert person("negotiate", f"@{tmp_path}/case.json", "--json").data["state"] == "submitted"
    planned = person("run", "--goal", "negotiation.answer", "{}", "--yes")
    assert (planned.code, "next: tutti up fleet.py" in planned.err) == (exits.FAILED, True)


def test_a_case_is_settled_shown_and_explained(person: Person, tmp_path: Path) -> None:
    left = person("negotiate", f"@{tmp_path}/case.json", "--fleet", str(person.file), "--subject", "account/7", "--deadline", "20s")
    assert left.code == exits.OK
    assert "price 5" in left.out
    assert "gain of buyer" in left.out
    listed = person("negotiations", "--json").data
    assert [(each["how"], each["parties"]) for each in listed] == [("settled", ["buyer", "seller"])]
    assert "settled" in person("negotiations").out
    shown = person("negotiations", "show", listed[0]["id"])
    assert "Round 1" in shown.out
    assert "Passed over" in shown.out
    assert "Passed over" in person("why", listed[0]["id"]).out


def test_it_is_waited_for_also_while_a_question_of_it_stands_still(person: Person) -> None:
    case = CASE | {"parties": ["buyer", "seller", "never"]}
    left = person("negotiate", json.dumps(case), "--fleet", str(person.file), "--deadline", "6s")
    assert (left.code, "settled" in left.out) == (exits.OK, True)


def test_what_is_no_case_is_refused(person: Person) -> None:
    left = person("negotiate", "[1]", "--fleet", str(person.file))
    assert (left.code, "no object" in left.err) == (exits.USAGE, True)
    left = person("negotiate", json.dumps({**CASE, "parties": ["nobody"]}), "--fleet", str(person.file))
    assert "nobody takes part in no negotiation" in left.err
    assert left.code != exits.OK
