"""Makes a company up: own words, own numbers, the same for the same seed on every machine."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from random import Random

from tutti.fleets.lifecycle.company import Account, Company, Labels, Ticket

QUEUES: dict[str, tuple[str, ...]] = {
    "billing": (
        "the invoice for {month} shows {n} seats and we have fewer",
        "we were charged twice in {month}",
        "please send the receipt for order {n}",
        "the discount we agreed on is not on the bill",
        "our bank refused the direct debit of {month}",
    ),
    "access": (
        "{n} colleagues cannot sign in since this morning",
        "the reset link for my login has expired",
        "please add a new colleague to the {team} workspace",
        "two-step sign-in asks for a code that never arrives",
        "my account was locked after {n} attempts",
    ),
    "outage": (
        "the dashboard shows error {n} on every page",
        "exports from the {team} workspace time out",
        "nothing loads since the update in {month}",
        "the app closes when I open the {team} report",
        "search takes {n} seconds and then fails",
    ),
    "how-to": (
        "how do I share the {team} report with a partner",
        "where can I change the language of the page",
        "is there a way to schedule {n} reports at once",
        "can you explain what the column next to revenue means",
        "how does the {month} forecast come about",
    ),
    "data": (
        "{n} rows are missing from the {month} import",
        "the numbers in the {team} report do not add up",
        "we imported a file twice and see every customer double",
        "please restore the records deleted in {month}",
        "the export has the dates in the wrong order",
    ),
    "contract": (
        "we would like to end the contract in {month}",
        "what does it cost to add {n} seats",
        "another supplier offers the same for less",
        "please send the renewal terms for the {team} team",
        "can we move from monthly to yearly in {month}",
    ),
}
VAGUE = (
    "something is wrong with the {team} workspace since {month}",
    "we need help with {n} entries of the {team} team",
    "it is about what we discussed in {month}",
    "the {team} team asks me about this every day",
)
URGENCY_LINES: dict[str, tuple[str, ...]] = {
    "high": (
        "This stops our whole team.",
        "We have customers waiting right now.",
        "This is urgent, please call back today.",
        "Everything is down on our side.",
        "Our deadline is in an hour.",
    ),
    "normal": (
        "Please look at it this week.",
        "It slows us down a little.",
        "We can work around it for now.",
        "Let me know when you have news.",
    ),
    "low": (
        "There is no hurry.",
        "Just a question for when you have time.",
        "It would be nice to have.",
        "Only a small thing we noticed.",
    ),
}
MOOD_LINES: dict[str, tuple[str, ...]] = {
    "negative": (
        "I am really disappointed.",
        "This is the third time and it is unacceptable.",
        "Honestly, this is a terrible experience.",
        "We are losing patience.",
        "Nobody answered my last message.",
    ),
    "neutral": ("Hello,", "Dear team,", "Good morning,", "As discussed on the phone,", "For your information:"),
    "positive": (
        "Thanks for the great help last time!",
        "We love the new release.",
        "You have been wonderful so far.",
        "Happy with everything else.",
    ),
}
# How likely each urgency is in each queue: low, normal, high.
URGENCY_ODDS = {
    "billing": (3, 5, 2),
    "access": (2, 4, 4),
    "outage": (1, 3, 6),
    "how-to": (7, 3, 0),
    "data": (2, 5, 3),
    "contract": (4, 5, 1),
}
TEAMS = ("sales", "finance", "field", "care", "north", "product")
MONTHS = ("January", "March", "April", "June", "September", "November")
HOURS = {"high": 6.0, "normal": 30.0, "low": 70.0}
VAGUELY = 0.2  # of the tickets do not say what they are about
MISLEADING = 0.12  # of the lines say another urgency or mood than was meant: people do


@dataclass
class _Book:
    urgency: dict[str, str] = field(default_factory=dict)
    queue: dict[str, str] = field(default_factory=dict)
    mood: dict[str, str] = field(default_factory=dict)
    hours: dict[str, float] = field(default_factory=dict)
    left: dict[str, bool] = field(default_factory=dict)


def make(
    seed: int = 7,
    tickets: int = 400,
    accounts: int = 250,
    *,
    past_tickets: int = 600,
    past_accounts: int = 800,
    name: str = "acme",
) -> Company:
    """A company with `tickets` and `accounts` to come in, and past ones, which do not come in, to train on.

    Whether an account left depends on its usage and contract, with noise; urgency, mood and queue of a ticket show in
    its words most of the time.
    """
    if min(tickets, accounts, past_tickets, past_accounts) < 1:
        raise ValueError("tickets, accounts and past rows must each be at least 1")
    random, book = Random(seed), _Book()
    old = [_account(random, f"p{n + 1:04}", book) for n in range(past_accounts)]
    new = [_account(random, f"{n + 1:04}", book) for n in range(accounts)]
    said: set[str] = set()
    closed = [_ticket(random, f"p{n + 1:05}", random.choice(new), book, said) for n in range(past_tickets)]
    coming = [_ticket(random, f"{n + 1:05}", random.choice(new), book, said) for n in range(tickets)]
    return Company(
        name=name,
        tickets=tuple(coming),
        accounts=tuple(new),
        labels=Labels(book.urgency, book.queue, book.mood, book.hours, book.left),
        past_tickets=tuple(closed),
        past_accounts=tuple(old),
        mood_texts=tuple((ticket.words, book.mood[ticket.id]) for ticket in closed),
    )


def more_tickets(company: Company, random: Random, name: Callable[[], str]) -> Iterator[Ticket]:
    """New tickets of a company that `make` made, without end; `name` gives their ids. How each turns out is added to the company's labels."""
    labels = company.labels
    book = _Book(*(known for known in (labels.urgency, labels.queue, labels.mood, labels.hours, labels.left) if isinstance(known, dict)))
    while True:
        yield _ticket(random, name(), random.choice(company.accounts), book, set())


