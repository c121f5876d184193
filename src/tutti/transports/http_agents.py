"""What a declaration says of an agent over plain HTTP, as the options that its endpoint keeps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import orjson

from tutti.errors import Invalid, NotFound
from tutti.security.secrets import SCHEME
from tutti.transports.openapi import operations as read

Json = dict[str, Any]


def declared(
    name: str,
    openapi: str | Path | Mapping[str, Any] | None,
    operations: Sequence[str],
    base_url: str,
    webhook: str,
    skill: str,
    input: Mapping[str, Any] | None,
    output: Mapping[str, Any] | None,
    reply: str,
    secret: str,
    action: bool | None,
    auth: str,
) -> tuple[str, Json]:
    """The address and the options of an HTTP agent's endpoint. Raises: `Invalid`, `NotFound`."""
    if not name or any(character in name for character in "@ "):
        raise Invalid(f"{name!r} is no name for an agent.")
    if (openapi is None) == (not webhook):
        raise Invalid(f"{name} needs either openapi= or webhook=.", hint="fleet.http_agent('crm', openapi='crm.json', department='sales')")
    if auth and SCHEME not in auth:
        raise Invalid(f"{name}: auth= would put a secret into the record.", hint="Write auth='Bearer secret://name'.")
    options: Json = {"name": name, "auth": auth, "action": action, "secret": secret}
    if webhook:
        if not skill:
            raise Invalid(f"{name}: a webhook does one skill.", hint="Give skill='noun.verb'.")
        if reply == "callback" and not secret.startswith(SCHEME):
            raise Invalid(f"{name}: callbacks are signed with a secret.", hint="Give secret='secret://name', and tell the agent the same.")
        operation = {
            "method": "POST", "url": webhook, "where": {}, "body": "whole", "skill": skill, "reply": reply, "description": "",
            "input_schema": dict(input or {}), "output_schema": dict(output or {}),
        }  # fmt: skip
        return webhook, {**options, "operations": {skill: operation}}
    if isinstance(openapi, str) and openapi.startswith(("http://", "https://")):
        return base_url or openapi, {**options, "openapi": openapi, "base_url": base_url, "only": list(operations)}
    described = read(_document(openapi), base_url, operations)
    first = next(iter(described.values()))["url"]
    return base_url or "{0.scheme}://{0.netloc}".format(urlsplit(first)), {**options, "operations": described}


def _document(openapi: Any) -> Any:
    if isinstance(openapi, Mapping):
        return dict(openapi)
    path = Path(openapi)
    try:
        return orjson.loads(path.read_bytes())
    except FileNotFoundError:
        raise NotFound(f"There is no file {path}.", hint="Name the OpenAPI document, as JSON.") from None
    except orjson.JSONDecodeError:
        raise Invalid(f"{path} is no JSON.", hint="Convert the OpenAPI document to JSON.") from None
