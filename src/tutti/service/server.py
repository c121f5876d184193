"""Running a service: one process, one port, a key of its own; stopped gently by SIGTERM."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from tutti.clock import SystemClock
from tutti.connection import Connection, close_listener
from tutti.errors import Conflict, Overloaded, Refused, TuttiError, Unreachable
from tutti.halting import on_halt
from tutti.ids import Ids
from tutti.security import Egress, Secrets, SigningKey, certified
from tutti.service import identity
from tutti.service.app import Admit, Door, bearer
from tutti.service.membership import Membership
from tutti.service.offers import Offers, card_of
from tutti.service.work import Work
from tutti.transports import Mode, Outside
from tutti.transports.a2a import sign, wire

log = logging.getLogger("tutti")
_AGAIN_S, _AGAIN_MOST_S = 1.0, 30.0  # until a workspace that did not answer is asked again
_KEEP_ALIVE_S = 75  # longer than any client keeps a connection, so that none is closed under a request
_BACKLOG = 512
_LAME_S = 1.0  # for callers with a connection to come by once more and be told to go elsewhere, rather than meet a closed door
_STEP_S = 0.02


def _connection(within_s: float) -> type[Connection]:
    class Called(Connection):
        """By one caller, who needs no room for cookies."""

        header_s = within_s
        header_bytes = 32 * 1024

    return Called


@dataclass(frozen=True, slots=True)
class Place:
    """Where and how a service listens."""

    host: str = "127.0.0.1"
    port: int = 0  # 0: one that is free
    public_url: str = ""  # where callers find it, when that is not where it listens
    token: str = ""  # that callers must send; empty: none (loopback only)
    certificate: str = ""
    certificate_key: str = ""
    behind_proxy: bool = False  # TLS ends before it
    takeover: bool = False  # listen beside the process that has the port, and go on when that one is stopped
    open_tasks: int = 1000  # at a time
    kept_tasks: int = 10_000  # ended ones, and their keys
    grace: timedelta = timedelta(seconds=10)  # for tasks under way when it is stopped
    threads: int = 16

    def check(self, *, enrolled: bool = False) -> None:
        """Refuse to be reachable by others without a token, or with one that everybody on the way can read. Raises: `Refused`.

        An agent that is enrolled takes its workspace's tokens and needs none of its own.
        """
        try:
            loopback = ip_address(self.host).is_loopback
        except ValueError:
            loopback = self.host == "localhost"
        if loopback:
            return
        if not self.token and not enrolled:
            raise Refused(
                f"On {self.host} everybody could call this agent.", hint="Give it --token-file, or --server and --enrol, or let it listen on 127.0.0.1."
            )
        if not self.certificate and not self.behind_proxy:
            raise Refused(f"On {self.host} the token would go over the wire in the clear.", hint="Give --tls-cert and --tls-key, or --behind-proxy.")


@dataclass(slots=True)
class Service:
    """A service ready to run; `run` serves until SIGINT or SIGTERM, or until `stop` is set."""

    offers: Offers
    place: Place
    key: Path
    admit: Admit | None = None
    server: str = ""  # of the workspace that it is enrolled at, or is to be with `code`
    code: str = ""
    header_s: float = Connection.header_s
    certificate: str = ""  # file with the certificate and key that is shown to who asks for one
    guard_logs: bool = False  # take secrets out of what this process logs
    joined: dict[str, Any] | None = None  # what that workspace said of it

    async def run(self, *, ready: Callable[[str, str], None] | None = None, stop: asyncio.Event | None = None) -> None:
        """Serve. `ready` is called with the url and the key's public half (hex) when it listens.

        At the end no task is taken in, those under way may finish for `place.grace`, and their ends can still be fetched meanwhile.
        Raises: `Refused`, `Conflict` when the port is taken, `StorageFailed`.
        """
        clock = SystemClock()
        outside = Outside(Egress(tls=certified(self.certificate)), Secrets(), clock, Ids(clock))
        if self.guard_logs:
            outside.secrets.guard_logs()
        kept = self.key.with_name(f"{self.key.stem}.enrolled.json")
        membership = Membership(self.offers.name, kept, outside, self.server, self.code) if self.server or self.code or kept.exists() else None
        self.place.check(enrolled=membership is not None)
        key = identity.load_or_create(self.key)
        listener = listen(self.place)
        executors: dict[Mode, Executor] = {}
        work = Work(self.offers.skills, outside, lambda mode: _executor(executors, mode, self.place), most=self.place.open_tasks, kept=self.place.kept_tasks)
        try:
            url = self.place.public_url.rstrip("/") or _url(self.place, listener.getsockname()[1])
            admit = self.admit or _admit(self.place.token, membership)
            card = card_of(self.offers, url, bearer=admit is not None)
            door = Door(
                work, sign(card, key, key.public.hex()[:16]), admit, lambda challenge: key.sign(wire.proof_statement(challenge)).hex(), outside.ids.new("p")
            )
            chores: list[asyncio.Task[None]] = []

            async def started() -> None:
                if membership is not None:
                    await self._join(membership, key, url, chores)
                if ready is not None:
                    ready(url, key.public.hex())

            try:
                await self._serve(door, listener, stop or asyncio.Event(), started)
            finally:
                for chore in chores:
                    chore.cancel()
                await asyncio.gather(*chores, return_exceptions=True)
        finally:
            work.close()
            listener.close()
            await outside.close()
            for executor in executors.values():
                executor.shutdown(wait=False, cancel_futures=True)

    async def _join(self, membership: Membership, key: SigningKey, url: str, chores: list[asyncio.Task[None]]) -> None:
        """Come in. Who is enrolled already serves meanwhile, and comes again when the workspace answers."""
        try:
            self.joined = await membership.join(key, url)
        except (Unreachable, Overloaded) as error:
            if membership.code:
                raise
            log.warning("%s; it is tried again", error.message)
            chores.append(asyncio.create_task(self._join_later(membership, key, url)))

    async def _join_later(self, membership: Membership, key: SigningKey, url: str) -> None:
        pause = _AGAIN_S
        while True:
            await asyncio.sleep(pause)
            pause = min(pause * 2, _AGAIN_MOST_S)
            try:
                self.joined = await membership.join(key, url)
            except (Unreachable, Overloaded) as error:
                log.debug("%s", error.message)
            except TuttiError as error:
                log.error("%s %s", error.message, error.hint)
                return
            else:
                return

    async def _serve(self, door: Door, listener: socket.socket, stop: asyncio.Event, started: Callable[[], Awaitable[None]]) -> None:
        import uvicorn

        listening = asyncio.Event()

        class Server(uvicorn.Server):
            @contextlib.contextmanager
            def capture_signals(self) -> Iterator[None]:
                with on_halt(self._halt):  # in a thread that is not the main one, whoever runs it sets `stop`
                    yield

            def _halt(self) -> None:
                self.force_exit = self.should_exit = stop.is_set()  # the first lets tasks finish, the second stops at once
                stop.set()

            async def startup(self, sockets: list[socket.socket] | None = None) -> None:
                await super().startup(sockets)
                listening.set()

        connection = _connection(self.header_s)
        config = uvicorn.Config(
            door, http=connection, headers=[("tutti-process", door.process)], loop="none", ws="none", lifespan="off", log_config=None, log_level="critical", access_log=False, proxy_headers=False, server_header=False,
            date_header=False, timeout_keep_alive=_KEEP_ALIVE_S, timeout_graceful_shutdown=1, backlog=_BACKLOG,
            ssl_certfile=self.place.certificate or None, ssl_keyfile=self.place.certificate_key or None,
        )  # fmt: skip
        server = Server(config)
        serving = asyncio.create_task(server.serve([listener]))
        try:
            await _first(listening.wait(), serving)
            if listening.is_set():
                coming = asyncio.ensure_future(started())
                await asyncio.wait({coming, serving, waiting := asyncio.create_task(stop.wait())}, return_when=asyncio.FIRST_COMPLETED)
                waiting.cancel()
                if coming.done():
                    coming.result()  # one that is not let in does not stay
                coming.cancel()
            await _first(stop.wait(), serving)
            door.draining = True
            await _first(_within(door.work.idle(), self.place.grace.total_seconds()), serving)
            connection.last = True  # not before: on a shared port, whoever follows a task here would come to another process
            await _first(_within(_left(server.server_state.connections), _LAME_S), serving)
            made = partial(connection, config=config, server_state=server.server_state, app_state=server.lifespan.state)
            await _first(close_listener(listener, server.servers, made, config.ssl), serving)
            await _first(_within(_left(server.server_state.connections), _LAME_S), serving)
            server.should_exit = True
            await serving
        finally:
            server.should_exit = server.force_exit = True
            await asyncio.wait({serving}, timeout=_LAME_S)
            serving.cancel()
            await asyncio.gather(serving, return_exceptions=True)


async def _first(work: Any, serving: asyncio.Task[None]) -> None:
    """Wait for work, or for the server's end."""
    task = asyncio.ensure_future(work)
    await asyncio.wait({task, serving}, return_when=asyncio.FIRST_COMPLETED)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def _left(connections: set[Any]) -> None:
    """Wait until nobody is connected."""
    while connections:  # noqa: ASYNC110  the server tells nobody when a connection goes
        await asyncio.sleep(_STEP_S)


