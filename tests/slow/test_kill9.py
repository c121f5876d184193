"""kill -9 at random moments: what was acknowledged is there, and nothing happened twice."""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path

import pytest
from kill9_site import Trial, run

STAGES = {"ready", "running", "backoff", "approval", "approved", "joining", "coalesced", "asking", "parked"}


def killed(folder: Path, seed: int, kills: int) -> Trial:
    return run(folder, seed, kills, 4, worker="kill9_worker.py", first=["ticket.triage"], actions=["refund.pay", "price.change"])


def test_three_kills(tmp_path):
    trial = killed(tmp_path, seed=1, kills=3)
    assert trial.kills == 3
    assert trial.sent


@pytest.mark.slow
def test_a_hundred_kills_at_every_stage(tmp_path):
    trial = killed(tmp_path, seed=2, kills=int(os.environ.get("TUTTI_KILLS", "100")))
    stages: Counter[str] = Counter()
    for (_, stage), count in trial.caught.items():
        stages[stage] += count
    print(f"{trial.kills} kills, {len(trial.sent)} signals, {len(trial.approvals)} approvals acknowledged; open tasks by stage: {dict(stages.most_common())}")
    assert trial.stages >= STAGES
