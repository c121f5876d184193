"""Types as JSON Schemas: what a value of one type can be used for. Two types are the same by title, else by shape: names and types of fields.

Source: https://json-schema.org/draft/2020-12; only what says of which type a value is counts here. Whether a number is in its bounds is
seen when the skill runs.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

_DEPTH = 8  # levels that are compared; types that contain themselves end here
_SCALARS = {str: "string", bool: "boolean", int: "integer", float: "number", type(None): "null"}


class Form(NamedTuple):
    """A JSON Schema with the definitions it may speak of."""

    schema: Mapping[str, Any]
    defs: Mapping[str, Any]

    def at(self, name: str) -> Form | None:
        """The form of a field, None where it has no such field."""
        field = self.schema.get("properties", {}).get(name)
        return None if field is None else _resolved(field, self.defs)

    @property
    def fields(self) -> Mapping[str, Any]:
        """Its fields' schemas, by name."""
        found = self.schema.get("properties")
        return found if isinstance(found, Mapping) else {}

    @property
    def required(self) -> frozenset[str]:
        """The names of the fields that are always there."""
        return frozenset(self.schema.get("required", ()))

    @property
    def known(self) -> bool:
        """Whether anything is said of it."""
        return any(name in self.schema for name in ("type", "enum", "const", "anyOf", "oneOf"))

    @property
    def title(self) -> str:
        """Its name: of an object or a list of choices by its title, of an array by its items' as [Title]. Single values have none: their field has."""
        schema = self.schema
        if schema.get("type") == "array":
            items = schema.get("items")
            inner = _resolved(items, self.defs).title if isinstance(items, Mapping) else ""
            return f"[{inner}]" if inner else ""
        named = "properties" in schema or "enum" in schema
        return str(schema.get("title") or "") if named else ""


def form(schema: Any) -> Form:
    """A schema as a form."""
    schema = schema if isinstance(schema, Mapping) else {}
    defs = {**schema.get("definitions", {}), **schema.get("$defs", {})}
    return _resolved(schema, defs)


def form_of(value: Any, title: str = "") -> Form:
    """The form of a value, as far as one value shows it."""
    schema = _of(value, 0)
    return Form(schema | {"title": title} if title else schema, {})


def _of(value: Any, depth: int) -> dict[str, Any]:
    if depth > _DEPTH:
        return {}
    if isinstance(value, Mapping):
        return {"type": "object", "properties": {name: _of(item, depth + 1) for name, item in value.items()}, "required": list(value)}
    if isinstance(value, list | tuple):
        items = [_of(item, depth + 1) for item in value[:16]]
        return {"type": "array", "items": items[0] if items and all(item == items[0] for item in items) else {}}
    if isinstance(value, str):
        return {"type": "string", "const": value}
    return {"type": _SCALARS.get(type(value), "null")}


def _resolved(schema: Any, defs: Mapping[str, Any]) -> Form:
    for _ in range(_DEPTH):
        if not isinstance(schema, Mapping):
            return Form({}, defs)
        reference = schema.get("$ref")
        if isinstance(reference, str):
            schema = defs.get(reference.rpartition("/")[2], {})
        elif len(alone := schema.get("allOf") or []) == 1 and "type" not in schema:
            schema = alone[0]
        else:
            return Form(schema, defs)
    return Form({}, defs)


def misfit(have: Form, want: Form, *, strict: bool = True, place: str = "", depth: int = _DEPTH) -> str:
    """Why a value of one form cannot be used where another is wanted, in words; empty where it can.

    `strict` holds what is not known, or not always there, against it; otherwise only what contradicts counts.
    """
    if not want.known or depth <= 0:
        return ""
    choices = want.schema.get("anyOf") or want.schema.get("oneOf")
    if choices:
        return _among(have, want, choices, strict, place, depth)
    mine = have.schema.get("anyOf") or have.schema.get("oneOf")
    if mine:
        said = (misfit(_resolved(each, have.defs), want, strict=strict, place=place, depth=depth - 1) for each in mine)
        return next((words for words in said if words), "")
    if not have.known:
        return f"{place or 'it'} is of no known type" if strict else ""
    return _values(have, want, strict, place) or _types(have, want, place) or _inside(have, want, strict, place, depth)


def _among(have: Form, want: Form, choices: Any, strict: bool, place: str, depth: int) -> str:
    words = ""
    for each in choices:
        words = misfit(have, _resolved(each, want.defs), strict=strict, place=place, depth=depth - 1)
        if not words:
            return ""
    mine = have.schema.get("anyOf") or have.schema.get("oneOf")
    if mine:  # each of its choices may fit another of theirs
        said = (misfit(_resolved(each, have.defs), want, strict=strict, place=place, depth=depth - 1) for each in mine)
        return next((words for words in said if words), "")
    return words


def _values(have: Form, want: Form, strict: bool, place: str) -> str:
    wanted = _choices(want)
    if wanted is None:
        return ""
    offered = _choices(have)
    if offered is None:
        return f"{place or 'it'} may be anything, wanted is one of {', '.join(map(str, wanted))}" if strict else ""
    wrong = [value for value in offered if value not in wanted]
    return f"{place or 'it'} may be {wrong[0]!r}, wanted is one of {', '.join(map(str, wanted))}" if wrong else ""


def _choices(form: Form) -> list[Any] | None:
    if "enum" in form.schema:
        return list(form.schema["enum"])
    return [form.schema["const"]] if "const" in form.schema else None


def _types(have: Form, want: Form, place: str) -> str:
    wanted, mine = _kinds(want), _kinds(have)
    if not wanted or not mine:
        return ""
    if "number" in wanted:
        wanted = wanted | {"integer"}
    wrong = sorted(mine - wanted)
    return f"{place or 'it'} is {wrong[0]}, wanted is {' or '.join(sorted(_kinds(want)))}" if wrong else ""


def _kinds(form: Form) -> frozenset[str]:
    said = form.schema.get("type")
    if said is None:
        return frozenset()
    return frozenset([said] if isinstance(said, str) else said)


def _inside(have: Form, want: Form, strict: bool, place: str, depth: int) -> str:
    format = want.schema.get("format")
    if strict and format and have.schema.get("format") != format and "const" not in have.schema:
        return f"{place or 'it'} is not known to be a {format}"
    if "object" in _kinds(want):
        return _fields(have, want, strict, place, depth)
    if "array" in _kinds(want):
        mine, theirs = have.schema.get("items"), want.schema.get("items")
        if isinstance(theirs, Mapping) and theirs and mine:
            return misfit(_resolved(mine, have.defs), _resolved(theirs, want.defs), strict=strict, place=f"{place}[]", depth=depth - 1)
    return ""


def _fields(have: Form, want: Form, strict: bool, place: str, depth: int) -> str:
    open_ = not have.fields and have.schema.get("additionalProperties") is not False
    for name in want.fields:
        inner = f"{place}.{name}" if place else name
        mine, theirs = have.at(name), want.at(name)
        if mine is None or theirs is None:
            if name in want.required and (strict or not open_):
                return f"{inner} is missing"
        elif strict and name in want.required and name not in have.required:
            return f"{inner} may be missing"
        elif words := misfit(mine, theirs, strict=strict, place=inner, depth=depth - 1):
            return words
    if want.schema.get("additionalProperties") is False and (extra := sorted(set(have.fields) - set(want.fields))):
        return f"{f'{place}.' if place else ''}{extra[0]} is not wanted"
    return ""
