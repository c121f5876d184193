"""OpenAPI documents, read into the few things that a call needs: method, path, where each part of the input goes, and both schemas."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any
from urllib.parse import urljoin

from tutti.errors import Invalid
from tutti.transports.schemas import tame

Json = dict[str, Any]
_METHODS = ("get", "put", "post", "delete", "patch")
_MOST = 200  # operations of one agent
_DEEP = 40


def operations(document: Any, base_url: str = "", only: Iterable[str] = (), at: str = "") -> dict[str, Json]:
    """The operations of an OpenAPI 3.x document by their ids; `only` names those that are wanted. `at` is where the document came from.

    The input of an operation is an object of its parameters and, under `body`, its JSON body; without parameters it is the body itself.
    Raises: `Invalid`.
    """
    if not isinstance(document, dict) or not str(document.get("openapi", "")).startswith("3."):
        raise Invalid("This is no OpenAPI 3 document.", hint="Give a path, a URL or the document itself.")
    said = next((str(server.get("url")) for server in _list(document.get("servers")) if isinstance(server, dict)), "/" if at else "")
    base = base_url or (urljoin(at, said) if at else said)
    if not base.startswith(("http://", "https://")):
        raise Invalid("The OpenAPI document does not say where the API is.", hint="Give base_url='https://…'.")
    wanted = set(only)
    found: dict[str, Json] = {}
    for path, item in _object(document.get("paths")).items():
        if not path.startswith("/"):
            raise Invalid(f"The OpenAPI document is broken: the path {path[:100]!r} does not begin with a slash.")
        for method in _METHODS:
            operation = item.get(method) if isinstance(item, dict) else None
            if not isinstance(operation, dict):
                continue
            id = str(operation.get("operationId") or f"{method}-{path.strip('/').replace('/', '-').replace('{', '').replace('}', '')}")
            if not wanted or id in wanted:
                found[id] = _operation(document, base.rstrip("/") + path, method, item, operation, id)
    missing = sorted(wanted - set(found))
    if missing:
        raise Invalid(f"The OpenAPI document has no operation {missing[0]}.", hint=f"It has: {', '.join(sorted(found)[:20]) or 'none by those names'}.")
    if not found or len(found) > _MOST:
        raise Invalid(f"The OpenAPI document has {len(found)} operations.", hint=f"Name 1 to {_MOST} of them with operations=[…].")
    return found


def _operation(document: Json, url: str, method: str, item: Json, operation: Json, id: str) -> Json:
    where: dict[str, str] = {}
    properties: Json = {}
    required = []
    for listed in [*_list(item.get("parameters")), *_list(operation.get("parameters"))]:
        parameter = _resolved(document, listed)
        place, name = parameter.get("in"), str(parameter.get("name"))
        if place not in ("path", "query", "header"):
            continue
        where[name] = str(place)
        properties[name] = _object(parameter.get("schema"))
        if parameter.get("required") and name not in required:
            required.append(name)
    body = _resolved(document, operation.get("requestBody") or {})
    body_schema = _json_schema(body)
    if body and body_schema is None and body.get("required"):
        raise Invalid(f"{id}: its body is not JSON.", hint="Leave it out: name the others with operations=[…].")
    if where:
        if body_schema is not None:
            properties["body"] = body_schema
            if body.get("required"):
                required.append("body")
        schema: Json = {"type": "object", "properties": properties, "required": required, "additionalProperties": False}
    else:
        schema = body_schema if body_schema is not None else {}
    output: Json = {}
    for status, answer in sorted(_object(operation.get("responses")).items()):
        if str(status).startswith("2"):
            output = _json_schema(_resolved(document, answer)) or {}
            break
    return {
        "method": method.upper(), "url": url, "where": where, "body": "whole" if body_schema is not None and not where else "part" if body_schema is not None else "",
        "input_schema": tame(_standalone(document, schema), f"{id}, input"), "output_schema": tame(_standalone(document, output), f"{id}, output"),
        "description": str(operation.get("summary") or operation.get("description") or "")[:1000],
    }  # fmt: skip


def _json_schema(holder: Json) -> Json | None:
    """The schema of the JSON content of a body or an answer; None where it has none."""
    for media, content in _object(holder.get("content")).items():
        if media.partition(";")[0].strip().endswith(("/json", "+json")):
            schema = content.get("schema") if isinstance(content, dict) else None
            return schema if isinstance(schema, dict) else {}
    return None


def _object(value: Any) -> Json:
    if value is not None and not isinstance(value, dict):
        raise Invalid("The OpenAPI document is broken: an object is something else.")
    return value or {}


def _list(value: Any) -> list[Any]:
    if value is not None and not isinstance(value, list):
        raise Invalid("The OpenAPI document is broken: a list is something else.")
    return value or []


def _resolved(document: Json, value: Any) -> Json:
    """What a `$ref` within the document names."""
    for _ in range(_DEEP):
        if not isinstance(value, dict):
            raise Invalid("The OpenAPI document is broken: an object is missing.")
        reference = value.get("$ref")
        if not isinstance(reference, str):
            return value
        value = _at(document, reference)
    raise Invalid("The OpenAPI document refers in a circle.")


def _at(document: Json, reference: str) -> Any:
    if not reference.startswith("#/"):
        raise Invalid(f"The OpenAPI document refers to {reference[:100]}, which is not in it.", hint="Bundle it into one document.")
    value: Any = document
    for step in reference[2:].split("/"):
        value = value.get(step.replace("~1", "/").replace("~0", "~")) if isinstance(value, dict) else None
    if value is None:
        raise Invalid(f"The OpenAPI document has no {reference[:100]}.")
    return value


def _standalone(document: Json, schema: Json) -> Json:
    """A schema with all it refers to beside it, in the words of JSON Schema 2020-12."""
    definitions: Json = {}

    def walk(value: Any, depth: int = 0) -> Any:
        if depth > _DEEP:
            raise Invalid("A schema of the OpenAPI document is nested too deeply.")
        if isinstance(value, list):
            return [walk(item, depth + 1) for item in value]
        if not isinstance(value, dict):
            return value
        reference = value.get("$ref")
        if isinstance(reference, str):
            name = reference.rpartition("/")[2]
            if name not in definitions:
                definitions[name] = {}  # known from here on: it may speak of itself
                definitions[name] = walk(_at(document, reference), depth + 1)
            return {"$ref": f"#/$defs/{name}"}
        made = {name: walk(item, depth + 1) for name, item in value.items() if name not in ("example", "xml", "externalDocs", "discriminator", "nullable")}
        if value.get("nullable") is True and isinstance(made.get("type"), str):
            made["type"] = [made["type"], "null"]
        for bound in ("exclusiveMinimum", "exclusiveMaximum"):
            if isinstance(made.get(bound), bool):  # a flag in 3.0, a number since
                del made[bound]
        return made

    made: Json = walk(schema)
    return {**made, "$defs": definitions} if definitions else made
