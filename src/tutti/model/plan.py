"""A plan: steps that together reach a goal, as data. It is shown before it runs, checked, and changed when a step fails.

A step does a skill, waits, or asks a person. Its input is a template: JSON in which a text such as "{input.account}", "{steps.triage.urgency}"
or "{notes.risk}" stands for that value (alone: the value itself; inside of a text: the value as text). "{steps.triage.urgency?}" may be
absent, then it is null; without the mark the step is skipped when the one it refers to was, and fails when the value is not there.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from tutti.errors import Invalid
from tutti.model.view import Table

NAME = re.compile(r"[a-z_][a-z0-9_]*\Z")  # of a step: conditions speak of it
_REFERENCE = re.compile(r"\{(input|steps|notes)((?:\.[A-Za-z0-9_-]+)*)(\??)\}")
_ASTRAY = re.compile(r"\{[A-Za-z_]\w*(?:\.[A-Za-z0-9_-]+)+\??\}")  # meant as a reference, whatever it begins with
_LITERAL = re.compile(r"""(?<!\[)(?:"[^"]*"|'[^']*')""")  # a text in a condition, but for the key in steps["a"]
_SPOKEN = re.compile(r"""(?<![\w.])steps(?:\.([A-Za-z_]\w*)|\[\s*["']([^"']*)["']\s*\])""")
ROOTS = ("input", "steps", "notes")


@dataclass(frozen=True, slots=True)
class Reference:
    """What a template takes: `path` leads from `root` (input, steps, notes) to the value; `optional` may be absent."""

    root: str
    path: tuple[str, ...]
    optional: bool = False

    @property
    def step(self) -> str:
        """The step whose output it is; empty where it is none."""
        return self.path[0] if self.root == "steps" and self.path else ""

    def __str__(self) -> str:
        return "{" + ".".join((self.root, *self.path)) + ("?" if self.optional else "") + "}"


@dataclass(frozen=True, slots=True)
class Step:
    """One step. Exactly one of `skill`, `wait_ms` and `question` says what it does; the expectations are in the fleet's currency, ms and 0..1."""

    name: str
    skill: str = ""
    input: Any = None
    after: tuple[str, ...] = ()
    when: str | None = None  # CEL over input, steps, notes; not true: skipped
    join: str = "all"  # goes on when all that it comes after have ended; "any": when the first of them has completed
    wait_ms: int | None = None
    question: str | None = None  # to a person; a template
    to: str = ""  # the agent that is to do it; empty: whoever does it best
    optional: bool = False  # its failure does not stop the plan
    cost: float = 0.0
    latency_ms: float = 0.0
    success: float = 1.0

    @property
    def template(self) -> Any:
        """What its references stand in."""
        return self.question if self.question is not None else self.input

    @property
    def spoken_of(self) -> tuple[str, ...]:
        """The steps that its condition speaks of: it cannot be decided before they have ended."""
        return tuple(one or other for one, other in _SPOKEN.findall(_LITERAL.sub("''", self.when or "")))

    @property
    def awaits(self) -> tuple[str, ...]:
        """The steps that it comes after, by word, because it takes their output, or because its condition speaks of them."""
        return tuple(dict.fromkeys((*self.after, *(r.step for r in references(self.template) if r.step), *self.spoken_of)))


@dataclass(frozen=True, slots=True)
class Goal:
    """What is wanted: skills by name, or types by their schema's title (or a field's name). `have` is the type of what is given, where it has one."""

    want: tuple[str, ...]
    have: str = ""
    text: str = ""  # in free words, for a planner that is a language model


@dataclass(frozen=True, slots=True)
class Plan:
    """Steps and what is made of their outputs. Without `returns` a plan gives every completed step's output by its name."""

    steps: tuple[Step, ...]
    name: str = ""
    goal: Goal | None = None  # with one, the plan is made anew when a step fails
    returns: Any = None
    watch: tuple[str, ...] = ()  # topics of notes; a plan with a goal is made anew when one of them changes

    def step(self, name: str) -> Step:
        """A step by its name."""
        return next(step for step in self.steps if step.name == name)

    @property
    def cost(self) -> float:
        """Expected, in the fleet's currency."""
        return sum(step.cost for step in self.steps)

    @property
    def success(self) -> float:
        """The chance that all steps succeed, 0..1."""
        chance = 1.0
        for step in self.steps:
            chance *= 1.0 if step.optional else step.success
        return chance

    @property
    def latency_ms(self) -> float:
        """Expected, steps that do not depend on each other side by side; people's time left out. Of a plan without a circle."""
        ends: dict[str, float] = {}
        for step in ordered(self):
            ends[step.name] = max((ends[name] for name in step.awaits), default=0.0) + (step.wait_ms or 0) + step.latency_ms
        return max(ends.values(), default=0.0)


