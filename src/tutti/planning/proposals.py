"""Goals in free words: what a planner that is a language model is asked, and the form of what it answers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tutti.planning.offers import Offer, Permit

SKILL = "plan.propose"
INSTRUCTIONS = """You plan work for a fleet of agents. You are given a goal in words, the input of the plan, and the skills that may be used, each with the \
JSON Schemas of its input and output. Answer with the steps that reach the goal: as few as possible, each doing one of these skills and no other.
The input of a step has the form that its skill takes: an object, or a text. A text in it that is nothing but {input.FIELD} stands for a field of the plan's \
input, {input} for all of it, {steps.NAME.FIELD} for a field of an earlier step's output, {steps.NAME} for all of that; every other text is taken as it is. Never invent an amount or an account: take it from the input or \
from a step. A step with `when` (CEL over input and steps, for example steps.triage.urgency > 0.8) is skipped where it does not hold. A step with a \
`question` in the place of a skill asks a person. Where problems of an earlier answer are listed, answer with a plan that has none of them."""
ANSWER: dict[str, Any] = {
    "title": "Plan",
    "type": "object",
    "properties": {
        "steps": {
            "type": "array",
            "minItems": 1,
            "maxItems": 32,
            "items": {
                "type": "object",
                "properties": {
                    "name": {"type": "string", "description": "small letters, digits and _"},
                    "skill": {"type": "string"},
                    "input": {"anyOf": [{"type": "object", "additionalProperties": True}, {"type": "string"}]},
                    "after": {"type": "array", "items": {"type": "string"}},
                    "when": {"type": "string"},
                    "question": {"type": "string"},
                },
                "required": ["name"],
                "additionalProperties": False,
            },
        },
        "returns": {"type": "string", "description": "what the plan gives, for example {steps.decide}"},
    },
    "required": ["steps"],
    "additionalProperties": False,
}


def question(text: str, input: Any, offers: Sequence[Offer], permit: Permit, problems: Sequence[str] = ()) -> dict[str, Any]:
    """What a planner is asked: the goal, what is given, the skills that the gates may allow, and what was wrong with its last answer."""
    skills = [
        {
            "name": offer.skill, "description": offer.description, "has_an_effect_outside": offer.is_action, "input": offer.input_schema,
            "output": offer.output_schema, "expected_cost": round(offer.cost * offer.tries, 6), "expected_ms": round(offer.latency_ms * offer.tries),
        }
        for offer in offers
        if offer.skill != SKILL and permit(offer.skill) is None
    ]  # fmt: skip
    return {"goal": text, "input": input, "skills": skills} | ({"problems": list(problems)} if problems else {})
