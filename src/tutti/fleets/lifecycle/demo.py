"""`tutti demo`: the lifecycle fleet at work on a sample company, or on real tickets and accounts, with its checks."""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import AsyncExitStack, ExitStack, contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

from tutti.app import FOLDS, TABLES, Workspace, collect_seldom
from tutti.errors import Overloaded
from tutti.fleet import Fleet
from tutti.fleets import lifecycle
from tutti.fleets.lifecycle import living, settlements
from tutti.fleets.lifecycle.revenue import OFFER
from tutti.fleets.lifecycle.support import CASE
from tutti.halting import on_halt
from tutti.journal import rebuild, verify
from tutti.model.caller import OWNER
from tutti.settings import Settings

_AT_A_TIME = 32  # signals under way: beyond it the demo waits, as any sender should
_RISING = 3  # skills with rivals in which the better agent's share must have risen


def run(
    *,
    data: str | None = None,
    once: bool = False,
    json_output: bool = False,
    seed: int = 7,
    tickets: int = 400,
    accounts: int = 250,
    settings: Settings,
    services: bool = False,
    pace: float = living.PACE,
) -> int:
    """Run the demo; returns the exit code (0 only if all checks hold, with `once`). Talk goes to stderr, the summary to stdout.

    Without `once` it stays, and `pace` signals a second go on coming in.
    """
    talk = _Talk(quiet=json_output)
    try:
        return asyncio.run(_run(data, once, json_output, seed, tickets, accounts, settings, talk, services, pace))
    except KeyboardInterrupt:
        return 130


class _Talk:
    """Lines for a person on stderr; the progress line only on a terminal."""

    def __init__(self, quiet: bool) -> None:
        self._live = sys.stderr.isatty() and os.environ.get("TERM") != "dumb"
        self._quiet = quiet

    @contextmanager
    def step(self, what: str) -> Iterator[list[str]]:
        """A step that ticks off with its time; the list takes words to put behind it."""
        started = time.monotonic()
        said: list[str] = []
        yield said
        self.say(f"✓ {what:<46} {time.monotonic() - started:6.1f} s  {'  '.join(said)}".rstrip())

    def say(self, line: str) -> None:
        if not self._quiet:
            print(("\r\033[K" if self._live else "") + line, file=sys.stderr, flush=True)

    def progress(self, line: str) -> None:
        if self._live and not self._quiet:
            print(f"\r\033[K{line}", end="", file=sys.stderr, flush=True)


async def _run(
    data: str | None, once: bool, json_output: bool, seed: int, tickets: int, accounts: int, settings: Settings, talk: _Talk, services: bool, pace: float
) -> int:
    with talk.step("company read" if data else f"company made up (seed {seed})") as said:
        company = lifecycle.load(data) if data else lifecycle.sample(seed, tickets=tickets, accounts=accounts)
        said.append(f"{len(company.tickets):,} tickets, {len(company.accounts):,} accounts")
    with talk.step("models trained on past rows"):
        models = lifecycle.train(company)
    scores = lifecycle.model_scores(company, models)
    for kind, score in scores["churn"].items():
        blend = score["blend"]
        talk.say(
            f"    churn of {kind} accounts, held out: AUC {blend['auc']} {blend['auc_95']}, Brier {blend['brier']} (base rate's {score['brier_of_base_rate']})"
        )
    fleet = lifecycle.build(company, fitted=models)
    if not once:
        living.declare(fleet)
    elsewhere = AsyncExitStack()
    if services:
        from tutti.fleets.lifecycle.services import serving as running

        with talk.step("agents started as services") as said:
            said.append(f"{len(await elsewhere.enter_async_context(running(fleet, company, models)))} processes, called by A2A")
    async with elsewhere:
        return await _at_work(fleet, company, scores, data, once, json_output, settings, talk, seed, 0.0 if data else pace)