def references(template: Any) -> Iterator[Reference]:
    """All that a template takes."""
    for text in _texts(template):
        yield from map(_reference, _REFERENCE.finditer(text))


def astray(template: Any) -> Iterator[str]:
    """The texts in a template that look like nothing but a reference, and are none: `{imput.account}` would reach an agent as it stands."""
    return (text for text in _texts(template) if _ASTRAY.fullmatch(text) and whole(text) is None)


def _texts(template: Any) -> Iterator[str]:
    if isinstance(template, str):
        yield template
    elif isinstance(template, Mapping | list | tuple):
        for part in template.values() if isinstance(template, Mapping) else template:
            yield from _texts(part)


def whole(text: str) -> Reference | None:
    """The reference that a text is nothing but, or None."""
    found = _REFERENCE.fullmatch(text)
    return None if found is None else _reference(found)


def filled(template: Any, values: Mapping[str, Any]) -> Any:
    """A template with its values (`input`, `steps`, `notes`) in it. What is not there is null, and empty inside of a text."""
    if isinstance(template, str):
        alone = whole(template)
        if alone is not None:
            return found_at(values, alone)
        return _REFERENCE.sub(lambda found: _as_text(found_at(values, _reference(found))), template)
    if isinstance(template, Mapping):
        return {name: filled(value, values) for name, value in template.items()}
    if isinstance(template, list | tuple):
        return [filled(value, values) for value in template]
    return template


def found_at(values: Mapping[str, Any], reference: Reference) -> Any:
    """The value that a reference leads to, None where there is none."""
    value = values.get(reference.root)
    for name in reference.path:
        if isinstance(value, Mapping):
            value = value.get(name)
        elif isinstance(value, list) and name.isdigit() and int(name) < len(value):
            value = value[int(name)]
        else:
            return None
    return value


def leads(values: Mapping[str, Any], reference: Reference) -> bool:
    """Whether there is something where a reference leads to, be it null."""
    value: Any = values.get(reference.root)
    for name in reference.path:
        if isinstance(value, Mapping) and name in value:
            value = value[name]
        elif isinstance(value, list) and name.isdigit() and int(name) < len(value):
            value = value[int(name)]
        else:
            return False
    return True


def _reference(found: re.Match[str]) -> Reference:
    return Reference(found[1], tuple(found[2].split(".")[1:]), bool(found[3]))


def _as_text(value: Any) -> str:
    if value is None or isinstance(value, str):
        return value or ""
    import orjson

    return orjson.dumps(value).decode()


def ordered(plan: Plan) -> list[Step]:
    """The steps, each after those it awaits. Raises: `Invalid` where they await each other in a circle, or somebody that is not there."""
    steps = {step.name: step for step in plan.steps}
    order: list[Step] = []
    left = dict(steps)
    while left:
        free = [step for step in left.values() if all(name in steps and name not in left for name in step.awaits)]
        if not free:
            raise Invalid(f"Steps {', '.join(left)} wait for each other, or for a step that is not there.", hint="Look at their after and input.")
        for step in free:
            order.append(step)
            del left[step.name]
    return order


# --- as JSON ----------------------------------------------------------------------------------------------------------

_STEP = ("skill", "input", "after", "when", "join", "wait_ms", "question", "to", "optional")
_EXPECTED = ("cost", "latency_ms", "success")
_DEFAULTS = Step("")


def plan_to_json(plan: Plan) -> dict[str, Any]:
    """A plan as JSON data; what is as usual is left out."""
    data: dict[str, Any] = {"schema": "tutti.plan/1", "name": plan.name, "steps": [_step_to_json(step) for step in plan.steps]}
    if plan.goal is not None:
        data["goal"] = goal_to_json(plan.goal)
    if plan.returns is not None:
        data["returns"] = plan.returns
    if plan.watch:
        data["watch"] = list(plan.watch)
    return data


def goal_to_json(goal: Goal) -> dict[str, Any]:
    """A goal as JSON data."""
    return {"want": list(goal.want)} | ({"have": goal.have} if goal.have else {}) | ({"text": goal.text} if goal.text else {})


