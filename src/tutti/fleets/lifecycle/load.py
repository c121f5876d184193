"""Reads a company from a folder of public data sets. Nothing of it is in the package.

No public set joins tickets to accounts, so the join is made up by a fixed rule: a ticket belongs to the account at
`hash(ticket id) mod number of accounts`, accounts in order of their ids. A third made-up thing is the scale of urgency:
three levels, from the help desk's codes (0 and 1 high, 2 normal, 3 low; the codes have no names, 3 is a request) and
from the bugs' priorities.
"""

from __future__ import annotations

import csv
import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from tutti.errors import Invalid, NotFound
from tutti.fleets.lifecycle.company import Account, Company, Labels, Ticket, digest

TRAINING_TICKETS = 50  # percent; a judge needs the other half
TRAINING_ACCOUNTS = 70  # percent
DESK_URGENCY = {"0": "high", "1": "high", "2": "normal", "3": "low"}
BUG_URGENCY = {
    **dict.fromkeys(("Blocker", "Critical", "P1", "P2"), "high"),
    **dict.fromkeys(("Major", "P3"), "normal"),
    **dict.fromkeys(("Minor", "Trivial", "P4", "P5"), "low"),
}
DESK = ("id", "title", "body", "category", "urgency")
BUGS = ("id", "project", "summary", "description", "priority", "hours_to_resolve")
USAGE = (
    "call_failure", "complains", "subscription_length", "charge_amount", "seconds_of_use", "frequency_of_use",
    "frequency_of_sms", "distinct_called_numbers", "age_group", "tariff_plan", "status", "age", "customer_value",
)  # fmt: skip
TELCO_NUMBERS = ("tenure", "MonthlyCharges", "TotalCharges", "SeniorCitizen")
TELCO_TEXTS = (
    "gender", "Partner", "Dependents", "PhoneService", "MultipleLines", "InternetService", "OnlineSecurity",
    "OnlineBackup", "DeviceProtection", "TechSupport", "StreamingTV", "StreamingMovies", "Contract",
    "PaperlessBilling", "PaymentMethod",
)  # fmt: skip


def load(folder: str | Path, name: str = "acme") -> Company:
    """All tickets of `tickets_helpdesk` and `tickets_bugs`, all accounts of `usage_churn` and `telco_churn`.

    Training rows are the tickets whose text hashes below 50 of 100 and the accounts whose facts hash below 70 of 100:
    equal texts and equal rows are on the same side. `sentiment/senti4sd_dev.csv`, where present, gives the mood texts.

    Raises:
        NotFound: the folder, or one of the four sets, is not there.
        Invalid: a file lacks a column, or a row cannot be read; the message names file, line and column.
    """
    root = Path(folder)
    if not root.is_dir():
        raise NotFound(f"there is no folder {root}", hint="Give the folder that holds tickets_helpdesk, telco_churn …")
    accounts, left = _accounts(root)
    tickets, labels = _tickets(root, [account.id for account in accounts])
    for what, ids in (("ticket", [row.id for row in tickets]), ("account", [row.id for row in accounts])):
        twice = [id for id, count in Counter(ids).items() if count > 1]
        if twice:
            raise Invalid(f"{root}: {what} {twice[0]} stands there twice", hint="Ids must be unique over all files; leave one out.")
    return Company(
        name=name,
        tickets=tuple(tickets),
        accounts=tuple(accounts),
        labels=Labels(**labels, left=left),
        past_tickets=tuple(row for row in tickets if digest(row.words) % 100 < TRAINING_TICKETS),
        past_accounts=tuple(row for row in accounts if digest(dict(row.facts)) % 100 < TRAINING_ACCOUNTS),
        mood_texts=tuple(_moods(root)),
    )


def _accounts(root: Path) -> tuple[list[Account], dict[str, bool]]:
    accounts, left = [], {}
    for at, row in _rows(_file(root, "usage_churn", "csv"), ("id", "churn", *USAGE)):
        accounts.append(Account(row["id"], "usage", {column: _number(at, row, column) for column in USAGE}))
        left[row["id"]] = _choice(at, row, "churn", {"0": False, "1": True})
    for at, row in _rows(_file(root, "telco_churn", "csv"), ("customerID", "Churn", *TELCO_NUMBERS, *TELCO_TEXTS)):
        facts: dict[str, float | str] = {column: _number(at, row, column) for column in TELCO_NUMBERS}
        facts |= {column: row[column] for column in TELCO_TEXTS}
        accounts.append(Account(row["customerID"], "telco", facts))
        left[row["customerID"]] = _choice(at, row, "Churn", {"No": False, "Yes": True})
    return sorted(accounts, key=lambda account: account.id), left


