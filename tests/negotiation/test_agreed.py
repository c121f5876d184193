"""What all have agreed to is settled, though another outcome looks better by a hair after each answer."""

from __future__ import annotations

from tutti.model.negotiation import Case, Exchange, Issue, Level, Party, Reply
from tutti.negotiation import Ask, End, Propose, step


def test_a_first_yes_is_enough_where_nothing_is_much_better() -> None:
    issues = tuple(Issue(f"issue {at}", tuple("abcd")) for at in range(3))
    case = Case("hair", issues, (Party("silent", Level.RANK), Party("keen", Level.ANSWER)), messages=3, turns=12)
    said: list[Exchange] = []
    offered = 0
    now = step(case, said)
    while isinstance(now, Ask | Propose):
        offered += isinstance(now, Propose)
        said += [
            Exchange(
                question, Reply(question.party, question.number, missing="garbled") if question.party == 0 else Reply(question.party, question.number, True)
            )
            for question in now.questions
        ]
        now = step(case, said)
    assert isinstance(now, End)
    assert now.how == "settled"
    assert offered <= 1
