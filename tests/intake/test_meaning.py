"""The same question in other words: what is taken for the same, what never is, and how the road uses it."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from tutti import Context, Fleet
from tutti.errors import Invalid
from tutti.intake import ALIKE, Meanings

SAME = [
    ("Why is my payment still pending?", "Could you please tell me why my payment is still pending?"),
    ("How do I order a new card?", "hi, how do I order a NEW card"),
    ("How do I reset my password?", "Hi, can you tell me how do I reset my password?"),
    ("How do I reset my password?", "Hello there, please tell me how I reset my password."),
    ("I don't know the exchange rate for dollars", "I do not know the exchange rates for dollars."),
    ("Where can I see my invoices?", "where can i see my invoice ?"),
    ("Is my new card on its way now?", "is now my new card on its way"),
    ({"account": "a1", "text": "my order 17 is broken"}, {"account": "a1", "text": "Hello, my order 17 is broken!"}),
]
DIFFERENT = [
    ("I want to verify my identity", "I don't want to verify my identity"),
    ("Hi, can you tell me how I reset it", "Hi, can you tell me why I reset it"),
    ("Hello, would you explain the fee", "Hello, would you waive the fee"),
    ("Why did you freeze my account?", "How did you freeze my account?"),
    ("Please activate my card now", "Please deactivate my card now"),
    ("Increase the limit of my card", "Decrease the limit of my card"),
    ("Refund order 1234 to my account", "Refund order 1235 to my account"),
    ("Pay 10.50 to the shop", "Pay 10.05 to the shop"),
    ("What is your name for me", "What is my name for you"),
    ("What do you want me to call you", "What do you want to call me"),
    ("yes, that is right", "no, that is not right"),
    ("Send the money from Alice to Bob", "Send the money from Bob to Alice"),
    ("Is gold dearer than silver today", "Is silver dearer than gold today"),
    ("How long does a transfer take", "How long does a payment take"),
    ("Block the account of Petersen", "Block the account of Peterson"),
    ("Block the account of Smith", "Block the account of Jones"),
    ({"account": "a1", "text": "my order is broken"}, {"account": "a2", "text": "my order is broken"}),
    ({"account": "a1", "text": "my order is broken"}, {"account": "a1", "text": "my order is broken", "urgent": True}),
    ({"question": "is it open", "answer": "it is closed"}, {"question": "it is closed", "answer": "is it open"}),
    ("yes", "yes "),
]


def merged(one: Any, other: Any, alike: float = ALIKE) -> bool:
    meanings = Meanings()
    assert meanings.find("s", None, "first", one, alike, lambda key: False) is None
    return meanings.find("s", None, "second", other, alike, lambda key: key == "first") is not None


@pytest.mark.parametrize(("one", "other"), SAME)
def test_dress_does_not_matter(one: Any, other: Any):
    assert merged(one, other)
    assert merged(other, one)


@pytest.mark.parametrize(("one", "other"), DIFFERENT)
def test_what_differs_in_what_counts_is_not_merged_at_any_threshold(one: Any, other: Any):
    assert not merged(one, other, 0.01)
    assert not merged(other, one, 0.01)


def test_only_what_is_under_way_or_fresh_counts_and_what_is_not_is_forgotten():
    meanings, fresh = Meanings(), {"first"}
    meanings.find("s", "p", "first", SAME[0][0], ALIKE, fresh.__contains__)
    assert meanings.find("s", "p", "second", SAME[0][0], ALIKE, lambda key: key == "second") is None, "the very same work goes first"
    assert meanings.find("s", "other", "second", SAME[0][1], ALIKE, fresh.__contains__) is None
    assert meanings.find("other", "p", "second", SAME[0][1], ALIKE, fresh.__contains__) is None
    fresh.clear()
    assert meanings.find("s", "p", "second", SAME[0][1], ALIKE, fresh.__contains__) is None


def answering(**options: Any) -> tuple[Fleet, list[str]]:
    fleet, asked = Fleet("meant"), []

    @fleet.agent(skill="question.answer", department="d", quality=0.9, fresh_for=timedelta(minutes=10), **options)
    async def answer(text: str, ctx: Context) -> str:
        asked.append(text)
        await asyncio.sleep(1)
        return f"to {text}"

    return fleet, asked


async def test_the_second_asker_gets_the_first_ones_result_and_the_journal_says_so(tutti):
    fleet, asked = answering(same_by="meaning")
    trial = tutti(fleet)
    await trial.submit("question.answer", SAME[0][0], subject="account/1")
    await trial.submit("question.answer", SAME[0][1], subject="account/1")
    await trial.submit("question.answer", "How do I close my account?", subject="account/1")
    await trial.submit("question.answer", SAME[0][1], subject="account/2")
    assert asked == [SAME[0][0], "How do I close my account?", SAME[0][1]]
    first, second, *_ = trial.tasks("question.answer")
    assert (second.coalesced_into, second.output) == (first.id, f"to {SAME[0][0]}")
    (fact,) = await trial.facts("task.coalesced")
    assert (fact["about"], fact["data"]["into"]) == (second.id, first.id)
    assert ALIKE * 1e6 <= fact["data"]["similarity"] <= 1e6
    assert "the same in other words" in (await trial.workspace.why(second.id))["sentence"]
    (decision,) = [each for each in (await trial.workspace.timeline(second.id))["decisions"] if each["kind"] == "coalesce"]
    assert ALIKE <= decision["margin"] <= 1


async def test_it_ends_with_its_time_and_joins_work_under_way(tutti):
    fleet, asked = answering(same_by="meaning", across_subjects=True)
    trial = tutti(fleet)
    await trial.advance(timedelta())
    one = await trial.workspace.submit("question.answer", SAME[1][0], subject="account/1")
    two = await trial.workspace.submit("question.answer", SAME[1][1], subject="account/2")
    await trial.advance(timedelta())
    assert trial.task(two).coalesced_into == one
    await trial.advance(timedelta(minutes=11))
    await trial.submit("question.answer", SAME[1][1], subject="account/2")
    assert asked == [SAME[1][0], SAME[1][1]]


async def test_it_is_off_unless_a_skill_says_so(tutti):
    fleet, asked = answering()
    trial = tutti(fleet)
    for text in SAME[0]:
        await trial.submit("question.answer", text)
    assert asked == list(SAME[0])


async def test_an_erased_subjects_words_are_forgotten(tutti):
    fleet, asked = answering(same_by="meaning")
    trial = tutti(fleet)
    await trial.submit("question.answer", SAME[0][0], subject="account/1")
    await trial.workspace.erase("account/1")
    await trial.submit("question.answer", SAME[0][1], subject="account/1")
    assert len(asked) == 2


@pytest.mark.parametrize("options", [{"same_by": "sound"}, {"same_by": "meaning", "alike": 0.0}, {"same_by": "meaning", "alike": 1.5}])
def test_a_declaration_that_cannot_work(options: dict[str, Any]):
    with pytest.raises(Invalid, match="same_by is exact or meaning"):
        answering(**options)


def test_meaning_needs_a_time_for_which_it_holds():
    with pytest.raises(Invalid, match="same_by needs fresh_for"):
        Fleet("x").agent(skill="a.b", department="d", same_by="meaning")
