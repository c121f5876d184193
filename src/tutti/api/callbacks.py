"""Where agents outside report: pushed updates of A2A tasks, and signed answers of agents over HTTP. The address of each is a secret by itself."""

from __future__ import annotations

from fastapi import APIRouter, Response

from tutti.app import Workspace
from tutti.errors import NotFound
from tutti.transports.a2a import PUSH_PATH, pushes


def routes(workspace: Workspace) -> APIRouter:
    """The routes; none of them asks for a caller, for each call's address holds a token that only the agent was given."""
    router = APIRouter(tags=["callbacks"])

    @router.post(PUSH_PATH + "{token}", status_code=204, summary="An A2A agent says that a task has moved")
    async def pushed(token: str) -> Response:
        """The task is looked at; what the push itself says is not read."""
        if not pushes(workspace.outside).wake(token):
            raise NotFound("There is no such callback.")
        return Response(status_code=204)

    return router
