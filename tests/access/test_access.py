"""Access: roles per department, narrowed by scopes and by everyone the caller acts for; never widened."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tutti.access import ACTIONS, ROLES, Resource, check_roles, check_scopes, decide, departments_of
from tutti.errors import Invalid
from tutti.model.caller import OWNER, Caller

READS = {"tasks:read", "approvals:read", "agents:read", "goals:read", "decisions:read", "measures:read", "journal:read"}
ALLOWED = {
    "owner": set(ACTIONS),
    "operator": set(ACTIONS) - {"accounts:manage", "subjects:erase", "backups:make"},
    "approver": READS | {"approvals:answer", "tasks:answer", "tasks:settle", "tasks:rate"},
    "viewer": READS,
    "sender": {"signals:send", "tasks:submit"},
    "agent": {"signals:send", "tasks:submit"},
}


def thing(action: str, department: str = "", owner: str = "", id: str = "x") -> Resource:
    return Resource(action.partition(":")[0], id, department, owner)


@pytest.mark.parametrize("role", ROLES)
def test_each_role_may_what_it_says_and_nothing_else(role: str) -> None:
    caller = Caller("person/ana", (role,))
    assert {action for action in ACTIONS if decide(caller, action, thing(action, "sales")).allowed} == ALLOWED[role]
    assert {action for action in ACTIONS if decide(caller, action, thing(action)).allowed} == ALLOWED[role]


@pytest.mark.parametrize("role", ["sender", "agent"])
def test_senders_and_agents_see_and_stop_their_own_only(role: str) -> None:
    caller = Caller("service/crm", (role,), ("sales",))
    own = {action for action in ACTIONS if decide(caller, action, thing(action, "sales", "service/crm")).allowed}
    assert own == ALLOWED[role] | {"tasks:read", "tasks:cancel", "tasks:answer", "decisions:read"}
    for owner, department in (("service/other", "sales"), ("", "sales"), ("service/crm", "finance")):
        assert not decide(caller, "tasks:read", thing("tasks:read", department, owner)).allowed


def test_a_role_ends_at_the_departments_wall() -> None:
    for caller in (Caller("person/ana", ("viewer",), ("sales",)), Caller("person/ana", ("viewer@sales",), ("*",))):
        assert decide(caller, "tasks:read", thing("tasks:read", "sales")).allowed
        assert not decide(caller, "tasks:read", thing("tasks:read", "finance")).allowed
        assert not decide(caller, "tasks:read", thing("tasks:read")).allowed, "what is of no department is for those who may it everywhere"
        assert departments_of(caller, "tasks:read") == ("sales",)
        assert departments_of(caller, "tasks:cancel") == ()
    assert departments_of(OWNER, "tasks:read") is None
    mixed = Caller("person/ana", ("viewer", "operator@finance"), ("sales", "finance"))
    assert decide(mixed, "agents:retire", thing("agents:retire", "finance")).allowed
    assert not decide(mixed, "agents:retire", thing("agents:retire", "sales")).allowed


@pytest.mark.parametrize(
    "caller",
    [Caller("person/x"), Caller("person/x", ("nobody",)), Caller("person/x", ("Owner",)), Caller("person/x", ("owner@",)), Caller("person/x", ("owner",), ())],
)
def test_who_has_no_role_may_nothing(caller: Caller) -> None:
    assert not any(decide(caller, action, thing(action, "sales", caller.id)).allowed for action in ACTIONS)


def test_what_is_no_action_is_allowed_to_nobody() -> None:
    for action in ("", "tasks", "tasks:*", "tasks:destroy", "*:*", "own", "read"):
        assert not decide(OWNER, action, Resource("tasks")).allowed


def test_scopes_only_narrow() -> None:
    viewer = Caller("person/ana", ("viewer",), scopes=("tasks:t-1:read", "agents:*:*", "*:*:cancel"))
    assert decide(viewer, "tasks:read", thing("tasks:read", id="t-1")).allowed
    assert not decide(viewer, "tasks:read", thing("tasks:read", id="t-2")).allowed
    assert not decide(viewer, "tasks:read", thing("tasks:read", id="")).allowed
    assert decide(viewer, "agents:read", thing("agents:read")).allowed
    assert not decide(viewer, "agents:retire", thing("agents:retire")).allowed, "the scope names it, the role does not have it"
    assert not decide(viewer, "tasks:cancel", thing("tasks:cancel")).allowed
    assert not decide(Caller("person/ana", ("owner",), scopes=()), "tasks:read", thing("tasks:read")).allowed


@pytest.mark.parametrize("role", ["", "king", "viewer@", "viewer@*", "@sales"])
def test_roles_that_are_none_are_refused(role: str) -> None:
    with pytest.raises(Invalid):
        check_roles([role])


@pytest.mark.parametrize("scope", ["", "tasks", "tasks:read", "tasks::read", "king:*:read", "tasks:*:crown"])
def test_scopes_that_are_none_are_refused(scope: str) -> None:
    with pytest.raises(Invalid):
        check_scopes([scope])


DEPARTMENTS = st.sampled_from(["sales", "finance", "support"])
ROLE = st.one_of(st.sampled_from(ROLES), st.builds("{}@{}".format, st.sampled_from(ROLES), DEPARTMENTS))
SCOPE = st.builds(
    "{}:{}:{}".format, st.sampled_from(["*", "tasks", "agents", "approvals"]), st.sampled_from(["*", "x"]), st.sampled_from(["*", "read", "cancel", "submit"])
)
LINK = st.builds(
    Caller,
    st.sampled_from(["person/ana", "service/crm", "agent/pricing"]),
    st.lists(ROLE, max_size=2).map(tuple),
    st.lists(st.one_of(DEPARTMENTS, st.just("*")), max_size=2).map(tuple),
    st.none() | st.lists(SCOPE, max_size=3).map(tuple),
)
THING = st.tuples(st.sampled_from(["", "sales", "finance"]), st.sampled_from(["", "person/ana", "agent/pricing"]), st.sampled_from(["", "x"]))


@given(LINK, st.lists(LINK, max_size=3), st.sampled_from(ACTIONS), THING)
def test_a_chain_may_only_what_each_link_may(first: Caller, rest: list[Caller], action: str, where: tuple[str, str, str]) -> None:
    resource = thing(action, *where)
    chain = Caller(first.id, first.roles, first.departments, first.scopes, tuple(rest))
    allowed = all(decide(link, action, resource).allowed for link in (first, *rest))
    assert decide(chain, action, resource).allowed == allowed
    nested = rest[-1:] and Caller(
        first.id, first.roles, first.departments, first.scopes, (Caller(rest[0].id, rest[0].roles, rest[0].departments, rest[0].scopes, tuple(rest[1:])),)
    )
    if nested:
        assert decide(nested, action, resource).allowed == allowed
