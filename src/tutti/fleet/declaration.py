"""What a fleet has declared, and what of it cannot work."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from importlib.util import find_spec
from typing import Any

from tutti.errors import Invalid
from tutti.evaluation import Check
from tutti.fleet.declared import Remote
from tutti.fleet.governance import Governance
from tutti.fleet.resources import unheard
from tutti.model.agent import AgentCard, Skill
from tutti.model.party import SKILL, Outcome
from tutti.model.plan import Playbook
from tutti.model.route import Bidder
from tutti.model.signal import Subscription
from tutti.registry import Condition
from tutti.transports import Bound


class Declaration(Governance):
    """All that was declared so far, by kind."""

    def __init__(self, name: str, *, currency: str = "EUR", departments: Mapping[str, float] | None = None) -> None:
        """`departments` gives each department's share of the work under overload (weights, default 1 each)."""
        if not name or not name.replace("-", "").replace("_", "").isalnum():
            raise Invalid(f"{name!r} is no fleet name.", hint="Use letters, digits, - and _, for example Fleet('support').")
        super().__init__(currency)
        self.name = name
        self.departments = dict(departments or {})
        self.cards: dict[tuple[str, str], AgentCard] = {}
        self.functions: dict[tuple[str, str, str], Bound] = {}  # (agent, version, skill)
        self.remotes: list[Remote] = []
        self.models: set[str] = set()  # agents that are language models
        self.scorers: dict[str, Callable[[Sequence[Outcome | None], Any], Sequence[float]]] = {}  # parties that may be asked without a message
        self.bids: dict[tuple[str, str, str], Bidder] = {}  # (agent, version, skill)
        self.subscriptions: dict[str, Subscription] = {}
        self.checks: dict[str, list[Check]] = {}
        self.classes: dict[str, Condition] = {}
        self.playbooks: dict[tuple[str, str, str], Playbook] = {}  # (agent, version, skill)

    def problems(self) -> list[str]:
        """What is declared and cannot work, in words, the gravest first, for `tutti doctor`. A fleet with problems still runs.

        Skills that an agent outside may offer are known only when it has been reached.
        """
        cards = self.cards.values()
        found = []
        if self.models and (find_spec("pydantic_ai") is None or find_spec("openai") is None):
            found.append(f"agent {', '.join(sorted(self.models))}: models need an extra that is not installed: pip install 'tutti[llm]'")
        if not self.remotes:
            found += self._unoffered() + self._unheard_parties()
        agents, departments = {card.name for card in cards}, {card.department for card in cards} | {remote.department for remote in self.remotes}
        if not self.remotes:
            found += [f"cap {cap.name}: there is no agent {cap.agent}" for cap in self.caps.values() if cap.agent and cap.agent not in agents]
        found += [f"cap {cap.name}: no agent is in {cap.department}" for cap in self.caps.values() if cap.department and cap.department not in departments]
        found += [f"agent {card.name} {card.version} has no owner" for card in cards if not card.owner]
        found += [f"agent {remote.name or remote.endpoint.url} has no owner" for remote in self.remotes if not remote.owner]
        return found

    def _unoffered(self) -> list[str]:
        offered = {skill for card in self.cards.values() for skill in card.skills}
        found = []
        for subscription in self.subscriptions.values():
            for skill in (subscription.skill, *(skill for _, skill in subscription.gather)):
                if skill not in offered:
                    found.append(f'fleet.on("{subscription.type}", do="{subscription.skill}"): no agent offers {skill}')
        for what, names in (("check", self.checks), ("autonomy", self.levels), ("classify", self.classes)):
            found += [f"fleet.{what}({name!r}): no agent offers {name}" for name in names if name not in offered]
        found += [
            f"{name} is undone by {skill.undo}, which no agent offers" for name, skill in self._actions().items() if skill.undo and skill.undo not in offered
        ]
        found += unheard(self.resources, self._actions().values())
        for playbook in self.playbooks.values():
            asked = dict.fromkeys(step.skill for step in playbook.plan.steps if step.skill and step.skill not in offered)
            found += [f"playbook {playbook.skill}: no agent offers {name}" for name in asked]
            sent = [step for step in playbook.plan.steps if step.to and step.skill in offered]
            found += [f"playbook {playbook.skill}: {step.to} does not offer {step.skill}" for step in sent if not self._offers(step.to, step.skill)]
        return found + [f"budget {budget.name}: no agent offers {budget.action}" for budget in self.budgets.values() if budget.action not in offered]

    def _unheard_parties(self) -> list[str]:
        """Weights of goals that count for nobody."""
        parties = [card for card in self.cards.values() if SKILL in card.skills]
        known = {f"party/{name}" for card in parties for name in (card.name, card.department)}
        return [
            f"goal {goal}: no party is called {key.removeprefix('party/')}, or is in a department of that name"
            for goal, said in self.goals.items()
            for key in said["weights"]
            if key.startswith("party/") and key not in known
        ]

    def _offers(self, agent: str, skill: str) -> bool:
        return any(card.name == agent and skill in card.skills for card in self.cards.values())

    def _actions(self) -> dict[str, Skill]:
        return {name: skill for card in self.cards.values() for name, skill in card.skills.items() if skill.is_action}
