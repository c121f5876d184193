"""Whether a plan can work, in words: the same rules for plans that were searched for, written by people, or proposed by a model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tutti.errors import Invalid
from tutti.model.plan import NAME, ROOTS, Plan, Reference, Step, astray, ordered, references, whole
from tutti.planning.forms import Form, form_of, misfit
from tutti.planning.offers import Bounds, Offer, Permit
from tutti.registry import Condition

CONDITION_NAMES = ROOTS
_LONGEST_MS = 366 * 24 * 3600 * 1000  # a wait of more than a year is a slip of the pen
_WHENCE = f"{', '.join(ROOTS[:-1])} or {ROOTS[-1]}"
_ANYTHING = Form({}, {})


def check_plan(
    plan: Plan,
    offers: Sequence[Offer] | None = None,
    *,
    permit: Permit | None = None,
    given: Form | None = None,
    bounds: Bounds = Bounds(),  # noqa: B008  a constant
) -> list[str]:
    """What is wrong with a plan, the gravest first; nothing where it can run.

    Without `offers` only its form is checked, since nobody knows yet who offers what. `given` is the type of the plan's input.
    """
    problems = _shape(plan, bounds)
    if problems:
        return problems
    for step in plan.steps:
        if step.when is not None:
            condition(step)
    try:
        order = ordered(plan)
    except Invalid as circle:
        return [circle.message]
    problems += _length(plan, order, bounds)
    if offers is None:
        return problems
    by_name = {offer.skill: offer for offer in offers}
    known: dict[str, Form] = {}
    for step in order:
        problems += _step(step, by_name, permit, given, known)
    problems += _references("what it returns", plan.returns, given, known)
    if bounds.money is not None and (money := _money(plan, by_name)) > bounds.money + 1e-9:
        problems.append(f"it is expected to cost {money:g}, and may cost {bounds.money:g}")
    return problems


def condition(step: Step) -> Condition:
    """A step's condition, compiled. Raises: `Invalid`."""
    return Condition(step.when or "true", CONDITION_NAMES, f"step {step.name}: when", "steps.triage.urgency > 0.8")


def _shape(plan: Plan, bounds: Bounds) -> list[str]:
    problems = []
    names = [step.name for step in plan.steps]
    if len(names) > bounds.steps:
        problems.append(f"it has {len(names)} steps, and may have {bounds.steps}")
    problems += [f"two steps are called {name}" for name in dict.fromkeys(names) if names.count(name) > 1]
    for step in plan.steps:
        place = f"step {step.name}"
        if not NAME.match(step.name):
            problems.append(f"{place}: a name is of small letters, digits and _, and begins with a letter")
        if sum((bool(step.skill), step.wait_ms is not None, step.question is not None)) != 1:
            problems.append(f"{place} must have one of skill, wait_ms and question")
        if step.wait_ms is not None and not 0 < step.wait_ms <= _LONGEST_MS:
            problems.append(f"{place}: wait_ms is from 1 to a year")
        if step.join not in ("all", "any"):
            problems.append(f"{place}: join is all or any")
        if step.join == "any" and not step.after:
            problems.append(f"{place} joins any of nothing: it needs after")
        problems += [
            f"{place}: its condition speaks of {name}, which is no step" if name in step.spoken_of else f"{place} comes after {name}, which is no step"
            for name in step.awaits
            if name not in names
        ]
        problems += [f"{place} takes all steps at once" for found in references(step.template) if found.root == "steps" and not found.path]
        problems += [f"{place} takes {text}, and what is taken begins with {_WHENCE}" for text in astray(step.template)]
        if step.when is not None:
            try:
                condition(step)
            except Invalid as error:
                problems.append(error.message)
    problems += [f"it returns the output of {r.step}, which is no step" for r in references(plan.returns) if r.step and r.step not in names]
    problems += [f"it returns {text}, and what is taken begins with {_WHENCE}" for text in astray(plan.returns)]
    return problems


