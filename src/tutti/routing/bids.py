"""Bids: what an agent claims of a task, read by how its claims have come out. Quality is never taken as claimed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from tutti.model.fact import Fact
from tutti.model.route import Bid, Used
from tutti.model.view import Add, Change, Column, Table

BINS = 10  # of claims: a claim counts among those within the same tenth
PACES = 13  # classes of measured ÷ claimed latency, each the root of 2 wide, from an eighth to eight times and beyond
_MIDDLE = 6  # the class that ends at 1: as claimed
_TRUST = 4.0  # judgements that an agent's mean is worth in each tenth, until its claims have shown more
_UNHEARD = 0.01  # the same where nothing was claimed yet: it yields to what its neighbours have shown
_RUNS = 4.0  # runs that its measured latency is worth
_SLOW = 0.8  # share of runs that are at least as quick as the latency that counts
_MILLION = 1_000_000

_SUMS: dict[str, Column] = {f"{what}{number}": "int" for what, count in (("claims", BINS), ("judged", BINS), ("pace", PACES)) for number in range(count)}
CALIBRATIONS = Table(  # how an agent version's claims at a skill have come out: per tenth how many and the sum of judged qualities; per pace how many
    "calibration",
    key=("skill", "agent", "agent_version"),
    columns={"skill": "text", "agent": "text", "agent_version": "text", **_SUMS},
)


def calibrate(bid: Bid, agent: str, version: str, record: Mapping[str, Any] | None, *, mean: float, latency_ms: float, cost: float) -> Used:
    """A bid as it counts. `mean`, `latency_ms` and `cost` are what holds of the agent without a bid; `record` is its row of calibrations.

    Each tenth of claims has the mean of its judgements, drawn towards the agent's own mean (it takes four to be half believed), and never falls
    with rising claims (pooled adjacent violators; Ayer et al. 1955). So who claims the same of everything gains nothing, whatever it claims.
    Without judged claims the mean alone counts. Latency is the claim times what 80 % of its runs stayed within.
    """
    claimed = min(max(float(bid.quality), 0.0), 1.0)
    confidence = min(max(float(bid.confidence), 0.0), 1.0)
    quality = mean + confidence * (_curve(record, mean, claimed) - mean)
    claimed_ms = None if bid.latency is None else max(bid.latency.total_seconds() * 1000, 1.0)
    pace = latency_ms if claimed_ms is None else claimed_ms * _pace(record, latency_ms / claimed_ms)
    return Used(agent, version, claimed, round(quality, 6), claimed_ms, round(pace, 3), cost if bid.cost is None else max(float(bid.cost), 0.0), confidence)


def _curve(record: Mapping[str, Any] | None, mean: float, claimed: float) -> float:
    if record is None:
        return mean
    pools: list[list[float]] = []  # sum of qualities, weight, bins
    for number in range(BINS):
        claims = record[f"claims{number}"]
        trust = _TRUST if claims else _UNHEARD
        pools.append([record[f"judged{number}"] / _MILLION + trust * mean, claims + trust, 1.0])
        while len(pools) > 1 and pools[-2][0] * pools[-1][1] > pools[-1][0] * pools[-2][1]:
            last = pools.pop()
            pools[-1] = [first + second for first, second in zip(pools[-1], last, strict=True)]
    levels = [total / weight for total, weight, bins in pools for _ in range(int(bins))]
    place = min(max(claimed * BINS - 0.5, 0.0), BINS - 1.0)  # between the middles of two tenths
    low = min(int(place), BINS - 2)
    return levels[low] + (place - low) * (levels[low + 1] - levels[low])


def _pace(record: Mapping[str, Any] | None, known: float) -> float:
    """Measured ÷ claimed latency that 80 % of the runs stay within; `known` is what its other runs say."""
    counts = [0.0] * PACES if record is None else [float(record[f"pace{number}"]) for number in range(PACES)]
    runs = sum(counts)
    left = _SLOW * runs
    reached = 1.0
    for number, count in enumerate(counts):
        left -= count
        if left <= 0:
            reached = float(2.0 ** ((number - _MIDDLE) / 2))
            break
    return (reached * runs + known * _RUNS) / (runs + _RUNS)


def judged(fact: Fact) -> Iterable[Change]:
    """A judgement of work that was bid for, as a change of the agent's calibration."""
    data = fact.data
    claimed = data.get("claimed")
    if claimed is None:
        return
    key = (data["skill"], data["agent"], data["version"])
    tenth = min(claimed * BINS // _MILLION, BINS - 1)
    if "was" in data:  # a stronger source takes the place of the weaker one; the run is the same
        yield Add("calibration", key, {f"judged{tenth}": data["quality"] - data["was"]})
        return
    changes = {f"claims{tenth}": 1, f"judged{tenth}": data["quality"]}
    if data.get("claimed_ms"):
        changes[f"pace{_class_of(data['ms'], data['claimed_ms'])}"] = 1
    yield Add("calibration", key, changes)


def _class_of(ms: int, claimed_ms: int) -> int:
    """The class of a latency against its claim, in whole numbers, so that every replay finds the same."""
    found = 0
    for power in range(-_MIDDLE, PACES - 1 - _MIDDLE):  # whether the square of the ratio is above 2^power
        found += (ms * ms << max(-power, 0)) > (claimed_ms * claimed_ms << max(power, 0))
    return found