def _step_to_json(step: Step) -> dict[str, Any]:
    data: dict[str, Any] = {"name": step.name}
    for name in _STEP:
        value = getattr(step, name)
        if value != getattr(_DEFAULTS, name):
            data[name] = list(value) if isinstance(value, tuple) else value
    if step.skill:
        data |= {name: round(getattr(step, name), 6) for name in _EXPECTED}
    return data


def plan_from_json(data: Any) -> Plan:
    """A plan from JSON data. Raises: `Invalid` with what is wrong and where."""
    if not isinstance(data, Mapping) or not isinstance(data.get("steps"), list):
        raise _wrong("A plan is an object with a list of steps.")
    unknown = sorted(set(data) - {"schema", "name", "steps", "goal", "returns", "watch", "cost", "latency_ms", "success"})
    if unknown:
        raise _wrong(f"A plan has no field {unknown[0]!r}.")
    watch = data.get("watch") or []
    if not isinstance(watch, list) or not all(isinstance(topic, str) for topic in watch):
        raise _wrong("`watch` is a list of topics.")
    goal = None if data.get("goal") is None else goal_from_json(data["goal"])
    return Plan(tuple(_step_from_json(step) for step in data["steps"]), str(data.get("name") or ""), goal, data.get("returns"), tuple(watch))


def goal_from_json(data: Any) -> Goal:
    """A goal from JSON data: an object, a name, a list of names. Raises: `Invalid`."""
    if isinstance(data, str):
        data = {"want": [data]}
    elif isinstance(data, list):
        data = {"want": data}
    if not isinstance(data, Mapping) or set(data) - {"want", "have", "text"}:
        raise _no_goal("A goal is an object with want, and maybe have and text.")
    want, have, text = data.get("want") or [], data.get("have") or "", data.get("text") or ""
    want = [want] if isinstance(want, str) else want
    if not isinstance(want, list) or not all(isinstance(each, str) and each for each in want) or not isinstance(have, str) or not isinstance(text, str):
        raise _no_goal("`want` is a list of skills or types, `have` and `text` are texts, and no name is empty.")
    return Goal(tuple(want), have, text)


_FORMS: dict[str, tuple[type, ...]] = {
    "skill": (str,), "when": (str, type(None)), "join": (str,), "wait_ms": (int, type(None)), "question": (str, type(None)), "to": (str,), "optional": (bool,),
    "cost": (int, float), "latency_ms": (int, float), "success": (int, float),
}  # fmt: skip


def _step_from_json(data: Any) -> Step:
    if not isinstance(data, Mapping) or not isinstance(data.get("name"), str):
        raise _wrong("A step is an object with a name.")
    place = f"step {data['name']}"
    unknown = sorted(set(data) - {"name", *_STEP, *_EXPECTED})
    if unknown:
        raise _wrong(f"{place}: there is no field {unknown[0]!r}.")
    for name, kinds in _FORMS.items():
        value = data.get(name, getattr(_DEFAULTS, name))
        if not isinstance(value, kinds) or (isinstance(value, bool) and bool not in kinds):
            raise _wrong(f"{place}: {name} is {value!r}.")
    after = data.get("after", [])
    if not isinstance(after, list) or not all(isinstance(name, str) for name in after):
        raise _wrong(f"{place}: after is a list of steps.")
    given = {name: data[name] for name in (*_STEP, *_EXPECTED) if name in data and name != "after"}
    return replace(_DEFAULTS, name=data["name"], after=tuple(after), **given)


def _no_goal(message: str) -> Invalid:
    return Invalid(message, hint='For example {"want": ["Refund"], "have": "Ticket"}, or a name alone.')


def _wrong(message: str) -> Invalid:
    return Invalid(message, hint='For example {"steps": [{"name": "triage", "skill": "ticket.triage", "input": "{input}"}]}.')


@dataclass(frozen=True, slots=True)
class Playbook:
    """A plan with a name that is a skill on the road like any other."""

    skill: str
    plan: Plan
    money: float | None = None  # what its steps may cost together
    description: str = ""
    input_schema: dict[str, Any] = field(default_factory=dict)
    output_schema: dict[str, Any] = field(default_factory=dict)


PLANS = Table(  # plans that run or ran, by the task that runs them; money in millionths
    "plan",
    key=("task",),
    columns={
        "task": "text", "name": "text", "kind": "text", "state": "text", "plan": "text", "steps": "int", "done": "int", "skipped": "int", "replans": "int",
        "cost": "int", "spent": "int", "money": "int", "reason": "text", "made_at": "int", "ended_at": "int",
    },
    closes=True,
)  # fmt: skip
