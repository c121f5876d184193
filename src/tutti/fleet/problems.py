"""What a fleet declares and cannot work."""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING

from tutti.model.agent import Skill

if TYPE_CHECKING:
    from tutti.fleet.fleet import Fleet


def problems_of(fleet: Fleet) -> list[str]:
    """In words, the gravest first. Skills that an agent outside may offer are known only when it has been reached."""
    cards = fleet.cards.values()
    found = []
    if fleet.models and (find_spec("pydantic_ai") is None or find_spec("openai") is None):
        found.append(f"agent {', '.join(sorted(fleet.models))}: models need an extra that is not installed: pip install 'tutti[llm]'")
    if not fleet.remotes:
        found += _unoffered(fleet)
    agents, departments = {card.name for card in cards}, {card.department for card in cards} | {remote.department for remote in fleet.remotes}
    if not fleet.remotes:
        found += [f"cap {cap.name}: there is no agent {cap.agent}" for cap in fleet.caps.values() if cap.agent and cap.agent not in agents]
    found += [f"cap {cap.name}: no agent is in {cap.department}" for cap in fleet.caps.values() if cap.department and cap.department not in departments]
    found += [f"agent {card.name} {card.version} has no owner" for card in cards if not card.owner]
    found += [f"agent {remote.name or remote.endpoint.url} has no owner" for remote in fleet.remotes if not remote.owner]
    return found


def _unoffered(fleet: Fleet) -> list[str]:
    offered = {skill for card in fleet.cards.values() for skill in card.skills}
    found = []
    for subscription in fleet.subscriptions.values():
        for skill in (subscription.skill, *(skill for _, skill in subscription.gather)):
            if skill not in offered:
                found.append(f'fleet.on("{subscription.type}", do="{subscription.skill}"): no agent offers {skill}')
    for what, names in (("check", fleet.checks), ("autonomy", fleet.levels), ("classify", fleet.classes)):
        found += [f"fleet.{what}({name!r}): no agent offers {name}" for name in names if name not in offered]
    found += [f"{name} is undone by {skill.undo}, which no agent offers" for name, skill in _actions(fleet).items() if skill.undo and skill.undo not in offered]
    for playbook in fleet.playbooks.values():
        asked = dict.fromkeys(step.skill for step in playbook.plan.steps if step.skill and step.skill not in offered)
        found += [f"playbook {playbook.skill}: no agent offers {name}" for name in asked]
        sent = [step for step in playbook.plan.steps if step.to and step.skill in offered]
        found += [f"playbook {playbook.skill}: {step.to} does not offer {step.skill}" for step in sent if not _offers(fleet, step.to, step.skill)]
    return found + [f"budget {budget.name}: no agent offers {budget.action}" for budget in fleet.budgets.values() if budget.action not in offered]


def _offers(fleet: Fleet, agent: str, skill: str) -> bool:
    return any(card.name == agent and skill in card.skills for card in fleet.cards.values())


def _actions(fleet: Fleet) -> dict[str, Skill]:
    return {name: skill for card in fleet.cards.values() for name, skill in card.skills.items() if skill.is_action}
