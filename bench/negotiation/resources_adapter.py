"""Resource problems in the scorer's form, handed to `tutti.conflicts`: which first options collide, and which options fit together."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tutti.conflicts import Option, pack
from tutti.conflicts import detect as collisions
from tutti.model.conflict import Need, Rule, Rules


def _rules(instance: Mapping[str, Any]) -> Rules:
    """Each resource is a class of its own, since each has its own capacity; all are of one name, so that two may exclude each other."""
    excluded: dict[int, set[str]] = {}
    for one, other in instance["exclusive_pairs"]:
        excluded.setdefault(one, set()).add(str(other))
        excluded.setdefault(other, set()).add(str(one))
    return Rules({str(at): Rule(resource["capacity"], exclusive=frozenset(excluded.get(at, ()))) for at, resource in enumerate(instance["resources"])})


def _options(intent: Mapping[str, Any]) -> list[Option]:
    return [Option((Need(f"{o['resource']}/all", o["start"], o["end"], "use", intent.get("units", 1)),), o["value"]) for o in intent["options"]]


def detect(instance: Mapping[str, Any]) -> list[tuple[int, int]]:
    """Pairs of intents whose first options collide."""
    return list(collisions({intent["id"]: _options(intent)[0].needs for intent in instance["intents"]}, _rules(instance)))


def allocate(instance: Mapping[str, Any]) -> dict[int, int]:
    """The option of each intent that is granted."""
    return pack({intent["id"]: _options(intent) for intent in instance["intents"]}, _rules(instance)).chosen
