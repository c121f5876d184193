"""Beside a running `tutti up`: every command goes over its socket."""

from __future__ import annotations

import json
import signal
from pathlib import Path
from types import SimpleNamespace

import pytest

from tutti.cli import exits


def test_a_signal_a_proposal_an_approval_and_why(beside: SimpleNamespace) -> None:
    call = beside.call
    sent = call("send", "ticket.opened", '{"text": "money back", "refund": 200}', "--subject", "account/7", "--id", "e1", "--json").data
    assert (sent["duplicate"], len(sent["tasks"])) == (False, 1)
    again = call("send", "ticket.opened", '{"text": "money back", "refund": 200}', "--subject", "account/7", "--id", "e1")
    assert (again.code, "was taken in before" in again.out) == (0, True)
    (triage,) = sent["tasks"]

    waited = call("run", "refund.pay", '{"amount": 150}', "--timeout", "20s")
    assert (waited.code, waited.out) == (exits.NEEDS_A_HUMAN, "")
    assert "150.00 is above 100.00" in waited.err
    waiting = call("tasks", "--waiting", "--json").data
    assert {task["skill"] for task in waiting} == {"refund.pay"}
    proposed = next(task["id"] for task in waiting if task["parent"] == triage)

    table = call("tasks", "--skill", "refund.pay")
    assert table.out.splitlines()[0].split() == ["STATE", "TASK", "SKILL", "AGENT", "SINCE", "WAITS", "FOR"]
    assert "needs a human" in table.out
    assert "you: 200.00 is above 100.00" in table.out
    assert table.err.splitlines()[-1].startswith("next: tutti approve t-")

    unasked = call("approve", proposed)
    assert (unasked.code, unasked.out) == (exits.USAGE, "")
    assert "needs --yes" in unasked.err
    assert call("tasks", "show", proposed, "--json").data["stage"] == "approval"
    said = call("approve", proposed, "--yes", "--note", "he is right")
    assert said.code == 0
    assert "Pay 200.00 EUR. Cannot be undone. Asked because 200.00 is above 100.00" in said.err
    assert "approved, and done: paid 200.00" in said.err
    twice = call("approve", proposed, "--yes")
    assert (twice.code, "approved by person/owner" in twice.err) == (exits.CONFLICT, True)

    why = call("why", proposed)
    assert why.out.startswith("refund.pay about account/7 was proposed by triage")
    assert "What would have changed it" in why.out
    assert call("why", proposed, "--json").data["schema"] == "tutti.why/1"
    tree = call("why", "--lineage", sent["signal"])
    assert "└─ task" in tree.out
    assert "refund.pay over 200.00: completed by pay" in tree.out


def test_rejecting(beside: SimpleNamespace) -> None:
    id = beside.call("run", "refund.pay", '{"amount": 300}', "--json").data["id"]
    left = beside.call("reject", id, "--yes", "--note", "no")
    assert (left.code, "will not be done" in left.err) == (0, True)
    assert beside.call("tasks", "show", id, "--json").data["state"] == "rejected"
    assert beside.call("approve", id, "--yes").code == exits.CONFLICT


def test_run_prints_the_output_and_leaves_as_the_task_did(beside: SimpleNamespace) -> None:
    call = beside.call
    good = call("run", "refund.pay", '{"amount": 5}')
    assert (good.code, good.out) == (0, "paid 5.00\n")
    assert call("run", "refund.pay", '{"amount": 5}', "-q").err == ""
    bad = call("run", "ticket.triage", '{"text": "boom"}')
    assert (bad.code, bad.out) == (exits.FAILED, "")
    assert "unlucky" in bad.err
    assert call("run", "refund.pay", '{"amount": "much"}').code == exits.USAGE
    assert call("run", "nobody.does", "{}").code == exits.NOT_FOUND
    assert call("run", "ticket.triage", '"text').code == exits.USAGE
    detached = call("run", "ticket.triage", "-", "--detach", input='{"text": "hello"}')
    assert (detached.code, detached.out.startswith("t-")) == (0, True)


