"""Access by Cedar: policies parsed once, sliced by action, always with a schema. Anything but a clean Allow is a deny."""

from __future__ import annotations

import json
from collections import OrderedDict
from dataclasses import dataclass
from decimal import ROUND_UP, Decimal
from hashlib import sha256
from typing import Any, NamedTuple

from tutti.errors import Invalid
from tutti.model.agent import AgentCard

SCHEMA = """
namespace Tutti {
  entity Department;
  entity Agent in [Department];
  entity Skill in [Department];
  action "advise" appliesTo { principal: [Agent], resource: [Skill], context: { asker: String, cause: String } };
  action "act" appliesTo { principal: [Agent], resource: [Skill], context: { amount?: decimal, currency?: String, asker: String, cause: String, priority: Long } };
}
"""
DEFAULT_POLICY = """// What every fleet starts with: registered agents may advise, and may act as far as their level and budgets allow.
@id("advice")
permit (principal, action == Tutti::Action::"advise", resource);

@id("action")
permit (principal, action == Tutti::Action::"act", resource);
"""
_HINT = (
    'A policy looks like: permit (principal in Tutti::Department::"finance", action == Tutti::Action::"act", '
    'resource == Tutti::Skill::"refund.pay") when { context.amount.lessThan(decimal("500.0")) };'
)
_REMEMBERED = 20_000  # decisions kept for equal questions
_DECIMAL_LIMIT = Decimal("922337203685477")  # Cedar's decimal holds 64 bits with four places


@dataclass(frozen=True, slots=True)
class Access:
    """Cedar's answer: allowed or not, the ids of the policies that determined it, and what went wrong."""

    allowed: bool
    policies: tuple[str, ...]
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Policies:
    """A parsed policy text: `digest` names it, `slices` hold what can apply to each action."""

    text: str
    digest: str
    slices: dict[str, Any]
    schema: Any


def parse_policies(text: str, where: str = "policy") -> Policies:
    """Parse and check a policy text against the schema. Raises `Invalid` with the parser's or the checker's complaint."""
    import cedarpy

    schema = cedarpy.Schema.from_str(SCHEMA)
    result = cedarpy.validate_policies(text, schema, release_gil=True)
    if not result.validation_passed:
        raise Invalid(f"{where} is not a valid Cedar policy: {result.errors[0].error}.", hint=_HINT)
    tree = json.loads(cedarpy.policies_to_json_str(text))
    if tree["templates"]:
        raise Invalid(f"{where} holds a policy template, which nothing links.", hint="Write the principal and the resource out.")
    named: dict[str, Any] = {}
    for number, policy in enumerate(tree["staticPolicies"].values()):
        id = policy.get("annotations", {}).get("id") or f"policy {number + 1}"
        if id in named:
            raise Invalid(f'{where} has two policies with @id("{id}").', hint="Give each policy an id of its own.")
        named[id] = policy
    slices = {}
    for action in ("advise", "act"):
        applying = {id: policy for id, policy in named.items() if _applies(policy["action"], action)}
        slices[action] = cedarpy.PolicySet.from_json_str(json.dumps({**tree, "staticPolicies": applying}))
    return Policies(text, sha256(text.encode()).hexdigest()[:16], slices, schema)


class Rule(NamedTuple):
    """One policy of a text: its id, permit or forbid, and its own part of the text."""

    id: str
    effect: str
    text: str


def rules_of(text: str) -> list[Rule]:
    """The policies of a text that parses, in their order, by the ids that verdicts name."""
    import cedarpy

    parts = _statements(text)
    found = []
    for number, (key, policy) in enumerate(json.loads(cedarpy.policies_to_json_str(text))["staticPolicies"].items()):
        place = int(key.removeprefix("policy"))
        found.append((place, Rule(policy.get("annotations", {}).get("id") or f"policy {number + 1}", policy["effect"], parts[place])))
    return [rule for _, rule in sorted(found)]


