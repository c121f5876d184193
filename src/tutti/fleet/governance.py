"""What a user says of how far their agents may go, and what for: levels, budgets, caps, resources, policies, goals."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from tutti.errors import Invalid, NotFound
from tutti.fleet.declared import Autonomy, Budget, Per
from tutti.fleet.resources import rule_of
from tutti.gates import DEFAULT_POLICY, parse_policies
from tutti.model.conflict import Rule
from tutti.model.money import to_millionths
from tutti.model.route import Weights
from tutti.model.usage import Cap
from tutti.model.verdict import Level

LEVELS = {"approve": Level.APPROVE, "act": Level.ACT}


class Governance:
    """The part of a declaration that binds all agents, whoever made them."""

    def __init__(self, currency: str) -> None:
        self.currency = currency
        self.weights = Weights()
        self.levels: dict[str, Autonomy] = {}
        self.budgets: dict[str, Budget] = {}
        self.caps: dict[str, Cap] = {}
        self.resources: dict[str, Rule] = {}
        self.goals: dict[str, dict[str, Any]] = {}
        self._policies: list[str] = []

    def autonomy(self, action: str, *, level: str, up_to: float | Decimal | None = None) -> None:
        """Set how far an action goes alone: "approve" (a person says yes first, the default) or "act", with `up_to` as the largest amount."""
        if level not in LEVELS:
            raise Invalid(f"{level!r} is no level of this version.", hint=f"Levels are: {', '.join(LEVELS)}.")
        self.levels[action] = Autonomy(action, LEVELS[level], None if up_to is None else to_millionths(up_to, f"up_to of {action}"))

    def budget(self, name: str, *, action: str, money: float | Decimal | None = None, count: int | None = None, per: Per = "day") -> None:
        """Limit what an action uses in a period (UTC): money, or a count, or both. Reserved in the append that starts it."""
        if money is None and count is None:
            raise Invalid(f"Budget {name} limits nothing.", hint="Give it money=, count=, or both.")
        if per not in ("hour", "day", "month", "ever"):
            raise Invalid(f"Budget {name}: {per!r} is no period.", hint="Use hour, day, month or ever.")
        self.budgets[name] = Budget(name, action, None if money is None else to_millionths(money, f"money of budget {name}"), count, per, self.currency)

    def cap(
        self,
        name: str,
        *,
        agent: str = "",
        department: str = "",
        per_task: bool = False,
        money: float | Decimal | None = None,
        tokens: int | None = None,
        calls: int | None = None,
        per: Per = "ever",
    ) -> None:
        """Limit what calls to models take in a period (UTC): money, tokens (in and out together), calls, or several of these.

        It speaks of one agent, of one department, or (without both) of all. `per_task` counts each chain by itself: a task and all that follows
        from it. The most a call can take is reserved before it is made; one that might exceed the cap is not made.
        """
        if money is None and tokens is None and calls is None:
            raise Invalid(f"Cap {name} limits nothing.", hint="Give it money=, tokens=, calls=, or several.")
        if per not in ("hour", "day", "month", "ever"):
            raise Invalid(f"Cap {name}: {per!r} is no period.", hint="Use hour, day, month or ever.")
        if name in self.caps:
            raise Invalid(f"Cap {name} is declared twice.", hint="Give the second one another name.")
        limit = None if money is None else to_millionths(money, f"money of cap {name}")
        if min(limit or 0, tokens or 0, calls or 0) < 0:
            raise Invalid(f"Cap {name} is below nothing.", hint="Use 0 to forbid calls.")
        self.caps[name] = Cap(name, agent, department, per_task, limit, tokens, calls, per)

    def resource(
        self,
        name: str,
        *,
        capacity: int | None = None,
        incompatible: Sequence[tuple[str, str]] = (),
        order: Sequence[str] = (),
        exclusive: Sequence[str] = (),
        waits: timedelta = timedelta(hours=1),
    ) -> None:
        """Say what holds for a class of things that actions touch (see `intends`), so that no two act against each other.

        `incompatible` are pairs of effects that must not overlap on one thing; `capacity` is how many units may be held at a time (without both:
        one). `order` lists effects or skills, those that go first first. `exclusive` names classes: their thing of the same name is not held
        together with this one. `waits` is how long an action without a deadline stands in line before it is rejected.
        """
        if name in self.resources:
            raise Invalid(f"Resource {name} is declared twice.", hint="Put both into one line.")
        self.resources[name] = rule_of(name, capacity, incompatible, order, exclusive, waits)

    def policy(self, text: str) -> None:
        """Add Cedar policies as text. With the first one the default (all may, as far as level and budget allow) is gone."""
        parse_policies(text, "fleet.policy(…)")
        self._policies.append(text)

    def policies(self, folder: str | Path) -> None:
        """Add all `*.cedar` files of a folder, found beside the file that declares the fleet or from the current folder."""
        path = Path(folder)
        if not path.is_absolute():
            frame = inspect.currentframe()
            caller = frame.f_back.f_code.co_filename if frame is not None and frame.f_back is not None else ""
            beside = Path(caller).parent / path
            path = beside if beside.is_dir() else path
        files = sorted(path.glob("*.cedar"))
        if not files:
            raise NotFound(f"There is no *.cedar file in {path}.", hint="Write one, or remove fleet.policies(…) to start with the default policy.")
        for file in files:
            text = file.read_text(encoding="utf-8")
            parse_policies(text, str(file))
            self._policies.append(text)

    @property
    def policy_text(self) -> str:
        """All policies as one text; the default policy where none was given."""
        return "\n".join(self._policies) if self._policies else DEFAULT_POLICY

    def goal(
        self,
        name: str,
        *,
        kpi: str = "",
        target: float | None = None,
        weights: Mapping[str, float] | None = None,
        parties: Mapping[str, float] | None = None,
        note: str = "",
    ) -> None:
        """State what people want. `weights` (quality, latency, cost, load) flow into every route's score, `parties` into negotiations: how much an agent,
        or every agent of a department, counts there for this goal's sake."""
        unknown = sorted(set(weights or {}) - {"quality", "latency", "cost", "load"})
        if unknown or any(not value >= 0 for value in (weights or {}).values()):
            raise Invalid(f"Goal {name}: weights are quality, latency, cost and load, none below 0.", hint="For example weights={'quality': 0.8, 'cost': 0.2}.")
        if any(not isinstance(value, int | float) or not value > 0 for value in (parties or {}).values()):
            raise Invalid(f"Goal {name}: a party's weight is a number above 0.", hint='For example parties={"renewal": 2}.')
        counted = dict(weights or {}) | {f"party/{party}": float(value) for party, value in (parties or {}).items()}
        self.goals[name] = {"kpi": kpi, "target": "" if target is None else str(target), "weights": counted, "note": note}
        if weights:
            self.weights = replace(self.weights, **{name: float(value) for name, value in weights.items()})
