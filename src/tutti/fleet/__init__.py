"""What a user writes: agents, actions, subscriptions, checks, levels, budgets, policies and goals. A `Fleet` only declares.

fleet = Fleet("support")

@fleet.agent(skill="ticket.triage", department="support")
async def triage(ticket: Ticket, ctx: Context) -> Triage: ...

fleet.on("ticket.opened", do="ticket.triage", priority=2)
"""

from tutti.fleet.declared import Remote
from tutti.fleet.fleet import Fleet
from tutti.fleet.marks import action, skill
from tutti.fleet.playbooks import step

__all__ = ["Fleet", "Remote", "action", "skill", "step"]
