"""May this caller do this to that? Cedar says what the roles allow per department; scopes narrow it, and so does everyone the caller acts for."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Any

from tutti.errors import Invalid
from tutti.model.caller import EVERY, Caller

# Everything a caller can do, as `resource:action`.
ACTIONS = (
    "signals:send",
    "tasks:submit",
    "tasks:read",
    "tasks:cancel",
    "tasks:answer",
    "tasks:settle",
    "tasks:rate",
    "approvals:read",
    "approvals:answer",
    "agents:read",
    "agents:register",
    "agents:retire",
    "levels:set",
    "switches:throw",
    "switches:lift",
    "goals:read",
    "goals:set",
    "decisions:read",
    "measures:read",
    "journal:read",
    "subjects:erase",
    "backups:make",
    "accounts:read",
    "accounts:manage",
)
ROLES = ("owner", "operator", "approver", "viewer", "sender", "agent")
_READS = ("tasks:read", "approvals:read", "agents:read", "goals:read", "decisions:read", "measures:read", "journal:read")
_SENDS = ("signals:send", "tasks:submit")
_OWN = ("tasks:read", "tasks:cancel", "tasks:answer", "decisions:read")
_RESERVED = ("accounts:manage", "subjects:erase", "backups:make")  # the owner's alone
_GROUPS = {
    "operate": tuple(action for action in ACTIONS if action not in _RESERVED),
    "read": _READS,
    "approve": ("approvals:answer", "tasks:answer", "tasks:settle", "tasks:rate"),
    "send": _SENDS,
    "own": _OWN,
}


def _actions() -> Iterable[str]:
    for group in _GROUPS:
        yield f'action "{group}";'
    for action in ACTIONS:
        groups = ", ".join(f'"{group}"' for group, members in _GROUPS.items() if action in members)
        yield f'action "{action}"{f" in [{groups}]" if groups else ""} appliesTo {{ principal: [Caller], resource: [Thing], context: {{}} }};'


SCHEMA = f"""
namespace Tutti {{
  entity Caller {{ {", ".join(f"{role}: Set<String>" for role in ROLES)} }};
  entity Thing {{ department: String, mine: Bool }};
  {" ".join(_actions())}
}}
"""


def _here(role: str) -> str:
    return f'principal.{role}.contains("*") || principal.{role}.contains(resource.department)'


POLICIES = f"""
@id("owner") permit (principal, action, resource) when {{ {_here("owner")} }};
@id("operator") permit (principal, action in Tutti::Action::"operate", resource) when {{ {_here("operator")} }};
@id("approver-reads") permit (principal, action in Tutti::Action::"read", resource) when {{ {_here("approver")} }};
@id("approver") permit (principal, action in Tutti::Action::"approve", resource) when {{ {_here("approver")} }};
@id("viewer") permit (principal, action in Tutti::Action::"read", resource) when {{ {_here("viewer")} }};
@id("sender") permit (principal, action in Tutti::Action::"send", resource) when {{ {_here("sender")} }};
@id("sender-own") permit (principal, action in Tutti::Action::"own", resource) when {{ resource.mine && ({_here("sender")}) }};
@id("agent") permit (principal, action in Tutti::Action::"send", resource) when {{ {_here("agent")} }};
@id("agent-own") permit (principal, action in Tutti::Action::"own", resource) when {{ resource.mine && ({_here("agent")}) }};
"""


@dataclass(frozen=True, slots=True)
class Resource:
    """What is acted upon. Without an id it is the whole kind; without a department, all of them. `owner` is the id of who brought it in."""

    kind: str
    id: str = ""
    department: str = ""
    owner: str = ""


@dataclass(frozen=True, slots=True)
class Access:
    """Yes or no, and the reason for a no."""

    allowed: bool
    reason: str = ""


def decide(caller: Caller, action: str, resource: Resource) -> Access:
    """Whether this caller may do `action` (one of `ACTIONS`) to this resource: the roles, and the scopes, and each link of the chain say yes."""
    mine = bool(resource.owner) and resource.owner == caller.id
    if not _by_role(caller.roles, caller.departments, action, resource.department, mine):
        return Access(False, f"{caller.id} may not {action}{f' in {resource.department}' if resource.department else ''}.")
    if not _in_scope(caller.scopes, action, resource.id):
        return Access(False, f"The scopes of {caller.id} leave out {action}.")
    for link in caller.chain:
        if not decide(link, action, resource).allowed:
            return Access(False, f"{caller.id} acts for {link.id}, who may not {action}.")
    return Access(True)


def check_roles(roles: Iterable[str]) -> tuple[str, ...]:
    """Roles as they may be given: `viewer`, or `viewer@finance` for one department only. Raises: `Invalid`."""
    checked = tuple(roles)
    for role in checked:
        name, at, department = role.partition("@")
        if name not in ROLES or (at and not department) or department == EVERY:
            raise Invalid(f"{role!r} is no role.", hint=f"Roles are {', '.join(ROLES)}; viewer@finance is a viewer in finance only.")
    return checked


def check_scopes(scopes: Iterable[str]) -> tuple[str, ...]:
    """Scopes as they may be given: `resource:id:action`, each part may be `*`. Raises: `Invalid`."""
    checked = tuple(scopes)
    kinds = {action.partition(":")[0] for action in ACTIONS}
    verbs = {action.partition(":")[2] for action in ACTIONS}
    for scope in checked:
        kind, _, rest = scope.partition(":")
        id, _, verb = rest.rpartition(":")
        if not id or kind not in kinds | {EVERY} or verb not in verbs | {EVERY}:
            raise Invalid(f"{scope!r} is no scope.", hint="A scope is resource:id:action, such as tasks:*:read.")
    return checked


def departments_of(caller: Caller, action: str) -> tuple[str, ...] | None:
    """Where a caller may do this to anything: None for everywhere, else the departments, possibly none. What lists are filtered with."""
    kind = action.partition(":")[0]
    if decide(caller, action, Resource(kind)).allowed:
        return None
    named = {name for link in (caller, *caller.chain) for name in (*link.departments, *(role.partition("@")[2] for role in link.roles))} - {EVERY, ""}
    return tuple(sorted(name for name in named if decide(caller, action, Resource(kind, department=name)).allowed))


def _in_scope(scopes: tuple[str, ...] | None, action: str, id: str) -> bool:
    if scopes is None:
        return True
    kind, _, verb = action.partition(":")
    for scope in scopes:
        of_kind, _, rest = scope.partition(":")
        of_id, _, of_verb = rest.rpartition(":")
        if of_kind in (kind, EVERY) and of_verb in (verb, EVERY) and (of_id == EVERY or (of_id == id and id)):
            return True
    return False


@cache
def _rules() -> tuple[Any, Any]:
    """The policies and the schema, parsed once. The schema checks them here, and every question later."""
    import cedarpy

    schema = cedarpy.Schema.from_str(SCHEMA)
    result = cedarpy.validate_policies(POLICIES, schema)
    if not result.validation_passed:
        raise Invalid(f"The access policies do not fit their schema: {result.errors[0].error}.")
    return cedarpy.PolicySet.from_str(POLICIES), schema


@lru_cache(maxsize=20_000)  # all that the policies see: equal questions are asked for every request
def _by_role(roles: tuple[str, ...], departments: tuple[str, ...], action: str, department: str, mine: bool) -> bool:
    """What Cedar says. Anything but a clean Allow is a no."""
    import cedarpy

    if action not in ACTIONS:
        return False
    policies, schema = _rules()
    held: dict[str, set[str]] = {role: set() for role in ROLES}
    for role in roles:
        name, at, only = role.partition("@")
        if name in held:
            held[name] |= {only} if at else set(departments)
    principal, thing = {"type": "Tutti::Caller", "id": "caller"}, {"type": "Tutti::Thing", "id": "thing"}
    request = {"principal": principal, "action": {"type": "Tutti::Action", "id": action}, "resource": thing, "context": {}}
    entities = [
        {"uid": principal, "attrs": {role: sorted(names) for role, names in held.items()}, "parents": []},
        # a thing of no department is everybody's: only who may do it everywhere may do it there
        {"uid": thing, "attrs": {"department": department or EVERY, "mine": mine}, "parents": []},
    ]
    try:
        result = cedarpy.is_authorized(request, policies, json.dumps(entities), schema)
    except ValueError:
        return False
    return result.decision is cedarpy.Decision.Allow and not result.diagnostics.errors
