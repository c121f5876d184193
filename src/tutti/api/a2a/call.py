"""A call of A2A: who calls, at which agent's address, what they may do, and the house's errors by A2A's names."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, MutableMapping
from contextlib import contextmanager
from typing import Any, Protocol

from a2a.utils.errors import A2AError, ContentTypeNotSupportedError, InternalError, InvalidParamsError, TaskNotFoundError

from tutti import access
from tutti.api.a2a.reading import UnreadableParts
from tutti.errors import Invalid, NoRoute, NotFound, Refused, TuttiError
from tutti.model.caller import Caller

log = logging.getLogger("tutti.api")
Row = Mapping[str, Any]
LONGEST = 256  # characters that a client's id of a context, a message or a webhook may have


class Context(Protocol):
    """What is known of a call; the SDK has more of it."""

    @property
    def state(self) -> MutableMapping[str, Any]:
        """The caller, the agent whose address was called, the headers, the base address, and the ASGI scope."""


@contextmanager
def refusals(context: Context) -> Iterator[None]:
    """Give the house's errors their A2A names. What A2A leaves to HTTP (who may, when to come again) is left in the scope for the route."""
    try:
        yield
    except A2AError:
        raise
    except UnreadableParts as error:
        raise ContentTypeNotSupportedError(error.words) from error
    except (Invalid, NoRoute) as error:
        raise InvalidParamsError(error.words, {"errors": [{"field": "message", "message": error.words}]}) from error
    except NotFound as error:
        raise TaskNotFoundError(error.message) from error
    except TuttiError as error:
        context.state["scope"]["tutti.a2a.refusal"] = error
        raise InternalError(error.message) from error
    except Exception as error:
        log.error("an A2A request met a defect", exc_info=error)
        raise InternalError("Tutti met a defect of its own; its log has the details.") from error


def caller_of(context: Context) -> Caller:
    """Who calls."""
    caller: Caller = context.state["caller"]
    return caller


def agent_of(context: Context) -> str:
    """The agent whose address was called; empty at the workspace's own."""
    return str(context.state["agent"])


def permit(caller: Caller, action: str, row: Row | None = None, *, department: str = "", hidden: bool = False) -> None:
    """Raises: `Refused`, or with `hidden` `TaskNotFoundError`: what the caller may not know of is not there."""
    answer = access.decide(caller, action, access.Resource("tasks", "", department) if row is None else thing_of(row))
    if answer.allowed:
        return
    if hidden and row is not None:
        raise TaskNotFoundError(f"There is no task {row['id']}.")
    raise Refused(answer.reason, hint="Ask the workspace's owner for a role or a token that allows it.")


def thing_of(row: Row) -> access.Resource:
    """A task as rules speak of it."""
    return access.Resource("tasks", row["id"], row["department"] or "", row["caller"] or "")