def _account(random: Random, id: str, book: _Book) -> Account:
    keen = random.gauss(0, 1)  # how much the product is part of their day; never seen by anyone
    seats = random.choice((3, 5, 8, 12, 20, 40))
    yearly, tenure = random.random() < 0.45, random.randint(1, 60)
    active = float(min(22, max(0, round(12 + 5 * keen + random.gauss(0, 2)))))
    quiet = float(max(0, round(6 - 3 * keen + random.expovariate(0.25))))
    failures = float(min(30, round(random.expovariate(0.2))))
    complaints = float(min(6, sum(random.random() < 0.15 + 0.012 * failures for _ in range(4))))
    used = float(max(1, round(seats * min(1.0, max(0.1, 0.65 + 0.2 * keen + random.gauss(0, 0.1))))))
    facts: dict[str, float | str] = {
        "active_days": active,
        "sessions": float(round(active * used * random.uniform(0.5, 1.5))),
        "minutes": float(round(active * used * random.uniform(5, 25))),
        "seats_used": used,
        "features_used": float(max(1, round(6 + 2 * keen + random.gauss(0, 2)))),
        "reports": float(round(max(0.0, 10 + 6 * keen + random.gauss(0, 5)))),
        "failures": failures,
        "complaints": complaints,
        "days_since_login": quiet,
        "seats": float(seats),
        "tenure": float(tenure),
        "monthly_fee": round(seats * random.uniform(4, 9), 2),
        "term": "yearly" if yearly else "monthly",
        "payment": random.choice(("card", "invoice", "direct debit")),
    }
    pull = -2.3 - 1.1 * keen + 0.7 * complaints + (0.0 if yearly else 0.9) - 0.025 * tenure + 0.04 * failures
    pull += 1.6 * (quiet > 14) + 1.2 * (failures > 8 and complaints > 0)
    book.left[id] = random.random() < 1 / (1 + math.exp(-pull))
    return Account(id, "business", facts)


def _ticket(random: Random, id: str, account: Account, book: _Book, said: set[str]) -> Ticket:
    queue = random.choice(sorted(QUEUES))
    urgency = random.choices(("low", "normal", "high"), URGENCY_ODDS[queue])[0]
    left = book.left[account.id]
    mood = random.choices(("negative", "neutral", "positive"), (5, 4, 1) if left else (2, 5, 3))[0]
    text = ""
    while not text or text in said:  # equal texts would be in training and in judging
        matter = random.choice(VAGUE if random.random() < VAGUELY else QUEUES[queue]).format(
            n=random.randint(2, 90), month=random.choice(MONTHS), team=random.choice(TEAMS)
        )
        feeling = _line(random, MOOD_LINES, mood)
        text = " ".join((feeling, matter[0].upper() + matter[1:] + ".", _line(random, URGENCY_LINES, urgency)))
    said.add(text)
    book.queue[id], book.urgency[id], book.mood[id] = queue, urgency, mood
    book.hours[id] = round(HOURS[urgency] * math.exp(random.gauss(-0.7, 0.9)), 1)
    return Ticket(id, account.id, "desk", matter.split(",")[0][:60], text + _slip(random))


def _line(random: Random, lines: dict[str, tuple[str, ...]], meant: str) -> str:
    return random.choice(lines[random.choice(sorted(lines)) if random.random() < MISLEADING else meant])


def _slip(random: Random) -> str:
    """Now and then someone writes down what should not stand in a ticket. The numbers are nobody's."""
    luck = random.random()
    if luck < 0.015:
        return f" My card is {card_number(random)}."
    if luck < 0.03:
        return f" You can write to someone{random.randint(10, 99)}@example.com."
    return f" My password is blue-{random.randint(1000, 9999)}-sky." if luck < 0.04 else ""


def card_number(random: Random) -> str:
    """A number with a right check digit (Luhn) in a range no bank issues cards from."""
    digits = [4, 0, 0, 0, 0, 0, *(random.randint(0, 9) for _ in range(9))]
    total = sum(d if n % 2 else sum(divmod(2 * d, 10)) for n, d in enumerate(digits))
    return "".join(map(str, [*digits, -total % 10]))
