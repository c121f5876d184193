"""`tutti prioritise` beside a running fleet."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace

from tutti.cli import exits


def test_ballots_from_a_file_become_one_order(beside: SimpleNamespace, tmp_path: Path) -> None:
    ids = [beside.call("run", "refund.pay", f'{{"amount": {amount}}}', "--json").data["id"] for amount in (150, 160, 170)]
    wish = [ids[2], ids[0], ids[1]]
    (tmp_path / "ballots.json").write_text(json.dumps({"sales": wish, "support": wish}))
    told = beside.call("prioritise", f"@{tmp_path / 'ballots.json'}")
    assert (told.code, "3 tasks in one order, which follows 100%" in told.err) == (0, True)
    assert [line.split()[1] for line in (told.out + told.err).splitlines() if line.strip()[:1].isdigit() and "t-" in line][:3] == wish
    whole = beside.call("prioritise", json.dumps({"ballots": {"sales": wish}, "must_precede": [[ids[1], ids[2]]], "most": 0.9}), "--json").data
    assert [entry["task"] for entry in whole["order"]].index(ids[1]) < [entry["task"] for entry in whole["order"]].index(ids[2])
    assert beside.call("prioritise", '{"sales": "t-1"}').code == exits.USAGE
    assert beside.call("prioritise", json.dumps({"sales": wish}), "--skill", "nothing.waits").code != 0
