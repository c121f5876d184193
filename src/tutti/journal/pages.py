"""Pages of a large journal: facts from either end, and the exact texts that were sealed, for whoever checks them elsewhere.

`seq` is the only order, so a page is a range of it; a span of time is one too, for `at` never decreases. What no index finds is looked for stretch by
stretch, and a page that took too many of them is short and says where to look on.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import orjson

Select = Callable[[str, Sequence[Any]], Awaitable[Sequence[Mapping[str, Any]]]]
STRETCH = 50_000  # facts that one statement looks at
STRETCHES = 4  # of them for one page
_COLUMNS = 'seq, at, kind, about, "by", cause, data, leaf'


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which facts. `kinds` are beginnings of kinds (`task.`, `run.started`), `by` a name or, with a slash at its end, the beginning of names."""

    about: str = ""
    kind: str = ""
    kinds: tuple[str, ...] = ()
    by: str = ""

    def sql(self) -> tuple[list[str], list[Any]]:
        """The conditions and their parameters."""
        parts: list[str] = []
        params: list[Any] = []
        if self.about:
            parts.append("about = ?")
            params.append(self.about)
        if self.kind:
            parts.append("kind = ?")
            params.append(self.kind)
        if self.kinds:
            parts.append(f"({' OR '.join(['(kind >= ? AND kind < ?)'] * len(self.kinds))})")
            params += [edge for kind in self.kinds for edge in span(kind)]
        if self.by.endswith("/"):
            parts.append('("by" >= ? AND "by" < ?)')
            params += span(self.by)
        elif self.by:
            parts.append('"by" = ?')
            params.append(self.by)
        return parts, params


class Page(NamedTuple):
    """Rows of facts, and the `seq` to look on from where more than `STRETCHES` had to be looked through; else None."""

    facts: list[Mapping[str, Any]]
    next: int | None


def span(beginning: str) -> tuple[str, str]:
    """The range of texts that begin so: from the first, to before the second. Not for an empty beginning."""
    return beginning, beginning[:-1] + chr(ord(beginning[-1]) + 1)


async def facts_page(select: Select, head: int, wanted: Wanted, *, after: int, before: int | None, limit: int) -> Page:
    """Facts after `after` in order; with `before`, those before it with the newest first. `head` is the last `seq` there is."""
    low, high = after, min(head, before - 1 if before is not None else head)  # low < seq <= high
    parts, params = wanted.sql()
    step = high - low if wanted.about or not parts else STRETCH  # an index, or nothing to look for, ends it by itself
    way = "DESC" if before is not None else "ASC"
    found: list[Mapping[str, Any]] = []
    for _ in range(STRETCHES):
        if low >= high or len(found) >= limit:
            break
        first, last = (max(low, high - step), high) if before is not None else (low, min(high, low + step))
        held = " AND ".join(["seq > ?", "seq <= ?", *parts])
        found += await select(f"SELECT {_COLUMNS} FROM fact WHERE {held} ORDER BY seq {way} LIMIT ?", (first, last, *params, limit - len(found)))
        low, high = (low, first) if before is not None else (last, high)
    if len(found) >= limit or low >= high:
        return Page(found, None)
    return Page(found, high + 1 if before is not None else low)


async def seq_at(select: Select, head: int, instant: int) -> int:
    """How many facts are from before this instant: the `seq` of the last one, 0 for none."""
    low, high = 0, head  # facts up to low are before it, those after high are not
    while low < high:
        middle = (low + high + 1) // 2
        rows = await select("SELECT at FROM fact WHERE seq = ?", (middle,))
        if rows and rows[0]["at"] < instant:
            low = middle
        else:
            high = middle - 1
    return low


async def leaves_page(select: Select, workspace: str, *, after: int, limit: int) -> list[dict[str, Any]]:
    """The texts that were sealed, in order: SHA-256 over a zero byte and the text is the leaf. Source: RFC 6962, 2.1."""
    rows = await select(f"SELECT {_COLUMNS} FROM fact WHERE seq > ? ORDER BY seq LIMIT ?", (after, limit))
    return [{"seq": row["seq"], "content": content(workspace, row), "leaf": bytes(row["leaf"]).hex()} for row in rows]


def content(workspace: str, row: Mapping[str, Any]) -> str:
    """What a fact's leaf is the hash of, as text."""
    header = orjson.dumps([row["seq"], row["at"], workspace, row["kind"], row["about"], row["by"], row["cause"]])
    return f"{header.decode()}\n{row['data']}"
