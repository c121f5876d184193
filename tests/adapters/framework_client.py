"""A chat client of Microsoft Agent Framework for the scripted model: the library's core brings none."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import aiohttp
from agent_framework import Agent, BaseChatClient, ChatResponse, ChatResponseUpdate, Content, FunctionInvocationLayer, Message


class Scripted(FunctionInvocationLayer, BaseChatClient):
    """Sends the conversation to the scripted model and takes its answer."""

    def __init__(self, url: str) -> None:
        super().__init__()
        self._url = url

    def _inner_get_response(self, *, messages: Any, stream: bool, options: Any, **_: Any) -> Any:
        async def updates() -> AsyncIterator[ChatResponseUpdate]:
            yield ChatResponseUpdate(role="assistant", contents=await self._answer(messages))

        async def whole() -> ChatResponse:
            return ChatResponse(messages=[Message(role="assistant", contents=await self._answer(messages))])

        return self._build_response_stream(updates()) if stream else whole()

    async def _answer(self, messages: Any) -> list[Any]:
        told = []
        for message in messages:
            for content in message.contents:
                said = {"role": str(message.role), "content": content.text} if content.type == "text" else None
                if content.type == "function_result":
                    said = {"role": "tool", "content": str(content.result)}
                told += [said] if said else []
        body = {"model": "scripted", "messages": told}
        async with aiohttp.ClientSession() as session, session.post(f"{self._url}/chat/completions", json=body) as response:
            answer = (await response.json())["choices"][0]["message"]
        calls = answer.get("tool_calls") or ()
        made = [Content.from_function_call(call["id"], call["function"]["name"], arguments=call["function"]["arguments"]) for call in calls]
        return made or [Content.from_text(answer["content"])]


def client(url: str, **options: Any) -> Agent:
    """An agent whose model is the scripted one."""
    return Agent(Scripted(url), "Help.", name="helper", **options)