def _statements(text: str) -> list[str]:
    """The text's policies: each ends with a semicolon that is in no string and no comment."""
    parts, start, place = [], 0, 0
    while place < len(text):
        if text[place] == '"':
            place += 1
            while place < len(text) and text[place] != '"':
                place += 2 if text[place] == "\\" else 1
        elif text.startswith("//", place):
            end = text.find("\n", place)
            place = len(text) if end < 0 else end
        elif text[place] == ";":
            parts.append(text[start : place + 1].strip())
            start = place + 1
        place += 1
    return parts


def _applies(head: dict[str, Any], action: str) -> bool:
    if head["op"] == "All":
        return True
    entities = head["entities"] if "entities" in head else [head["entity"]]
    return any(entity["id"] == action for entity in entities)


class Gatekeeper:
    """Asks Cedar, and remembers the answers to equal questions: the whole normalised request with its entities and the policy's digest."""

    def __init__(self) -> None:
        self._answers: OrderedDict[tuple[Any, ...], Access] = OrderedDict()
        self._entities: dict[tuple[str, ...], Any] = {}

    def ask(self, policies: Policies, card: AgentCard, skill: str, action: str, context: dict[str, Any]) -> Access:
        """May this agent do this? Errors, an absent decision and an impossible amount are denials with a reason."""
        import orjson

        body = orjson.dumps(context, option=orjson.OPT_SORT_KEYS).decode()
        entities = (card.id, card.department, skill)
        question = (policies.digest, action, entities, body)
        known = self._answers.get(question)
        if known is not None:
            self._answers.move_to_end(question)
            return known
        answer = self._decide(policies, entities, action, body)
        self._answers[question] = answer
        if len(self._answers) > _REMEMBERED:
            self._answers.popitem(last=False)
        return answer

    def _decide(self, policies: Policies, entities: tuple[str, str, str], action: str, body: str) -> Access:
        import cedarpy

        agent, _, skill = entities
        request = {
            "principal": {"type": "Tutti::Agent", "id": agent},
            "action": {"type": "Tutti::Action", "id": action},
            "resource": {"type": "Tutti::Skill", "id": skill},
            "context": body,
        }
        try:
            result = cedarpy.is_authorized(request, policies.slices[action], self._known(policies, entities), policies.schema)
        except ValueError as error:
            return Access(False, (), f"the request does not fit the schema: {error}")
        reasons, errors = tuple(result.diagnostics.reasons), list(result.diagnostics.errors)
        if errors:
            return Access(False, reasons, f"a policy could not be evaluated: {errors[0]}")
        if result.decision is not cedarpy.Decision.Allow:
            return Access(False, reasons, "" if result.decision is cedarpy.Decision.Deny else "Cedar reached no decision")
        return Access(True, reasons)

    def _known(self, policies: Policies, entities: tuple[str, str, str]) -> Any:
        import cedarpy

        handle = self._entities.get(entities)
        if handle is None:
            agent, department, skill = entities
            parent = {"type": "Tutti::Department", "id": department}
            rows = [
                {"uid": parent, "attrs": {}, "parents": []},
                {"uid": {"type": "Tutti::Agent", "id": agent}, "attrs": {}, "parents": [parent]},
                {"uid": {"type": "Tutti::Skill", "id": skill}, "attrs": {}, "parents": [parent]},
            ]
            handle = cedarpy.Entities.from_json_str(json.dumps(rows), policies.schema)
            if len(self._entities) > _REMEMBERED:
                self._entities.clear()
            self._entities[entities] = handle
        return handle


def as_decimal(amount: int) -> str | None:
    """Millionths as Cedar's decimal (four places, rounded away from zero); None where it cannot hold the number."""
    number = Decimal(amount) / 1_000_000
    if abs(number) > _DECIMAL_LIMIT:
        return None
    number = number.quantize(Decimal("0.0001"), rounding=ROUND_UP)
    return f"{number:f}"  # the schema says that it is a decimal; spelled as an extension call it takes Cedar 8 µs longer to read
