"""Inputs and outputs of agents whose types are JSON Schemas: checked at the border."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import orjson

from tutti.errors import Invalid

_SIZE = 128 * 1024  # bytes of a schema that an agent sends
_DEPTH = 32
_COSTLY = ("pattern", "patternProperties")  # a pattern may take for ever on the right text
_SAID = {"type", "title", "description"}  # keywords of a schema that says no more than a type
_PLAIN = {"string": str, "boolean": bool, "integer": int, "object": dict, "array": list, "null": type(None)}
_LITERAL = ("const", "default", "enum", "examples")
_NAMED = ("properties", "$defs", "definitions", "dependentSchemas", "dependentRequired")


def reader(schema: dict[str, Any], where: str) -> Callable[[Any], Any]:
    """A check of what goes in. It raises `Invalid` (code invalid_input) with the place and the complaint."""
    return _checker(schema, f"The input does not fit {where}", "invalid_input")


def writer(schema: dict[str, Any], where: str) -> Callable[[Any], Any]:
    """A check of what came back. It raises `Invalid` (code wrong_output)."""
    return _checker(schema, f"{where} returned what it does not declare", "wrong_output")


def tame(schema: Any, where: str) -> dict[str, Any]:
    """A schema that somebody else wrote, made harmless: of bounded size, without patterns, speaking of nothing outside of itself.

    Raises: `Invalid`.
    """
    if not isinstance(schema, dict):
        raise Invalid(f"{where}: a JSON Schema is an object.")
    if len(orjson.dumps(schema)) > _SIZE:
        raise Invalid(f"{where}: the JSON Schema is larger than {_SIZE:,} bytes.")
    tamed: dict[str, Any] = _tamed(schema, where, 0)
    _checker(tamed, where, "invalid")
    return tamed


def _tamed(value: Any, where: str, depth: int, *, named: bool = False) -> Any:
    """`named` says that the keys of this object are names of the user's and no keywords."""
    if depth > _DEPTH:
        raise Invalid(f"{where}: the JSON Schema is nested more than {_DEPTH} deep.")
    if isinstance(value, list):
        return [_tamed(item, where, depth + 1) for item in value]
    if not isinstance(value, dict):
        return value
    if named:
        return {name: _tamed(item, where, depth + 1) for name, item in value.items()}
    for name in ("$ref", "$dynamicRef"):
        if isinstance(value.get(name), str) and not value[name].startswith("#"):
            raise Invalid(f"{where}: the JSON Schema refers to something outside of itself.")
    return {name: item if name in _LITERAL else _tamed(item, where, depth + 1, named=name in _NAMED) for name, item in value.items() if name not in _COSTLY}


def _checker(schema: dict[str, Any], complaint: str, code: str) -> Callable[[Any], Any]:
    if not schema:
        return lambda value: value
    from jsonschema import Draft202012Validator, SchemaError
    from jsonschema.exceptions import best_match
    from referencing import Registry
    from referencing.exceptions import Unresolvable
    from referencing.jsonschema import EMPTY_REGISTRY

    try:
        Draft202012Validator.check_schema(schema)
    except SchemaError as error:
        raise Invalid(f"A JSON Schema is not one: {error.message[:300]}", hint="Write it in draft 2020-12.") from None
    registry: Registry[Any] = EMPTY_REGISTRY  # an own registry: the library's default one fetches what `$ref` names
    validator = Draft202012Validator(schema, registry=registry)

    plain = _PLAIN.get(schema["type"]) if schema.keys() <= _SAID and isinstance(schema.get("type"), str) else None

    def check(value: Any) -> Any:
        if plain is not None and type(value) is plain:
            return value  # what the validator would say, at a tenth of its cost
        try:
            error = best_match(validator.iter_errors(value))
        except Unresolvable as error:
            raise Invalid(f"{complaint}: its JSON Schema refers to {str(error)[:100]}, which is not in it.", code=code) from None
        except RecursionError:
            raise Invalid(f"{complaint}: it is nested too deeply.", code=code) from None
        if error is not None:
            place = ".".join(map(str, error.absolute_path))
            raise Invalid(f"{complaint}: {place + ': ' if place else ''}{error.message[:300]}", hint="`tutti agents show` prints the schema.", code=code)
        return value

    return check