def _length(plan: Plan, order: Sequence[Step], bounds: Bounds) -> list[str]:
    length: dict[str, int] = {}
    for step in order:
        length[step.name] = 1 + max((length[name] for name in step.awaits), default=0)
    longest = max(length.values(), default=0)
    return [f"{longest} steps come one after the other, and {bounds.chain} may"] if longest > bounds.chain else []


def _money(plan: Plan, offers: Mapping[str, Offer]) -> float:
    return sum(offer.cost * offer.tries for step in plan.steps if (offer := offers.get(step.skill)) is not None)


def _step(step: Step, offers: Mapping[str, Offer], permit: Permit | None, given: Form | None, known: dict[str, Form]) -> list[str]:
    """What is wrong with a step; notes the type of its output for those after it."""
    place = f"step {step.name}"
    problems = _references(place, step.template, given, known)
    known[step.name] = _ANYTHING
    if not step.skill:
        return problems
    offer = offers.get(step.skill)
    if offer is None:
        return [*problems, f"{place}: no agent offers {step.skill}"]
    known[step.name] = offer.gives
    if step.to and offer.agents and step.to not in offer.agents:
        problems.append(f"{place}: {step.to} does not offer {step.skill}; {', '.join(offer.agents)} {'do' if len(offer.agents) > 1 else 'does'}")
    rule = permit(step.skill) if permit is not None else None
    if rule is not None:
        problems.append(f"{place}: {step.skill} is ruled out: {rule}")
    words = "" if problems else misfit(_form(step.input, given, known), offer.takes, strict=False)
    if words:
        problems.append(f"{place}: its input does not fit {step.skill}: {words}")
    return problems


def _references(place: str, template: Any, given: Form | None, known: Mapping[str, Form]) -> list[str]:
    problems = []
    for reference in references(template):
        if not reference.optional and _at(reference, given, known) is None:
            problems.append(f"{place} takes {reference}, which is not there")
    return problems


def _at(reference: Reference, given: Form | None, known: Mapping[str, Form]) -> Form | None:
    """The type of what a reference leads to; None where it surely leads nowhere."""
    path = reference.path
    if reference.root == "steps":
        form: Form | None = known.get(path[0]) if path else None
        path = path[1:]
    else:
        form = given if reference.root == "input" and given is not None else _ANYTHING
    for name in path:
        if form is None or not form.known or not form.fields:
            return _ANYTHING if form is not None and (not form.known or form.schema.get("type") in ("object", "array")) else None
        inner = form.at(name)
        if inner is None and form.schema.get("additionalProperties", False) not in (False, None):
            return _ANYTHING
        form = inner
    return form


def _form(template: Any, given: Form | None, known: Mapping[str, Form]) -> Form:
    """The type of what a template becomes."""
    if isinstance(template, str):
        alone = whole(template)
        if alone is not None:
            return _ANYTHING if alone.optional else _at(alone, given, known) or _ANYTHING
        return Form({"type": "string"}, {}) if any(references(template)) else form_of(template)
    if isinstance(template, Mapping):
        fields = {name: _form(value, given, known) for name, value in template.items()}
        # Each field may speak of definitions of its own; they are put under names that cannot meet.
        defs: dict[str, Any] = {}
        schemas = {}
        for number, (name, form) in enumerate(fields.items()):
            renamed = {inner: f"{number}.{inner}" for inner in form.defs}
            defs |= {renamed[inner]: _renamed(schema, renamed) for inner, schema in form.defs.items()}
            schemas[name] = _renamed(form.schema, renamed)
        return Form({"type": "object", "properties": schemas, "required": list(schemas)}, defs)
    if isinstance(template, list | tuple):
        return Form({"type": "array"}, {})
    return form_of(template)


def _renamed(schema: Any, names: Mapping[str, str]) -> Any:
    if isinstance(schema, Mapping):
        renamed = {name: _renamed(value, names) for name, value in schema.items()}
        reference = schema.get("$ref")
        if isinstance(reference, str):
            renamed["$ref"] = f"#/$defs/{names.get(reference.rpartition('/')[2], '')}"
        return renamed
    return [_renamed(value, names) for value in schema] if isinstance(schema, list) else schema
