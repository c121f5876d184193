"""Routes for who operates the process: alive, ready, figures, and a page that shows the API."""

from __future__ import annotations

import asyncio
from base64 import b64encode
from hashlib import sha256
from pathlib import Path
from typing import Any

from fastapi import APIRouter, Request, Response

from tutti.api.describing import READING, StrictRoute, problems, reply
from tutti.api.guard import require
from tutti.api.metrics import Metrics
from tutti.app import Workspace
from tutti.errors import Overloaded, StorageFailed
from tutti.model.answers.health import Status

_PUBLIC: dict[str, Any] = {"security": []}
_TEXT = "text/plain; version=0.0.4; charset=utf-8"
_PROBE_S = 2.0  # seconds the database may take to answer a look


def operating_routes(workspace: Workspace, metrics: Metrics, stopping: asyncio.Event) -> APIRouter:
    """What a supervisor, a load balancer and a person at a browser ask."""
    api = APIRouter(route_class=StrictRoute, tags=["operating"])

    @api.head("/health", include_in_schema=False, openapi_extra=_PUBLIC)
    @api.get("/health", response_model=Status, openapi_extra=_PUBLIC, responses=problems(421, 500))
    async def health() -> Response:
        """Whether the process is alive. Says nothing else, to everybody."""
        return reply({"status": "alive"})

    @api.head("/ready", include_in_schema=False, openapi_extra=_PUBLIC)
    @api.get("/ready", response_model=Status, openapi_extra=_PUBLIC, responses=problems(421, 500, 503, 507))
    async def ready() -> Response:
        """Whether it takes work: it has started, does not stop, and its database answers."""
        if stopping.is_set() or not workspace.corridor.traffic.open:
            raise Overloaded("It does not take work now.", hint="It starts or stops.")
        try:
            async with asyncio.timeout(_PROBE_S):
                await workspace.journal.select("SELECT seq FROM head")
        except TimeoutError:
            raise StorageFailed("The database does not answer.", hint="See its log.") from None
        return reply({"status": "ready"})

    @api.get(
        "/metrics",
        response_class=Response,
        responses={200: {"description": "Prometheus' text format", "content": {_TEXT: {"schema": {"type": "string"}}}}, **problems(*READING)},
    )
    async def figures(request: Request) -> Response:
        """Figures for Prometheus; it needs a token that may read measures."""
        require(request, "measures:read")
        return Response(metrics.text(), media_type=_TEXT)

    page = (Path(__file__).parent / "docs.html").read_bytes()
    script = page.partition(b"<script>")[2].partition(b"</script>")[0]
    style = page.partition(b"<style>")[2].partition(b"</style>")[0]
    policy = (
        f"default-src 'none'; connect-src 'self'; script-src 'sha256-{_digest(script)}'; style-src 'sha256-{_digest(style)}'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )

    @api.get("/docs", include_in_schema=False, openapi_extra=_PUBLIC)
    async def docs() -> Response:
        """The API as a page, made of its description; it loads nothing from elsewhere."""
        headers = {"content-security-policy": policy, "x-content-type-options": "nosniff", "referrer-policy": "no-referrer"}
        return Response(page, headers=headers, media_type="text/html; charset=utf-8")

    return api


def _digest(part: bytes) -> str:
    return b64encode(sha256(part).digest()).decode()
