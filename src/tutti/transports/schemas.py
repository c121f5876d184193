"""Inputs and outputs of agents whose types are JSON Schemas: checked at the border."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tutti.errors import Invalid


def reader(schema: dict[str, Any], where: str) -> Callable[[Any], Any]:
    """A check of what goes in. It raises `Invalid` (code invalid_input) with the place and the complaint."""
    return _checker(schema, f"The input does not fit {where}", "invalid_input")


def writer(schema: dict[str, Any], where: str) -> Callable[[Any], Any]:
    """A check of what came back. It raises `Invalid` (code wrong_output)."""
    return _checker(schema, f"{where} returned what it does not declare", "wrong_output")


def _checker(schema: dict[str, Any], complaint: str, code: str) -> Callable[[Any], Any]:
    if not schema:
        return lambda value: value
    from jsonschema import Draft202012Validator, SchemaError
    from jsonschema.exceptions import best_match

    try:
        Draft202012Validator.check_schema(schema)
    except SchemaError as error:
        raise Invalid(f"A JSON Schema is not one: {error.message}", hint="Write it in draft 2020-12.") from None
    validator = Draft202012Validator(schema)

    def check(value: Any) -> Any:
        error = best_match(validator.iter_errors(value))
        if error is not None:
            place = ".".join(map(str, error.absolute_path))
            raise Invalid(f"{complaint}: {place + ': ' if place else ''}{error.message[:300]}", hint="`tutti agents show` prints the schema.", code=code)
        return value

    return check
