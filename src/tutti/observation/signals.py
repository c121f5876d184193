"""Signals that came in, newest first, with how many tasks each one called for; and plans in progress."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from tutti.observation.windows import Part, Select, moved, within

_Row = dict[str, Any]


async def signals(
    select: Select, *, departments: Collection[str] | None, id: str | None = None, type: str | None = None, subject: str | None = None, task: str | None = None,
    after: int | None = None, limit: int = 50,
) -> list[_Row]:  # fmt: skip
    """Rows of the view with `rowid` and `tasks`. `subject` is a pseudonym; `task` the one that sent it; `after` the `rowid` of the page before.

    A signal is there for whoever may see its department, or a task that came from it.
    """
    held = [Part(f"signal.{name} = ?", (value,)) for name, value in (("id", id), ("type", type), ("subject", subject), ("task", task)) if value is not None]
    if after is not None:
        held.append(Part("signal.rowid < ?", (after,)))
    if departments is not None:
        its, theirs = within(departments, "signal.department"), within(departments, "task.department")
        held.append(Part(f"({its.sql} OR EXISTS (SELECT 1 FROM task WHERE task.signal = signal.id AND {theirs.sql}))", (*its.params, *theirs.params)))
    where = " AND ".join(part.sql for part in held) or "1 = 1"
    whose = within(departments, "task.department")
    # the same signal is on what its tasks asked for; those have another parent
    called = f"SELECT COUNT(*) FROM task WHERE task.signal = signal.id AND COALESCE(task.parent, '') = COALESCE(signal.task, '') AND {whose.sql}"
    return await select(
        f"SELECT signal.rowid, signal.*, ({called}) AS tasks FROM signal WHERE {where} ORDER BY signal.rowid DESC LIMIT ?",
        (*whose.params, *(value for part in held for value in part.params), limit),
    )


async def playbooks(select: Select, *, since: int, now: int, departments: Collection[str] | None) -> list[_Row]:
    """Plans by kind and name: those that run, with their steps and the oldest of them, and those that ended since an instant; most open ones first.

    A plan is at risk past its task's deadline, or in the last tenth of the time up to it.
    """
    whose = within(departments)
    running = await select(
        "SELECT plan.kind, COALESCE(plan.name, '') AS name, COUNT(*) AS open, SUM(plan.steps) AS steps_all, MIN(plan.made_at) AS oldest_at, "
        f"SUM(CASE WHEN task.deadline_at IS NOT NULL AND 10 * ({now:d} - task.submitted_at) >= 9 * (task.deadline_at - task.submitted_at) THEN 1 ELSE 0 END) AS at_risk, "
        "SUM((SELECT COUNT(*) FROM task AS step WHERE step.parent = plan.task AND step.state = 'completed')) AS steps_done "
        f"FROM plan JOIN task ON task.id = plan.task WHERE plan.open = 1 AND {whose.sql.replace('department', 'task.department')} GROUP BY plan.kind, COALESCE(plan.name, '')",
        whose.params,
    )
    ended = moved("id", since, departments, "open = 0")
    over = await select(
        f"SELECT plan.kind, COALESCE(plan.name, '') AS name, COUNT(*) AS ended, SUM(CASE WHEN plan.state = 'completed' THEN 1 ELSE 0 END) AS finished "
        f"FROM ({ended.sql}) AS ended CROSS JOIN plan WHERE plan.task = ended.id AND plan.open = 0 GROUP BY plan.kind, COALESCE(plan.name, '')",
        ended.params,
    )
    found: dict[tuple[str, str], _Row] = {}
    for row in running:
        found[row["kind"], row["name"]] = {
            "open": row["open"],
            "steps_done": row["steps_done"],
            "steps_all": row["steps_all"],
            "at_risk": row["at_risk"],
            "oldest_at": row["oldest_at"],
        }
    for row in over:
        found.setdefault((row["kind"], row["name"]), {}).update(finished=row["finished"], failed=row["ended"] - row["finished"])
    usual = {"open": 0, "finished": 0, "failed": 0, "steps_done": 0, "steps_all": 0, "at_risk": 0, "oldest_at": None}
    told = [{"kind": kind, "name": name, **usual, **values} for (kind, name), values in found.items()]
    return sorted(told, key=lambda row: (-row["open"], row["kind"], row["name"]))