async def _within(work: Any, seconds: float) -> None:
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await work


def listen(place: Place) -> socket.socket:
    """A listening socket. Raises: `Conflict` when the port is taken (by another service, unless it is to take that one's place)."""
    family = socket.AF_INET6 if ":" in place.host else socket.AF_INET
    try:
        if place.port and not place.takeover:
            with socket.socket(family, socket.SOCK_STREAM) as probe:  # one that shares its port would let another bind it unseen
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                probe.bind((place.host, place.port))
        listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)  # said, so that asyncio has answers leave at once (TCP_NODELAY)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        listener.bind((place.host, place.port))
        listener.listen(_BACKLOG)
        listener.setblocking(False)
    except OSError as error:
        raise Conflict(
            f"{place.host}:{place.port} cannot be listened on: {error.strerror or error}.", hint="Stop what has the port, or give another --port."
        ) from error
    return listener


def _admit(token: str, membership: Membership | None) -> Admit | None:
    """Whose calls are taken: of who sends the token, of the workspace that it is enrolled at, or everybody's."""
    if membership is None:
        return bearer(token) if token else None
    own = bearer(token) if token else None
    return lambda header: membership.admits(header) or (own is not None and own(header))


def _url(place: Place, port: int) -> str:
    host = f"[{place.host}]" if ":" in place.host else place.host
    return f"{'https' if place.certificate else 'http'}://{host}:{port}"


def _executor(executors: dict[Mode, Executor], mode: Mode, place: Place) -> Executor:
    if mode not in executors:
        if mode == "process":
            import multiprocessing

            executors[mode] = ProcessPoolExecutor(2, mp_context=multiprocessing.get_context("spawn"))
        else:
            executors[mode] = ThreadPoolExecutor(place.threads, thread_name_prefix="tutti-agent")
    return executors[mode]
