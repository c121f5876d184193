"""What an operator asks: alive, ready, figures, the page; and the listener's TLS."""

from __future__ import annotations

import ssl
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import aiohttp
import httpx
import pytest
from api_site import Served, as_caller, make_fleet, serving
from certificates import certificate
from prometheus_client.parser import text_string_to_metric_families

from tutti import Settings, Workspace
from tutti.api.listening import tls
from tutti.errors import Invalid


@pytest.fixture
def client(workspace: Workspace) -> httpx.AsyncClient:
    return as_caller(workspace)


async def test_alive_and_ready(workspace: Workspace, client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch) -> None:
    assert (await client.get("/health")).json() == {"status": "alive"}
    assert (await client.get("/ready")).json() == {"status": "ready"}

    async def broken(*_: object) -> None:
        raise TimeoutError

    monkeypatch.setattr(workspace.journal, "select", broken)
    assert (await client.get("/ready")).status_code == 507
    await workspace.corridor.traffic.stop(0)
    assert (await client.get("/ready")).status_code == 503


async def test_figures(workspace: Workspace, client: httpx.AsyncClient) -> None:
    await workspace.result(await workspace.submit("ticket.triage", {"text": "x"}))
    asked = (await client.post("/v1/tasks", json={"skill": "refund.pay", "input": {"amount": 99}})).json()["task"]
    await workspace.quiet()
    await client.get(f"/v1/tasks/{asked}")
    await client.get("/v1/tasks/t-no")
    await client.get("/thought/up")
    answer = await client.get("/metrics")
    found = {(sample.name, *sorted(sample.labels.items())): sample.value for family in text_string_to_metric_families(answer.text) for sample in family.samples}
    assert found["tutti_open_tasks", ("state", "input-required")] == 1
    assert found["tutti_approvals_waiting",] == 1
    assert found["tutti_agents", ("state", "live")] == len(workspace.house.registry.live())
    assert found["tutti_journal_facts_total",] == workspace.journal.head.seq
    batches, seconds = found["tutti_journal_batch_seconds_count",], found["tutti_journal_batch_seconds_sum",]
    assert 0 < batches < workspace.journal.head.seq
    within = sorted((float(name[1][1]), count) for name, count in found.items() if name[0] == "tutti_journal_batch_seconds_bucket")
    assert [count for _, count in within] == sorted(count for _, count in within)
    assert within[-1] == (float("inf"), batches)
    parts = [(low, high, upto - before) for (low, before), (high, upto) in pairwise([(0.0, 0.0), *within]) if upto > before]
    assert seconds > 0
    assert sum(low * count for low, _, count in parts) <= seconds <= sum(high * count for _, high, count in parts), "each batch is in the bucket of its time"
    route = (("method", "GET"), ("route", "/v1/tasks/{id}"))
    assert found["tutti_http_answers_total", *route, ("status", "200")] == 1
    assert found["tutti_http_answers_total", *route, ("status", "404")] == 1
    assert found["tutti_http_answers_total", ("method", "GET"), ("route", "other"), ("status", "404")] == 1
    assert "thought" not in answer.text


async def test_the_page_loads_nothing_from_elsewhere(client: httpx.AsyncClient) -> None:
    page = await client.get("/docs")
    assert page.headers["content-type"].startswith("text/html")
    assert "://" not in page.text
    policy = page.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "/v1/tasks/{id}" in (await client.get("/v1/openapi.json")).json()["paths"]


async def status(served: Served, context: ssl.SSLContext) -> int:
    url = served.url.replace("127.0.0.1", "localhost") + "/v1/tasks"
    async with aiohttp.ClientSession() as session, session.get(url, headers=served.headers, ssl=context) as answer:
        return answer.status


async def test_tls_and_certificates_of_callers(tmp_path: Path) -> None:
    ca = certificate(tmp_path, "ca")
    certificate(tmp_path, "server", ca)
    certificate(tmp_path, "caller", ca)
    settings = Settings("support", tmp_path / "tutti", listen="127.0.0.1:0", tls_cert=str(tmp_path / "server.pem"), tls_key=str(tmp_path / "server.key"))
    trusting = ssl.create_default_context(cafile=str(tmp_path / "ca.pem"))
    async with serving(make_fleet(), settings) as served:
        assert served.url.startswith("https://")
        assert await status(served, trusting) == 200
    async with serving(make_fleet(), replace(settings, tls_client_ca=str(tmp_path / "ca.pem"))) as served:
        with pytest.raises(aiohttp.ClientError):
            await status(served, trusting)
        trusting.load_cert_chain(tmp_path / "caller.pem", tmp_path / "caller.key")
        assert await status(served, trusting) == 200


def test_files_that_do_not_fit_are_told(tmp_path: Path) -> None:
    certificate(tmp_path, "a")
    certificate(tmp_path, "b")
    with pytest.raises(Invalid, match="no certificate and its key"):
        tls(Settings(tls_cert=str(tmp_path / "a.pem"), tls_key=str(tmp_path / "b.key")))
    with pytest.raises(Invalid, match="holds no certificates"):
        tls(Settings(tls_cert=str(tmp_path / "a.pem"), tls_key=str(tmp_path / "a.key"), tls_client_ca=str(tmp_path / "a.key")))
