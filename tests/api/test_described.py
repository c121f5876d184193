"""The description of the API holds: requests made up from it meet no defect, and no answer that it does not name."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
import schemathesis
from api_site import Call
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from schemathesis.specs.openapi.checks import content_type_conformance, response_headers_conformance, response_schema_conformance, status_code_conformance

FLEET = """
from api_site import make_fleet

fleet = make_fleet()
"""


def no_defect(_: Any, response: Any, case: Any) -> None:
    """An agent that is not there is 502, and no defect; everything else from 500 up is."""
    assert response.status_code < 500 or response.status_code == 502, f"{case.method} {case.path}: {response.status_code} {response.text}"


CHECKS = [no_defect, status_code_conformance, content_type_conformance, response_schema_conformance, response_headers_conformance]
STREAM = "/v1/events"  # it does not end
NOWHERE = "http://127.0.0.1:9/"  # where made-up agents are; an address that is not called


class Site:
    """A `tutti up` with the owner's token."""

    def __init__(self, url: str, token: str) -> None:
        self.url = url
        self.headers = {"authorization": f"Bearer {token}"}
        self.schema = schemathesis.openapi.from_url(f"{url}/v1/openapi.json")


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:

    (tmp_path / "fleet.py").write_text(FLEET)
    kept = {name: value for name, value in os.environ.items() if not name.startswith("TUTTI_")}
    process = subprocess.Popen(
        [sys.executable, "-m", "tutti.cli", "up", "fleet.py", "--json", "-q"], cwd=tmp_path, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        env={**kept, "TUTTI_FOLDER": str(tmp_path / ".tutti"), "TUTTI_LISTEN": "127.0.0.1:0", "TUTTI_GRACE_SECONDS": "0", "PYTHONPATH": str(Path(__file__).parent)},
    )  # fmt: skip
    assert process.stdout is not None
    lines = ""
    while not lines.endswith("}\n"):
        line = process.stdout.readline()
        assert line, process.communicate()
        lines += line
    said = json.loads(lines)
    found = Site(said["url"], Path(said["token_file"]).read_text().strip())
    try:
        yield found
    finally:
        process.terminate()
        _, err = process.communicate(timeout=60)
    assert "met a defect" not in err, err


def known(site: Site) -> dict[str, list[str]]:
    """Things that are there, by the places in a path that can name them: made-up names alone meet little but 404."""

    def ask(method: str, path: str, **more: Any) -> Any:
        answer = requests.request(method, site.url + path, headers=site.headers, timeout=60, **more)
        assert answer.ok, answer.text
        return answer.json()

    event = {"specversion": "1.0", "id": "1", "source": "/crm", "type": "ticket.opened", "data": {"text": "x", "refund": 700}}
    signal = ask("POST", "/v1/signals", json=event)
    wishes = [("ticket.ask", {"text": "?"}), ("ticket.ask", {"text": "?"}), ("refund.pay", {"amount": 900}), ("ticket.triage", {"text": "x"})]
    tasks = [ask("POST", "/v1/tasks", json={"skill": skill, "input": input})["task"] for skill, input in wishes]
    for task in tasks:
        ask("GET", f"/v1/tasks/{task}/wait?timeout_ms=20000")
    approvals = [approval["id"] for approval in ask("GET", "/v1/approvals")]
    return {"id": [signal["signal"], *signal["tasks"], *tasks, *approvals], "name": ["triage", "asks"], "skill": ["refund.pay", "ticket.triage"]}


def fuzz(site: Site, examples: int, start: int = 1) -> list[str]:
    """Made-up requests to every operation, half of them about what is there; returns the operations. What fails is told for all of them together."""
    met, failed, there = [], [], known(site)
    for result in site.schema.get_all_operations():
        operation = result.ok()
        if operation.path == STREAM:
            continue
        met.append(f"{operation.method.upper()} {operation.path}")

        @seed(start)
        @settings(
            max_examples=examples, deadline=None, database=None, phases=[Phase.generate], suppress_health_check=list(HealthCheck), derandomize=False,
        )  # fmt: skip
        @given(case=operation.as_strategy(), pick=st.integers(0, 19))
        def one(case: Any, pick: int) -> None:
            for name, value in (case.path_parameters or {}).items():
                names = there.get(name, [value])
                if pick < 10 and not case.path.startswith("/v1/accounts"):
                    case.path_parameters[name] = names[pick % len(names)]
            if isinstance(case.body, dict) and "url" in case.body:
                case.body["url"] = NOWHERE
            if case.path == "/v1/tasks/{id}/wait":
                case.query = {**(case.query or {}), "timeout_ms": "1"}
            case.call_and_validate(headers=site.headers, checks=CHECKS, timeout=60)

        try:
            one()
        except (Exception, BaseExceptionGroup) as error:
            told = error.exceptions if isinstance(error, BaseExceptionGroup) else [error]
            failed.append("\n".join([met[-1], str(error), *map(str, told)]))
    assert not failed, "\n\n".join(failed)
    assert requests.get(f"{site.url}/v1/tasks", headers=site.headers, timeout=60).ok, "the token was good to the end"
    return met


def test_made_up_requests_meet_only_what_is_described(site: Site) -> None:
    met = fuzz(site, 4)
    assert len(met) > 35
    assert "POST /v1/signals" in met


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("start", [1, 2])
def test_many_made_up_requests_meet_only_what_is_described(site: Site, start: int) -> None:
    assert len(fuzz(site, 300, start)) > 35


async def test_everything_in_the_description_is_said(call: Call) -> None:
    _, described = await call("GET", "/v1/openapi.json")
    for path, operations in described["paths"].items():
        for method, operation in operations.items():
            where = f"{method.upper()} {path}"
            assert operation.get("description"), where
            public = operation.get("security") == []
            assert public or {"401", "403"} <= set(operation["responses"]), where
            assert "500" in operation["responses"], where
    assert "HTTPValidationError" not in json.dumps(described)
