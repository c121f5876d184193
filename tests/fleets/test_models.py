"""The models learn something that holds on rows they have not seen."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from random import Random

import pytest

from tutti.errors import Invalid
from tutti.fleets import lifecycle
from tutti.fleets.lifecycle import churn, texts
from tutti.fleets.lifecycle.company import Labels
from tutti.fleets.lifecycle.models import forecast_score


def test_forecasts_beat_the_base_rate(company, fitted):
    scores = lifecycle.model_scores(company, fitted)
    json.dumps(scores)
    found = scores["churn"]["business"]
    assert found["held_out"] == len(company.accounts)
    for name in ("logistic", "blend"):
        assert found[name]["auc_95"][0] > 0.7
        assert found[name]["brier"] < 0.8 * found["brier_of_base_rate"]
    assert found["rule"]["brier"] > found["brier_of_base_rate"]


def test_text_models_beat_their_rivals(company, fitted):
    scores = lifecycle.model_scores(company, fitted)
    urgency, queue = scores["urgency"]["desk"], scores["queue"]["desk"]
    assert urgency["text"]["macro_f1"] > 0.2 + max(urgency[name]["macro_f1"] for name in ("majority", "words", "vader"))
    assert queue["text"]["accuracy"] > 0.4 + queue["majority"]["accuracy"]
    assert scores["mood"]["text"]["macro_f1"] > scores["mood"]["vader"]["macro_f1"]


def test_labels_of_judged_rows_do_not_reach_the_models(company, fitted):
    """Training with those labels turned round gives the same models."""
    labels, fresh = company.labels, {row.id for row in (*company.fresh_tickets, *company.fresh_accounts)}
    lies = Labels(
        urgency={id: "low" if id in fresh else true for id, true in labels.urgency.items()},
        queue={id: "elsewhere" if id in fresh else true for id, true in labels.queue.items()},
        mood={id: "neutral" if id in fresh else true for id, true in labels.mood.items()},
        hours={id: 1e6 if id in fresh else true for id, true in labels.hours.items()},
        left={id: not true if id in fresh else true for id, true in labels.left.items()},
    )
    again = lifecycle.train(replace(company, labels=lies))
    assert again.hours == fitted.hours
    assert again.mood_cuts == fitted.mood_cuts
    for row in company.accounts[:40]:
        assert again.churn["business"].by_blend(row.facts) == fitted.churn["business"].by_blend(row.facts)
    for row in company.tickets[:40]:
        assert again.queue_by_text("desk", row.words) == fitted.queue_by_text("desk", row.words)
        assert again.urgency_by_text("desk", row.words) == fitted.urgency_by_text("desk", row.words)


def test_too_few_accounts_are_refused():
    with pytest.raises(Invalid, match="business: 5 training accounts"):
        lifecycle.train(lifecycle.sample(1, 10, 10, past_accounts=5))


def test_trees_read_out_score_as_the_original():
    import numpy as np
    from sklearn.ensemble import HistGradientBoostingClassifier

    random = np.random.default_rng(5)
    rows = random.normal(size=(600, 4)).round(1)
    left = (rows[:, 0] * rows[:, 1] + random.normal(size=600) * 0.3 > 0).astype(float)
    trees = churn.Trees.fit(rows, left, (12, 0.1, 40))
    model = HistGradientBoostingClassifier(max_leaf_nodes=12, learning_rate=0.1, max_iter=40, early_stopping=False, random_state=0).fit(rows, left)
    assert [trees.score(row) for row in rows.tolist()] == pytest.approx(model.predict_proba(rows)[:, 1].tolist())


def test_text_model_scores_as_the_pipeline_it_was_fitted_with():
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression

    random = Random(2)
    words = {"a": "printer paper ink tray", "b": "mail inbox send reply", "c": "door key badge lock"}
    labels = [random.choice("abc") for _ in range(90)]
    rows = [" ".join(random.choices((words[label] + " please today office").split(), k=6)) for label in labels]
    for several in (True, False):
        kept = [(row, label) for row, label in zip(rows, labels, strict=True) if several or label != "c"]
        some, names = [row for row, _ in kept], [label for _, label in kept]
        vectors = TfidfVectorizer(ngram_range=(1, 2), min_df=2, max_features=20_000, sublinear_tf=True)
        model = LogisticRegression(C=5.0, class_weight="balanced", max_iter=300).fit(vectors.fit_transform(some), names)
        fitted = texts.TextModel.fit(some, names)
        ours = [fitted.best(row) for row in some]
        sure = model.predict_proba(vectors.transform(some))
        assert [label for label, _ in ours] == model.predict(vectors.transform(some)).tolist()
        assert [p for _, p in ours] == pytest.approx(sure.max(axis=1).tolist())


def test_without_enough_rows_the_majority_is_all_there_is():
    assert texts.TextModel.fit(["x"] * 3, ["a", "b", "b"]).best("anything") == ("b", 1.0)
    assert texts.TextModel.fit([], []).majority == ""


def test_curve_is_level_outside_and_straight_between():
    curve = churn.Curve((0.2, 0.4), (0.1, 0.5))
    assert [curve.at(x) for x in (0.0, 0.2, 0.3, 0.4, 1.0)] == pytest.approx([0.1, 0.1, 0.3, 0.5, 0.5])


def test_auc_counts_pairs():
    """A hand count: 5 of 6 pairs in order and one tie is 5.5 of 6."""
    found = forecast_score([0.9, 0.5, 0.5, 0.2, 0.1], [True, True, False, False, False])
    assert found["auc"] == pytest.approx(5.5 / 6, abs=1e-4)
    assert found["auc_95"][0] <= found["auc"] <= found["auc_95"][1]
    assert forecast_score([0.4], [True])["auc"] is None


def test_macro_f1_counts_each_label_the_same():
    assert texts.macro_f1(["a", "a", "a", "b"], ["a", "a", "a", "a"]) == pytest.approx((6 / 7 + 0) / 2)


def test_scores_can_be_taken_on_another_company(company, fitted):
    other = lifecycle.sample(8)
    scores = lifecycle.model_scores(company, fitted, held=other)
    assert scores["churn"]["business"]["held_out"] == len(other.accounts)
    assert scores["urgency"]["desk"]["held_out"] == len(other.tickets)
    assert scores["churn"]["business"]["blend"]["brier"] < scores["churn"]["business"]["brier_of_base_rate"]


def test_no_ml_library_is_loaded_before_it_is_used():
    code = (
        "import sys, tutti.fleets.lifecycle as l; l.sample(1, 5, 5); print(*(m for m in ('sklearn', 'scipy', 'numpy', 'vaderSentiment') if m in sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == ""