def test_an_agent_asks(beside: SimpleNamespace, tmp_path: Path) -> None:
    call = beside.call
    (tmp_path / "ticket.json").write_text('{"text": "?"}')
    left = call("run", "ticket.ask", f"@{tmp_path}/ticket.json")
    assert (left.code, "Which account?" in left.err) == (exits.NEEDS_A_HUMAN, True)
    id = call("tasks", "--waiting", "--skill", "ticket.ask", "--json").data[0]["id"]
    assert f"tutti tasks answer {id}" in call("tasks", "--waiting", "--skill", "ticket.ask").err
    assert call("tasks", "answer", id, "account/7").code == 0
    assert call("tasks", "answer", id, "account/7").code == exits.CONFLICT
    rated = call("rate", id, "0.25", "too short")
    assert (rated.code, "1 judged" in rated.err) == (0, True)


def test_stop_and_go(beside: SimpleNamespace) -> None:
    call = beside.call
    assert call("kill", "nothing").code == exits.NOT_FOUND
    assert call("kill", "refund.pay", "--reason", "odd").code == 0
    parked = call("run", "refund.pay", '{"amount": 6}')
    assert (parked.code, "kill switch on action refund.pay: odd" in parked.err) == (exits.NEEDS_A_HUMAN, True)
    id = call("tasks", "--waiting", "--skill", "refund.pay", "--json").data[0]["id"]
    assert call("tasks", "settle", id, "drop").code == 0
    assert call("lift", "action", "refund.pay").code == 0
    assert call("lift", "action", "refund.pay").code == exits.NOT_FOUND


def test_agents_and_levels(beside: SimpleNamespace) -> None:
    call = beside.call
    assert {row["schema"] for row in call("agents", "--json").data} == {"tutti.agent/1"}
    assert "act up to 100" in call("agents").out
    assert '"amount"' in call("agents", "show", "pay").out
    assert call("agents", "show", "nobody").code == exits.NOT_FOUND
    assert call("agents", "set-level", "refund.pay", "act", "--up-to", "120", "--reason", "went well").code == 0
    assert call("run", "refund.pay", '{"amount": 110}').code == 0
    for amount in ("nan", "inf", "-1"):  # none of them may arrive as "no limit"
        assert call("agents", "set-level", "refund.pay", "act", "--up-to", amount).code == exits.USAGE
    assert call("agents", "set-level", "refund.pay", "act", "--up-to", "100").code == 0


def test_many_events(beside: SimpleNamespace, tmp_path: Path) -> None:
    call = beside.call
    lines = [{"specversion": "1.0", "id": f"m{n}", "source": "/s", "type": "ticket.opened", "data": {"text": str(n)}} for n in range(5)]
    (tmp_path / "events.ndjson").write_text("\n".join(json.dumps(line) for line in lines))
    assert call("send", "--event", f"{tmp_path}/events.ndjson").out == "5 signals taken in, 0 known before, 5 tasks\n"
    (tmp_path / "events.json").write_text(json.dumps([*lines, {"type": "broken"}]))
    left = call("send", "--event", f"{tmp_path}/events.json")
    assert (left.code, "Event 6 of 6" in left.err) == (exits.USAGE, True)
    assert call("send", "--event", f"{tmp_path}/events.ndjson", "--json").data == {"signals": 0, "known_before": 5, "tasks": 0}


def test_output_forms(beside: SimpleNamespace) -> None:
    call = beside.call
    assert call("-o", "json", "tasks", "--subject", "nobody").data == []
    lines = call("tasks", "--limit", "2", "-o", "ndjson").out.splitlines()
    assert [json.loads(line)["schema"] for line in lines] == ["tutti.task/1"] * 2
    first = call("tasks", "--limit", "1")
    cursor = first.err.rpartition("--after ")[2].strip()
    assert call("tasks", "--limit", "1", "--after", cursor, "--json").data[0]["id"] not in first.out
    left = call("tasks", "show", "t-none", "--json")
    assert (left.code, left.out, json.loads(left.err)["error"]["code"]) == (exits.NOT_FOUND, "", "not_found")


def test_the_record_is_checked_while_it_runs(beside: SimpleNamespace, tmp_path: Path) -> None:
    call = beside.call
    assert call("audit", "verify").out.startswith("✓ ")
    assert call("replay", "--check").code == 0
    assert call("backup", str(tmp_path / "copy.db")).code == 0
    assert call("backup", str(tmp_path / "copy.db")).code == exits.CONFLICT
    assert call("backup", "--restore", str(tmp_path / "copy.db"), "--yes").code == exits.CONFLICT
    found = {check["what"]: check["state"] for check in call("doctor", "--json").data}
    assert (found["running"], found["journal"], found["keys"]) == ("ok", "ok", "ok")


