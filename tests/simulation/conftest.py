"""What all simulations share."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest


@pytest.fixture(autouse=True)
def silence() -> Iterator[None]:
    """Crashes, broken agents and broken parties are told in the log; here they are the rule."""
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)
