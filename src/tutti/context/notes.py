"""Notes: the latest value of each topic about a subject. Values are payloads; the view keeps their ids only."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Protocol

from tutti.model.fact import Fact
from tutti.model.outcome import NOTES
from tutti.model.view import Change, Fold, Put

_REMEMBERED = 50_000  # subjects whose notes are kept at hand


class Reads(Protocol):
    """What notes need of the journal."""

    async def rows(self, table: str, where: Mapping[str, Any], *, limit: int = ...) -> list[dict[str, Any]]: ...
    async def payloads(self, ids: Sequence[str]) -> dict[str, Any]: ...


class Notes:
    """What is known of a subject, read once and kept current by the facts that go by."""

    def __init__(self, journal: Reads) -> None:
        self._journal = journal
        self._known: OrderedDict[str, dict[str, tuple[str, Any]]] = OrderedDict()

    async def about(self, subject: str | None) -> dict[str, tuple[str, Any]]:
        """Topic → (payload id, value) for a subject's pseudonym."""
        if subject is None:
            return {}
        known = self._known.get(subject)
        if known is None:
            rows = await self._journal.rows("note", {"subject": subject}, limit=1000)
            values = await self._journal.payloads([row["value"] for row in rows])
            known = {row["topic"]: (row["value"], values[row["value"]]) for row in rows if values.get(row["value"]) is not None}
            self._known[subject] = known
            if len(self._known) > _REMEMBERED:
                self._known.popitem(last=False)
        else:
            self._known.move_to_end(subject)
        return known

    def forget(self, subject: str) -> None:
        """Drop what is at hand about a subject; it is read again when somebody asks."""
        self._known.pop(subject, None)


def _shared(fact: Fact) -> Iterable[Change]:
    data = fact.data
    yield Put("note", (fact.about, data["topic"]), {"value": data["value"], "task": data["task"], "at": fact.at})


TABLES = (NOTES,)
FOLDS: dict[str, Fold] = {"note.shared": _shared}
