"""Subscriptions by type and condition; work keys; depth counted without recursion."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tutti import intake
from tutti.errors import Invalid
from tutti.intake import Subscriptions
from tutti.model.signal import Subscription

EVENT = {"specversion": "1.0", "id": "1", "source": "/a", "type": "ticket.opened", "subject": "account/7", "data": {"urgency": 0.9}}


def met(*subscriptions: tuple[str, str | None, int], event: dict | None = None) -> list[str]:
    made = [Subscription(str(n), type, f"skill{n}", when, priority) for n, (type, when, priority) in enumerate(subscriptions)]
    return [subscription.skill for subscription in Subscriptions(made).match(event or EVENT).met]


def test_exact_types_prefixes_and_all():
    assert met(("ticket.opened", None, 0), ("ticket.*", None, 0), ("*", None, 0), ("ticket.closed", None, 0), ("tick.*", None, 0)) == [
        "skill0",
        "skill1",
        "skill2",
    ]


def test_conditions_decide_and_priorities_order():
    assert met(("ticket.opened", "data.urgency > 0.8", 1), ("ticket.opened", "data.urgency < 0.8", 9), ("ticket.opened", "subject == 'account/7'", 5)) == [
        "skill2",
        "skill0",
    ]


def test_a_condition_that_cannot_be_evaluated_is_not_met_and_says_why():
    conditions = ["data.nothing > 1", "data.urgency", "data.urgency.deep == 1", "data.urgency < 0.5", "has(data.nothing) && data.nothing > 1", None]
    found = Subscriptions([Subscription(str(n), "ticket.opened", "skill", when) for n, when in enumerate(conditions)]).match(EVENT)
    assert [subscription.when for subscription in found.met] == [None]
    assert [(subscription.when, why) for subscription, why in found.undecided] == [
        ("data.nothing > 1", "no such key: nothing"), ("data.urgency", "it gives neither true nor false"),
        ("data.urgency.deep == 1", "a value is not of the type that it needs"),
    ]  # fmt: skip


def test_a_condition_may_look_at_the_elements_of_a_list():
    event = {**EVENT, "data": {"items": [{"price": 3, "late": False}, {"price": 11, "late": True}], "limit": 10}}
    conditions = [
        "data.items.exists(item, item.late && item.price > data.limit)", "data.items.all(item, item.price < data.limit)", "data.items.map(i, i.price).exists_one(p, p == 3)",
        "size(data.items.filter(item, item.late)) == 1", "data.items.exists(item, item.late) && item.late",
    ]  # fmt: skip
    found = Subscriptions([Subscription(str(n), "ticket.opened", f"skill{n}", when, 0) for n, when in enumerate(conditions)]).match(event)
    assert [subscription.skill for subscription in found.met] == ["skill0", "skill2", "skill3"]
    assert [(subscription.skill, why) for subscription, why in found.undecided] == [("skill4", "item is known only where it stands for an element")]
    with pytest.raises(Invalid, match="speaks of `itm`"):
        Subscriptions([Subscription("a", "ticket.opened", "skill", "data.items.exists(item, itm.late)", 0)])


def test_a_text_that_is_no_unicode_leaves_every_condition_undecided():
    subscriptions = Subscriptions([Subscription("on-1", "ticket.opened", "skill", "subject != ''"), Subscription("on-2", "ticket.opened", "other")])
    found = subscriptions.match({**EVENT, "data": {"text": "\ud800"}})
    assert [(each.id, why) for each, why in found.undecided] == [("on-1", "a value is none that CEL knows")]
    assert [each.id for each in found.met] == ["on-2"]


def test_an_absent_field_is_null_in_a_condition():
    assert met(("ticket.opened", "department == null", 0)) == ["skill0"]


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-1000, 1000) | st.text(max_size=5),
    lambda v: st.lists(v, max_size=3) | st.dictionaries(st.text(max_size=3), v, max_size=3),
)


@given(json_values, json_values)
def test_equal_work_has_one_key_and_other_work_another(a, b):
    key = intake.work_key(b"secret", "skill", "u-1", a)
    assert key == intake.work_key(b"secret", "skill", "u-1", a)
    assert key != intake.work_key(b"other", "skill", "u-1", a)
    assert key != intake.work_key(b"secret", "skill", "u-2", a)
    if repr(a) != repr(b) and a != b:
        assert key != intake.work_key(b"secret", "skill", "u-1", b)


def test_field_order_makes_no_other_work():
    assert intake.work_key(b"s", "k", None, {"a": 1, "b": 2}) == intake.work_key(b"s", "k", None, {"b": 2, "a": 1})


@given(st.integers(0, 64))
def test_depth_is_counted(depth):
    value: object = 1
    for n in range(depth):
        value = [value] if n % 2 else {"a": value}
    assert intake.too_deep(value) == (depth > 32)
