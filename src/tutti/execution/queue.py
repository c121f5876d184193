"""Who is next: weighted shares between departments, priorities and deadlines inside, capacity per skill.

Stride scheduling (Waldspurger and Weihl, 1995): a department's virtual time moves by 1 ÷ weight with each task it is given, and the
department that is furthest behind goes first. A department that was idle starts at the present virtual time, so it cannot save up.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Mapping


class Queue:
    """Tasks that are ready. `take` gives the next one whose skill has capacity; the same task is never in it twice."""

    def __init__(self, weights: Mapping[str, float] | None = None) -> None:
        self._weights = dict(weights or {})
        self._heaps: dict[str, dict[str, list[tuple[int, int, int, str]]]] = {}
        self._passed: dict[str, float] = {}
        self._now = 0.0
        self._waiting: dict[str, tuple[str, str]] = {}
        self._order = 0

    def __len__(self) -> int:
        return len(self._waiting)

    def __contains__(self, task: object) -> bool:
        return task in self._waiting

    def put(self, task: str, department: str, skill: str, priority: int, deadline_at: int | None) -> None:
        """Queue a task: higher priority first, then the earlier deadline, then the order of arrival."""
        if task in self._waiting:
            return
        skills = self._heaps.setdefault(department, {})
        if not any(skills.values()):
            self._passed[department] = max(self._passed.get(department, 0.0), self._now)
        self._order += 1
        entry = (-priority, deadline_at if deadline_at is not None else 1 << 62, self._order, task)
        heapq.heappush(skills.setdefault(skill, []), entry)
        self._waiting[task] = (department, skill)

    def drop(self, task: str) -> None:
        """Forget a task (it was canceled); its entry is skipped when it comes up."""
        self._waiting.pop(task, None)

    def take(self, free: Callable[[str], bool]) -> str | None:
        """The next task whose skill is `free`, or None."""
        best: tuple[float, str, str] | None = None
        for department, skills in self._heaps.items():
            if best is not None and self._passed[department] >= best[0]:
                continue
            skill = self._first(skills, free)
            if skill is not None:
                best = (self._passed[department], department, skill)
        if best is None:
            return None
        passed, department, skill = best
        self._now = passed
        self._passed[department] = passed + 1.0 / max(self._weights.get(department, 1.0), 0.001)
        heap = self._heaps[department][skill]
        task = heapq.heappop(heap)[3]
        if not heap:
            del self._heaps[department][skill]
        self._waiting.pop(task, None)
        return task

    def _first(self, skills: dict[str, list[tuple[int, int, int, str]]], free: Callable[[str], bool]) -> str | None:
        best, best_entry = None, None
        for skill in list(skills):
            heap = skills[skill]
            while heap and heap[0][3] not in self._waiting:
                heapq.heappop(heap)
            if not heap:
                del skills[skill]
            elif (best_entry is None or heap[0] < best_entry) and free(skill):
                best, best_entry = skill, heap[0]
        return best
