"""What a fleet says of the things that its actions touch: classes of resources with their rules, and intents of actions."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict
from datetime import timedelta
from typing import Any

from tutti.errors import Invalid
from tutti.model.agent import Skill
from tutti.model.conflict import Intent, Rule


def rule_of(name: str, capacity: int | None, incompatible: Iterable[tuple[str, str]], order: Iterable[str], exclusive: Iterable[str], waits: timedelta) -> Rule:
    """The rule for a class. Without a capacity it is 1, unless incompatible effects are listed: then any number that are compatible."""
    if not name or "/" in name or " " in name:
        raise Invalid(f"{name!r} is no class of resources.", hint='Write its name alone, for example fleet.resource("price").')
    if capacity is not None and (not isinstance(capacity, int) or capacity < 1):
        raise Invalid(f"Resource {name}: its capacity is a whole number, 1 or more.")
    if isinstance(order, str) or isinstance(exclusive, str):
        hint = 'For example order=["discount", "raise"].' if isinstance(order, str) else 'For example exclusive=["inbox"].'
        raise Invalid(f"Resource {name}: {'order' if isinstance(order, str) else 'exclusive'} is a list.", hint=hint)
    pairs = [tuple(pair) for pair in incompatible]
    if any(len(pair) != 2 for pair in pairs):
        raise Invalid(f"Resource {name}: incompatible effects come in pairs.", hint='For example incompatible=[("discount", "raise")].')
    if not isinstance(waits, timedelta):
        raise Invalid(f"Resource {name}: waits is a timedelta.", hint="For example waits=timedelta(minutes=10).")
    if waits < timedelta():
        raise Invalid(f"Resource {name}: waits is a time, or nothing.")
    held = 1 if capacity is None and not pairs else capacity
    return Rule(held, frozenset((one, other) for one, other in pairs), tuple(order), frozenset(exclusive) - {name}, waits)


def listed(skill: str, intends: Iterable[Intent]) -> tuple[Intent, ...]:
    """What an action says it touches. Raises: `Invalid` where that is no list of intents."""
    found = () if isinstance(intends, Intent) else tuple(intends)
    if isinstance(intends, Intent) or not all(isinstance(intent, Intent) for intent in found):
        raise Invalid(f"{skill}: intends is a list of intents.", hint='For example intends=[Intent("price/{account}", effect="raise")].')
    return found


def unheard(resources: Mapping[str, Rule], actions: Iterable[Skill]) -> list[str]:
    """What the rules speak of that no action touches or does: mostly a misspelling, which would leave two actions free to contradict each other."""
    done: dict[str, set[str]] = {}
    for skill in actions:
        for intent in skill.intends:
            done.setdefault(intent.resource.partition("/")[0], set()).update((intent.effect or skill.name, skill.name))
    found = []
    for name, rule in resources.items():
        where = f"fleet.resource({name!r})"
        if name in done:
            effects = dict.fromkeys([*(effect for pair in sorted(rule.incompatible) for effect in pair), *rule.order])
            found += [f"{where}: no action does {effect}" for effect in effects if effect not in done[name]]
        else:
            found.append(f"{where}: no action touches {name}")
        found += [f"{where}: no action touches {other}" for other in sorted(rule.exclusive) if other not in done]
    return found


def plain_intents(offer: Mapping[str, Any]) -> dict[str, Any]:
    """The options of an agent outside as JSON data: what they keep must be, as its card is."""
    options = dict(offer)
    if "intends" in options:
        options["intends"] = [_plain(intent) for intent in options["intends"]]
    return options


def _plain(intent: Intent | Mapping[str, Any]) -> dict[str, Any]:
    if not isinstance(intent, Intent):
        return dict(intent)
    data = asdict(intent)
    data["lasts_ms"] = round(data.pop("lasts") / timedelta(milliseconds=1))
    return data
