"""A caller: who stands behind a request, and how far their authority goes."""

from __future__ import annotations

from dataclasses import dataclass

EVERY = "*"


@dataclass(frozen=True, slots=True)
class Caller:
    """An authenticated person, service or agent.

    Authority is the least of three: what the roles allow in these departments, what the scopes leave of it, and what each
    link of `chain` (those on whose behalf the caller acts) may do.
    """

    id: str  # person/ana, service/crm or agent/pricing
    roles: tuple[str, ...] = ()
    departments: tuple[str, ...] = (EVERY,)
    scopes: tuple[str, ...] | None = None  # patterns `resource:id:action`; None leaves all that the roles allow
    chain: tuple[Caller, ...] = ()

    @property
    def kind(self) -> str:
        """person, service or agent."""
        return self.id.partition("/")[0]


OWNER = Caller("person/owner", ("owner",))
