"""Which values a skill's input can be taken from: whole, by the type's title; or field by field, by name and type."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from tutti.model.plan import Reference
from tutti.planning.forms import Form, form_of, misfit
from tutti.planning.offers import Offer

INPUT = "input"


class Source(NamedTuple):
    """A value somebody gives: `producer` is "input", "notes", "step NAME" or "skill NAME"; `path` leads to it from what they give."""

    producer: str
    path: tuple[str, ...]
    name: str
    form: Form

    def reference(self, steps: Mapping[str, str]) -> Reference:
        """How a template takes it. `steps` maps skills to the steps that do them."""
        kind, _, name = self.producer.partition(" ")
        if kind == "step":
            return Reference("steps", (name, *self.path))
        if kind == "skill":
            return Reference("steps", (steps[name], *self.path))
        return Reference(kind, self.path)


class Port(NamedTuple):
    """One value that a skill needs: a field of its input, or (with an empty name) all of it."""

    field: str
    form: Form


class Sources:
    """All values there are or may come to be, found by title and by name."""

    def __init__(self) -> None:
        self._by_title: dict[str, list[Source]] = {}
        self._by_name: dict[str, list[Source]] = {}
        self._inputs: list[Source] = []
        self.all: list[Source] = []

    def add(self, producer: str, form: Form, name: str = "") -> None:
        """Take in what a producer gives, with its fields. `name` is what a single value without a title is called."""
        self._take(Source(producer, (), name, form))
        self._fields(producer, (), form, 0)

    def _fields(self, producer: str, path: tuple[str, ...], form: Form, depth: int) -> None:
        for name in form.fields:
            inner = form.at(name)
            if inner is None or name not in form.required:
                continue
            title = inner.title
            given = producer in (INPUT, "notes")
            if depth == 0 or title or (given and inner.fields):  # the name of a single value further inside says too little of it
                self._take(Source(producer, (*path, name), name if depth == 0 else "", inner))
            if depth < 2:
                self._fields(producer, (*path, name), inner, depth + 1)

    def _take(self, source: Source) -> None:
        self.all.append(source)
        if source.form.title:
            self._by_title.setdefault(source.form.title, []).append(source)
        if source.name:
            self._by_name.setdefault(source.name, []).append(source)
        if source.producer == INPUT:
            self._inputs.append(source)

    def called(self, want: str) -> list[Source]:
        """What is of this type, by title; else what has this name."""
        return self._by_title.get(want) or self._by_name.get(want, [])

    def for_port(self, port: Port) -> list[Source]:
        """Values that fit a port, those of the same title first."""
        title = port.form.title
        found = [source for source in self._by_title.get(title, ()) if not misfit(source.form, port.form)] if title else []
        if port.field:
            found += [source for source in self._by_name.get(port.field, ()) if source not in found and not misfit(source.form, port.form)]
            return found
        inputs = [source for source in self._inputs if not misfit(source.form, port.form)]
        at_top = [source for source in inputs if not source.path]
        single = [source for source in inputs if len(source.path) == 1]
        found += [source for source in at_top or (single if len(single) == 1 else ()) if source not in found]
        return found

    def for_whole(self, want: Form) -> list[Source]:
        """Values that are all of an input: of the same title, or given in the same shape."""
        found = [source for source in self._by_title.get(want.title, ()) if not misfit(source.form, want)] if want.title else []
        for source in self._inputs:
            called = source.name.replace("_", "").lower() == want.title.replace("_", "").lower() if source.path else True
            if called and source.form.fields and source not in found and not misfit(source.form, want):
                found.append(source)
        return found


def ports_of(takes: Form) -> list[Port]:
    """What an input needs. One that may be anything needs nothing: it is given what the plan is given."""
    if takes.fields:
        return [Port(name, inner) for name in sorted(takes.required) if (inner := takes.at(name)) is not None]
    if not takes.known or takes.schema.get("type") == "object":
        return []
    return [Port("", takes)]


def given_sources(given: Form, notes: Mapping[str, Any], done: Iterable[tuple[str, Form]]) -> Sources:
    """Sources of what is there already: the input, the notes about the subject, and the outputs of steps that are done."""
    sources = Sources()
    sources.add(INPUT, given)
    if notes:
        sources.add("notes", form_of(notes))
    for name, output in done:
        sources.add(f"step {name}", output, name)
    return sources


def template(offer: Offer, sources: Sources, allowed: Sequence[str], steps: Mapping[str, str]) -> Any:
    """An input for a skill, of what the `allowed` producers give (best first): whole where one of them gives all, else field by field.

    Every port must have a source among them.
    """
    takes = offer.takes
    rank = {producer: place for place, producer in enumerate(allowed)}

    def best(found: list[Source]) -> Source | None:
        usable = [source for source in found if source.producer in rank]
        return min(usable, key=lambda source: rank[source.producer], default=None)

    entire = best(sources.for_whole(takes)) if takes.fields else None
    if entire is not None:
        return str(entire.reference(steps))
    ports = ports_of(takes)
    if not ports and not takes.fields:
        return "{input}"
    wires: dict[str, str] = {}
    for port in ports:
        source = best(sources.for_port(port))
        assert source is not None, f"{offer.skill}.{port.field} has no source"
        if not port.field:
            return str(source.reference(steps))
        wires[port.field] = str(source.reference(steps))
    used = {INPUT, "notes", *(f"skill {skill}" for skill, step in steps.items() if any(f"{{steps.{step}." in wire for wire in wires.values()))}
    for name in takes.fields:
        inner = takes.at(name)
        if name not in wires and inner is not None:
            extra = best([source for source in sources.for_port(Port(name, inner)) if source.producer in used])
            if extra is not None:
                wires[name] = str(extra.reference(steps))
    return wires
