"""The running example: a company's customer lifecycle, from tickets and usage to renewals, prices and letters.

A company comes in (made up by `sample`, or read by `load` from a folder of public data), a fleet of agents over five
departments comes out of `build`, and `signals` are what to send it. Models are trained on the company's past rows,
judged on the others. Nothing here opens a workspace, reads a clock or draws an unseeded number.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tutti.fleets.lifecycle.company import Company, signals
from tutti.fleets.lifecycle.load import load
from tutti.fleets.lifecycle.models import Models, model_scores, train
from tutti.fleets.lifecycle.sample import make as sample

if TYPE_CHECKING:
    from tutti import Fleet

__all__ = ["Company", "Models", "build", "load", "model_scores", "sample", "signals", "train"]


def build(company: Company, **options: Any) -> Fleet:
    """The fleet over a company. Options: `fitted`, `at_risk`, `letters_per_day`, `discounts_per_day`, `large`; see `assembly.py`."""
    from tutti.fleets.lifecycle.assembly import build as put_together

    return put_together(company, **options)
