"""The public data sets, where they are found. Bounds are wide: they say that it works, not how well."""

from __future__ import annotations

import pytest

from tutti.fleets import lifecycle

pytestmark = pytest.mark.slow


def test_every_row_comes_in(real):
    assert {row.channel for row in real.tickets} == {"helpdesk", "bugs"}
    assert {row.kind for row in real.accounts} == {"usage", "telco"}
    assert len(list(lifecycle.signals(real))) == len(real.tickets) + len(real.accounts)


def test_no_text_and_no_row_is_on_both_sides(real):
    assert not {row.words for row in real.fresh_tickets} & {row.words for row in real.past_tickets}
    facts = {tuple(row.facts.items()) for row in real.past_accounts}
    assert not {tuple(row.facts.items()) for row in real.fresh_accounts} & facts
    assert 0.45 < len(real.past_tickets) / len(real.tickets) < 0.55
    assert 0.65 < len(real.past_accounts) / len(real.accounts) < 0.75


def test_models_beat_the_base_rate(real):
    scores = lifecycle.model_scores(real)
    for kind, auc in (("telco", 0.8), ("usage", 0.95)):
        found = scores["churn"][kind]
        assert found["blend"]["auc"] > auc
        assert found["blend"]["brier"] < 0.8 * found["brier_of_base_rate"]
        assert found["blend"]["brier"] <= found["logistic"]["brier"] + 0.002
    for channel in ("helpdesk", "bugs"):
        for what in ("urgency", "queue"):
            found = scores[what][channel]
            assert found["text"]["macro_f1"] > 0.1 + found["majority"]["macro_f1"]
            assert found["text"]["accuracy"] > found["majority"]["accuracy"]
