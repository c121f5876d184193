"""The queue under a joint order: ranked tasks in their order, deadlines whole, shares as without it, looking without taking."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tutti.execution import Queue


def always(skill: str) -> bool:
    return True


def drained(queue: Queue, now: int = 0) -> list[str]:
    found = []
    while (task := queue.take(always, now)) is not None:
        found.append(task)
    return found


@given(st.permutations(range(8)), st.lists(st.integers(0, 1), min_size=8, max_size=8))
def test_ranked_tasks_go_in_their_order_within_a_priority_and_before_those_that_are_not(order, priorities):
    queue = Queue()
    for n in range(8):
        queue.put(f"t{n}", "d", "s", priorities[n], None)
    queue.put("late", "d", "s", 0, None)
    queue.rank({f"t{n}": place for place, n in enumerate(order)})
    expected = sorted(range(8), key=lambda n: (-priorities[n], order.index(n)))
    assert drained(queue) == [f"t{n}" for n in expected] + ["late"]


def test_a_rank_given_with_a_task_counts_as_one_given_later():
    queue = Queue()
    queue.put("a", "d", "s", 0, None, rank=2)
    queue.put("b", "d", "s", 0, None, rank=1)
    assert drained(queue) == ["b", "a"]


def test_half_way_to_its_deadline_a_task_goes_before_all_that_is_ranked():
    for now, first in ((59, "ranked"), (60, "tight")):
        queue = Queue()
        queue.put("ranked", "d", "s", 0, None)
        queue.put("tight", "d", "s", 0, 100, since=20)
        queue.put("loose", "d", "s", 0, 1000, since=20)
        queue.rank({"ranked": 0, "loose": 1, "tight": 2})
        assert queue.take(always, now) == first


def test_what_presses_is_not_ranked_down_again():
    queue = Queue()
    queue.put("tight", "d", "s", 0, 100, since=0)
    queue.put("other", "d", "s", 0, None)
    queue.rank({"other": 0, "tight": 1})
    assert queue.first("s", 1, 60) == ["tight"]
    queue.rank({"other": 0, "tight": 1})
    assert queue.take(always, 60) == "tight"


@given(
    st.lists(st.tuples(st.sampled_from("ab"), st.sampled_from("xy"), st.integers(0, 2), st.none() | st.integers(0, 9)), max_size=30),
    st.integers(0, 30), st.lists(st.integers(0, 29), max_size=6), st.booleans(),
)  # fmt: skip
def test_looking_shows_what_taking_gives_and_changes_nothing(puts, count, dropped, ranked):
    queues = [Queue({"a": 2, "b": 1}) for _ in range(2)]
    for queue in queues:
        for n, (department, skill, priority, deadline) in enumerate(puts):
            queue.put(f"t{n}", department, skill, priority, deadline)
        if ranked:
            queue.rank({f"t{n}": (n * 7) % 11 for n in range(0, len(puts), 2)})
        for n in dropped:
            queue.drop(f"t{n}")
    looked = queues[0].first("x", count)
    only_x = lambda skill: skill == "x"  # noqa: E731
    taken = [task for _ in range(count) if (task := queues[1].take(only_x)) is not None]
    assert looked == taken
    assert queues[0].waiting("x") == len(looked) + queues[1].waiting("x")
    again = Queue({"a": 2, "b": 1})
    for n, (department, skill, priority, deadline) in enumerate(puts):
        again.put(f"t{n}", department, skill, priority, deadline)
    if ranked:
        again.rank({f"t{n}": (n * 7) % 11 for n in range(0, len(puts), 2)})
    for n in dropped:
        again.drop(f"t{n}")
    assert drained(queues[0]) == drained(again)


def test_looking_past_some_leaves_them_where_they_are():
    queue = Queue()
    for n in range(5):
        queue.put(f"t{n}", "d", "s", 0, None)
    assert queue.first("s", 2, skip=lambda task: task in ("t0", "t2")) == ["t1", "t3"]
    assert drained(queue) == [f"t{n}" for n in range(5)]


def test_who_is_picked_out_of_turn_pays_as_any_other():
    queue = Queue({"a": 1, "b": 1})
    for n in range(6):
        queue.put(f"a{n}", "a", "s", 0, None)
        queue.put(f"b{n}", "b", "s", 0, None)
    assert [queue.pick(f"a{n}") for n in (5, 4, 3)] == [True] * 3
    assert not queue.pick("a5")
    assert [queue.take(always)[0] for _ in range(3)] == ["b"] * 3


def test_who_comes_back_comes_back_to_its_place():
    queue = Queue()
    for n in range(3):
        queue.put(f"t{n}", "d", "s", 0, None, arrival=n)
    queue.drop("t0")
    queue.put("t0", "d", "s", 0, None, arrival=0)
    assert queue.first("s", 9) == ["t0", "t1", "t2"]
    assert drained(queue) == ["t0", "t1", "t2"]
