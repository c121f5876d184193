"""`tutti why`: the record of a decision, told."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import click

from tutti.cli.commands import conflicts
from tutti.cli.options import Look, command, pass_look
from tutti.cli.screen import Screen, ago, brief, pairs, undecided
from tutti.cli.wire import connect

Record = Mapping[str, Any]


@command()
@click.argument("id")
@click.option("--lineage", is_flag=True, help="What it led to, as a tree. For a signal that is what is shown anyway.")
@click.option("--replay", is_flag=True, help="Decide it again with today's policy, standings and agents: a dry run, told beside how it was decided.")
@pass_look
def why(look: Look, id: str, lineage: bool, replay: bool) -> None:
    """Explain a task (t-…), an approval (a-…), a conflict (c-…) or what a signal (s-…) led to, from the record alone."""
    screen = Screen(look)
    if lineage and replay:
        raise click.UsageError("--lineage and --replay are two things: ask for one of them.")
    if id.startswith("c-") and (lineage or replay):
        raise click.UsageError(f"A conflict is told as it is: `tutti why {id}`. Ask for --lineage or --replay of one of its tasks.")
    with connect(look) as api:
        record = api.post("/v1/why/{}/replay", id) if replay else api.get("/v1/lineage/{}" if lineage else "/v1/why/{}", id)
    if look.machine:
        screen.data(record)
    elif record["schema"].startswith("tutti.conflict"):
        conflicts.told(screen, record)
    elif replay:
        _replayed(screen, record)
    elif record["schema"].startswith("tutti.lineage"):
        if record.get("signal") and "task" in record["tree"]:
            screen.text(f"came from signal {record['signal']}")
        _tree(screen, record["tree"], "", "")
        task = _first_task(record["tree"])
        if task:
            screen.next(f"tutti why {task}")
    else:
        _told(screen, record)


def _replayed(screen: Screen, record: Record) -> None:
    for when in ("then", "now"):
        side = record[when]
        screen.text(f"{when:<5} {side['chosen'] or 'nobody'}: {side['verdict'] or 'no verdict'} (policy {side['policy'] or 'none'})")
    for said in record["differences"] or ["Nothing would be decided otherwise now."]:
        screen.text(said)
    screen.next(f"tutti why {record['task']}")


def _told(screen: Screen, record: Record) -> None:
    screen.text(record["sentence"])
    if record["decided"]:
        _decided(screen, record["decided"])
    if record["route"]:
        _route(screen, record)
    if record["inputs"]:
        screen.heading("\nWhat went in")
        for given in record["inputs"]:
            age = "" if given["age_ms"] is None else f", {ago(given['age_ms'] / 1000)} old"
            value = "masked" if given["masked"] else brief(given["value"])
            screen.text(f"  {given['kind']} {given['name']}{age}: {value}")
    if record["gate"]:
        _gate(screen, record["gate"])
    for check in record["checks"]:
        screen.text(f"  {'✓' if check['ok'] else '✗'} {check['name']}: {check['says']}")
    if record.get("plan"):
        _plan(screen, record["plan"])
    if record["would_change"]:
        screen.heading("\nWhat would have changed it")
        for change in record["would_change"]:
            screen.text(f"  {change['change']} → {change['to']}" + ("" if change["flips"] else " all the same"))
    out = record["turned_out"]
    screen.heading("\nHow it turned out")
    expected = out["expected"]
    against = "" if expected is None else f" (expected {expected['ms']:.0f} ms, quality {expected['quality']:.2f})"
    screen.text(f"  {out['state']}, {out['attempts']} attempt{'' if out['attempts'] == 1 else 's'}, {out['ms']:.0f} ms{against}")
    for judged in out["judgements"]:
        screen.text(f"  judged {judged['quality']:.2f} by {judged['check'] or judged['by']} ({judged['source']}) at {judged['at']}")
    if record["output"] is not None:
        screen.text(f"  output {brief(record['output'])}")
    if record["detail"] is not None:
        screen.text(f"  detail {brief(record['detail'])}")
    first, last = record["journal"]["first"], record["journal"]["last"]
    screen.text(f"\nJournal #{first}–#{last} of {record['journal']['head']}." + ("" if record["input"] is None else f" Input {brief(record['input'])}"))
    screen.next(f"tutti why --lineage {record['task']}")


def _decided(screen: Screen, decided: Record) -> None:
    margin = "" if decided["margin"] is None else f", ahead by {decided['margin']:.3f}"
    leaf = f", hash {decided['leaf'][:12]}…" if decided["leaf"] else ""
    policy = f", policy {decided['policy']}" if decided["policy"] else ""
    screen.text(
        f"Decided by {decided['decided_by']} at {decided['decided_at']} in {decided['took_ms']:.0f} ms{margin}{policy}. Journal #{decided['seq']}{leaf}."
    )


def _route(screen: Screen, record: Record) -> None:
    route, known = record["route"], record["candidates"]
    if len(known) > 1:
        screen.heading("\nCandidates as known then")
        rows = [
            [
                ("▶ " if one["chosen"] else "= " if one["tie"] else "  ") + f"{one['agent']} {one['version']}", f"{one['quality']:.2f} ({one['low']:.2f}–{one['high']:.2f})",
                str(one["judged"]), f"{one['latency_ms']:.0f} ms", f"{one['cost']:g}", f"{one['load']:.0%}", f"{one['score']:.3f}", f"{one['propensity']:.0%}",
            ]
            for one in known
        ]  # fmt: skip
        screen.table(rows, ["AGENT", "QUALITY", "JUDGED", "LATENCY", "COST", "LOAD", "SCORE", "CHANCE"])
        table = record["parts"]
        screen.heading(f"\nWhat the scores are made of: {table['winner']} against {table['runner_up']}")
        told = [[row["part"], row["formula"], f"{row['winner']:+.3f}", f"{row['runner_up']:+.3f}", f"{row['difference']:+.3f}"] for row in table["rows"]]
        total = table["total"]
        told.append(["score", "", f"{total['winner']:+.3f}", f"{total['runner_up']:+.3f}", f"{total['difference']:+.3f}"])
        screen.table(told, ["PART", "HOW", "WINNER", "RUNNER-UP", "DIFFERENCE"])
    if route["ruled_out"]:
        screen.heading("\nRuled out")
        for out in route["ruled_out"]:
            screen.text(f"  {out['agent']}: {out['rule']}")
        if route["ruled_out_count"] > len(route["ruled_out"]):
            screen.text(f"  and {route['ruled_out_count'] - len(route['ruled_out'])} more")


def _plan(screen: Screen, plan: Record) -> None:
    screen.heading(f"\nPlan ({plan['state']}{': ' + plan['reason'] if plan['reason'] else ''})")
    rows = []
    for step in plan["steps"]:
        does = step["skill"] or ("asks a person" if step["question"] else "waits")
        instead = ", ".join(rival["skill"] for rival in plan["instead_of"].get(step["name"], ()))
        rows.append([step["name"], does, step["state"], step["agent"] or "", step["task"] or "", instead])
    screen.table(rows, ["STEP", "DOES", "STATE", "AGENT", "TASK", "INSTEAD OF"])
    for step in plan["steps"]:
        if step["state"] == "skipped":
            screen.text(f"  {step['name']} was skipped" + (f": {step['reason']}" if step["reason"] else ""))
    for change in plan["changes"]:
        screen.text(f"  planned anew: {change['why']}")
    for out in plan["ruled_out"]:
        screen.text(f"  ruled out {out['skill']}: {out['rule']}")
    spent = "" if plan["spent"] is None else f", spent {plan['spent']:g}"
    limit = "" if plan["money"] is None else f" of at most {plan['money']:g}"
    screen.text(f"  expected to cost {plan['expected_cost']:g}{limit}{spent}")


def _gate(screen: Screen, gate: Record) -> None:
    screen.heading("\nGate")
    answer = gate.get("answer")
    level = None if gate["level"] is None else f"{gate['level']}" + ("" if gate["up_to"] is None else f" up to {gate['up_to']:.2f}")
    text = pairs([
        ("verdict", gate["verdict"]), ("policy", ", ".join(gate["policies"]) or None), ("level", level),
        ("amount", None if gate["amount"] is None else f"{gate['amount']:.2f} {gate['currency'] or ''}"), ("asked because", "; ".join(gate["why_asked"])),
        ("answer", f"{answer['answer']} by {answer['by']} at {answer['at']}" if answer else None), ("reasons", "; ".join(gate["reasons"])),
    ])  # fmt: skip
    screen.text("\n".join(f"  {line}" for line in text.splitlines()))


def _tree(screen: Screen, node: Record, first: str, rest: str) -> None:
    subject = f" ({node['subject']})" if node.get("subject") else ""
    if "signal" in node and "type" in node:
        line = f"signal {node['signal']} {node['type']}{subject}" + (f" stopped: {node['stopped']}" if node["stopped"] else "")
    else:
        amount = "" if node["amount"] is None else f" over {node['amount']:.2f}"
        line = (
            f"task {node['task']} {node['skill']}{amount}: {node['state']}"
            + (f" by {node['agent']}" if node["agent"] else "")
            + (f" ({node['reason']})" if node["reason"] else "")
        )
    screen.text(first + line)
    for each in node.get("undecided", []):
        screen.text(f"{rest}· {undecided(each)}")
    for place, child in enumerate(node["led_to"]):
        final = place == len(node["led_to"]) - 1
        _tree(screen, child, rest + ("└─ " if final else "├─ "), rest + ("   " if final else "│  "))


def _first_task(node: Record) -> str | None:
    if "task" in node:
        return str(node["task"])
    return next((found for child in node["led_to"] if (found := _first_task(child))), None)
