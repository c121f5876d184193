"""Reading a folder: what is wrong with it is said with file, row and column."""

from __future__ import annotations

import csv
import hashlib
import json
from pathlib import Path

import pytest

from tutti.errors import Invalid, NotFound
from tutti.fleets import lifecycle
from tutti.fleets.lifecycle.load import TELCO_NUMBERS, TELCO_TEXTS, USAGE, joined


def write(file: Path, rows: list[dict]) -> None:
    file.parent.mkdir(exist_ok=True)
    with file.open("w", newline="", encoding="utf-8") as out:
        if file.suffix == ".jsonl":
            out.writelines(json.dumps(row) + "\n" for row in rows)
        else:
            table = csv.DictWriter(out, list(rows[0]))
            table.writeheader()
            table.writerows(rows)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A small folder of the four sets, in their published form."""
    desk = {"title": "printer", "body": "it is broken", "category": "4", "urgency": "1", "impact": "3"}
    bug = {"id": "b-0", "project": "p", "priority": "Major", "hours_to_resolve": 5.5, "summary": "crash", "description": None}
    usage = {**dict.fromkeys(USAGE, "3"), "churn": "0"}
    telco = {**dict.fromkeys(TELCO_NUMBERS, "2"), **dict.fromkeys(TELCO_TEXTS, "No"), "Churn": "Yes"}
    write(tmp_path / "tickets_helpdesk/dev.csv", [{**desk, "id": f"h-{n}"} for n in range(3)])
    write(tmp_path / "tickets_bugs/dev.jsonl", [bug, {**bug, "id": "b-1", "priority": "", "hours_to_resolve": None}])
    write(tmp_path / "usage_churn/dev.csv", [{**usage, "id": f"u-{n}"} for n in range(2)])
    write(tmp_path / "telco_churn/dev.csv", [{**telco, "customerID": "t-0", "TotalCharges": " "}])
    return tmp_path


def test_all_rows_are_read(folder):
    company = lifecycle.load(folder)
    assert [ticket.id for ticket in company.tickets] == ["h-0", "h-1", "h-2", "b-0", "b-1"]
    assert [(row.id, row.kind) for row in company.accounts] == [("t-0", "telco"), ("u-0", "usage"), ("u-1", "usage")]
    assert company.accounts[0].facts["TotalCharges"] == 0.0
    assert company.labels.left == {"u-0": False, "u-1": False, "t-0": True}
    assert company.labels.urgency == {"h-0": "high", "h-1": "high", "h-2": "high", "b-0": "normal"}
    assert company.labels.hours == {"b-0": 5.5}


def test_another_file_name_is_found(folder):
    (folder / "usage_churn/dev.csv").rename(folder / "usage_churn/held.csv")
    assert len(lifecycle.load(folder).accounts) == 3


def test_equal_rows_are_on_the_same_side(folder):
    company = lifecycle.load(folder)
    assert len({row.id in company.past for row in company.tickets[:3]}) == 1
    assert len({row.id in company.past for row in company.accounts[1:]}) == 1


def test_the_join_is_a_fixed_rule():
    for n in range(6):
        bytes = hashlib.sha256(f'["hd-{n}"]'.encode()).digest()[:8]
        assert joined(f"hd-{n}", ["a", "b", "c"]) == "abc"[int.from_bytes(bytes) % 3]


def test_a_missing_folder_is_named(tmp_path):
    with pytest.raises(NotFound, match="nowhere"):
        lifecycle.load(tmp_path / "nowhere")


def test_a_missing_set_is_named(folder):
    (folder / "telco_churn/dev.csv").unlink()
    with pytest.raises(NotFound, match="telco_churn"):
        lifecycle.load(folder)


@pytest.mark.parametrize(
    ("file", "old", "new", "says"),
    [
        ("tickets_helpdesk/dev.csv", "urgency", "urgent", "row 1 has no column urgency"),
        ("tickets_helpdesk/dev.csv", ",4,1,", ",4,9,", "row 1: urgency is '9', not one of 0, 1, 2, 3"),
        ("usage_churn/dev.csv", "3,3,3", "3,many,3", "row 1: complains is 'many', not a number"),
        ("telco_churn/dev.csv", "Yes", "Perhaps", "Churn is 'Perhaps'"),
        ("tickets_bugs/dev.jsonl", '"id": "b-1"', '"id: b-1', "row 2 cannot be read"),
        ("tickets_bugs/dev.jsonl", "hours_to_resolve", "hours", "no column hours_to_resolve"),
    ],
)
def test_what_is_wrong_is_said(folder, file, old, new, says):
    text = (folder / file).read_text()
    assert old in text
    (folder / file).write_text(text.replace(old, new, 1) if "cannot" not in says else text.replace(old, new))
    with pytest.raises(Invalid, match=says):
        lifecycle.load(folder)


def test_a_row_cut_short_is_named(folder):
    file = folder / "usage_churn/dev.csv"
    file.write_text(file.read_text().rstrip()[:-6])
    with pytest.raises(Invalid, match="row 2 ends too early"):
        lifecycle.load(folder)


def test_an_empty_file_is_named(folder):
    (folder / "tickets_bugs/dev.jsonl").write_text("")
    with pytest.raises(Invalid, match="no rows"):
        lifecycle.load(folder)


def test_an_id_that_stands_twice_is_named(folder):
    file = folder / "usage_churn/dev.csv"
    file.write_text(file.read_text().replace("u-1", "u-0"))
    with pytest.raises(Invalid, match="account u-0 stands there twice"):
        lifecycle.load(folder)
