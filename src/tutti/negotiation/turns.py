"""Free bargaining as a case that is stepped through like a mediated one: whose turn it is, from what was said so far."""

from __future__ import annotations

from collections.abc import Sequence

from tutti.model.negotiation import Case, Exchange, Question
from tutti.negotiation.alternating import Act, Move, table
from tutti.negotiation.mediator import Ask, End
from tutti.negotiation.space import Space

_ENDS = {
    "left": "somebody left",
    "out of turns": "all turns were taken and no offer was accepted by all",
    "": "time or money was up before an offer was accepted by all",
}


def alternate(case: Case, said: Sequence[Exchange], *, last: bool = False) -> Ask | End:
    """What happens next: the next turn, or the end. The same exchanges give the same; with `last` it is the end at once."""
    stand = table(case, [move_of(each) for each in said])
    if stand.over and stand.why == "agreed":
        return End(stand.offer, "settled", "everybody accepted the offer")
    if stand.over or last:
        return End(None, "fallback", _ENDS[stand.why])
    mine = [each for each in said if each.question.party == stand.party]
    allowed = Space(case.sizes, case.policy, case.approval).unattended.allows
    refused = tuple(dict.fromkeys(move.offer for move in map(move_of, mine) if move.offer is not None and not allowed(move.offer)))
    return Ask((Question(stand.party, 1 + len(mine), "offer", ((stand.offer,), refused) if refused else ((stand.offer,),)),))


def move_of(exchange: Exchange) -> Move:
    """What a party did in its turn: silence and nonsense pass, who has gone has left."""
    question, reply = exchange
    if reply.missing:
        return Move(question.party, Act.LEAVE if reply.missing == "gone" else Act.PASS)
    if reply.value is True:
        return Move(question.party, Act.ACCEPT)
    return Move(question.party, Act.PASS) if reply.value is False else Move(question.party, Act.OFFER, reply.value)
