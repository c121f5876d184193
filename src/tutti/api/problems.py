"""Errors as problem+json: one table from a family of errors to its HTTP status. Source: RFC 9457."""

from __future__ import annotations

import logging
import re
from collections.abc import Sequence
from http import HTTPStatus
from typing import Any

import orjson
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from tutti import errors

log = logging.getLogger("tutti.api")

STATUS: dict[type[errors.TuttiError], int] = {
    errors.Invalid: 400,
    errors.Unauthenticated: 401,
    errors.Refused: 403,
    errors.NotFound: 404,
    errors.Conflict: 409,
    errors.NoRoute: 422,
    errors.JournalBroken: 500,
    errors.AgentFailed: 502,
    errors.Overloaded: 503,
    errors.Unreachable: 503,
    errors.DeadlinePassed: 504,
    errors.StorageFailed: 507,
    errors.TuttiError: 500,
}
_RETRY_SECONDS = "1"
_FORM = re.compile(r"(str|int|float|bool|none|(list|dict|tuple|union)\[.*\]|Wanted)\Z")  # what pydantic calls the forms that a value may have
_WORDS = {
    "model_attributes_type": "Input should be an object",
    "model_type": "Input should be an object",
    "dict_type": "Input should be an object",
}  # not Python's


def problem(status: int, code: str, detail: str, hint: str = "", *, title: str = "", retry: str = "") -> Response:
    """An error as a response. `code` is stable and names the family; `type` is the same as a URN; `retry` are seconds."""
    headers = {"retry-after": retry} if retry else {"www-authenticate": "Bearer"} if status == 401 else None
    return Response(orjson.dumps(_body(status, code, detail, hint, title)), status, headers, "application/problem+json")


def _body(status: int, code: str, detail: str, hint: str, title: str = "") -> dict[str, Any]:
    return {"type": f"urn:tutti:problem:{code}", "title": title or HTTPStatus(status).phrase, "status": status, "code": code, "detail": detail, "hint": hint}


def as_problem(error: errors.TuttiError) -> dict[str, Any]:
    """An error of the house as a problem's fields. A full queue (`retry_after` is known) is 429."""
    family = next(cls for cls in type(error).__mro__ if cls in STATUS)
    status = 429 if "retry_after" in error.about else STATUS[family]
    return _body(status, family.code, error.message, error.hint, (family.__doc__ or "").strip().splitlines()[0].rstrip("."))


def of(error: errors.TuttiError) -> Response:
    """The response for an error of the house, by its family."""
    said = as_problem(error)
    retry = str(error.about.get("retry_after", "")) or (_RETRY_SECONDS if error.retry and said["status"] == 503 else "")
    return problem(said["status"], said["code"], said["detail"], said["hint"], title=said["title"], retry=retry)


def defect(request: Request, error: Exception) -> Response:
    """The response for a defect of ours; the log has what the caller is not told."""
    log.error("%s %s met a defect", request.method, request.url.path, exc_info=error)
    return problem(500, "failed", "Tutti met a defect of its own.", "The log of `tutti up` has the details.")


def install(app: FastAPI) -> None:
    """Have every error of this app answered as problem+json."""

    async def known(_: Request, error: Exception) -> Response:
        assert isinstance(error, errors.TuttiError)
        if STATUS.get(type(error), 500) >= 500:
            log.warning("%s: %s", error.code, error.message)
        return of(error)

    async def malformed(request: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError)
        first = error.errors()[0]
        if first["loc"] == ("body",) and isinstance(error.body, bytes):  # it was not read as JSON
            named = request.headers.get("content-type", "none")
            return problem(415, "invalid", f"Bodies are JSON; this one's type is {named[:100]}.", "Set content-type: application/json.")
        return problem(400, "invalid", _complaint(error.errors()), "`/v1/openapi.json` describes every request.")

    async def http(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        if error.status_code == 404:
            return problem(404, "not_found", f"There is no {request.method} {request.url.path}.", "`/v1/openapi.json` lists what there is.")
        if error.status_code == 405:
            return problem(405, "invalid", f"{request.url.path} does not take {request.method}.", "`/v1/openapi.json` lists what there is.")
        return problem(error.status_code, "invalid" if error.status_code < 500 else "failed", str(error.detail))

    async def unknown(request: Request, error: Exception) -> Response:
        return defect(request, error)

    app.add_exception_handler(errors.TuttiError, known)
    app.add_exception_handler(RequestValidationError, malformed)
    app.add_exception_handler(HTTPException, http)
    app.add_exception_handler(Exception, unknown)


def _complaint(found: Sequence[dict[str, Any]]) -> str:
    """What is wrong first. Where a value may have several forms, what is wrong with the one that it comes closest to, or which it may have."""
    first = found[0]
    if first["type"] == "json_invalid":
        return f"The body is no JSON: {first['ctx']['error']} (at byte {first['loc'][-1]})."
    forms = [each for each in found if each["loc"][:2] == first["loc"][:2]]
    depth = max(len(_place(each["loc"])) for each in forms)
    closest = [each for each in forms if len(_place(each["loc"])) == depth]
    place = _place(closest[0]["loc"])
    one, *others = dict.fromkeys(_WORDS.get(each["type"], each["msg"]) for each in closest if _place(each["loc"]) == place)
    words = " or ".join([one, *(other.removeprefix("Input should be ") for other in others)])
    return f"{'.'.join(place) or 'body'}: {words}."


def _place(loc: Sequence[int | str]) -> tuple[str, ...]:
    """Where in the body, without the names of the forms that a value there may have."""
    return tuple(str(part) for number, part in enumerate(loc[1:]) if not number or not _FORM.match(str(part)))
