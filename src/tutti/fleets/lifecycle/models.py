"""Trains all models of a company on its past rows, and scores them on the others."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

from tutti.errors import Invalid
from tutti.fleets.lifecycle import churn, texts
from tutti.fleets.lifecycle.company import URGENCIES, Company, Ticket, digest

MOOD_TRAINING = 70  # percent of the mood texts; the rest is for the score


@dataclass(frozen=True)
class Models:
    """Fitted models: by kind of account, by channel of tickets, and for moods. `hours` is the past median by (channel, urgency)."""

    churn: Mapping[str, churn.Churn]
    desks: Mapping[str, texts.Desk]
    mood: texts.TextModel
    mood_cuts: texts.Cuts
    hours: Mapping[tuple[str, str], float]

    def urgency_by_vader(self, channel: str, score: float) -> str:
        desk = self.desks.get(channel)
        return desk.urgency_cuts.part(score) if desk else "normal"

    def urgency_by_text(self, channel: str, text: str) -> str:
        desk = self.desks.get(channel)
        return desk.urgency.best(text)[0] if desk and desk.urgency.majority else texts.urgency_by_words(text)

    def mood_by_text(self, text: str) -> str:
        return self.mood.best(text)[0] if self.mood.weights is not None else texts.mood_by_words(text)

    def queue_by_majority(self, channel: str) -> str:
        desk = self.desks.get(channel)
        return (desk.queue.majority if desk else "") or "front desk"

    def queue_by_text(self, channel: str, text: str) -> tuple[str, float]:
        desk = self.desks.get(channel)
        return desk.queue.best(text) if desk and desk.queue.majority else ("front desk", 0.0)


def train(company: Company) -> Models:
    """Fit everything on the company's past rows and their labels; nothing else of the labels is read.

    Raises:
        Invalid: a kind of account has too few past rows to forecast it.
    """
    labels = company.labels
    forecasts: dict[str, churn.Churn] = {}
    for kind in sorted({account.kind for account in company.accounts}):
        rows = [row for row in company.past_accounts if row.kind == kind and row.id in labels.left]
        try:
            forecasts[kind] = churn.fit(kind, [row.facts for row in rows], [labels.left[row.id] for row in rows])
        except ValueError as error:
            raise Invalid(str(error), hint="Give more accounts of that kind.") from error
    desks: dict[str, texts.Desk] = {}
    hours: dict[tuple[str, str], float] = {}
    for channel in sorted({ticket.channel for ticket in company.tickets}):
        past = [ticket for ticket in company.past_tickets if ticket.channel == channel]
        desks[channel] = texts.fit_desk([ticket.words for ticket in past], _known(past, labels.urgency), _known(past, labels.queue))
        for urgency in URGENCIES:
            spent = [labels.hours[row.id] for row in past if row.id in labels.hours and labels.urgency.get(row.id) == urgency]
            if spent:
                hours[channel, urgency] = median(spent)
    mood, cuts = texts.fit_mood([row for row in company.mood_texts if _trains_mood(row[0])])
    return Models(forecasts, desks, mood, cuts, hours)


def _known(tickets: Sequence[Ticket], labels: Mapping[str, Any]) -> dict[int, Any]:
    return {n: labels[ticket.id] for n, ticket in enumerate(tickets) if ticket.id in labels}


def _trains_mood(text: str) -> bool:
    return digest(text) % 100 < MOOD_TRAINING


def model_scores(company: Company, models: Models | None = None, held: Company | None = None) -> dict[str, Any]:
    """Scores on rows that no model was trained on, ready for JSON.

    `held` names another company (other rows of the same sets): then all its labelled rows are scored instead of the
    company's own held-out part. AUC comes with a 95 % interval (DeLong), Brier with that of the base rate.
    """
    models = models or train(company)
    accounts = held.accounts if held else company.fresh_accounts
    tickets = held.tickets if held else company.fresh_tickets
    moods = held.mood_texts if held else tuple(row for row in company.mood_texts if not _trains_mood(row[0]))
    labels = (held or company).labels
    found: dict[str, Any] = {"churn": {}, "urgency": {}, "queue": {}}
    for kind, model in models.churn.items():
        rows = [row for row in accounts if row.kind == kind and row.id in labels.left]
        left = [labels.left[row.id] for row in rows]
        ways = {"rule": model.by_rule, "logistic": model.by_logistic, "blend": model.by_blend}
        found["churn"][kind] = {
            "trained_on": model.rows,
            "held_out": len(rows),
            "left": round(sum(left) / max(1, len(left)), 4),
            "brier_of_base_rate": round(_brier([model.base] * len(left), left), 4),
            **{name: forecast_score([way(row.facts) for row in rows], left) for name, way in ways.items()},
        }
    for channel, desk in models.desks.items():
        here = [ticket for ticket in tickets if ticket.channel == channel]
        found["urgency"][channel] = _classes(
            desk.urgency, here, labels.urgency, {
                "majority": lambda ticket: models.desks[ticket.channel].urgency.majority,
                "words": lambda ticket: texts.urgency_by_words(ticket.words),
                "vader": lambda ticket: models.urgency_by_vader(ticket.channel, texts.compound(ticket.words)),
                "text": lambda ticket: models.urgency_by_text(ticket.channel, ticket.words),
            },
        )  # fmt: skip
        found["queue"][channel] = _classes(
            desk.queue, here, labels.queue, {
                "majority": lambda ticket: models.queue_by_majority(ticket.channel),
                "text": lambda ticket: models.queue_by_text(ticket.channel, ticket.words)[0],
            },
        )  # fmt: skip
    if moods:
        found["mood"] = _classes(
            models.mood, [text for text, _ in moods], dict(moods), {
                "words": texts.mood_by_words,
                "vader": lambda text: models.mood_cuts.part(texts.compound(text)),
                "text": models.mood_by_text,
            },
        )  # fmt: skip
    return found


def _classes(model: texts.TextModel, things: Sequence[Any], labels: Mapping[str, str], ways: Mapping[str, Callable[[Any], str]]) -> dict[str, Any]:
    def key(thing: Any) -> str:
        return thing if isinstance(thing, str) else str(thing.id)

    rows = [thing for thing in things if key(thing) in labels]
    truth = [labels[key(row)] for row in rows]
    scores: dict[str, Any] = {"trained_on": model.rows, "held_out": len(rows)}
    for name, way in ways.items():
        said = [way(row) for row in rows]
        right = sum(a == b for a, b in zip(truth, said, strict=True)) / max(1, len(rows))
        scores[name] = {"accuracy": round(right, 4), "macro_f1": round(texts.macro_f1(truth, said), 4)}
    return scores


def forecast_score(risks: Sequence[float], left: Sequence[bool]) -> dict[str, Any]:
    """AUC with its 95 % interval, and Brier. AUC is None where only one outcome occurs.

    Source: DeLong, DeLong and Clarke-Pearson, Biometrics 44 (1988), by midranks as in Sun and Xu (2014).
    """
    import numpy as np
    from scipy.stats import rankdata

    brier = round(_brier(risks, left), 4)
    truth = np.array(left, dtype=bool)
    gone, stayed = np.array(risks)[truth], np.array(risks)[~truth]
    if not len(gone) or not len(stayed):
        return {"auc": None, "auc_95": None, "brier": brier}
    ranks = rankdata(np.concatenate([gone, stayed]))
    above = (ranks[: len(gone)] - rankdata(gone)) / len(stayed)
    below = 1 - (ranks[len(gone) :] - rankdata(stayed)) / len(gone)
    auc = float(above.mean())
    spread = math.sqrt(sum(float(part.var(ddof=1)) / len(part) for part in (above, below) if len(part) > 1))
    interval = [round(max(0.0, auc - 1.96 * spread), 4), round(min(1.0, auc + 1.96 * spread), 4)]
    return {"auc": round(auc, 4), "auc_95": interval, "brier": brier}


def _brier(risks: Sequence[float], left: Sequence[bool]) -> float:
    return sum((risk - true) ** 2 for risk, true in zip(risks, left, strict=True)) / max(1, len(left))
