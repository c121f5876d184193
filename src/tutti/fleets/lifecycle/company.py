"""A company as the fleet meets it: tickets and accounts that come in, and labels that no agent ever sees."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

URGENCIES = ("low", "normal", "high")
MOODS = ("negative", "neutral", "positive")


@dataclass(frozen=True, slots=True)
class Ticket:
    """What a customer wrote. `account` is the account's id, `channel` the door it came in by."""

    id: str
    account: str
    channel: str
    title: str
    text: str

    @property
    def words(self) -> str:
        return f"{self.title}\n{self.text}"


@dataclass(frozen=True, slots=True)
class Account:
    """A customer. `facts` are the columns of its kind (`usage` or `telco`): numbers as float, the rest as text."""

    id: str
    kind: str
    facts: Mapping[str, float | str]


@dataclass(frozen=True, slots=True)
class Labels:
    """How things turned out, by ticket or account id. Judges and training read it; signals and agents do not.

    A thing without a label is not in the mapping: it is neither trained on nor judged.
    """

    urgency: Mapping[str, str] = field(default_factory=dict)
    queue: Mapping[str, str] = field(default_factory=dict)
    mood: Mapping[str, str] = field(default_factory=dict)
    hours: Mapping[str, float] = field(default_factory=dict)
    left: Mapping[str, bool] = field(default_factory=dict)


@dataclass(frozen=True)
class Company:
    """Tickets and accounts that come in, and what was known before.

    `past_tickets` and `past_accounts` are the training rows: closed cases whose labels were known before the run.
    They may come in too (loaded data) or not (the sample); either way a past row is never judged. `mood_texts` are
    texts with a mood to fit mood models on.
    """

    name: str
    tickets: tuple[Ticket, ...]
    accounts: tuple[Account, ...]
    labels: Labels
    past_tickets: tuple[Ticket, ...]
    past_accounts: tuple[Account, ...]
    mood_texts: tuple[tuple[str, str], ...] = ()

    @cached_property
    def past(self) -> frozenset[str]:
        """The ids of all training rows."""
        return frozenset(row.id for row in self.past_tickets) | frozenset(row.id for row in self.past_accounts)

    @cached_property
    def fresh_tickets(self) -> tuple[Ticket, ...]:
        """Tickets that no model was trained on: the held-out part, the only one that is judged."""
        return tuple(ticket for ticket in self.tickets if ticket.id not in self.past)

    @cached_property
    def fresh_accounts(self) -> tuple[Account, ...]:
        """Accounts that no model was trained on."""
        return tuple(account for account in self.accounts if account.id not in self.past)

    @cached_property
    def _order(self) -> tuple[Ticket | Account, ...]:
        place = {account.id: n for n, account in enumerate(sorted(self.accounts, key=lambda row: digest(row.id)))}
        lag = min(200, max(1, len(place) // 10))
        keyed: list[tuple[float, str, Ticket | Account]] = [(place[row.id], row.id, row) for row in self.accounts]
        for ticket in self.tickets:
            ahead = digest("side", ticket.id) % 3 == 0
            keyed.append((place.get(ticket.account, 0) + (-0.5 if ahead else lag + 0.5), ticket.id, ticket))
        return tuple(row for _, _, row in sorted(keyed, key=lambda entry: entry[:2]))

    @cached_property
    def written_before(self) -> Mapping[str, tuple[Ticket, ...]]:
        """By account: the tickets it had written when its snapshot came in. What a help desk would find on file."""
        found: dict[str, list[Ticket]] = {}
        coming = {ticket.id for ticket in self.tickets}
        met: set[str] = set()
        for row in (*(ticket for ticket in self.past_tickets if ticket.id not in coming), *self._order):
            if isinstance(row, Account):
                met.add(row.id)
            elif row.account not in met:
                found.setdefault(row.account, []).append(row)
        return {account: tuple(tickets) for account, tickets in found.items()}


def digest(*parts: object) -> int:
    """A whole number from `parts` that is the same on every machine and in every run."""
    return int.from_bytes(hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).digest()[:8])


def snapshot(account: Account) -> dict[str, Any]:
    """The data of an `account.updated` signal, and the input of the account skills."""
    return {"account": account.id, "kind": account.kind, "facts": dict(account.facts)}


def opened(ticket: Ticket) -> dict[str, Any]:
    """The data of a `ticket.opened` signal, and the input of the ticket skills."""
    return {
        "id": ticket.id,
        "account": ticket.account,
        "channel": ticket.channel,
        "title": ticket.title,
        "text": ticket.text,
    }


def signals(company: Company) -> Iterator[dict[str, Any]]:
    """Every ticket and every account as CloudEvents, in a fixed order; ids are stable, so sending again is harmless.

    Accounts come in the order of the hash of their id. A third of the tickets (by hash) come just before the
    snapshot of their account, the others `min(200, accounts / 10)` snapshots after it, when its forecast is known.
    """
    for row in company._order:
        yield event(company, row)


def event(company: Company, row: Ticket | Account) -> dict[str, Any]:
    """The CloudEvent by which a ticket or an account comes in."""
    account = isinstance(row, Account)
    return {
        "specversion": "1.0",
        "id": f"account-{row.id}" if account else f"ticket-{row.id}",
        "source": f"/{company.name}/{'accounts' if account else 'desk'}",
        "type": "account.updated" if account else "ticket.opened",
        "subject": f"account/{row.id}" if isinstance(row, Account) else f"account/{row.account}",
        "datacontenttype": "application/json",
        "data": snapshot(row) if isinstance(row, Account) else opened(row),
    }
