"""The client for asyncio: each call is awaited."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Generic, ParamSpec, TypeVar

from tutti.client import calls
from tutti.client.line import PATIENCE, placed
from tutti.client.synchronous import PATIENT, PAUSE, SILENCE
from tutti.client.turns import TRIES, Ask, Call, Event, Reply, Stream, new_key, problem, talk
from tutti.errors import Overloaded, Unreachable

if TYPE_CHECKING:
    import aiohttp

P = ParamSpec("P")
R = TypeVar("R")


class _Operation(Generic[P, R]):
    """A call of the table as a method that is awaited."""

    def __init__(self, make: Callable[P, Call[R]]) -> None:
        self._make = make
        self.__doc__ = make.__doc__

    def __get__(self, client: AsyncClient, _: type[AsyncClient]) -> Callable[P, Awaitable[R]]:
        async def operation(*args: P.args, **more: P.kwargs) -> R:
            return await client.ask(self._make(*args, **more))

        operation.__doc__ = self.__doc__
        return operation


class AsyncClient:
    """`Client` for asyncio, with one pool of connections. Close it, or use it with `async with`."""

    def __init__(
        self, where: str | Path, token: str = "", *, timeout: float = PATIENCE, tls: ssl.SSLContext | None = None, tries: int = TRIES, key: Callable[[], str] = new_key
    ) -> None:  # fmt: skip
        scheme, self._place = placed(where)
        self._unix = scheme == "unix"
        self._base = "http://tutti" if self._unix else f"{scheme}://{self._place}"
        self._token = token
        self._timeout = timeout
        self._tls = tls
        self._tries = tries
        self._key = key
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> AsyncClient:
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await self.close()

    async def close(self) -> None:
        """Let go of all connections."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def ask(self, call: Call[R]) -> R:
        """Make a call. The methods below do."""
        turns = talk(call, token=self._token, key=self._key, tries=self._tries)
        reply: Reply | Unreachable | None = None
        while True:
            try:
                step = turns.send(reply)
            except StopIteration as done:
                answer: R = done.value
                return answer
            reply = None
            if isinstance(step, Ask):
                try:
                    reply = await self._exchange(step)
                except Unreachable as error:
                    reply = error
            else:
                await asyncio.sleep(step.seconds)

    async def _exchange(self, ask: Ask) -> Reply:
        import aiohttp
        from yarl import URL

        try:
            async with self._connected().request(
                ask.method, URL(self._base + ask.target, encoded=True), headers=ask.headers, data=ask.body or None, allow_redirects=False,
                timeout=aiohttp.ClientTimeout(self._timeout),
            ) as answer:  # fmt: skip
                return Reply(answer.status, await answer.read(), answer.headers.get("retry-after", ""))
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise self._unreachable(error) from None

    async def events(self, after: int | None = None) -> AsyncIterator[Event]:
        """Changes as they happen, from the one after `after` on (from now on, without). A broken stream is resumed where it stopped.

        Raises: `Unreachable` when it cannot be resumed for a minute.
        """
        import aiohttp
        from yarl import URL

        stream, loop = Stream(after), asyncio.get_running_loop()
        lost_at: float | None = None
        headers = {"accept": "text/event-stream"} | ({"authorization": f"Bearer {self._token}"} if self._token else {})
        while True:
            try:
                call = stream.call()
                timeout = aiohttp.ClientTimeout(total=None, sock_read=SILENCE)
                async with self._connected().get(
                    URL(self._base + call.target, encoded=True), headers=headers, allow_redirects=False, timeout=timeout
                ) as answer:
                    if answer.status != 200:
                        raise problem(call, Reply(answer.status, await answer.read(), answer.headers.get("retry-after", "")))
                    async for line in answer.content:
                        lost_at = None
                        event = stream.feed(line.decode().rstrip("\r\n"))
                        if event is not None:
                            yield event
            except (aiohttp.ClientError, TimeoutError, OSError, Unreachable, Overloaded) as error:
                lost_at = lost_at or loop.time()
                if loop.time() - lost_at > PATIENT:
                    raise error if isinstance(error, Unreachable | Overloaded) else self._unreachable(error) from None
            await asyncio.sleep(PAUSE)

    def _connected(self) -> aiohttp.ClientSession:
        if self._session is None:
            import aiohttp

            connector = aiohttp.UnixConnector(self._place) if self._unix else aiohttp.TCPConnector(ssl=self._tls if self._tls is not None else True)
            self._session = aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.DummyCookieJar())
        return self._session

    def _unreachable(self, error: Exception) -> Unreachable:
        where = self._place if self._unix else self._base
        return Unreachable(f"{where} does not answer ({error or type(error).__name__}).", hint="See whether `tutti up` runs there.")

    send = _Operation(calls.send)
    send_batch = _Operation(calls.send_batch)
    submit = _Operation(calls.submit)
    tasks = _Operation(calls.tasks)
    task_counts = _Operation(calls.task_counts)
    task = _Operation(calls.task)
    wait = _Operation(calls.wait)
    cancel = _Operation(calls.cancel)
    answer = _Operation(calls.answer)
    settle = _Operation(calls.settle)
    rate = _Operation(calls.rate)
    negotiate = _Operation(calls.negotiate)
    negotiations = _Operation(calls.negotiations)
    negotiation = _Operation(calls.negotiation)
    plan = _Operation(calls.plan)
    approvals = _Operation(calls.approvals)
    approval = _Operation(calls.approval)
    answer_approval = _Operation(calls.answer_approval)
    change_approval = _Operation(calls.change_approval)
    hand_over = _Operation(calls.hand_over)
    take_over = _Operation(calls.take_over)
    conflicts = _Operation(calls.conflicts)
    conflict = _Operation(calls.conflict)
    settle_conflict = _Operation(calls.settle_conflict)
    undo = _Operation(calls.undo)
    agents = _Operation(calls.agents)
    card = _Operation(calls.card)
    register = _Operation(calls.register)
    upgrade = _Operation(calls.upgrade)
    drain = _Operation(calls.drain)
    retire = _Operation(calls.retire)
    set_level = _Operation(calls.set_level)
    kill_switches = _Operation(calls.kill_switches)
    kill = _Operation(calls.kill)
    lift = _Operation(calls.lift)
    goals = _Operation(calls.goals)
    set_goal = _Operation(calls.set_goal)
    prioritise = _Operation(calls.prioritise)
    why = _Operation(calls.why)
    replay = _Operation(calls.replay)
    lineage = _Operation(calls.lineage)
    measures = _Operation(calls.measures)
    head = _Operation(calls.head)
    heads = _Operation(calls.heads)
    facts = _Operation(calls.facts)
    leaves = _Operation(calls.leaves)
    prove_inclusion = _Operation(calls.prove_inclusion)
    prove_consistency = _Operation(calls.prove_consistency)
    erase = _Operation(calls.erase)
    backup = _Operation(calls.backup)
    health = _Operation(calls.health)