async def _at_work(
    fleet: Fleet, company: lifecycle.Company, scores: dict[str, Any], data: str | None, once: bool, json_output: bool, settings: Settings, talk: _Talk,
    seed: int, pace: float,
) -> int:  # fmt: skip
    new = _is_new(settings)
    workspace = Workspace(fleet, settings)
    departments = {card.department for card in fleet.cards.values()} | {remote.department for remote in fleet.remotes}
    with talk.step(f"workspace {settings.workspace} ({settings.place}, {'new' if new else 'taken up where it was'})"):
        await workspace.open()
    collect_seldom()
    talk.say(f"✓ {len(fleet.cards) + len(fleet.remotes)} agents in {len(departments)} departments")
    stop = asyncio.Event()
    serving = lasting = None
    ending = ExitStack()
    try:
        if once:
            ending.enter_context(on_halt(stop.set))
        else:
            from tutti import api

            def ready(_: Path) -> None:
                if workspace.outside.base_url:
                    link = api.make_link(workspace, OWNER.id)["url"]
                    talk.say(f"✓ console, good once for 15 minutes (`tutti console` makes another): {link}")

            serving = asyncio.create_task(api.serve(workspace, ready=ready))  # it ends at SIGINT and SIGTERM, and the demo with it
            serving.add_done_callback(lambda _: stop.set())
        timing = await _feed(workspace, company, talk, stop)
        await _until(workspace.quiet(), stop)
        if once and stop.is_set():
            return 130
        if once:
            return await _sum_up(workspace, company, scores, timing, settings, json_output, talk)
        if not stop.is_set():
            lasting = asyncio.create_task(living.live_on(workspace, company, seed=seed, pace=pace, stop=stop))
            lasting.add_done_callback(
                lambda done: None if done.cancelled() or not done.exception() else talk.say(f"Nothing new comes in any more: {done.exception()}")
            )
            await _invite(workspace, settings, data, talk, pace)
        await stop.wait()
        talk.say("Stopping; nothing is lost.")
        if serving is not None:
            await serving
        return 0
    finally:
        for task in (lasting, serving):
            if task is not None:
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)
        await workspace.close()
        ending.close()
        talk.say(f"The data is in {settings.place}.")


def _is_new(settings: Settings) -> bool:
    return not settings.database and not Path(settings.place).exists()


async def _until(work: Any, stop: asyncio.Event) -> None:
    """Wait for work, or for the stop."""
    tasks = {asyncio.ensure_future(work), asyncio.ensure_future(stop.wait())}
    _, pending = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    for task in pending:
        task.cancel()
    await asyncio.gather(*pending, return_exceptions=True)


async def _feed(workspace: Workspace, company: lifecycle.Company, talk: _Talk, stop: asyncio.Event) -> dict[str, Any]:
    """Send every ticket and account; what was sent before a crash is known as a duplicate."""
    events = list(lifecycle.signals(company))
    total, sent, repeated = len(events), 0, 0
    queue = iter(events)
    started = time.monotonic()
    said = started
    talk.say(f"▶ {len(company.tickets):,} tickets, {len(company.accounts):,} accounts coming in …")

    async def sender() -> None:
        nonlocal sent, repeated, said
        for event in queue:
            while not stop.is_set():
                try:
                    taken = await workspace.send(event, by="demo")
                    repeated += taken["duplicate"]
                    break
                except Overloaded:
                    await asyncio.sleep(0.05)
            if stop.is_set():
                return
            sent += 1
            while workspace.corridor.traffic.waiting > 2 * _AT_A_TIME and not stop.is_set():
                await workspace.corridor.traffic.wait("any")
            if time.monotonic() - said > 0.2:
                said = time.monotonic()
                talk.progress(_progress(workspace, sent, total))

    await asyncio.gather(*(sender() for _ in range(_AT_A_TIME)))
    while not stop.is_set() and (workspace.corridor.traffic.waiting or list(workspace.corridor.traffic.walking())):
        talk.progress(_progress(workspace, sent, total))
        await asyncio.sleep(0.05)
    seconds = time.monotonic() - started
    talk.say(f"✓ {sent:,} signals taken in" + (f", {repeated:,} of them known before" if repeated else "") + f" in {seconds:.1f} s")
    return {"signals": sent, "known_before": repeated, "seconds": round(seconds, 2)}


