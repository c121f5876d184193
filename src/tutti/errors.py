"""Everything that can go wrong, by family. A message tells what happened, to what, and what to do next."""

from __future__ import annotations

from typing import Any, ClassVar


class TuttiError(Exception):
    """The root. `code` is stable, `retry` says whether the same call may succeed later, `hint` what to do next."""

    code: ClassVar[str] = "failed"
    retry: ClassVar[bool] = False

    def __init__(self, message: str, *, hint: str = "", **about: Any) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.about = about

    @property
    def words(self) -> str:
        """Message and hint, for where there is room for one text."""
        stop = "" if not self.hint or self.message.endswith((".", "!", "?", ":")) else "."
        return f"{self.message}{stop} {self.hint}".strip()


class Invalid(TuttiError, ValueError):
    """What came in does not have the form it must have."""

    code = "invalid"


class NotFound(TuttiError):
    """There is no such thing in this workspace."""

    code = "not_found"


class Conflict(TuttiError):
    """The thing has moved on since it was read; read it again and decide anew."""

    code = "conflict"
    retry = True


class Refused(TuttiError):
    """Policy, level, budget, kill switch or a missing key says no."""

    code = "refused"


class Unauthenticated(TuttiError):
    """Nobody knows who calls: the token is missing, expired, revoked or not one."""

    code = "unauthenticated"


class NoRoute(TuttiError):
    """No agent can take the task."""

    code = "no_route"


class AgentFailed(TuttiError):
    """An agent raised, returned the wrong type, or never answered."""

    code = "agent_failed"


class DeadlinePassed(TuttiError):
    """The task's deadline is over."""

    code = "deadline_passed"


class Overloaded(TuttiError):
    """A bounded queue is full; nothing was taken. Try again later."""

    code = "overloaded"
    retry = True


class StorageFailed(TuttiError):
    """The database cannot write (disk full, read-only, locked, connection lost). Nothing acknowledged was lost."""

    code = "storage_failed"
    retry = True


class JournalBroken(TuttiError):
    """The record does not verify: a fact, a payload or a head is not what was sealed."""

    code = "journal_broken"


class Unreachable(TuttiError):
    """No `tutti up` answers on the socket."""

    code = "unreachable"
    retry = True