def _tickets(root: Path, accounts: list[str]) -> tuple[list[Ticket], dict[str, dict[str, Any]]]:
    tickets: list[Ticket] = []
    labels: dict[str, dict[str, Any]] = {"urgency": {}, "queue": {}, "hours": {}}
    for at, row in _rows(_file(root, "tickets_helpdesk", "csv"), DESK):
        tickets.append(Ticket(row["id"], joined(row["id"], accounts), "helpdesk", row["title"], row["body"]))
        labels["urgency"][row["id"]] = _choice(at, row, "urgency", DESK_URGENCY)
        labels["queue"][row["id"]] = f"category {row['category']}"
    for at, row in _rows(_file(root, "tickets_bugs", "jsonl"), BUGS):
        tickets.append(Ticket(row["id"], joined(row["id"], accounts), "bugs", row["summary"] or "", row["description"] or ""))
        labels["queue"][row["id"]] = row["project"]
        if row["priority"]:
            labels["urgency"][row["id"]] = _choice(at, row, "priority", BUG_URGENCY)
        if row["hours_to_resolve"] is not None:
            labels["hours"][row["id"]] = _number(at, row, "hours_to_resolve")
    return tickets, labels


def _moods(root: Path) -> Iterator[tuple[str, str]]:
    if (root / "sentiment" / "senti4sd_dev.csv").is_file():
        for _, row in _rows(root / "sentiment" / "senti4sd_dev.csv", ("text", "label")):
            yield row["text"], row["label"]


def joined(ticket: str, accounts: list[str]) -> str:
    """The account that a ticket is said to belong to: a stated rule, not a fact of the data."""
    return accounts[digest(ticket) % len(accounts)]


def _file(root: Path, name: str, ending: str) -> Path:
    """`NAME/dev.ENDING`, or the only file with that ending in `NAME`."""
    usual = root / name / f"dev.{ending}"
    found = [usual] if usual.is_file() else sorted((root / name).glob(f"*.{ending}"))
    if len(found) != 1:
        what = "is not there" if not found else f"is one of {len(found)} files and none is called dev.{ending}"
        raise NotFound(f"{root / name}/*.{ending} {what}", hint=f"Put the rows of {name} into {usual}.")
    return found[0]


def _rows(file: Path, columns: tuple[str, ...]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Each row with the place it stands at, for messages."""
    read: Callable[[Any], Iterator[Any]] = csv.DictReader if file.suffix == ".csv" else _json_lines
    count = 0
    try:
        with file.open(encoding="utf-8", newline="") as lines:
            for count, row in enumerate(read(lines), 1):
                missing = [column for column in columns if column not in row]
                if missing:
                    raise Invalid(f"{file}, row {count} has no column {', '.join(missing)}", hint="See data/README.md.")
                if file.suffix == ".csv" and any(row[column] is None for column in columns):
                    raise Invalid(f"{file}, row {count} ends too early", hint="Is the file complete?")
                yield f"{file}, row {count}", row
    except (UnicodeDecodeError, json.JSONDecodeError, csv.Error) as error:
        raise Invalid(f"{file}, row {count + 1} cannot be read: {error}", hint="It must be UTF-8.") from error
    if not count:
        raise Invalid(f"{file} has no rows", hint="Is the file complete?")


def _json_lines(lines: Any) -> Iterator[Any]:
    for line in lines:
        if line.strip():
            row = json.loads(line)
            if not isinstance(row, dict):
                raise json.JSONDecodeError("not an object", line, 0)
            yield row


def _number(at: str, row: Mapping[str, Any], column: str) -> float:
    text = str(row[column]).strip()
    if not text and column == "TotalCharges":  # blank in the first month, when nothing was charged yet
        return 0.0
    try:
        return float(text)
    except ValueError:
        raise Invalid(f"{at}: {column} is {text!r}, not a number", hint="Correct the row or leave it out.") from None


def _choice(at: str, row: Mapping[str, Any], column: str, known: Mapping[str, Any]) -> Any:
    if row[column] not in known:
        raise Invalid(f"{at}: {column} is {row[column]!r}, not one of {', '.join(known)}", hint="Correct the row.")
    return known[row[column]]