def _progress(workspace: Workspace, sent: int, total: int) -> str:
    bar = "▇" * (20 * sent // max(total, 1))
    waiting = sum(row["state"] == "open" for row in workspace.journal.hot.table("approval").values())
    return f"  signals {sent:,}/{total:,} {bar:▁<20} facts {workspace.journal.head.seq:,}  waiting for you {waiting}"


async def _invite(workspace: Workspace, settings: Settings, data: str | None, talk: _Talk, pace: float) -> None:
    measured = await workspace.measures()
    ratio = measured["autonomy_ratio"]
    quality = measured["resolution_quality"]
    talk.say(
        f"  {measured['tasks']['all']:,} tasks, autonomy {ratio['ratio']} ({ratio['alone']} of {ratio['finished']} actions), quality {quality['mean']} [{quality['low']}, {quality['high']}]"
    )
    for line in _moved(measured)[:4]:
        talk.say(f"  {line}")
    approvals = await workspace.approvals(limit=1)
    first = approvals[0] if approvals else None
    talk.say("Try, in another terminal in this folder:")
    lines = [("tutti tasks --waiting", "what needs a person"), ("tutti agents", "who is good at what")]
    if first is not None:
        lines.insert(1, (f"tutti why {first['task']}", "why this agent, this price"))
        lines.insert(2, (f"tutti approve {first['task']}", "say yes (it shows what will happen first)"))
    negotiated = await workspace.journal.select("SELECT id FROM negotiation WHERE how IS NOT NULL ORDER BY better DESC, id LIMIT 1")
    if negotiated:
        lines.append((f"tutti why {negotiated[0]['id']}", "which terms, who gains by them, what was passed over"))
    lines += [("tutti negotiations", "what renewal, revenue and support have agreed on"), ("tutti conflicts --state all", "who went first, and why")]
    again = f" --data {data}" if data else ""
    lines.append((f"kill -9 {os.getpid()} && tutti demo{again}", "nothing is lost, nothing happens twice"))
    lines.append(("tutti audit verify", f"then stop this, change one byte of {settings.place} and do it again"))
    for command, why in lines:
        talk.say(f"  {command:<46} {why}")
    if pace:
        talk.say(f"New tickets and news of accounts keep coming in, about {pace:g} a second (--pace says how many; 0 is none).")
    talk.say(f"{living.REVIEWS} accounts are under review; each review asks you a question in a moment. Ctrl-C stops cleanly.")


def _moved(measured: dict[str, Any]) -> list[str]:
    """Where work has moved between agents, the largest moves first."""
    moves = []
    for name, agents in measured["shares"].items():
        for agent in agents:
            if len(agent["shares"]) > 1 and agent["quality"] is not None:
                first, last = agent["shares"][0], agent["shares"][-1]
                moves.append((last - first, f"{agent['agent']} does {last:.0%} of {name}, at first {first:.0%}; judged {agent['quality']:.2f}"))
    return [line for move, line in sorted(moves, reverse=True) if move > 0]


async def _sum_up(
    workspace: Workspace, company: lifecycle.Company, scores: dict[str, Any], timing: dict[str, Any], settings: Settings, json_output: bool, talk: _Talk
) -> int:
    measured = await workspace.measures()
    negotiations = await settlements.summary(workspace)
    checks = [await check(workspace, company, measured) for check in _CHECKS]
    await workspace.close()
    loop = asyncio.get_running_loop()
    with talk.step("replayed all facts"):
        differences = await loop.run_in_executor(None, lambda: rebuild(settings.place, TABLES, FOLDS, workspace=settings.workspace))
    checks.append({"check": "replaying the facts gives the same view", "ok": not differences, "found": f"{len(differences)} rows differ"})
    with talk.step("verified the journal"):
        report = await loop.run_in_executor(None, lambda: verify(settings.place, witness=settings.witness, workspace=settings.workspace))
    checks.append({"check": "the journal verifies", "ok": report.ok, "found": report.message})
    summary = {
        "schema": "tutti.demo/1",
        "company": {"name": company.name, "tickets": len(company.tickets), "accounts": len(company.accounts)},
        **{name: value for name, value in measured.items() if name not in ("schema", "tasks_per_second")},
        "tasks_per_second": round(measured["tasks"]["all"] / timing["seconds"], 1) if timing["seconds"] else None,
        "negotiations": negotiations,
        "run": timing,
        "model_scores": scores,
        "journal": {"facts": report.facts, "head": report.head.root, "seq": report.head.seq},
        "checks": checks,
        "ok": all(check["ok"] for check in checks),
    }
    if json_output:
        print(json.dumps(summary, ensure_ascii=False))
    else:
        _tell(summary, talk)
    return 0 if summary["ok"] else 1


def _tell(summary: dict[str, Any], talk: _Talk) -> None:
    ratio, quality = summary["autonomy_ratio"], summary["resolution_quality"]
    print(f"tasks               {summary['tasks']['all']:,}  " + "  ".join(f"{state} {n:,}" for state, n in summary["tasks"]["by_state"].items()))
    print(f"tasks/s             {summary['tasks_per_second']}")
    print(f"autonomy ratio      {ratio['ratio']} ({ratio['alone']} of {ratio['finished']} finished actions)")
    print(f"resolution quality  {quality['mean']} [{quality['low']}, {quality['high']}], {quality['share_judged']:.0%} of completed tasks judged")
    print(f"coalesced           {summary['coalesced']}    approvals waiting {summary['approvals_waiting']}")
    ended = summary["negotiations"]
    print(
        f"negotiations        {ended['settled']} settled, {ended['fallback']} as before, {ended['person']} by a person, {ended['better']} with better terms for a person; "
        f"{ended['mean_rounds']} rounds and {ended['mean_messages']} messages on average"
    )
    print(f"conflicts resolved  {ended['conflicts_resolved']}")
    print("latency, ms         p50      p95   from → to")
    for pair in summary["latency_ms"][:8]:
        print(f"             {pair['p50']:>10} {pair['p95']:>8}   {pair['from']} → {pair['to']} ({pair['tasks']:,})")
    print("share of the work: the first 50 tasks, then quarters of the rest")
    for skill, agents in summary["shares"].items():
        for agent in agents if any(agent["judged"] for agent in agents) else ():  # parties to negotiations are no rivals
            print(f"  {skill:<26} {agent['agent']:<17} {'  '.join(f'{share:5.0%}' for share in agent['shares'])}   quality {agent['quality']}")
    for check in summary["checks"]:
        print(f"{'✓' if check['ok'] else '✗'} {check['check']}: {check['found']}")
    print(f"journal head        {summary['journal']['seq']:,} facts, {summary['journal']['head'][:16]}…")
    if not summary["ok"]:
        talk.say("Some checks do not hold; see ✗ above.")


# --- checks ---------------------------------------------------------------------------------------------------------


async def _everything_came_in(workspace: Workspace, company: lifecycle.Company, measured: dict[str, Any]) -> dict[str, Any]:
    rows = await workspace.journal.select("SELECT type, COUNT(*) AS n FROM signal WHERE type IN ('ticket.opened', 'account.updated') GROUP BY type")
    came = {row["type"]: row["n"] for row in rows}
    wanted = {"ticket.opened": len(company.tickets), "account.updated": len(company.accounts)}
    ok = all(came.get(kind, 0) >= n for kind, n in wanted.items())
    return {"check": "every ticket and every account came in", "ok": ok, "found": f"{came} of {wanted}"}


async def _all_ended_or_wait(workspace: Workspace, company: lifecycle.Company, measured: dict[str, Any]) -> dict[str, Any]:
    person = "stage IN ('approval', 'parked', 'asking') AND reason IS NOT NULL"
    others = (  # what waits for a task that waits for a person
        f"id IN (SELECT joins.task FROM joins JOIN task AS first ON first.id = joins.awaits WHERE joins.open = 1 AND first.open = 1 AND first.{person}) "
        f"OR (stage = 'coalesced' AND into_task IN (SELECT id FROM task WHERE open = 1 AND {person}))"
    )
    rows = await workspace.journal.select(
        "SELECT COUNT(*) AS n, SUM(CASE WHEN open = 0 THEN 1 ELSE 0 END) AS ended, "
        f"SUM(CASE WHEN open = 1 AND ({person} OR {others}) THEN 1 ELSE 0 END) AS wait FROM task"
    )
    row = rows[0]
    stuck = row["n"] - (row["ended"] or 0) - (row["wait"] or 0)
    return {
        "check": "every task ended or waits for a person with a reason",
        "ok": stuck == 0,
        "found": f"{row['ended']:,} ended, {row['wait']:,} wait, {stuck} neither",
    }


async def _actions_are_gated(workspace: Workspace, company: lifecycle.Company, measured: dict[str, Any]) -> dict[str, Any]:
    """Read the facts, not the view: no start of an action without an allowing verdict before it, and a person's yes where one was asked."""
    actions = {row["id"] for row in await workspace.journal.select("SELECT id FROM task WHERE nature = 'action'")}
    allowed: dict[str, dict[str, Any]] = {}
    asked: set[str] = set()
    yes: set[str] = set()
    bare, above = 0, 0
    after, started = 0, 0
    while facts := await workspace.journal.facts(after=after, kind=["task.gated", "approval.answered", "run.started"], limit=5000):
        after = facts[-1].seq
        for fact in facts:
            if fact.kind == "approval.answered" and fact.data["answer"] == "approve":
                yes.add(fact.data["task"])
            elif fact.about not in actions:
                continue
            elif fact.kind == "task.gated":
                if fact.data["verdict"] == "allow":
                    allowed[fact.about] = fact.data
                elif fact.data["verdict"] == "ask":
                    asked.add(fact.about)
            else:
                started += 1
                verdict = allowed.get(fact.about)
                if verdict is None or verdict["level"] is None or (fact.about in asked and fact.about not in yes):
                    bare += 1
                elif fact.about not in yes and not _within_level(verdict):
                    above += 1
    found = f"{started:,} action runs, {len(asked):,} asked a person, {bare} without gate or approval, {above} above their level"
    return {
        "check": "every action has its gate, its level and, where asked, its approval; none above its level",
        "ok": bare == 0 and above == 0,
        "found": found,
    }


def _within_level(verdict: dict[str, Any]) -> bool:
    return verdict["level"] == 4 and (verdict["up_to"] is None or abs(verdict["amount"] or 0) <= verdict["up_to"])


async def _better_agents_rose(workspace: Workspace, company: lifecycle.Company, measured: dict[str, Any]) -> dict[str, Any]:
    """In how many skills the best agent of a class of tasks does more of the work at the end than among the first tasks."""
    rose: dict[str, list[str]] = {}
    fell: list[str] = []
    for name, agents in measured["shares"].items():
        rivals = [agent for agent in agents if agent["judged"]]
        if len(rivals) < 2 or len(rivals[0]["shares"]) < 2:
            continue
        best = max(rivals, key=lambda agent: agent["standing"])
        said = f"{name}: {best['agent']} {best['shares'][0]:.0%} → {best['shares'][-1]:.0%}"
        if best["shares"][-1] > best["shares"][0]:
            rose.setdefault(name.partition(" ")[0], []).append(said)
        else:
            fell.append(said)
    found = "; ".join(said for skill in rose.values() for said in skill) + (f" (not: {'; '.join(fell)})" if fell else "")
    return {"check": f"the better agents' share rose in at least {_RISING} skills", "ok": len(rose) >= _RISING, "found": found}


async def _no_contradictory_offers(workspace: Workspace, company: lifecycle.Company, measured: dict[str, Any]) -> dict[str, Any]:
    """Read what was done to each customer from the tasks' own parameters, and know nothing of leases."""
    rows = await workspace.journal.select(
        "SELECT id, parent, skill, input, finished_at, state FROM task WHERE skill IN ('price.change', 'price.raise', 'case.open', 'outreach.send')"
    )
    inputs = await workspace.journal.payloads([row["input"] for row in rows])
    done: dict[tuple[str, str], list[dict[str, Any]]] = {}
    wanted: dict[str, set[str]] = {}
    for row in rows:
        account = str(inputs[row["input"]]["account"])
        wanted.setdefault(account, set()).add(row["skill"])
        if row["state"] == "completed":
            done.setdefault((account, row["skill"]), []).append(row)
    contradictory = _within(done, wanted, "price.change", "price.raise", OFFER) + _within(done, wanted, "price.raise", "price.change", OFFER)
    unheard = _within(done, wanted, "case.open", "outreach.send", CASE)
    both = sum({"price.change", "price.raise"} <= skills for skills in wanted.values())
    resolved = await workspace.journal.select("SELECT COUNT(*) AS n FROM conflict WHERE open = 0")
    left = await workspace.journal.select("SELECT COUNT(*) AS n FROM conflict WHERE state = 'asked'")
    found = (
        f"{both} accounts were to get a lower and a higher price, {contradictory} got both; {unheard} letters into an open case; "
        f"{resolved[0]['n']} conflicts resolved, {left[0]['n']} wait for a person"
    )
    return {"check": "no customer got two contradictory offers", "ok": not contradictory and not unheard, "found": found}


def _within(done: dict[tuple[str, str], list[dict[str, Any]]], accounts: Iterable[str], first: str, second: str, window: timedelta) -> int:
    """How often the second was done to an account within that time after the first. What undoes something does not contradict it."""
    return sum(
        0 <= then["finished_at"] - before["finished_at"] < window / timedelta(microseconds=1) and then["parent"] != before["id"]
        for account in accounts
        for before in done.get((account, first), ())
        for then in done.get((account, second), ())
    )


_CHECKS: tuple[Callable[..., Any], ...] = (
    _everything_came_in,
    _all_ended_or_wait,
    _actions_are_gated,
    _no_contradictory_offers,
    settlements.check,
    _better_agents_rose,
)