def test_a_second_up_is_refused(beside: SimpleNamespace) -> None:
    process = beside.call.start("up", "shopup.py")
    _, err = process.communicate(timeout=60)
    assert (process.returncode, "already works on" in err) == (exits.CONFLICT, True)


def test_interrupting_leaves_130(beside: SimpleNamespace) -> None:
    beside.call("run", "refund.pay", '{"amount": 1}')
    process = beside.call.start("tasks", "--watch")
    assert process.stdout is not None
    assert " t-" in process.stdout.readline()
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert (process.returncode, "Traceback" in err) == (exits.INTERRUPTED, False)


def test_watching_shows_each_change_once(beside: SimpleNamespace, capsys: pytest.CaptureFixture[str]) -> None:
    from tutti.cli.commands.tasks import follow
    from tutti.cli.options import Look
    from tutti.cli.screen import Screen

    task = {"id": "t-1", "stage": "ready", "state": "submitted", "skill": "a.b", "agent": None, "version": None, "waiting_for": "agent", "reason": None}
    pages = iter([[task], [task], [{**task, "stage": "ended", "state": "completed", "waiting_for": None}]])

    def pause() -> None:
        if stop:
            raise KeyboardInterrupt

    stop: list[int] = []

    def page() -> dict[str, object]:
        found = next(pages)
        if found[0]["state"] == "completed":
            stop.append(1)
        return {"tasks": found, "next": None}

    with pytest.raises(KeyboardInterrupt):
        follow(Screen(Look()), None, page, pause)  # type: ignore[arg-type]
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()] == ["queued", "completed"]


def test_tasks_by_status_time_and_words_and_a_tasks_time(beside: SimpleNamespace) -> None:
    id = beside.call("run", "refund.pay", '{"amount": 310}', "--json").data["id"]
    humans = beside.call("tasks", "--status", "human", "--since", "1h", "--json").data
    assert id in {task["id"] for task in humans}
    assert {task["status"] for task in humans} == {"human"}
    assert [task["id"] for task in beside.call("tasks", "--find", id[:12], "--json").data] == [id]
    assert beside.call("tasks", "--status", "done", "--find", id[:12], "--json").data == []
    shown = beside.call("tasks", "show", id)
    assert "waiting for people" in shown.out
    bar = next(line for line in shown.out.splitlines() if line.startswith("refund.pay"))
    assert "!" in bar.partition("|")[2]
    beside.call("reject", id, "--yes")


def test_other_parameters_instead_of_a_yes_and_leaving_it_to_somebody(beside: SimpleNamespace) -> None:
    id = beside.call("run", "refund.pay", '{"amount": 320}', "--json").data["id"]
    left = beside.call("approve", id, "--hand-over", "finance")
    assert (left.code, "left to finance: Pay 320.00 EUR." in left.err) == (0, True)
    wrong = beside.call("approve", id, "--change", '{"amount": "much"}', "--yes")
    assert (wrong.code, wrong.out) == (exits.USAGE, "")
    changed = beside.call("approve", id, "--change", '{"amount": 210}', "--yes")
    assert (changed.code, "approved, and done: paid 210.00" in changed.err) == (0, True)
    other = beside.call("run", "refund.pay", '{"amount": 330}', "--json").data["id"]
    small = beside.call("approve", other, "--change", '{"amount": 20}', "--yes", "--json")
    assert (small.data["state"], small.data["answer"], small.data["task_state"]) == ("changed", "change", "completed")
    assert beside.call("approve", other, "--change", "{}", "--hand-over", "finance").code == exits.USAGE


def test_a_decision_made_again(beside: SimpleNamespace) -> None:
    id = beside.call("run", "refund.pay", '{"amount": 11}', "--json").data["id"]
    again = beside.call("why", id, "--replay")
    assert (again.code, again.out.splitlines()[-1]) == (0, "Nothing would be decided otherwise now.")
    assert beside.call("why", id, "--replay", "--json").data["schema"] == "tutti.replay/1"
    told = beside.call("why", id)
    assert "Decided by rule at" in told.out
    assert "✓ amount: alone up to 100.00" in told.out
