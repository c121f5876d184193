"""Declared checks on an outcome, and people's ratings."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tutti.model.fact import Draft
from tutti.model.outcome import Judgement, Source


@dataclass(frozen=True, slots=True)
class Check:
    """A declared check of a skill's outcomes. It may know what agents must not (labels). None means: cannot judge this one."""

    name: str
    quality: Callable[[Any, Any], float | None]


def judge(checks: Sequence[Check], input: Any, output: Any) -> Judgement | None:
    """The mean of what the checks say, or None where none can judge. A check that fails or answers outside 0..1 is named in `errors`."""
    said: list[tuple[str, float]] = []
    errors: list[str] = []
    for check in checks:
        try:
            quality = check.quality(input, output)
        except Exception as error:  # a check is the user's code
            errors.append(f"{check.name}: {type(error).__name__}")
            continue
        if quality is None:
            continue
        if isinstance(quality, bool | int | float) and 0.0 <= quality <= 1.0:
            said.append((check.name, float(quality)))
        else:
            errors.append(f"{check.name}: {quality!r} is not between 0 and 1"[:120])
    if not said:
        return Judgement(0.0, Source.CHECK, errors=tuple(errors)) if errors else None
    mean = sum(quality for _, quality in said) / len(said)
    return Judgement(mean, Source.CHECK, check=", ".join(name for name, _ in said), errors=tuple(errors))


def as_fact(task: Mapping[str, Any], judgement: Judgement, by: str, ms: float, cause: int | None, note: str | None = None) -> Draft | None:
    """A judgement as the fact that keeps it; None where a stronger source has spoken already. Qualities are in millionths.

    `was` is the quality this judgement replaces in the standing (a person's rating takes the place of a check's).
    """
    if task["quality_source"] == Source.PERSON and judgement.source is Source.CHECK:
        return None
    data: dict[str, Any] = {
        "quality": round(judgement.quality * 1_000_000),
        "source": judgement.source.value,
        "skill": task["skill"],
        "class": task["class"],
        "agent": task["agent"],
        "version": task["agent_version"],
        "ms": round(ms),
    }
    if judgement.check:
        data["check"] = judgement.check
    if task["quality"] is not None:
        data["was"], data["was_source"] = task["quality"], task["quality_source"]
    if task.get("claimed") is not None:  # what the agent bid for it: its next bids are read by how this one came out
        data |= {name: task[name] for name in ("claimed", "claimed_ms") if task[name] is not None}
    if note is not None:
        data["note"] = note
    return Draft("task.judged", task["id"], by, data, cause)
