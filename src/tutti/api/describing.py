"""How routes are described: every answer with its shape, every error as a problem, and who may call."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

import orjson
from fastapi import FastAPI, Request, Response
from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute
from fastapi.utils import create_model_field
from pydantic import TypeAdapter

from tutti.api.guard import caller_of
from tutti.model.answers.problem import Problem

_SAID = {
    400: "What came in does not have the form it must have", 401: "Nobody knows who calls", 403: "The caller may not do this, or a policy says no",
    404: "There is no such thing, or not for this caller", 408: "The body took too long", 409: "It has changed meanwhile, or was answered already",
    413: "The body is too large", 415: "The body's type or encoding is not taken", 421: "This is not the place for that host",
    422: "No agent can take it", 429: "The queue is full; Retry-After says when there is room", 500: "A defect, or the record does not verify",
    502: "The agent does not answer", 503: "It starts, stops, or cannot take more just now", 504: "The deadline is over", 507: "The database cannot write",
}  # fmt: skip
READING = (400, 401, 403, 421, 500, 503, 507)
CHANGING = (*READING, 408, 409, 413, 415)
KEYED: dict[str, Any] = {
    "parameters": [
        {
            "name": "Idempotency-Key", "in": "header", "required": False, "schema": {"type": "string", "minLength": 1, "maxLength": 200, "pattern": "^[!-~]{1,200}$"},
            "description": "A name for this request: sent again with the same body, it is answered again and not done again.",
        }
    ]
}  # fmt: skip


def problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The errors of a route, for its description."""
    content = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
    return {status: {"description": _SAID[status], "content": content} for status in sorted(statuses)}


class _Strict(Request):
    """Reads JSON as the RFC has it: no NaN, no half characters, nothing that the journal could not keep."""

    async def json(self) -> Any:
        return orjson.loads(await self.body())


class StrictRoute(APIRoute):
    """A route that asks who calls before it looks at anything else (unless it is described as open), and reads bodies strictly.

    It makes its answers itself. Their shape is for the description alone, and is worked out only when somebody asks for that: for all routes it takes longer than all else about them.
    """

    def __init__(self, path: str, endpoint: Callable[..., Any], *, response_model: Any = None, **options: Any) -> None:
        super().__init__(path, endpoint, response_model=None, **options)
        self._answer = response_model

    def describe(self) -> None:
        """Work out the shape of what it answers, which the framework's description is made of."""
        if self._answer:
            self.response_model = self._answer
            self.response_field = create_model_field(f"Response_{self.unique_id}", self._answer, mode="serialization")

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()
        is_open = (self.openapi_extra or {}).get("security") == []

        async def strict(request: Request) -> Response:
            if not is_open:
                caller_of(request)
            return await handle(_Strict(request.scope, request.receive))

        return strict


def reply(value: Any, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """A value as JSON."""
    return Response(orjson.dumps(value), status, headers, media_type="application/json")


def describe(app: FastAPI) -> None:
    """Have the app describe itself: the token it wants, problems as they are, nothing that it never answers."""

    def described() -> dict[str, Any]:
        if app.openapi_schema is None:
            for route in app.routes:
                if isinstance(route, StrictRoute):
                    route.describe()
            schema = get_openapi(title=app.title, version=app.version, routes=app.routes, summary="The control plane for fleets of AI agents")
            parts = schema.setdefault("components", {})
            schemas = parts.setdefault("schemas", {})
            schemas.pop("HTTPValidationError", None)
            schemas.pop("ValidationError", None)
            schemas["Problem"] = TypeAdapter(Problem).json_schema()
            parts["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer", "description": "A token of a person, a service or an agent."}}
            schema["security"] = [{"token": []}]
            for operations in schema["paths"].values():
                for operation in operations.values():
                    wrong = operation["responses"].get("422", {}).get("content", {})
                    if "HTTPValidationError" in str(wrong):
                        del operation["responses"]["422"]
            app.openapi_schema = schema
        return app.openapi_schema

    app.openapi = described  # type: ignore[method-assign]
