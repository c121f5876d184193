"""google-adk's RemoteA2aAgent against a running fleet. Exit code 0: all as it must be."""

from __future__ import annotations

import asyncio
import os
import warnings

warnings.simplefilter("ignore")

import httpx  # noqa: E402
from google.adk.agents.remote_a2a_agent import RemoteA2aAgent  # noqa: E402
from google.adk.runners import InMemoryRunner  # noqa: E402
from google.genai import types  # noqa: E402

URL, TOKEN = os.environ["INTEROP_URL"], os.environ["INTEROP_TOKEN"]


async def said(runner: InMemoryRunner, session: str, text: str) -> str:
    """What the remote agent answers in a session."""
    words = []
    message = types.Content(role="user", parts=[types.Part(text=text)])
    async for event in runner.run_async(user_id="u", session_id=session, new_message=message):
        if event.error_message:
            raise AssertionError(event.error_message)
        words += [part.text for part in (event.content.parts if event.content else None) or [] if part.text]
        # a question of the agent comes as a call that waits for its response
        words += [str(part.function_call.args) for part in (event.content.parts if event.content else None) or [] if part.function_call]
    return " ".join(words)


async def main() -> None:
    """Send, and converse."""
    async with httpx.AsyncClient(headers={"authorization": f"Bearer {TOKEN}"}, timeout=30) as http:
        for name, turns in (("parrot", [("hello", "You said: hello")]), ("clerk", [("a refund", "Which account?")])):
            agent = RemoteA2aAgent(name=name, agent_card=f"{URL}/agents/{name}/.well-known/agent-card.json", httpx_client=http)
            runner = InMemoryRunner(agent=agent, app_name="interop")
            session = await runner.session_service.create_session(app_name="interop", user_id="u")
            for text, expected in turns:
                answer = await said(runner, session.id, text)
                assert expected in answer, f"{name}: {answer!r}"
    print("  send (streamed by its default), a question of the agent")


asyncio.run(main())
