"""Who is next: weighted shares between departments, priorities inside, then the joint order, deadlines and arrival; capacity per skill.

Stride scheduling (Waldspurger and Weihl, 1995): a department's virtual time moves by 1 ÷ weight with each task it is given, and the
department that is furthest behind goes first. A department that was idle starts at the present virtual time, so it cannot save up.
A joint order must cost nobody their deadline: what has used half of its time goes by its deadline, before all that is ranked.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Mapping
from typing import NamedTuple

_NEVER = 1 << 62
_LOOKED_PAST = 500  # tasks that can have no agent now and are looked past to find some that can
_PRESSING = -1  # the rank of what has used half of the time to its deadline

Place = tuple[int, int, int, int]  # minus priority, rank, deadline, arrival: the smallest goes first


class _Waiting(NamedTuple):
    department: str
    skill: str
    place: Place
    since: int


class Queue:
    """Tasks that are ready. `take` gives the next one whose skill has capacity; the same task is never in it twice."""

    def __init__(self, weights: Mapping[str, float] | None = None) -> None:
        self._weights = dict(weights or {})
        self._heaps: dict[str, dict[str, list[tuple[Place, str]]]] = {}
        self._passed: dict[str, float] = {}
        self._now = 0.0
        self._waiting: dict[str, _Waiting] = {}
        self._skills: dict[str, int] = {}  # how many wait, by skill
        self._departments: dict[str, int] = {}
        self._order = 0
        self._ranked = False  # whether anything was ever ranked: only then deadlines need a watch of their own
        self._pressing: list[tuple[int, int, str]] = []  # when half of a task's time is used

    def __len__(self) -> int:
        return len(self._waiting)

    def __contains__(self, task: object) -> bool:
        return task in self._waiting

    def waiting(self, skill: str) -> int:
        """How many tasks of a skill wait."""
        return self._skills.get(skill, 0)

    def put(
        self, task: str, department: str, skill: str, priority: int, deadline_at: int | None, *, rank: int | None = None, since: int = 0, arrival: int | None = None
    ) -> None:  # fmt: skip
        """Queue a task: higher priority first, then the joint `rank` (ranked ones first), then the earlier deadline, then the order of arrival.

        `since` is when it was submitted; `arrival` its place in the order of arrival, where it keeps the one it had.
        """
        if task in self._waiting:
            return
        if not self._departments.get(department):
            self._passed[department] = max(self._passed.get(department, 0.0), self._now)
        self._order += 1
        place = (-priority, _NEVER if rank is None else rank, _NEVER if deadline_at is None else deadline_at, self._order if arrival is None else arrival)
        self._departments[department] = self._departments.get(department, 0) + 1
        self._skills[skill] = self._skills.get(skill, 0) + 1
        self._enter(task, _Waiting(department, skill, place, since))
        if rank is not None and not self._ranked:
            self._watch()

    def rank(self, ranks: Mapping[str, int]) -> None:
        """Give waiting tasks their places in a joint order."""
        if not self._ranked:
            self._watch()
        for task, rank in ranks.items():
            waiting = self._waiting.get(task)
            if waiting is not None and waiting.place[1] != _PRESSING:
                self._enter(task, waiting._replace(place=(waiting.place[0], rank, *waiting.place[2:])))

    def drop(self, task: str) -> None:
        """Forget a task (it was canceled); its entry is skipped when it comes up."""
        waiting = self._waiting.pop(task, None)
        if waiting is not None:
            self._skills[waiting.skill] -= 1
            self._departments[waiting.department] -= 1

    def take(self, free: Callable[[str], bool], now: int = 0) -> str | None:
        """The next task whose skill is `free`, or None. `now` tells which deadlines press."""
        self._press(now)
        best: tuple[float, str, str] | None = None
        for department, skills in self._heaps.items():
            if best is not None and self._passed[department] >= best[0]:
                continue
            skill = self._first(skills, free)
            if skill is not None:
                best = (self._passed[department], department, skill)
        if best is None:
            return None
        _, department, skill = best
        heap = self._heaps[department][skill]
        task = heapq.heappop(heap)[1]
        if not heap:
            del self._heaps[department][skill]
        self.pick(task)
        return task

    def pick(self, task: str) -> bool:
        """Take a task out of its turn; its department pays for it as for any other. Whether it was there."""
        waiting = self._waiting.get(task)
        if waiting is None:
            return False
        department = waiting.department
        self._now = max(self._now, self._passed[department])
        self._passed[department] += self._stride(department)
        self.drop(task)
        return True

    def first(self, skill: str, count: int, now: int = 0, skip: Callable[[str], bool] = lambda task: False) -> list[str]:
        """The next tasks of a skill as `take` would give them, without those to `skip`; they stay where they are."""
        self._press(now)
        passed, heaps = dict(self._passed), {name: skills[skill] for name, skills in self._heaps.items() if skill in skills}
        looked: list[tuple[list[tuple[Place, str]], tuple[Place, str]]] = []
        found: list[str] = []
        taken: set[str] = set()
        seen = 0
        while len(found) < count and seen < _LOOKED_PAST + count:
            for heap in heaps.values():
                self._clean(heap)
            department = min((name for name, heap in heaps.items() if heap), key=lambda name: passed[name], default=None)
            if department is None:
                break
            entry = heapq.heappop(heaps[department])
            if entry[1] in taken:  # who came back to its place is in the heap twice
                continue
            taken.add(entry[1])
            looked.append((heaps[department], entry))
            seen += 1
            if not skip(entry[1]):
                found.append(entry[1])
                passed[department] += self._stride(department)
        for heap, entry in looked:
            heapq.heappush(heap, entry)
        return found

    def _stride(self, department: str) -> float:
        return 1.0 / max(self._weights.get(department, 1.0), 0.001)

    def _enter(self, task: str, waiting: _Waiting) -> None:
        """Put a task at its place; an entry that it had elsewhere is skipped from now on."""
        self._waiting[task] = waiting
        heapq.heappush(self._heaps.setdefault(waiting.department, {}).setdefault(waiting.skill, []), (waiting.place, task))
        if self._ranked:
            self._watch_one(task, waiting)

    def _watch(self) -> None:
        """From now on see whose deadlines press."""
        self._ranked = True
        for task, waiting in self._waiting.items():
            self._watch_one(task, waiting)

    def _watch_one(self, task: str, waiting: _Waiting) -> None:
        _, rank, deadline, arrival = waiting.place
        if deadline != _NEVER and rank != _PRESSING:
            heapq.heappush(self._pressing, (waiting.since + max(deadline - waiting.since, 0) // 2, arrival, task))

    def _press(self, now: int) -> None:
        """Let those go by their deadline that have used half of their time."""
        while self._pressing and self._pressing[0][0] <= now:
            _, arrival, task = heapq.heappop(self._pressing)
            waiting = self._waiting.get(task)
            if waiting is not None and waiting.place[3] == arrival and waiting.place[1] != _PRESSING:
                self._enter(task, waiting._replace(place=(waiting.place[0], _PRESSING, *waiting.place[2:])))

    def _clean(self, heap: list[tuple[Place, str]]) -> None:
        """Drop entries from the top whose tasks are gone or stand elsewhere by now."""
        while heap and ((waiting := self._waiting.get(heap[0][1])) is None or waiting.place != heap[0][0]):
            heapq.heappop(heap)

    def _first(self, skills: dict[str, list[tuple[Place, str]]], free: Callable[[str], bool]) -> str | None:
        best, best_entry = None, None
        for skill in list(skills):
            heap = skills[skill]
            self._clean(heap)
            if not heap:
                del skills[skill]
            elif (best_entry is None or heap[0] < best_entry) and free(skill):
                best, best_entry = skill, heap[0]
        return best
