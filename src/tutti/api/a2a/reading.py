"""What a message asks for: which skill, with which input. A decision on values; nothing is taken in here."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from typing import Any, NamedTuple

import orjson

from tutti.errors import Invalid
from tutti.model.agent import Skill
from tutti.transports.a2a import wire

Json = dict[str, Any]
Read = Callable[[str, Any], Any]  # a skill's name and an input: raises Invalid where it does not fit
_LONGEST_MS = 366 * 24 * 3600 * 1000
_EXACT = 2**53  # the largest integer that the wire's numbers hold exactly


class UnreadableParts(Invalid):
    """A part is of a kind that no skill here takes."""


class Wishes(NamedTuple):
    """What a message's metadata may ask for besides."""

    skill: str
    subject: str | None
    priority: int
    deadline: timedelta | None
    key: str  # idempotency key


def plain(value: Any) -> Any:
    """A value of the wire, where every number is a fraction, with whole numbers whole again."""
    if isinstance(value, float) and value.is_integer() and abs(value) <= _EXACT:
        return int(value)
    if isinstance(value, dict):
        return {name: plain(item) for name, item in value.items()}
    if isinstance(value, list):
        return [plain(item) for item in value]
    return value


def wishes(metadata: Mapping[str, Any], key: str) -> Wishes:
    """Read a message's metadata: skill, subject, priority, deadline_ms, urn:tutti:idempotency. Raises: `Invalid`."""
    skill, subject = metadata.get("skill", ""), metadata.get("subject")
    priority, deadline = metadata.get("priority", 0), metadata.get("deadline_ms")
    key = key or metadata.get("urn:tutti:idempotency", "")
    if not isinstance(skill, str) or not isinstance(key, str) or len(key) > 200:
        raise Invalid("metadata: skill and urn:tutti:idempotency are texts, the latter of at most 200 characters.")
    if subject is not None and (not isinstance(subject, str) or not subject):
        raise Invalid("metadata: subject is a text: whom the task is about.")
    if not _whole(priority) or not -1000 <= priority <= 1000:
        raise Invalid("metadata: priority is a whole number from -1000 to 1000.")
    if deadline is not None and (not _whole(deadline) or not 0 < deadline <= _LONGEST_MS):
        raise Invalid("metadata: deadline_ms is a whole number of milliseconds from now, at most a year.")
    return Wishes(skill, subject, priority, None if deadline is None else timedelta(milliseconds=deadline), key)


def _whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def choose(parts: Sequence[Json], skills: Mapping[str, Skill], named: str, read: Read) -> tuple[str, Any]:
    """The skill and its input: the named one, else the only one, else the only one whose input the parts are.

    Raises: `Invalid` that lists the skills where it is not clear, and with the schema's complaint where the input does not fit.
    """
    if named or len(skills) == 1:
        name = named or next(iter(skills))
        if name not in skills:
            raise Invalid(f"There is no skill {name} here.", hint=_listed(skills))
        return name, input_of(parts, skills[name], read)
    fitting: list[tuple[str, Any]] = []
    for name, skill in skills.items():
        with contextlib.suppress(Invalid):
            fitting.append((name, input_of(parts, skill, read)))
    if len(fitting) == 1:
        return fitting[0]
    if not fitting and _has_files(parts):
        raise UnreadableParts("No skill here takes these files.", hint="Send data or text, and large content by a reference in it.")
    what = "No skill takes this message." if not fitting else f"Several skills take this message: {', '.join(sorted(name for name, _ in fitting))}."
    raise Invalid(what, hint=f"Name one as metadata.skill. {_listed(skills)}")


def _listed(skills: Mapping[str, Skill]) -> str:
    return f"Skills are: {', '.join(sorted(skills)) or 'none now'}."


def _has_files(parts: Sequence[Json]) -> bool:
    return any("raw" in part or "url" in part for part in parts)


def input_of(parts: Sequence[Json], skill: Skill, read: Read) -> Any:
    """The input of a skill that the parts are: data as it is; text for a text, for an object's one required text, or as JSON.

    Where there are files among them, or text beside data for a skill that takes any form: the values of all, a file as an object with its `url` or
    its content in base 64 (`raw`). Nothing is fetched. Raises: `Invalid`; `UnreadableParts` for files that the skill does not take.
    """
    data = [part["data"] for part in parts if "data" in part]
    texts = [part["text"] for part in parts if "text" in part]
    if not all(part.keys() & {"data", "text", "raw", "url"} for part in parts):
        raise Invalid("A part of the message is empty.", hint="It holds text, data, raw or url.")
    if _has_files(parts):
        value = wire.value_of(list(parts))
        try:
            read(skill.name, value)
        except Invalid as error:
            raise UnreadableParts(f"{skill.name} does not take these files: {error.message}", hint="Send data or text, or a reference in it.") from None
        return value
    if data and texts and not skill.input_schema:
        return wire.value_of(list(parts))
    if data:
        value = data[0] if len(data) == 1 else data
        read(skill.name, value)
        return value
    text = "\n".join(texts)
    complaint: Invalid | None = None
    for value in _readings(text, skill):
        try:
            read(skill.name, value)
        except Invalid as error:
            complaint = complaint or error
        else:
            return value
    raise complaint or Invalid(f"{skill.name} takes no text.", hint="Send its input as a data part.")


def _readings(text: str, skill: Skill) -> list[Any]:
    """What a text can mean to a skill, the likeliest first."""
    schema = skill.input_schema
    found: list[Any] = []
    if schema.get("type", "string") == "string":
        found.append(text)
    if text.lstrip().startswith(("{", "[")):
        with contextlib.suppress(orjson.JSONDecodeError):
            found.append(orjson.loads(text))
    required = schema.get("required") or []
    if len(required) == 1 and (schema.get("properties") or {}).get(required[0], {}).get("type") == "string":
        found.append({required[0]: text})
    return found or [text]
