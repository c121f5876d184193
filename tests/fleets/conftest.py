"""A sample company and its models, fitted once; the folder of real data, where there is one."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tutti.fleets import lifecycle


@pytest.fixture(scope="session")
def company():
    return lifecycle.sample(7)


@pytest.fixture(scope="session")
def fitted(company):
    return lifecycle.train(company)


@pytest.fixture(scope="session")
def data() -> Path:
    """The public data sets: `TUTTI_DATA`, or `../shared/data` beside the checkout."""
    folder = Path(os.environ.get("TUTTI_DATA", Path(__file__).parents[3] / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"no data in {folder}; set TUTTI_DATA")
    return folder


@pytest.fixture(scope="session")
def real(data):
    return lifecycle.load(data)
