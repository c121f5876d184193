"""Checks become judgements; judgements become standings."""

from __future__ import annotations

import pytest

from tutti import evaluation, feedback
from tutti.evaluation import Check
from tutti.model.fact import Fact
from tutti.model.outcome import Judgement, Source

TASK = {"id": "t-1", "skill": "job.do", "class": "", "agent": "a", "agent_version": "1", "quality": None, "quality_source": None}


def test_the_mean_of_those_that_can_judge():
    checks = [Check("one", lambda i, o: 1.0), Check("two", lambda i, o: 0.5), Check("blind", lambda i, o: None)]
    judgement = evaluation.judge(checks, {}, {})
    assert (judgement.quality, judgement.check, judgement.errors) == (0.75, "one, two", ())
    assert evaluation.judge([Check("blind", lambda i, o: None)], {}, {}) is None


def test_a_check_that_fails_or_lies_counts_for_nothing_and_is_named():
    judgement = evaluation.judge([Check("broken", lambda i, o: o["nothing"]), Check("wild", lambda i, o: 7), Check("good", lambda i, o: 0.4)], {}, {})
    assert (judgement.quality, judgement.check) == (0.4, "good")
    assert judgement.errors == ("broken: KeyError", "wild: 7 is not between 0 and 1")


def test_a_check_never_overrules_a_person():
    rated = {**TASK, "quality": 200_000, "quality_source": "person"}
    assert evaluation.as_fact(rated, Judgement(0.9, Source.CHECK), "check/x", 1, 1) is None
    again = evaluation.as_fact(rated, Judgement(0.6, Source.PERSON), "person/owner", 1, 1)
    assert (again.data["was"], again.data["quality"]) == (200_000, 600_000)


def test_a_standing_is_what_its_judgements_add_up_to_whatever_replaces_what():
    good = bad = judged = 0
    for data in (
        {"quality": 900_000},
        {"quality": 300_000},
        {"quality": 0, "was": 900_000, "was_source": "check"},
    ):
        fact = Fact(1, 1, "task.judged", "t-1", "x", None, {"skill": "job.do", "class": "", "agent": "a", "version": "1", "source": "check", "ms": 5, **data})
        for change in feedback.FOLDS["task.judged"](fact):
            good, bad, judged = good + change.deltas.get("good", 0), bad + change.deltas.get("bad", 0), judged + change.deltas.get("judged", 0)
    assert (good, bad, judged) == (300_000, 1_700_000, 2)


@pytest.mark.parametrize(("good", "bad"), [(0, 0), (5, 5), (90, 10), (1000, 0)])
def test_the_interval_holds_the_mean_and_narrows_with_evidence(good, bad):
    mean, low, high = feedback.interval(good, bad)
    assert 0 <= low < mean < high <= 1
    _, low_more, high_more = feedback.interval(good * 10 + 1, bad * 10 + 1)
    assert high_more - low_more < high - low
